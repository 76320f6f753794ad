//! Readers that others move on.

use super::message;
use seqring::model::exclusive_payloads;
use seqring::{Config, Delivery, Ring, SlotClass, Start, TryReadError};

/// A third party saw a message and skips the reader beyond it: the reader, told so, sees that message too, and
/// does not take the segment for damaged.
pub(super) fn by_a_third_party() {
    exclusive_payloads(false);
    let config = Config::new(2, 16).participants(2).slot_class(SlotClass::Packed).delivery(Delivery::Lossy);
    let ring = Ring::heap(&config).unwrap();
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
