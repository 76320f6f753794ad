//! A reader is evicted in the middle of a copy, or while it holds a view: its result is whole, or
//! its loss is counted.

use super::super::messages::{empty_or_gap, message, number, read_in_order, try_write};
use loom::thread;
use seqring::model::{evict, exclusive_payloads};
use seqring::{Config, Lagged, Reader, Ring, SlotClass, Start, TryReadError, Writer};
use std::time::Duration;

/// A writer writes messages from 1 on and evicts the reader that blocks it, while `read` reads in
/// up to so many tries, from a number on. Time does not pass in models: only [`evict`] evicts.
fn evict_while(class: SlotClass, read: fn(&mut Reader, u64, usize) -> u64) {
    let never = Duration::from_millis(u32::MAX.into());
    let config = Config::slots(1).of_bytes(16).participants(2).slot_class(class).evict_after(never);
    let ring = Ring::heap(&config).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = thread::spawn(move || {
        let written = write_over(&ring, &mut writer, 3);
        (writer, written)
    });
    let next = read(&mut reader, 0, 2);
    let (writer, written) = writing.join().unwrap();
    assert_eq!(read(&mut reader, next, 3), 1 + written, "read and lost messages do not add up");
    drop(writer);
}

fn write_over(ring: &Ring, writer: &mut Writer, tries: usize) -> u64 {
    let mut written = 0;
    for _ in 0..tries {
        if try_write(writer, 1 + written) {
            written += 1;
        } else {
            evict(ring);
        }
    }
    written
}

/// In the middle of a copy.
pub(in super::super) fn during_copy() {
    exclusive_payloads(false);
    evict_while(SlotClass::Packed, |reader, next, tries| read_in_order(reader, next, tries, empty_or_gap));
}

/// With a view: its bytes do not change, and the writer continues with its standby buffer.
pub(in super::super) fn during_view() {
    exclusive_payloads(true);
    evict_while(SlotClass::Arena, |reader, mut next, tries| {
        for _ in 0..tries {
            match reader.try_view() {
                Ok(view) => {
                    assert_eq!(number(&view), next);
                    thread::yield_now();
                    assert_eq!(number(&view), next);
                    next += 1;
                }
                Err(TryReadError::Lagged(Lagged { lost })) => next += lost,
                Err(TryReadError::Empty) => {}
                Err(error) => panic!("{error}"),
            }
        }
        next
    });
}
