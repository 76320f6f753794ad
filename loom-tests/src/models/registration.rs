//! A reader that registers with a gated ring while the writer runs is not overtaken from its first
//! message on.

use super::messages::{empty, gated, message, read_in_order};
use seqring::{SlotClass, Start};

pub(super) fn next() {
    register_while_writing(Start::Next);
}

pub(super) fn oldest() {
    register_while_writing(Start::Oldest);
}

fn register_while_writing(start: Start) {
    let ring = gated(1, 2, SlotClass::Packed);
    let mut writer = ring.writer().unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = loom::thread::spawn(move || {
        for _ in 0..2 {
            let n = writer.next_sequence();
            let _ = writer.try_write(&message(n));
        }
        writer
    });
    let mut reader = ring.reader(start).unwrap();
    let first = reader.position();
    let next = read_in_order(&mut reader, first, 1, empty);
    let writer = writing.join().unwrap();
    read_in_order(&mut reader, next, 1, empty);
    drop(writer);
}
