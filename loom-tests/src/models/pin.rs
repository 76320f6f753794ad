//! The bytes of a view stay while it lives, whoever moves its reader.

use super::{message, number};
use seqring::model::exclusive_payloads;
use seqring::{Config, Ring, SlotClass, Start, TryReadError};

/// Two slots, three buffers. A third party skips the reader by two messages, so one look at the gate may let the
/// writer publish two more, and fill for the second the buffer that the first displaced: the one the view shows.
pub(super) fn view_held_while_skipped() {
    exclusive_payloads(true);
    let ring = Ring::heap(&Config::new(2, 16).participants(2).slot_class(SlotClass::Arena)).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    for n in 0..2 {
        writer.try_write(&message(n)).unwrap();
    }
    let writing = loom::thread::spawn(move || {
        for n in 2..4 {
            let _ = writer.try_write(&message(n));
        }
    });
    let skipping = loom::thread::spawn(move || ring.skip_readers_to_newest());
    match reader.try_view() {
        Ok(view) => {
            number(&view);
            number(&view);
        }
        Err(TryReadError::Empty | TryReadError::Closed | TryReadError::Lagged(_)) => {}
        Err(error) => panic!("{error}"),
    }
    writing.join().unwrap();
    skipping.join().unwrap();
}
