//! A lossy reader gets whole messages while the writer overwrites them.

use super::messages::{gap_or_closed, message, read_in_order, shared};
use seqring::{Delivery, Ring, SlotClass, Start, Writer};

/// One slot: the writer overwrites the bytes that the reader copies.
pub(super) fn inline() {
    read_while(shared(1, SlotClass::Packed, Delivery::Lossy), 0, 1, |_, writer| write(writer, 0..2));
}

/// Three slots: the writer enters the next lap while the reader reads.
pub(super) fn laps() {
    read_while(shared(3, SlotClass::Packed, Delivery::Lossy), 0, 2, |_, writer| write(writer, 0..4));
}

/// One slot, two buffers: the third message goes into the buffer of the first.
pub(super) fn arena() {
    read_while(shared(1, SlotClass::Arena, Delivery::Lossy), 1, 2, |_, writer| write(writer, 1..3));
}

/// A gated reader that is skipped in the middle of a copy is refused or gets a whole message.
pub(super) fn skipped() {
    read_while(shared(1, SlotClass::Packed, Delivery::Gated), 1, 2, |ring, writer| {
        ring.skip_readers_to_newest();
        write(writer, 1..2);
    });
}

fn write(writer: &mut Writer, numbers: std::ops::Range<u64>) {
    for n in numbers {
        writer.try_write(&message(n)).unwrap();
    }
}

/// Writes the first messages, then reads in some tries while another thread runs `write_more`: each
/// message whole and in order, and each lost one counted.
fn read_while(ring: Ring, before: u64, tries: usize, write_more: fn(&Ring, &mut Writer)) {
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    write(&mut writer, 0..before);
    let writing = loom::thread::spawn(move || write_more(&ring, &mut writer));
    read_in_order(&mut reader, 0, tries, gap_or_closed);
    drop(reader);
    writing.join().unwrap();
}
