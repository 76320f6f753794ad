//! Each call that makes a change wakes the threads that sleep until it. Between threads a sleep has
//! no time limit: a thread that is not woken stays asleep, and the test fails by its own timeout.
#![allow(missing_docs)]

mod common;

use common::{CLASSES, TEST_TIMEOUT};
use seqring::{
    Config, Delivery, MessageHeader, ReadError, Reader, Ring, Role, SlotClass, Start, WaitStrategy, Writer,
    Writers,
};
use std::sync::mpsc::channel;
use std::thread;

const SLOT_BYTES: usize = 8;

/// Runs `wait` in a thread, and `change` when a participant of that role sleeps. Returns the result
/// of `wait`.
fn woken<T: Send + 'static>(
    ring: &Ring,
    role: Role,
    wait: impl FnOnce() -> T + Send + 'static,
    change: impl FnOnce(),
) -> T {
    let (done, result) = channel();
    thread::spawn(move || done.send(wait()));
    // The participant table counts sleeps.
    while !ring.participants().iter().any(|one| one.role == role && one.sleeps > 0) {
        thread::yield_now();
    }
    change();
    result.recv_timeout(TEST_TIMEOUT).expect("no wake came")
}

fn reader(ring: &Ring) -> Reader {
    let mut reader = ring.reader(Start::Next).unwrap();
    reader.set_wait_strategy(WaitStrategy::SLEEPING);
    reader
}

fn writer(ring: &Ring) -> Writer {
    let mut writer = ring.writer().unwrap();
    writer.set_wait_strategy(WaitStrategy::SLEEPING);
    writer
}

/// With each publisher, and with a message header, which the fast path does not write.
fn gated(slots: usize) -> impl Iterator<Item = Ring> {
    let one = CLASSES.map(|class| Config::slots(slots).of_bytes(SLOT_BYTES).slot_class(class));
    let many = Config::slots(slots).of_bytes(SLOT_BYTES).writers(Writers::Many);
    let tagged = Config::slots(slots).of_bytes(SLOT_BYTES).slot_class(SlotClass::Packed).tag(true);
    one.into_iter().chain([many, tagged]).map(|config| Ring::heap(&config).unwrap())
}

type Write = fn(&mut Writer);

const WRITES: [Write; 4] = [
    |writer| _ = writer.try_write(b"a").unwrap(),
    |writer| _ = writer.try_claim(1).unwrap().publish().unwrap(),
    |writer| _ = writer.try_write_each(&[b"a"]).unwrap(),
    |writer| _ = writer.try_write_with(b"a", &MessageHeader::default()).unwrap(),
];

/// Fails if a form of writing does not notify readers.
#[test]
fn each_form_of_a_write_wakes_a_reader() {
    // A lossy ring marks its slots, also on the fast path.
    let lossy = || Ring::heap(&Config::slots(4).of_bytes(SLOT_BYTES).delivery(Delivery::Lossy)).unwrap();
    let rings = || gated(4).chain([lossy()]);
    for (write, ring) in WRITES.iter().flat_map(|write| rings().map(move |ring| (write, ring))) {
        let (mut reader, mut writer) = (reader(&ring), ring.writer().unwrap());
        // Only a later message is on the fast path.
        writer.try_write(b"first").unwrap();
        reader.try_read(&mut [0; SLOT_BYTES]).unwrap();
        let wait = move || reader.read(&mut [0; SLOT_BYTES]).map(|received| received.len);
        assert_eq!(woken(&ring, Role::Reader, wait, || write(&mut writer)), Ok(1));
    }
}

/// Fails if a form of writing does not notify takers.
#[test]
fn each_form_of_a_write_wakes_a_taker() {
    let assigned: [Write; 2] = [
        |writer| _ = writer.assigned().unwrap().try_write(0, b"a", &MessageHeader::default()).unwrap(),
        |writer| {
            let claim = writer.assigned().unwrap().try_claim(0, 1).unwrap().expect("not published");
            claim.publish(&MessageHeader::default()).unwrap();
        },
    ];
    for write in WRITES.into_iter().chain(assigned) {
        let ring = Ring::heap(&Config::slots(1).of_bytes(SLOT_BYTES).delivery(Delivery::Queue)).unwrap();
        let (mut taker, mut writer) = (ring.taker().unwrap(), ring.writer().unwrap());
        taker.set_wait_strategy(WaitStrategy::SLEEPING);
        let wait = move || taker.take().map(|taken| taken.len());
        assert_eq!(woken(&ring, Role::Taker, wait, || write(&mut writer)), Ok(1));
    }
}

