//! A reader is parked and resumed: no message is lost in between, and of two threads that resume it
//! one succeeds.

use super::super::messages::{empty, gated, message, read_in_order, write_next};
use loom::thread::{self, JoinHandle};
use seqring::model::bury_parker;
use seqring::{Parked, RegisterError, Ring, SlotClass, Start, Writer};

/// A ring with a writer, and a reader that is parked at the published message 0.
fn parked() -> (Ring, Writer, Parked) {
    let ring = gated(1, 2, SlotClass::Packed);
    let mut writer = ring.writer().unwrap();
    let reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let parked = reader.park().unwrap();
    (ring, writer, parked)
}

/// Writes from message 1 on.
fn write_in_thread(mut writer: Writer, tries: usize) -> JoinHandle<(Writer, u64)> {
    thread::spawn(move || {
        let written = write_next(&mut writer, 1, tries);
        (writer, written)
    })
}

/// The reader is resumed, reads, and is parked and resumed again, while the writer writes.
pub(in super::super) fn resume() {
    let (ring, writer, parked) = parked();
    let writing = write_in_thread(writer, 2);
    let mut reader = ring.resume(parked.ticket()).unwrap();
    let next = read_in_order(&mut reader, 0, 1, empty);
    drop(parked);
    let again = reader.park().unwrap();
    let mut reader = ring.resume(again.ticket()).unwrap();
    let (writer, written) = writing.join().unwrap();
    assert_eq!(read_in_order(&mut reader, next, 2, empty), 1 + written, "a message is lost");
    drop((writer, again));
}

/// Two threads resume it, and its parker releases it, concurrently.
pub(in super::super) fn resume_once() {
    let (ring, writer, parked) = parked();
    let ticket = parked.ticket();
    let (here, there) = (ring.clone(), ring.clone());
    let one = thread::spawn(move || here.resume(ticket));
    let other = thread::spawn(move || there.resume(ticket));
    drop(parked);
    let results = [one.join().unwrap(), other.join().unwrap()];
    let mut resumed = 0;
    for result in results {
        match result {
            Ok(mut reader) => {
                assert_eq!(read_in_order(&mut reader, 0, 1, empty), 1);
                resumed += 1;
            }
            Err(RegisterError::NotParked { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(resumed <= 1, "one reader was resumed twice");
    assert_eq!(ring.participants().len(), 1, "the writer alone is left");
    drop(writer);
}

/// The parker dies, a thread resumes the reader, and the writer that waits for the reader checks
/// for the dead: the reader is resumed with all its messages, or gone.
pub(in super::super) fn parker_died() {
    let (ring, writer, parked) = parked();
    let ticket = parked.ticket();
    std::mem::forget(parked);
    bury_parker(&ring, ticket.entry);
    let writing = write_in_thread(writer, 3);
    let resumed = ring.resume(ticket);
    let (mut writer, written) = writing.join().unwrap();
    match resumed {
        Ok(mut reader) => {
            let next = read_in_order(&mut reader, 0, 2, empty);
            assert_eq!((written, next), (0, 1), "the message was overwritten");
        }
        Err(RegisterError::NotParked { .. }) => {
            assert!(written + write_next(&mut writer, 1, 2) > 0, "the reader blocks the writer");
        }
        Err(error) => panic!("{error}"),
    }
}
