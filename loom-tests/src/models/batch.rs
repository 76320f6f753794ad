//! Several messages at a time: validated by one look, acknowledged by one store, rung for once.

use super::{message, number};
use seqring::model::{exclusive_payloads, heavy_barrier};
use seqring::{Config, Delivery, Lagged, Reader, Ring, SlotClass, Start, TryReadError, WaitStrategy};

/// Two slots: the writer overwrites the first and the second message of a chunk that is being copied.
pub(super) fn torn() {
    exclusive_payloads(false);
    let ring = ring(Delivery::Lossy);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = loom::thread::spawn(move || {
        assert_eq!(writer.try_write_each(&[message(1), message(2), message(3)]), Ok(3));
    });
    let next = read_whole(&mut reader, 0);
    read_whole(&mut reader, next);
    writing.join().unwrap();
}

/// A gated reader is skipped in the middle of a chunk.
pub(super) fn skipped() {
    exclusive_payloads(false);
    let ring = ring(Delivery::Gated);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    assert_eq!(writer.try_write_each(&[message(0), message(1)]), Ok(2));
    let writing = loom::thread::spawn(move || {
        ring.skip_readers_to_newest();
        assert_eq!(writer.try_write_each(&[message(2), message(3)]), Ok(2));
    });
    let next = read_whole(&mut reader, 0);
    read_whole(&mut reader, next);
    writing.join().unwrap();
}

/// A gated writer touches no bytes of a batch that is not acknowledged: payloads are cells that loom guards.
pub(super) fn acknowledged() {
    exclusive_payloads(true);
    let ring = ring(Delivery::Gated);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    assert_eq!(writer.try_write_each(&[message(0), message(1)]), Ok(2));
    let writing = loom::thread::spawn(move || {
        let _ = writer.try_write_each(&[message(2), message(3)]);
    });
    let next = read_whole(&mut reader, 0);
    read_whole(&mut reader, next);
    writing.join().unwrap();
}

/// Nobody sleeps over a batch.
pub(super) fn rung() {
    exclusive_payloads(true);
    heavy_barrier(false);
    let ring = ring(Delivery::Gated);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    reader.set_wait_strategy(WaitStrategy::SLEEPING);
    let writing = loom::thread::spawn(move || {
        assert_eq!(writer.try_write_each(&[message(0), message(1)]), Ok(2));
        writer
    });
    let mut out = [0; 32];
    let read = reader.read_batch(16, &mut out).unwrap();
    for (message, n) in out[..16 * read].chunks_exact(16).zip(0..) {
        assert_eq!(number(message), n);
    }
    drop(writing.join().unwrap());
}

fn ring(delivery: Delivery) -> Ring {
    let config = Config::new(2, 16).participants(2).slot_class(SlotClass::Packed);
    Ring::heap(&config.delivery(delivery)).unwrap()
}

/// Reads a batch, which begins with message `next`: each whole and in its order. Returns what comes next.
fn read_whole(reader: &mut Reader, next: u64) -> u64 {
    let mut out = [0; 32];
    match reader.try_read_batch(16, &mut out) {
        Ok(read) => {
            for (message, n) in out[..16 * read].chunks_exact(16).zip(next..) {
                assert_eq!(number(message), n);
            }
            next + read as u64
        }
        Err(TryReadError::Lagged(Lagged { missed })) => next + missed,
        Err(TryReadError::Empty | TryReadError::Closed) => next,
        Err(error) => panic!("{error}"),
    }
}
