//! Messages of the models, and loops that write, read and take them and check the results.

use loom::thread::{self, JoinHandle};
use seqring::model::{exclusive_payloads, owned_buffers};
use seqring::{
    Config, Delivery, Lagged, Reader, Ring, SlotClass, Taker, TryReadError, TryWriteError, Writer,
};
use std::ops::Range;

/// Message `n`: two equal words, so that a torn message is detected; never zero, so that a missing
/// one is.
pub(crate) fn message(n: u64) -> [u8; 16] {
    [n as u8 + 1; 16]
}

/// The number of a message, which must be whole.
#[track_caller]
pub(crate) fn number(bytes: &[u8]) -> u64 {
    let whole = bytes.len() == 16 && bytes[0] > 0 && bytes.iter().all(|byte| *byte == bytes[0]);
    assert!(whole, "torn: {bytes:?}");
    u64::from(bytes[0]) - 1
}

/// A gated ring. Its payloads are cells in which loom detects every data race.
pub(crate) fn gated(slots: usize, participants: usize, class: SlotClass) -> Ring {
    exclusive_payloads(true);
    let config = Config::slots(slots).of_bytes(16).participants(participants).slot_class(class);
    Ring::heap(&config.await_readers(0)).unwrap()
}

/// A ring in which readers may copy bytes that the writer overwrites.
pub(crate) fn shared(slots: usize, class: SlotClass, delivery: Delivery) -> Ring {
    exclusive_payloads(false);
    let config = Config::slots(slots).of_bytes(16).participants(2).slot_class(class).delivery(delivery);
    Ring::heap(&config.await_readers(0)).unwrap()
}

/// Whether there was room for message `n`.
pub(crate) fn try_write(writer: &mut Writer, n: u64) -> bool {
    match writer.try_write(&message(n)) {
        Ok(_) => true,
        Err(TryWriteError::Full) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Tries to write each of the messages. Returns how many there was room for.
pub(crate) fn try_write_all(writer: &mut Writer, numbers: Range<u64>) -> u64 {
    numbers.filter(|n| try_write(writer, *n)).count() as u64
}

/// Writes the next message up to `tries` times, from number `first` on. Returns how many there was
/// room for.
pub(crate) fn write_next(writer: &mut Writer, first: u64, tries: usize) -> u64 {
    (0..tries).fold(0, |written, _| written + u64::from(try_write(writer, first + written)))
}

/// [`try_write_all`] in a thread.
pub(crate) fn write_in_thread(mut writer: Writer, numbers: Range<u64>) -> JoinHandle<(Writer, u64)> {
    thread::spawn(move || {
        let written = try_write_all(&mut writer, numbers);
        (writer, written)
    })
}

/// An error that a model allows: how many messages it skips. `None` fails the model.
pub(crate) type Allowed = fn(&TryReadError) -> Option<u64>;

pub(crate) fn empty(error: &TryReadError) -> Option<u64> {
    (*error == TryReadError::Empty).then_some(0)
}

pub(crate) fn empty_or_closed(error: &TryReadError) -> Option<u64> {
    matches!(error, TryReadError::Empty | TryReadError::Closed).then_some(0)
}

pub(crate) fn empty_or_death(error: &TryReadError) -> Option<u64> {
    matches!(error, TryReadError::Empty | TryReadError::WriterDied { .. }).then_some(0)
}

pub(crate) fn empty_or_gap(error: &TryReadError) -> Option<u64> {
    if let TryReadError::Lagged(Lagged { lost }) = error { Some(*lost) } else { empty(error) }
}

pub(crate) fn gap_or_closed(error: &TryReadError) -> Option<u64> {
    empty_or_gap(error).or_else(|| empty_or_closed(error))
}

fn skipped(error: &TryReadError, allowed: Allowed) -> u64 {
    allowed(error).unwrap_or_else(|| panic!("{error}"))
}

/// Reads up to `tries` times: whole messages, in order from `next` on. Returns the number that is
/// next then.
pub(crate) fn read_in_order(reader: &mut Reader, mut next: u64, tries: usize, allowed: Allowed) -> u64 {
    for _ in 0..tries {
        let mut out = [0; 16];
        match reader.try_read(&mut out) {
            Ok(received) => {
                assert_eq!((received.sequence, number(&out)), (next, next));
                next += 1;
            }
            Err(error) => next += skipped(&error, allowed),
        }
    }
    next
}

/// As [`read_in_order`], with views.
pub(crate) fn view_in_order(reader: &mut Reader, mut next: u64, tries: usize, allowed: Allowed) -> u64 {
    for _ in 0..tries {
        match reader.try_view() {
            Ok(view) => {
                assert_eq!(number(&view), next);
                next += 1;
            }
            Err(error) => next += skipped(&error, allowed),
        }
    }
    next
}

/// Reads up to `tries` times: whole messages, in any order. Returns them, and how many were
/// skipped.
pub(crate) fn read_any(reader: &mut Reader, tries: usize, allowed: Allowed) -> (Vec<u64>, u64) {
    let (mut read, mut lost) = (Vec::new(), 0);
    for _ in 0..tries {
        let mut out = [0; 16];
        match reader.try_read(&mut out) {
            Ok(_) => read.push(number(&out)),
            Err(error) => lost += skipped(&error, allowed),
        }
    }
    (read, lost)
}

/// Takes up to `tries` times. Returns the messages.
pub(crate) fn take(taker: &mut Taker, tries: usize) -> Vec<u64> {
    let mut taken = Vec::new();
    for _ in 0..tries {
        match taker.try_take() {
            Ok(message) => taken.push(number(&message)),
            Err(error) => _ = skipped(&error, empty_or_closed),
        }
    }
    taken
}

/// [`take`], once, in a thread.
pub(crate) fn take_in_thread(mut taker: Taker) -> JoinHandle<(Taker, Vec<u64>)> {
    thread::spawn(move || {
        let taken = take(&mut taker, 1);
        (taker, taken)
    })
}

/// Each of the messages 0 to `count` came once.
#[track_caller]
pub(crate) fn assert_each_once(mut messages: Vec<u64>, count: u64) {
    messages.sort_unstable();
    assert_eq!(messages, (0..count).collect::<Vec<_>>(), "lost or duplicated");
}

/// Every buffer has one owner. No thread may be running.
pub(crate) fn assert_owned_once(ring: &Ring) {
    let mut owned = owned_buffers(ring);
    owned.sort_unstable();
    let buffers = owned.len();
    owned.dedup();
    assert_eq!(owned.len(), buffers, "a buffer has two owners");
}
