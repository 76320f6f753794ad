//! `{:?}` of a handle is a line for a log: no addresses, no payloads.
#![allow(missing_docs)]

use seqring::{Batch, BlockedOn, Config, Delivery, Ring, Start};
use std::fmt::Debug;

#[track_caller]
fn assert_short(of: &dyn Debug, expected: &str) {
    assert_eq!(format!("{of:?}"), expected);
}

#[test]
fn the_debug_of_handles_is_a_line() {
    let ring = Ring::heap(&Config::slots(8).of_bytes(4096)).unwrap();
    let line = "Ring { slots: 8 x 4096 bytes, delivery: Gated }";
    assert_short(&ring, line);
    let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
    assert_short(&writer, &format!("Writer(next 0, {line})"));
    assert_short(&writer.claim(5).unwrap(), "Claim(5 bytes in the ring)");
    writer.write(b"message").unwrap();
    assert_short(&reader, &format!("Reader(next 0, {line})"));
    let received = "Received { sequence: 0, len: 7, tag: None, timestamp_ns: None }";
    assert_short(&reader.view().unwrap(), &format!("View {{ received: {received}, in_place: true }}"));
    let mut batch = Batch::new(4, 1 << 20);
    writer.write(b"message").unwrap();
    reader.read_each(&mut batch).unwrap();
    assert_short(&batch, "Batch(1 of 4 messages)");
    let parked = reader.park().unwrap();
    assert!(
        format!("{parked:?}").starts_with(&format!("Parked {{ attachment: {line}, ticket:")),
        "{parked:?}"
    );
    assert_short(&[7].into_iter().collect::<BlockedOn>(), "BlockedOn { count: 1, pids: [7] }");
}

#[test]
fn the_debug_of_a_taker_is_a_line() {
    let ring = Ring::heap(&Config::slots(8).of_bytes(64).delivery(Delivery::Queue)).unwrap();
    let (mut writer, mut taker) = (ring.writer().unwrap(), ring.taker().unwrap());
    writer.write(b"message").unwrap();
    assert_short(&taker, "Taker(next 0, Ring { slots: 8 x 64 bytes, delivery: Queue })");
    let received = "Received { sequence: 0, len: 7, tag: None, timestamp_ns: None }";
    assert_short(&taker.take().unwrap(), &format!("Taken({received})"));
}