/// Fails if a form of reading, or leaving, does not notify writers.
#[test]
fn each_form_of_a_read_wakes_a_writer() {
    let reads: [fn(&Ring, Reader) -> Option<Reader>; 6] = [
        |_, mut reader| reader.try_read(&mut [0; SLOT_BYTES]).is_ok().then_some(reader),
        |_, mut reader| reader.try_read_in_place(|_| ()).is_ok().then_some(reader),
        |_, mut reader| reader.try_read_batch(1, &mut [0]).is_ok().then_some(reader),
        |_, mut reader| {
            drop(reader.try_view().unwrap());
            Some(reader)
        },
        |ring, reader| {
            ring.skip_readers_to_newest();
            Some(reader)
        },
        |_, reader| {
            drop(reader);
            None
        },
    ];
    for (read, ring) in reads.iter().flat_map(|read| gated(1).map(move |ring| (read, ring))) {
        let (idle, mut writer) = (ring.reader(Start::Next).unwrap(), writer(&ring));
        writer.try_write(b"a").unwrap();
        let mut kept = None;
        let wait = move || writer.write(b"b");
        assert_eq!(woken(&ring, Role::Writer, wait, || kept = read(&ring, idle)), Ok(1));
    }
}

/// Fails if a reader within a run of word slots does not notify writers.
#[test]
fn a_read_of_a_word_wakes_a_writer() {
    let ring = Ring::heap(&Config::slots(4).of::<u64>()).unwrap();
    let (mut reader, mut writer) = (ring.reader(Start::Next).unwrap(), writer(&ring));
    let mut read = move || reader.try_read(&mut [0; 8]).unwrap();
    for _ in 0..4 {
        writer.try_write(&[7; 8]).unwrap();
    }
    read(); // The run is open now.
    writer.try_write(&[7; 8]).unwrap();
    let wait = move || writer.write(&[7; 8]);
    let read = || {
        read();
    };
    assert_eq!(woken(&ring, Role::Writer, wait, read), Ok(5));
}

/// Fails if a take does not notify writers.
#[test]
fn a_take_wakes_a_writer() {
    let ring = Ring::heap(&Config::slots(1).of_bytes(SLOT_BYTES).delivery(Delivery::Queue)).unwrap();
    let (mut taker, mut writer) = (ring.taker().unwrap(), writer(&ring));
    writer.try_write(b"a").unwrap();
    let wait = move || writer.write(b"b");
    assert_eq!(woken(&ring, Role::Writer, wait, || drop(taker.try_take().unwrap())), Ok(1));
}

/// Fails if the last writer does not notify readers of the end.
#[test]
fn a_writer_that_leaves_wakes_a_reader() {
    for ring in gated(1) {
        let (mut reader, writer) = (reader(&ring), ring.writer().unwrap());
        let wait = move || reader.read(&mut [0; SLOT_BYTES]);
        assert_eq!(woken(&ring, Role::Reader, wait, || drop(writer)), Err(ReadError::Closed));
    }
}

/// Fails if closing notifies only one of the two event counts.
#[test]
fn closing_wakes_a_reader_and_a_writer() {
    let ring = || Ring::heap(&Config::slots(1).of_bytes(SLOT_BYTES)).unwrap();
    let (full, empty) = (ring(), ring());
    let (_idle, mut writer, mut reader) = (full.reader(Start::Next).unwrap(), writer(&full), reader(&empty));
    writer.try_write(b"a").unwrap();
    assert!(woken(&full, Role::Writer, move || writer.write(b"b"), || full.close()).is_err());
    let wait = move || reader.read(&mut [0; SLOT_BYTES]);
    assert_eq!(woken(&empty, Role::Reader, wait, || empty.close()), Err(ReadError::Closed));
}
