//! A gated writer does not touch bytes that a reader may still read.

use super::messages::{empty_or_closed, gated, message, read_in_order};
use seqring::{SlotClass, Start};

pub(super) fn inline() {
    write_against_reads(SlotClass::Packed);
}

pub(super) fn arena() {
    write_against_reads(SlotClass::Arena);
}

/// One slot: each message needs the read of the one before it.
fn write_against_reads(class: SlotClass) {
    let ring = gated(1, 2, class);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = loom::thread::spawn(move || {
        for _ in 0..2 {
            let n = writer.next_sequence();
            let _ = writer.try_write(&message(n));
        }
    });
    read_in_order(&mut reader, 0, 2, empty_or_closed);
    writing.join().unwrap();
}
