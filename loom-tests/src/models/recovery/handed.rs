//! A reader that is handed over: nothing is lost between the two hands, and of two that reach for it one gets it.

use super::super::{message, number};
use loom::thread;
use seqring::model::{bury_parker, exclusive_payloads};
use seqring::{
    Config, RegisterError, Parked, Reader, Ring, SlotClass, Start, TryReadError, TryWriteError, Writer,
};

fn ring() -> Ring {
    exclusive_payloads(true);
    Ring::heap(&Config::new(1, 16).participants(2).slot_class(SlotClass::Packed)).unwrap()
}

/// A writer, and a reader that is parked at message 0, which is there.
fn parked(ring: &Ring) -> (Writer, Parked) {
    let mut writer = ring.writer().unwrap();
    let reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    (writer, reader.park().unwrap())
}

/// Messages from 1 on, as many as go in so many tries.
fn write(writer: &mut Writer, tries: usize) -> u64 {
    let mut written = 0;
    for _ in 0..tries {
        match writer.try_write(&message(1 + written)) {
            Ok(_) => written += 1,
            Err(TryWriteError::Full) => {}
            Err(error) => panic!("{error}"),
        }
    }
    written
}

/// Reads from message `next` on, in order; returns what comes next.
fn read(reader: &mut Reader, mut next: u64, tries: usize) -> u64 {
    let mut out = [0; 16];
    for _ in 0..tries {
        match reader.try_read(&mut out) {
            Ok(_) => {
                assert_eq!(number(&out), next);
                next += 1;
            }
            Err(TryReadError::Empty) => {}
            Err(error) => panic!("{error}"),
        }
    }
    next
}

/// It is taken up, reads, and is parked again, while the writer writes.
pub(in super::super) fn over() {
    let ring = ring();
    let (mut writer, parked) = parked(&ring);
    let writing = thread::spawn(move || {
        let written = write(&mut writer, 2);
        (writer, written)
    });
    let mut reader = ring.resume(parked.ticket()).unwrap();
    let next = read(&mut reader, 0, 1);
    drop(parked);
    let again = reader.park().unwrap();
    let mut reader = ring.resume(again.ticket()).unwrap();
    let (writer, written) = writing.join().unwrap();
    assert_eq!(read(&mut reader, next, 2), 1 + written, "lost between two hands");
    drop((writer, again));
}

/// Two take it up at once, and whoever parked it gives it up.
pub(in super::super) fn once() {
    let ring = ring();
    let (writer, parked) = parked(&ring);
    let ticket = parked.ticket();
    let (here, there) = (ring.clone(), ring.clone());
    let one = thread::spawn(move || here.resume(ticket));
    let other = thread::spawn(move || there.resume(ticket));
    drop(parked);
    let resumed = [one.join().unwrap(), other.join().unwrap()];
    let mut got = 0;
    for one in resumed {
        match one {
            Ok(mut reader) => {
                assert_eq!(read(&mut reader, 0, 1), 1);
                got += 1;
            }
            Err(RegisterError::NotParked { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(got <= 1, "one reader in two hands");
    assert_eq!(ring.participants().len(), 1, "the writer alone is left");
    drop(writer);
}

/// Whoever parked it dies, somebody takes it up, and the writer that waits for it looks for the dead: it is taken up with
/// all its messages, or gone.
pub(in super::super) fn parker_died() {
    let ring = ring();
    let (mut writer, parked) = parked(&ring);
    let ticket = parked.ticket();
    std::mem::forget(parked);
    bury_parker(&ring, ticket.entry);
    let writing = thread::spawn(move || {
        let written = write(&mut writer, 3);
        (writer, written)
    });
    let resumed = ring.resume(ticket);
    let (mut writer, written) = writing.join().unwrap();
    match resumed {
        Ok(mut reader) => assert_eq!((written, read(&mut reader, 0, 2)), (0, 1), "written over"),
        Err(RegisterError::NotParked { .. }) => {
            assert!(written + write(&mut writer, 2) > 0, "it holds the writer back")
        }
        Err(error) => panic!("{error}"),
    }
}
