//! A reader that is evicted in the middle of a copy, or while it shows a message: it is told, or what it has is whole.

use super::super::{message, number};
use loom::thread;
use seqring::model::{evict, exclusive_payloads};
use seqring::{Config, Lagged, Ring, SlotClass, Start, TryReadError, TryWriteError, Writer};
use std::time::Duration;

/// A ring that evicts: in models nobody's time comes but by [`evict`].
fn ring(class: SlotClass) -> Ring {
    let never = Duration::from_millis(u32::MAX.into());
    Ring::heap(&Config::new(1, 16).participants(2).slot_class(class).evict_after(never)).unwrap()
}

/// Writes messages from 1 on, and evicts who is in the way.
fn write_over(ring: &Ring, writer: &mut Writer, tries: usize) -> u64 {
    let mut written = 0;
    for _ in 0..tries {
        match writer.try_write(&message(1 + written)) {
            Ok(_) => written += 1,
            Err(TryWriteError::Full) => evict(ring),
            Err(error) => panic!("{error}"),
        }
    }
    written
}

/// In the middle of a copy. What is read and what is missed adds up.
pub(in super::super) fn copying() {
    exclusive_payloads(false);
    let ring = ring(SlotClass::Packed);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = thread::spawn(move || {
        let written = write_over(&ring, &mut writer, 3);
        (writer, written)
    });
    let (mut next, mut out) = (0, [0; 16]);
    let mut read = |tries: usize| {
        for _ in 0..tries {
            match reader.try_read(&mut out) {
                Ok(received) => {
                    assert_eq!((received.sequence, number(&out)), (next, next));
                    next += 1;
                }
                Err(TryReadError::Lagged(Lagged { missed })) => next += missed,
                Err(TryReadError::Empty) => {}
                Err(error) => panic!("{error}"),
            }
        }
        next
    };
    read(2);
    let (writer, written) = writing.join().unwrap();
    assert_eq!(read(3), 1 + written, "read and missed do not add up");
    drop(writer);
}

/// With a view: its bytes stay, and the writer goes on in its second buffer.
pub(in super::super) fn showing() {
    exclusive_payloads(true);
    let ring = ring(SlotClass::Arena);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = thread::spawn(move || {
        let written = write_over(&ring, &mut writer, 3);
        (writer, written)
    });
    let mut next = 0;
    let mut view = |tries: usize| {
        for _ in 0..tries {
            match reader.try_view() {
                Ok(view) => {
                    assert_eq!(number(&view), next);
                    thread::yield_now();
                    assert_eq!(number(&view), next);
                    next += 1;
                }
                Err(TryReadError::Lagged(Lagged { missed })) => next += missed,
                Err(TryReadError::Empty) => {}
                Err(error) => panic!("{error}"),
            }
        }
        next
    };
    view(2);
    let (writer, written) = writing.join().unwrap();
    assert_eq!(view(3), 1 + written, "read and missed do not add up");
    drop(writer);
}
