//! A gated writer touches no bytes that a reader may still be reading: payloads are cells that loom guards.

use super::{message, number};
use seqring::model::exclusive_payloads;
use seqring::{Config, Ring, SlotClass, Start, TryReadError};

pub(super) fn inline() {
    write_against_reads(SlotClass::Packed);
}

pub(super) fn arena() {
    write_against_reads(SlotClass::Arena);
}

/// One slot: each message needs the one before it to be read.
fn write_against_reads(class: SlotClass) {
    exclusive_payloads(true);
    let ring = Ring::heap(&Config::new(1, 16).participants(2).slot_class(class)).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = loom::thread::spawn(move || {
        for _ in 0..2 {
            let n = writer.next_sequence();
            let _ = writer.try_write(&message(n));
        }
    });
    let (mut out, mut next) = ([0; 16], 0);
    for _ in 0..2 {
        match reader.try_read(&mut out) {
            Ok(_) => {
                assert_eq!(number(&out), next);
                next += 1;
            }
            Err(TryReadError::Empty | TryReadError::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }
    writing.join().unwrap();
}
