//! Readers that another thread skips.

use super::messages::{message, shared};
use seqring::{Delivery, SlotClass, Start, TryReadError};

/// A third thread saw a message and skips the reader beyond it. The reader acquires the skip and so
/// sees that message, too: it does not report the segment as corrupt.
pub(super) fn by_a_third_thread() {
    let ring = shared(2, SlotClass::Packed, Delivery::Lossy);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = loom::thread::spawn(move || {
        writer.try_write(&message(1)).unwrap();
        writer
    });
    let skipping = loom::thread::spawn(move || ring.skip_readers_to_newest());
    match reader.try_read(&mut [0; 16]) {
        Ok(_) | Err(TryReadError::Empty | TryReadError::Lagged(_)) => {}
        Err(error) => panic!("{error}"),
    }
    drop(writing.join().unwrap());
    skipping.join().unwrap();
}
