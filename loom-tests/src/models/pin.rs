//! The bytes of a view do not change while it lives, even if its reader is skipped.

use super::messages::{gated, message, number};
use seqring::{SlotClass, Start, TryReadError};

/// Two slots, three buffers. A third thread skips the reader by two messages. One check of the
/// limit may then let the writer publish two more, and fill for the second the buffer that the
/// first displaced: the view's.
pub(super) fn view_held_while_skipped() {
    let ring = gated(2, 2, SlotClass::Arena);
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
