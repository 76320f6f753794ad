//! Reads of a message that is overwritten meanwhile. The closure of `try_read_in_place` runs between
//! the two checks of the slot's stamp, so one thread can run the writer's steps there
//! deterministically.
#![allow(missing_docs)]

mod common;

use common::{CLASSES, bytes_of, ring};
use seqring::{Delivery, Reader, Start, TryReadError, TryWriteError, Writer};

const SLOT_BYTES: usize = 40;

fn write(writer: &mut Writer) -> Result<u64, TryWriteError> {
    let sequence = writer.next_sequence();
    writer.try_write(&bytes_of(sequence, SLOT_BYTES))
}

/// Copies the next message twice, before and after `meanwhile`.
fn read(reader: &mut Reader, meanwhile: impl FnOnce()) -> Result<[Vec<u8>; 2], TryReadError> {
    let mut meanwhile = Some(meanwhile);
    let read = reader.try_read_in_place(|message| {
        let copy = || {
            let mut bytes = vec![0; message.len()];
            message.copy_to_slice(&mut bytes);
            bytes
        };
        let before = copy();
        if let Some(meanwhile) = meanwhile.take() {
            meanwhile();
        }
        [before, copy()]
    });
    read.map(|(_, copies)| copies)
}

fn assert_whole(copies: &[Vec<u8>; 2]) {
    assert!(copies.iter().all(|bytes| *bytes == bytes_of(0, SLOT_BYTES)), "{copies:02x?}");
}

/// | messages written meanwhile | the read            |
/// |----------------------------|---------------------|
/// | up to `slots - 1`          | acceptable: whole   |
/// | `slots` and more           | forbidden: accepted |
///
/// Fails if the stamp is not checked again, or if it does not identify the message.
#[test]
fn a_lossy_read_is_accepted_exactly_if_its_message_was_not_overwritten() {
    for class in CLASSES {
        for slots in [1, 2, 3, 10] {
            for written in 0..2 * slots + 2 {
                let ring = ring(Delivery::Lossy, class, slots, SLOT_BYTES);
                let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
                write(&mut writer).unwrap();
                let result = read(&mut reader, || {
                    for _ in 0..written {
                        write(&mut writer).unwrap();
                    }
                    // A claim does not touch the bytes that the reader copies.
                    writer.try_claim(SLOT_BYTES).unwrap()[..9].copy_from_slice(b"abandoned");
                });
                if written < slots {
                    assert_whole(&result.unwrap());
                } else {
                    let lagged = matches!(result, Err(TryReadError::Lagged(_)));
                    assert!(lagged, "{class:?} {slots} {written}: {result:?}");
                }
            }
        }
    }
}

/// The writer continues, and the read is refused: its message is not the reader's next one any
/// more.
///
/// Fails if a read trusts backpressure alone, or if the writer of an arena waits for a pinned
/// reader that was skipped.
#[test]
fn a_gated_read_is_refused_if_its_reader_is_skipped_meanwhile() {
    for class in CLASSES {
        for slots in [1, 2, 3, 10] {
            let ring = ring(Delivery::Gated, class, slots, SLOT_BYTES);
            let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
            for _ in 0..slots {
                write(&mut writer).unwrap();
            }
            let mut written = None;
            let result = read(&mut reader, || {
                assert_eq!(write(&mut writer), Err(TryWriteError::Full));
                ring.skip_readers_to_newest();
                written = Some(write(&mut writer));
            });
            assert_eq!(written, Some(Ok(slots as u64)));
            assert!(matches!(result, Err(TryReadError::Lagged(_))), "{class:?} {slots}: {result:?}");
        }
    }
}
