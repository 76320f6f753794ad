//! Nobody sleeps over what it waits for. Sleeps do not time out here: a lost wake is a deadlock, and loom
//! reports it.

use super::{message, number};
use seqring::model::{exclusive_payloads, heavy_barrier};
use seqring::{Config, Ring, SlotClass, Start, WaitStrategy};

pub(super) fn reader() {
    let ring = ring();
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    reader.set_wait_strategy(WaitStrategy::SLEEPING);
    let writing = loom::thread::spawn(move || {
        writer.try_write(&message(7)).unwrap();
        writer
    });
    let mut out = [0; 16];
    reader.read(&mut out).unwrap();
    assert_eq!(number(&out), 7);
    drop(writing.join().unwrap());
}

pub(super) fn writer() {
    let ring = ring();
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.set_wait_strategy(WaitStrategy::SLEEPING);
    writer.try_write(&message(0)).unwrap();
    let reading = loom::thread::spawn(move || {
        reader.try_read(&mut [0; 16]).unwrap();
        reader
    });
    writer.write(&message(1)).unwrap();
    drop(reading.join().unwrap());
}

/// A reader that joins is, for a moment, what the writer waits for; and then waits for the writer.
pub(super) fn writer_by_a_joiner() {
    let ring = ring();
    let mut writer = ring.writer().unwrap();
    writer.set_wait_strategy(WaitStrategy::SLEEPING);
    writer.try_write(&message(0)).unwrap();
    let writing = loom::thread::spawn(move || {
        writer.write(&message(1)).unwrap();
        writer
    });
    let reader = ring.reader(Start::Next).unwrap();
    let writer = writing.join().unwrap();
    drop((reader, writer));
}

fn ring() -> Ring {
    exclusive_payloads(true);
    heavy_barrier(false);
    Ring::heap(&Config::new(1, 16).participants(2).slot_class(SlotClass::Packed)).unwrap()
}
