//! The caller's code that runs inside a call may panic, or use the ring: then no message is lost,
//! repeated or torn, and no other participant is held up.
//!
//! `as_ref` of a message in a batch: `batches.rs`. Iterators, commanders and producers of a
//! pipeline run between the steps of a queue, and their panics are caught: `pipeline.rs`.
#![allow(missing_docs)]

mod common;

use common::{kinds, message};
use seqring::{Config, Delivery, Reader, Ring, SlotClass, Start, TryReadError, Writers};
use std::panic::{AssertUnwindSafe, catch_unwind};

const SLOT_BYTES: usize = 64;
const SLOTS: usize = 4;

/// Rings of each class and delivery, with one writer and, where that is possible, with many.
fn rings() -> impl Iterator<Item = Ring> {
    kinds().flat_map(|(class, delivery)| {
        let config = Config::slots(SLOTS).of_bytes(SLOT_BYTES).slot_class(class).delivery(delivery);
        let many = (class == SlotClass::Arena).then(|| config.clone().writers(Writers::Many));
        [Some(config), many].into_iter().flatten().map(|config| Ring::heap(&config).unwrap())
    })
}

/// Reads with code that panics.
fn panic_inside(reader: &mut Reader) {
    let panicked =
        catch_unwind(AssertUnwindSafe(|| reader.try_read_in_place(|_| -> () { panic!("inside a read") })));
    assert!(panicked.is_err());
}

/// Fails if a read whose code panics moves the reader, or keeps its message pinned: then a reader
/// that was moved still holds the writers back.
#[test]
fn a_panic_inside_a_read_leaves_the_message_unread_and_unpinned() {
    for ring in rings() {
        let mut readers = [(); 2].map(|()| ring.reader(Start::Next).unwrap());
        let mut writer = ring.writer().unwrap();
        for sequence in 0..SLOTS as u64 {
            writer.write(&message(sequence, SLOT_BYTES)).unwrap();
        }
        for reader in &mut readers {
            panic_inside(reader);
            assert_eq!(reader.position(), 0, "{ring:?}");
            let received = reader.try_read_in_place(|bytes| bytes.len()).unwrap();
            assert_eq!((received.0.sequence, received.1), (0, message(0, SLOT_BYTES).len()));
            panic_inside(reader);
        }
        ring.skip_readers_to_newest();
        for sequence in SLOTS as u64..2 * SLOTS as u64 {
            assert_eq!(writer.try_write(&message(sequence, SLOT_BYTES)), Ok(sequence), "{ring:?}");
        }
        for reader in &mut readers {
            assert!(matches!(reader.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Lagged(_))));
            assert!(reader.try_read(&mut [0; SLOT_BYTES]).is_ok());
        }
    }
}

/// Fails if a read whose code publishes returns what was overwritten meanwhile, or a gated writer
/// overwrites what is being read.
#[test]
fn code_inside_a_read_may_publish() {
    for ring in rings() {
        let mut reader = ring.reader(Start::Next).unwrap();
        let mut writer = ring.writer().unwrap();
        writer.write(&message(0, SLOT_BYTES)).unwrap();
        let mut next = 1;
        let read = reader.try_read_in_place(|bytes| {
            while next < 3 * SLOTS as u64 && writer.try_write(&message(next, SLOT_BYTES)).is_ok() {
                next += 1;
            }
            let mut out = vec![0; bytes.len()];
            bytes.copy_to_slice(&mut out);
            out
        });
        match (ring.config().delivery, read) {
            (Delivery::Gated, Ok((received, bytes))) => {
                assert_eq!((received.sequence, bytes), (0, message(0, SLOT_BYTES)));
                assert_eq!(next, SLOTS as u64, "{ring:?}");
            }
            (Delivery::Lossy, Err(TryReadError::Lagged(_))) => {}
            (_, other) => panic!("{ring:?}: {other:?}"),
        }
    }
}

/// Fails if a panic inside an observer's read moves the observer.
#[test]
#[cfg(target_os = "linux")]
fn a_panic_inside_an_observers_read_leaves_the_message_unread() {
    use common::TEST_TIMEOUT;
    use seqring::Observer;

    for class in common::CLASSES {
        let (name, ring) =
            common::create("caller", &Config::slots(4).of_bytes(8).slot_class(class).observers(true));
        let mut writer = ring.writer().unwrap();
        writer.write(b"message").unwrap();
        let mut observer = Observer::open(&name, Start::Oldest).unwrap();
        let read = AssertUnwindSafe(|| observer.try_read_in_place(|_| -> () { panic!("inside a read") }));
        assert!(catch_unwind(read).is_err());
        assert_eq!(observer.read_timeout(&mut [0; 8], TEST_TIMEOUT).unwrap().sequence, 0);
    }
}
