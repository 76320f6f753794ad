//! The successor of a dead participant takes over its position and its buffers, while others
//! continue.

use super::super::messages::{
    Allowed, assert_each_once, assert_owned_once, empty_or_death, empty_or_gap, message, number, read_any,
    shared, take, view_in_order,
};
use super::super::queue::{self, taker_dies};
use loom::thread;
use seqring::model::{Failpoint, abandon, bury, dies_at, exclusive_payloads};
use seqring::{Config, Delivery, Ring, SlotClass, Start, TryReadError, Writer, Writers};

/// A writer dies at a point of its publication of message `n`. Returns its entry.
#[track_caller]
fn writer_dies(mut victim: Writer, point: Failpoint, n: u64) -> usize {
    assert!(dies_at(point, || _ = victim.try_write(&message(n))), "the point was not reached");
    abandon(victim)
}

const EMPTY_GAP_OR_DEATH: Allowed = |error| empty_or_gap(error).or_else(|| empty_or_death(error));

/// The one writer of inline slots dies in the middle of message 1. Its successor writes that
/// message and another, while a reader reads.
fn inline(point: Failpoint) {
    let ring = shared(2, SlotClass::Packed, Delivery::Lossy);
    let mut victim = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    victim.try_write(&message(0)).unwrap();
    let reading = thread::spawn(move || (read_any(&mut reader, 2, EMPTY_GAP_OR_DEATH), reader));
    bury(&ring, writer_dies(victim, point, 7));
    let mut successor = ring.writer().unwrap();
    for n in 1..3 {
        successor.try_write(&message(n)).unwrap();
    }
    let ((mut messages, lost), mut reader) = reading.join().unwrap();
    let (rest, more) = read_any(&mut reader, 4, EMPTY_GAP_OR_DEATH);
    messages.extend(rest);
    assert!(messages.is_sorted() && messages.last() == Some(&2), "{messages:?}");
    assert_eq!(messages.len() as u64 + lost + more, 3, "{messages:?}: lost or duplicated");
    drop(successor);
}

pub(in super::super) fn marked() {
    inline(Failpoint::PublishMarked);
}

pub(in super::super) fn stored() {
    inline(Failpoint::PublishStored);
}

/// The one writer of an arena ring dies with a filled buffer, in the middle of message 2. Its
/// successor fills buffers that no slot refers to, and no unread message.
pub(in super::super) fn filled() {
    arena(16, 2, Failpoint::PublishFilled);
}

/// The one writer of an arena ring dies after it has published message 1 and withdrawn the read
/// ones.
pub(in super::super) fn withdrawn() {
    arena(128, 1, Failpoint::BufferWithdrawn);
}

fn arena(slot_bytes: usize, before: u64, point: Failpoint) {
    exclusive_payloads(true);
    let config =
        Config::slots(2).of_bytes(slot_bytes).participants(2).slot_class(SlotClass::Arena).await_readers(0);
    let ring = Ring::heap(&config).unwrap();
    let mut victim = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    for n in 0..before {
        victim.try_write(&message(n)).unwrap();
    }
    assert_eq!(number(&reader.try_view().unwrap()), 0);
    bury(&ring, writer_dies(victim, point, before));
    let first = before + u64::from(point == Failpoint::BufferWithdrawn);
    let mut successor = ring.writer().unwrap();
    let writing = thread::spawn(move || {
        let written = (first..first + 2).take_while(|n| successor.try_write(&message(*n)).is_ok()).count();
        (successor, written as u64)
    });
    let next = view_in_order(&mut reader, 1, 2, empty_or_death);
    let (successor, written) = writing.join().unwrap();
    assert_eq!(view_in_order(&mut reader, next, 5, empty_or_death), first + written, "lost or duplicated");
    drop(successor);
}

/// One of many writers dies at a point of its publication. A successor takes its entry and writes,
/// while another writer does.
fn one_of_many(point: Failpoint) {
    exclusive_payloads(false);
    let config =
        Config::slots(1).of_bytes(16).delivery(Delivery::Lossy).writers(Writers::Many).participants(2);
    let ring = Ring::heap(&config).unwrap();
    let (victim, mut other) = (ring.writer().unwrap(), ring.writer().unwrap());
    bury(&ring, writer_dies(victim, point, 7));
    let writing = thread::spawn(move || {
        other.try_write(&message(1)).unwrap();
        other
    });
    let mut successor = ring.writer().unwrap();
    successor.try_write(&message(2)).unwrap();
    let other = writing.join().unwrap();
    assert_owned_once(&ring);
    drop((successor, other));
}

pub(in super::super) fn with_intent() {
    one_of_many(Failpoint::ExchangeIntended);
}

pub(in super::super) fn exchanged() {
    one_of_many(Failpoint::ExchangeDone);
}

pub(in super::super) fn owner() {
    one_of_many(Failpoint::ExchangeSettled);
}

/// A taker dies at a point of its take. One taker continues, and another registers, while the queue
/// is written to.
fn taker(point: Failpoint) {
    let ring = queue::ring(1, 4);
    let (mut writer, victim, mut other) =
        (ring.writer().unwrap(), ring.taker().unwrap(), ring.taker().unwrap());
    writer.try_write(&message(0)).unwrap();
    let (died, entry) = taker_dies(victim, point);
    assert!(died, "the point was not reached");
    bury(&ring, entry);
    let taking = thread::spawn(move || (take(&mut other, 1), other));
    let mut successor = ring.taker().unwrap();
    let written = u64::from(writer.try_write(&message(1)).is_ok());
    let mut taken = take(&mut successor, 1);
    let (others, mut other) = taking.join().unwrap();
    taken.extend(others);
    taken.extend(take(&mut other, 3));
    assert_each_once(taken, 1 + written);
    assert_owned_once(&ring);
    drop((writer, successor));
}

pub(in super::super) fn take_with_intent() {
    taker(Failpoint::TakeIntended);
}

pub(in super::super) fn take_exchanged() {
    taker(Failpoint::TakeDone);
}

pub(in super::super) fn take_owner() {
    taker(Failpoint::TakeSettled);
}

/// A taker died with a message, all writers have left, and a taker registers: a taker that gets the
/// end of the queue has got every message.
pub(in super::super) fn redelivery_before_the_end() {
    let ring = queue::ring(1, 3);
    // The new taker searches the dead taker's entry first.
    let (victim, mut other) = (ring.taker().unwrap(), ring.taker().unwrap());
    let mut writer = ring.writer().unwrap();
    writer.try_write(&message(0)).unwrap();
    drop(writer);
    let (died, entry) = taker_dies(victim, Failpoint::TakeDone);
    assert!(died);
    bury(&ring, entry);
    let registering = thread::spawn(move || ring.taker().unwrap());
    let mut taken = Vec::new();
    for _ in 0..2 {
        match other.try_take() {
            Ok(message) => taken.push(number(&message)),
            Err(TryReadError::Empty) => {}
            Err(TryReadError::Closed) => assert_eq!(taken, [0], "closed before the last message"),
            Err(error) => panic!("{error}"),
        }
    }
    drop(registering.join().unwrap());
}
