//! Whoever comes after a dead one takes up its place and its buffers, while the others go on.

use super::super::many::assert_owned_once;
use super::super::queue::take;
use super::super::{message, number};
use loom::thread;
use seqring::model::{Failpoint, abandon, abandon_taker, bury, dies_at, exclusive_payloads};
use seqring::{Config, Delivery, Lagged, Reader, Ring, SlotClass, Start, TryReadError, Writers};

/// Reads whole messages in order; returns those, and how many were missed.
fn read(reader: &mut Reader, tries: usize) -> (Vec<u64>, u64) {
    let (mut got, mut missed) = (Vec::new(), 0);
    for _ in 0..tries {
        let mut out = [0; 16];
        match reader.try_read(&mut out) {
            Ok(_) => got.push(number(&out)),
            Err(TryReadError::Lagged(Lagged { missed: more })) => missed += more,
            Err(TryReadError::Empty | TryReadError::WriterDied { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    (got, missed)
}

/// The one writer of inline slots dies in the middle of message 1. Its heir writes that one, and another, while a reader
/// reads.
fn inline(stop: Failpoint) {
    exclusive_payloads(false);
    let config = Config::new(2, 16).participants(2).slot_class(SlotClass::Packed).delivery(Delivery::Lossy);
    let ring = Ring::heap(&config).unwrap();
    let mut victim = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    victim.try_write(&message(0)).unwrap();
    let reading = thread::spawn(move || (read(&mut reader, 2), reader));
    assert!(dies_at(stop, || _ = victim.try_write(&message(7))), "it does not get there");
    bury(&ring, abandon(victim));
    let mut heir = ring.writer().unwrap();
    for n in 1..3 {
        heir.try_write(&message(n)).unwrap();
    }
    let ((mut got, missed), mut reader) = reading.join().unwrap();
    let (rest, more) = read(&mut reader, 4);
    got.extend(rest);
    assert!(got.is_sorted() && got.last() == Some(&2), "{got:?}");
    assert_eq!(got.len() as u64 + missed + more, 3, "{got:?}: lost or doubled");
    drop(heir);
}

pub(in super::super) fn marked() {
    inline(Failpoint::PublishMarked);
}

pub(in super::super) fn stored() {
    inline(Failpoint::PublishStored);
}

/// The one writer of an arena ring dies with a filled buffer, in the middle of message 2. Its heir fills buffers that no slot
/// names, and not what the reader has not read.
pub(in super::super) fn filled() {
    arena(16, 2, Failpoint::PublishFilled);
}

/// The one writer of an arena ring dies when it has published message 1, and has taken back what all have read.
pub(in super::super) fn withdrawn() {
    arena(128, 1, Failpoint::Withdrawn);
}

fn arena(slot_bytes: usize, before: u64, stop: Failpoint) {
    exclusive_payloads(true);
    let config = Config::new(2, slot_bytes).participants(2).slot_class(SlotClass::Arena);
    let ring = Ring::heap(&config).unwrap();
    let mut victim = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    for n in 0..before {
        victim.try_write(&message(n)).unwrap();
    }
    assert_eq!(number(&reader.try_view().unwrap()), 0);
    assert!(dies_at(stop, || _ = victim.try_write(&message(before))), "it does not get there");
    let first = before + u64::from(stop == Failpoint::Withdrawn);
    bury(&ring, abandon(victim));
    let mut heir = ring.writer().unwrap();
    let writing = thread::spawn(move || {
        let written = (first..first + 2).take_while(|n| heir.try_write(&message(*n)).is_ok()).count();
        (heir, written as u64)
    });
    let mut next = 1;
    let mut view = |tries: usize| {
        for _ in 0..tries {
            match reader.try_view() {
                Ok(view) => {
                    assert_eq!(number(&view), next);
                    next += 1;
                }
                Err(TryReadError::Empty | TryReadError::WriterDied { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        next
    };
    view(2);
    let (heir, written) = writing.join().unwrap();
    assert_eq!(view(5), first + written, "lost or doubled");
    drop(heir);
}

/// One of many dies at a point of its publication. An heir takes its entry and writes, while another writer does.
fn one_of_many(stop: Failpoint) {
    exclusive_payloads(false);
    let config = Config::new(1, 16).delivery(Delivery::Lossy).writers(Writers::Many).participants(2);
    let ring = Ring::heap(&config).unwrap();
    let (mut victim, mut other) = (ring.writer().unwrap(), ring.writer().unwrap());
    assert!(dies_at(stop, || _ = victim.try_write(&message(7))), "it does not get there");
    bury(&ring, abandon(victim));
    let writing = thread::spawn(move || {
        other.try_write(&message(1)).unwrap();
        other
    });
    let mut heir = ring.writer().unwrap();
    heir.try_write(&message(2)).unwrap();
    let other = writing.join().unwrap();
    assert_owned_once(&ring);
    drop((heir, other));
}

pub(in super::super) fn armed() {
    one_of_many(Failpoint::ExchangeArmed);
}

pub(in super::super) fn exchanged() {
    one_of_many(Failpoint::ExchangeDone);
}

pub(in super::super) fn owning() {
    one_of_many(Failpoint::ExchangeOwned);
}

/// A taker dies at a point of its take. One taker goes on, and another one joins, while the queue is written to.
fn taker(stop: Failpoint) {
    exclusive_payloads(true);
    let ring = Ring::heap(&Config::new(1, 16).delivery(Delivery::Queue).participants(4)).unwrap();
    let (mut writer, mut victim, mut other) =
        (ring.writer().unwrap(), ring.taker().unwrap(), ring.taker().unwrap());
    writer.try_write(&message(0)).unwrap();
    assert!(dies_at(stop, || _ = victim.try_take().map(|taken| number(&taken))), "it does not get there");
    bury(&ring, abandon_taker(victim));
    let taking = thread::spawn(move || (take(&mut other, 1), other));
    let mut heir = ring.taker().unwrap();
    let written = u64::from(writer.try_write(&message(1)).is_ok());
    let mut got = take(&mut heir, 1);
    let (theirs, mut other) = taking.join().unwrap();
    got.extend(theirs);
    got.extend(take(&mut other, 3));
    got.sort_unstable();
    assert_eq!(got, (0..1 + written).collect::<Vec<_>>(), "lost or doubled");
    assert_owned_once(&ring);
    drop((writer, heir));
}

pub(in super::super) fn take_armed() {
    taker(Failpoint::TakeArmed);
}

pub(in super::super) fn take_done() {
    taker(Failpoint::TakeDone);
}

pub(in super::super) fn take_owned() {
    taker(Failpoint::TakeOwned);
}

/// A taker died with a message, all writers have left, and somebody joins: whoever is told that the queue is closed has
/// everything.
pub(in super::super) fn nothing_left() {
    exclusive_payloads(true);
    let ring = Ring::heap(&Config::new(1, 16).delivery(Delivery::Queue).participants(3)).unwrap();
    // The joiner comes to the dead one's entry first.
    let (mut victim, mut other) = (ring.taker().unwrap(), ring.taker().unwrap());
    let mut writer = ring.writer().unwrap();
    writer.try_write(&message(0)).unwrap();
    drop(writer);
    assert!(dies_at(Failpoint::TakeDone, || _ = victim.try_take().map(|taken| number(&taken))));
    bury(&ring, abandon_taker(victim));
    let joining = thread::spawn(move || ring.taker().unwrap());
    let mut got = Vec::new();
    for _ in 0..2 {
        match other.try_take() {
            Ok(taken) => got.push(number(&taken)),
            Err(TryReadError::Empty) => {}
            Err(TryReadError::Closed) => assert_eq!(got, [0], "closed over a message"),
            Err(error) => panic!("{error}"),
        }
    }
    drop(joining.join().unwrap());
}
