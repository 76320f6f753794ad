//! No wake is lost. Sleeps have no timeout here: a lost wake is a deadlock, which loom reports.

use super::messages::{gated, message, number};
use seqring::model::set_heavy_barrier;
use seqring::wait::WaitSet;
use seqring::{Ring, SlotClass, Start, WaitStrategy};

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

/// As [`reader`], by a write within a run of slots.
pub(super) fn reader_by_a_fast_write() {
    set_heavy_barrier(false);
    let ring = gated(4, 2, SlotClass::Packed);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    reader.set_wait_strategy(WaitStrategy::SLEEPING);
    let mut out = [0; 16];
    for n in 0..2 {
        writer.try_write(&message(n)).unwrap();
        reader.try_read(&mut out).unwrap();
    }
    let writing = loom::thread::spawn(move || {
        writer.try_write(&message(2)).unwrap();
        writer
    });
    reader.read(&mut out).unwrap();
    assert_eq!(number(&out), 2);
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

/// A reader that registers blocks the writer for a moment, and wakes it.
pub(super) fn writer_by_a_new_reader() {
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
    set_heavy_barrier(false);
    gated(1, 2, SlotClass::Packed)
}

/// One thread waits for two rings, and two threads write one message each: whichever is written
/// first, and whenever, the waits end.
pub(super) fn set_of_two() {
    set_heavy_barrier(false);
    let rings = [gated(1, 2, SlotClass::Packed), gated(1, 2, SlotClass::Packed)];
    let mut set = WaitSet::new();
    let mut writing = Vec::new();
    for ring in &rings {
        set.add(ring.reader(Start::Next).unwrap());
        let mut writer = ring.writer().unwrap();
        writing.push(loom::thread::spawn(move || {
            writer.try_write(&message(7)).unwrap();
            writer
        }));
    }
    for left in [1, 0] {
        let token = set.wait().unwrap()[0];
        let mut out = [0; 16];
        set.remove(token).unwrap().try_read(&mut out).unwrap();
        assert_eq!((number(&out), set.len()), (7, left));
    }
    writing.into_iter().for_each(|writing| drop(writing.join().unwrap()));
}
