//! What a moved reader's view shows is left alone while it lasts, and used again after it; so are hot buffers.

use super::{message, number};
use seqring::model::{Failpoint, dies_at, exclusive_payloads};
use seqring::{Config, Ring, SlotClass, Start, TryReadError, TryWriteError};

fn ring(slots: usize, slot_bytes: usize) -> Ring {
    exclusive_payloads(true);
    let config = Config::new(slots, slot_bytes).participants(2).slot_class(SlotClass::Arena);
    Ring::heap(&config).unwrap()
}

/// The reader was moved while it shows message 0. The writer publishes over it, and over what follows, and fills the
/// buffer again only when the view is gone.
pub(super) fn shown() {
    let ring = ring(1, 16);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let view = reader.try_view().unwrap();
    ring.skip_readers_to_newest();
    let writing = loom::thread::spawn(move || {
        writer.try_write(&message(1)).unwrap();
        ring.skip_readers_to_newest();
        for n in 2..4 {
            match writer.try_write(&message(n)) {
                Ok(_) => ring.skip_readers_to_newest(),
                Err(TryWriteError::Full) => {}
                Err(error) => panic!("{error}"),
            }
        }
        writer
    });
    assert_eq!(number(&view), 0);
    drop(view);
    match reader.try_view() {
        Ok(view) => drop(number(&view)),
        Err(TryReadError::Empty | TryReadError::Lagged(_)) => {}
        Err(error) => panic!("{error}"),
    }
    drop(writing.join().unwrap());
}

/// A reader shows what the writer has set aside. Another was moved, too, pins what it found just before, and stops before
/// it gives that up. The writer leaves: its heir fills the one buffer, not the other.
pub(super) fn heir() {
    exclusive_payloads(true);
    let config = Config::new(1, 16).participants(3).slot_class(SlotClass::Arena);
    let ring = Ring::heap(&config).unwrap();
    let mut writer = ring.writer().unwrap();
    let (mut reader, mut late) = (ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap());
    writer.try_write(&message(0)).unwrap();
    let view = reader.try_view().unwrap();
    ring.skip_readers_to_newest();
    writer.try_write(&message(1)).unwrap();
    assert!(matches!(late.try_view(), Err(TryReadError::Lagged(_))));
    let stopping = loom::thread::spawn(move || {
        dies_at(Failpoint::ReadPinned, || drop(late.try_view()));
        late
    });
    ring.skip_readers_to_newest();
    let _ = writer.try_write(&message(2)); // If the pin holds, there is no room.
    drop(writer);
    let mut heir = ring.writer().unwrap();
    ring.skip_readers_to_newest();
    let _ = heir.try_write(&message(3));
    assert_eq!(number(&view), 0);
    drop((view, heir, stopping.join().unwrap()));
}

/// The writer takes back what the reader has read, while it reads on.
pub(super) fn hot() {
    let ring = ring(2, 128);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let writing = loom::thread::spawn(move || {
        let written = (0..3).filter(|n| writer.try_write(&message(*n)).is_ok()).count();
        (writer, written)
    });
    let mut got = 0;
    let mut read = |tries: usize| {
        for _ in 0..tries {
            match reader.try_view() {
                Ok(view) => {
                    assert_eq!(number(&view), got);
                    got += 1;
                }
                Err(TryReadError::Empty) => {}
                Err(error) => panic!("{error}"),
            }
        }
        got
    };
    read(2);
    let (writer, written) = writing.join().unwrap();
    assert_eq!(read(3), written as u64);
    drop(writer);
}

/// A reader joins while the writer takes back what another has read: it finds whatever it is said to find.
pub(super) fn hot_joined() {
    joins_a_hot_ring_of(2);
}

/// The same, so far below the newest message that the limit which a look in between takes back would matter.
pub(super) fn hot_joined_low() {
    joins_a_hot_ring_of(3);
}

fn joins_a_hot_ring_of(slots: usize) {
    exclusive_payloads(true);
    let config = Config::new(slots, 128).participants(3).slot_class(SlotClass::Arena);
    let ring = Ring::heap(&config).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut first = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    number(&first.try_view().unwrap());
    let writing = loom::thread::spawn(move || {
        let written = (1..3).filter(|n| writer.try_write(&message(*n)).is_ok()).count();
        (writer, written as u64)
    });
    let mut late = ring.reader(Start::Oldest).unwrap();
    let mut next = late.position();
    let mut read = |tries: usize| {
        for _ in 0..tries {
            match late.try_view() {
                Ok(view) => {
                    assert_eq!(number(&view), next);
                    next += 1;
                }
                Err(TryReadError::Empty) => {}
                Err(error) => panic!("{error}"),
            }
        }
        next
    };
    read(1);
    let (writer, written) = writing.join().unwrap();
    assert_eq!(read(3), 1 + written, "a gap");
    drop((writer, first));
}
