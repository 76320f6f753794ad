//! A reader is parked and resumed: no message is lost in between, and of two threads that resume it
//! one succeeds.

use super::super::messages::{empty, gated, message, read_in_order, write_next};
use loom::thread::{self, JoinHandle};
use seqring::model::{abandon, bury, bury_parker, exclusive_payloads, look_for_the_dead};
use seqring::process::Parked;
use seqring::{Config, Delivery, RegisterError, Ring, Role, SlotClass, Start, TryReadError, Writer, Writers};

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

/// A reader is parked while another one tries to register, in a table without a further entry.
pub(in super::super) fn join() {
    let ring = gated(1, 2, SlotClass::Packed);
    let mut writer = ring.writer().unwrap();
    let reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let other = ring.clone();
    let joining = thread::spawn(move || other.reader(Start::Next).map(drop));
    let parked = reader.park().unwrap();
    assert!(joining.join().unwrap().is_err(), "the entry has a reader");
    let mut reader = ring.resume(parked.ticket()).unwrap();
    assert_eq!(read_in_order(&mut reader, 0, 1, empty), 1);
    drop((writer, parked));
}

/// A reader was resumed and has left. A writer that died has its entry when the parker releases the
/// reader: its death is reported.
pub(in super::super) fn outlived() {
    exclusive_payloads(true);
    let config =
        Config::slots(1).of_bytes(16).delivery(Delivery::Gated).writers(Writers::Many).participants(2);
    let ring = Ring::heap(&config).unwrap();
    let (mut other, reader) = (ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap());
    let parked = reader.park().unwrap();
    drop(ring.resume(parked.ticket()).unwrap());
    let mut victim = ring.writer().unwrap();
    victim.try_write(&message(0)).unwrap();
    bury(&ring, abandon(victim));
    drop(parked);
    look_for_the_dead(&ring, Role::Writer);
    assert_eq!(read_in_order(&mut other, 0, 1, empty), 1);
    assert!(matches!(other.try_read(&mut [0; 16]), Err(TryReadError::WriterDied { .. })));
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
