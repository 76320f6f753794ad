//! A look at a message that is overwritten meanwhile. The closure of `try_read_with` runs between the two looks at the
//! slot's stamp, so what a writer does in that moment can be staged by one thread, step by step.
#![allow(missing_docs)]

mod common;

use common::{CLASSES, bytes_of, ring};
use seqring::{Delivery, Reader, Start, TryReadError, TryWriteError, Writer};

const SLOT_BYTES: usize = 40;

fn write(writer: &mut Writer) -> Result<u64, TryWriteError> {
    let sequence = writer.next_sequence();
    writer.try_write(&bytes_of(sequence, SLOT_BYTES))
}

/// Looks at the next message twice, before and after `meanwhile`.
fn look(reader: &mut Reader, meanwhile: impl FnOnce()) -> Result<[Vec<u8>; 2], TryReadError> {
    let mut meanwhile = Some(meanwhile);
    let looked = reader.try_read_with(|message| {
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
    looked.map(|(_, copies)| copies)
}

fn assert_whole(copies: &[Vec<u8>; 2]) {
    assert!(copies.iter().all(|bytes| *bytes == bytes_of(0, SLOT_BYTES)), "{copies:02x?}");
}

/// | messages written meanwhile | the look            |
/// |----------------------------|---------------------|
/// | up to `slots - 1`          | acceptable: whole   |
/// | `slots` and more           | forbidden: accepted |
///
/// Fails if the stamp is not looked at again, or says something else than which message is there.
#[test]
fn a_lossy_look_is_accepted_exactly_if_its_message_was_not_overwritten() {
    for class in CLASSES {
        for slots in [1, 2, 3, 10] {
            for written in 0..2 * slots + 2 {
                let ring = ring(Delivery::Lossy, class, slots, SLOT_BYTES);
                let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
                write(&mut writer).unwrap();
                let looked = look(&mut reader, || {
                    for _ in 0..written {
                        write(&mut writer).unwrap();
                    }
                    // What is being filled is not what anybody looks at.
                    writer.try_claim(SLOT_BYTES).unwrap().write_at(0, b"abandoned");
                });
                if written < slots {
                    assert_whole(&looked.unwrap());
                } else {
                    assert!(
                        matches!(looked, Err(TryReadError::Lagged(_))),
                        "{class:?} {slots} {written}: {looked:?}"
                    );
                }
            }
        }
    }
}

/// The writer goes on, and the look is refused: what was looked at is not the reader's next message any more.
///
/// Fails if a look trusts the gate alone, or an arena's writer waits for a pinned reader that was moved.
#[test]
fn a_gated_look_from_which_the_reader_is_skipped_away_is_refused() {
    for class in CLASSES {
        for slots in [1, 2, 3, 10] {
            let ring = ring(Delivery::Gated, class, slots, SLOT_BYTES);
            let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
            for _ in 0..slots {
                write(&mut writer).unwrap();
            }
            let mut written = None;
            let looked = look(&mut reader, || {
                assert_eq!(write(&mut writer), Err(TryWriteError::Full));
                ring.skip_readers_to_newest();
                written = Some(write(&mut writer));
            });
            assert_eq!(written, Some(Ok(slots as u64)));
            assert!(matches!(looked, Err(TryReadError::Lagged(_))), "{class:?} {slots}: {looked:?}");
        }
    }
}
