//! Batches: a chunk is validated by one check, acknowledged by one store, and notified once.

use super::messages::{gap_or_closed, gated, message, number, shared};
use seqring::model::set_heavy_barrier;
use seqring::{Delivery, Reader, Ring, SlotClass, Start, WaitStrategy};

/// Two slots: the writer overwrites the first and the second message of a chunk that the reader
/// copies.
pub(super) fn torn() {
    read_twice_while(shared(2, SlotClass::Packed, Delivery::Lossy), 1, |_, writer| {
        assert_eq!(writer.try_write_each(&[message(1), message(2), message(3)]), Ok(3));
    });
}

/// A gated reader is skipped in the middle of a chunk.
pub(super) fn skipped() {
    read_twice_while(shared(2, SlotClass::Packed, Delivery::Gated), 2, |ring, writer| {
        ring.skip_readers_to_newest();
        assert_eq!(writer.try_write_each(&[message(2), message(3)]), Ok(2));
    });
}

/// A gated writer does not touch the bytes of a batch that is not acknowledged.
pub(super) fn acknowledged() {
    read_twice_while(gated(2, 2, SlotClass::Packed), 2, |_, writer| {
        let _ = writer.try_write_each(&[message(2), message(3)]);
    });
}

/// Writes the first messages; then two batches are read while another thread runs `write`.
fn read_twice_while(ring: Ring, before: u64, write: fn(&Ring, &mut seqring::Writer)) {
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let messages: Vec<_> = (0..before).map(message).collect();
    assert_eq!(writer.try_write_each(&messages), Ok(messages.len()));
    let writing = loom::thread::spawn(move || write(&ring, &mut writer));
    let next = read_whole(&mut reader, 0);
    read_whole(&mut reader, next);
    writing.join().unwrap();
}

/// A batch wakes a sleeping reader.
pub(super) fn notify() {
    set_heavy_barrier(false);
    let ring = gated(2, 2, SlotClass::Packed);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    reader.set_wait_strategy(WaitStrategy::SLEEPING);
    let writing = loom::thread::spawn(move || {
        assert_eq!(writer.try_write_each(&[message(0), message(1)]), Ok(2));
        writer
    });
    let mut out = [0; 32];
    let read = reader.read_batch(16, &mut out).unwrap();
    assert_numbers(&out[..16 * read], 0);
    drop(writing.join().unwrap());
}

/// Reads a batch that begins with message `next`: whole messages in order. Returns the number that
/// is next then.
fn read_whole(reader: &mut Reader, next: u64) -> u64 {
    let mut out = [0; 32];
    match reader.try_read_batch(16, &mut out) {
        Ok(read) => {
            assert_numbers(&out[..16 * read], next);
            next + read as u64
        }
        Err(error) => next + gap_or_closed(&error).unwrap_or_else(|| panic!("{error}")),
    }
}

fn assert_numbers(bytes: &[u8], first: u64) {
    for (message, n) in bytes.chunks_exact(16).zip(first..) {
        assert_eq!(number(message), n);
    }
}
