//! Numbers that the one writer skips.

use super::messages::{message, number, shared};
use loom::thread;
use seqring::model::{Failpoint, abandon, bury, dies_at};
use seqring::{Delivery, Lagged, Reader, Ring, SlotClass, Start, TryReadError, Writer};

/// As many slots as numbers: no message overwrites another.
fn ring() -> (Ring, Writer, Reader) {
    let ring = shared(4, SlotClass::Packed, Delivery::Lossy);
    let (writer, reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
    (ring, writer, reader)
}

/// The number that was read, or why none was; nothing if there is none yet.
fn read(reader: &mut Reader) -> Option<Result<u64, TryReadError>> {
    let mut bytes = [0; 16];
    match reader.try_read(&mut bytes) {
        Ok(_) => Some(Ok(number(&bytes))),
        Err(TryReadError::Empty) => None,
        Err(error) => Some(Err(error)),
    }
}

const GAP: Result<u64, TryReadError> = Err(TryReadError::Lagged(Lagged { lost: 2 }));

/// A reader that runs at the same time gets the message before the gap, the gap, and the message
/// after it.
pub(super) fn between_messages() {
    let (_ring, mut writer, mut reader) = ring();
    let writing = thread::spawn(move || {
        writer.try_write(&message(0)).unwrap();
        writer.skip_to(3).unwrap();
        writer.try_write(&message(3)).unwrap();
        writer
    });
    let mut seen: Vec<_> = (0..2).filter_map(|_| read(&mut reader)).collect();
    let _writer = writing.join().unwrap();
    seen.extend(std::iter::from_fn(|| read(&mut reader)));
    assert_eq!(seen, [Ok(0), GAP, Ok(3)]);
}

/// The writer dies after it has stored the gap and before it has announced it.
pub(super) fn writer_died() {
    let (ring, mut writer, mut reader) = ring();
    writer.try_write(&message(0)).unwrap();
    assert!(dies_at(Failpoint::GapStored, || _ = writer.skip_to(3)));
    bury(&ring, abandon(writer));
    let mut successor = ring.writer().unwrap();
    assert_eq!(successor.try_write(&message(3)), Ok(3));
    let seen: Vec<_> = std::iter::from_fn(|| read(&mut reader)).collect();
    assert!(matches!(seen[..], [Ok(0), Err(TryReadError::WriterDied { .. }), GAP, Ok(3)]), "{seen:?}");
}
