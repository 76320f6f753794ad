//! Queues: each message to one taker, buffers handed on both ways, whoever stops where.

use super::many::assert_owned_once;
use super::{message, number};
use loom::thread::{self, JoinHandle};
use seqring::model::{Failpoint, abandon, abandon_taker, bury, dies_at, exclusive_payloads, settle};
use seqring::{Config, Delivery, Ring, Taker, TryReadError, TryWriteError, Writer};

pub(super) fn ring(slots: usize, participants: usize) -> Ring {
    exclusive_payloads(true);
    let config = Config::new(slots, 16).delivery(Delivery::Queue);
    Ring::heap(&config.participants(participants)).unwrap()
}

/// One writer and one taker: each buffer goes there and back.
pub(super) fn one_to_one() {
    let ring = ring(1, 2);
    let (mut writer, mut taker) = (ring.writer().unwrap(), ring.taker().unwrap());
    let writing = thread::spawn(move || {
        let written = (0..3).filter(|n| writer.try_write(&message(*n)).is_ok()).count();
        (writer, written)
    });
    let mut got = take(&mut taker, 2);
    let (writer, written) = writing.join().unwrap();
    got.extend(take(&mut taker, 2));
    assert_eq!(got.len(), written, "{got:?}");
    assert!(got.is_sorted());
    assert_owned_once(&ring);
    drop(writer);
}

/// Two of each.
pub(super) fn two_to_two(slots: usize) {
    let ring = ring(slots, 4);
    let (mut one, two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let (mut here, there) = (ring.taker().unwrap(), ring.taker().unwrap());
    one.try_write(&message(0)).unwrap();
    let writing = write_in_thread(two, 1);
    let taking = take_in_thread(there);
    let mut got = take(&mut here, 1);
    let (two, written) = writing.join().unwrap();
    let (there, theirs) = taking.join().unwrap();
    got.extend(theirs);
    got.extend(take(&mut here, 2));
    got.sort_unstable();
    assert_eq!(got, (0..1 + u64::from(written)).collect::<Vec<_>>());
    assert_owned_once(&ring);
    drop((two, there));
}

pub(super) fn two_to_two_on_one_slot() {
    two_to_two(1);
}

pub(super) fn two_to_two_on_two_slots() {
    two_to_two(2);
}

/// A taker dies at a point, another goes on, and a writer uses the slot again. Each message comes once: what the dead one
/// had taken goes to the other.
fn taker_died_at(stop: Failpoint) {
    let ring = ring(1, 4);
    let (mut writer, mut victim, other) =
        (ring.writer().unwrap(), ring.taker().unwrap(), ring.taker().unwrap());
    writer.try_write(&message(0)).unwrap();
    let writing = write_in_thread(writer, 1);
    let taking = take_in_thread(other);
    dies_at(stop, || {
        let _ = victim.try_take().map(|taken| number(&taken));
    });
    let entry = abandon_taker(victim);
    let heir = settle(&ring, entry);
    let ((writer, written), (mut other, mut got)) = (writing.join().unwrap(), taking.join().unwrap());
    assert_eq!(settle(&ring, entry), heir, "what a dead taker owned changed");
    bury(&ring, entry);
    got.extend(take(&mut other, 3));
    got.sort_unstable();
    assert_eq!(got, (0..1 + u64::from(written)).collect::<Vec<_>>(), "lost or doubled");
    assert_owned_once(&ring);
    drop(writer);
}

/// A taker dies with a message; two others find it at the same time.
pub(super) fn adopted_once() {
    let ring = ring(1, 4);
    let (mut writer, mut victim) = (ring.writer().unwrap(), ring.taker().unwrap());
    let (mut here, there) = (ring.taker().unwrap(), ring.taker().unwrap());
    writer.try_write(&message(0)).unwrap();
    dies_at(Failpoint::TakeDone, || {
        let _ = victim.try_take().map(|taken| number(&taken));
    });
    bury(&ring, abandon_taker(victim));
    let taking = take_in_thread(there);
    let mut got = take(&mut here, 1);
    let (there, theirs) = taking.join().unwrap();
    got.extend(theirs);
    got.extend(take(&mut here, 1));
    assert_eq!(got, [0]);
    assert_owned_once(&ring);
    drop((writer, there));
}

/// One looks for what dead takers left, and comes upon an entry that was a taker's, who left, and is that of a writer who
/// died: it is told so.
pub(super) fn found_another() {
    let ring = ring(1, 3);
    let (leaver, mut taker) = (ring.taker().unwrap(), ring.taker().unwrap());
    let kernel = ring.clone();
    let coming = thread::spawn(move || {
        drop(leaver);
        let mut victim = kernel.writer().unwrap();
        victim.try_write(&message(0)).unwrap();
        bury(&kernel, abandon(victim));
    });
    let (mut got, mut deaths) = (0, 0);
    let mut take = |tries: usize| {
        for _ in 0..tries {
            match taker.try_take() {
                Ok(taken) => got += 1 + number(&taken),
                Err(TryReadError::WriterDied { .. }) => deaths += 1,
                Err(TryReadError::Empty | TryReadError::Closed) => {}
                Err(error) => panic!("{error}"),
            }
        }
        (got, deaths)
    };
    take(1);
    coming.join().unwrap();
    assert_eq!(take(4), (1, 1), "a message, and a death");
    assert_owned_once(&ring);
}

pub(super) fn taker_died_armed() {
    taker_died_at(Failpoint::TakeArmed);
}

pub(super) fn taker_died_with_it() {
    taker_died_at(Failpoint::TakeDone);
}

pub(super) fn taker_died_owning() {
    taker_died_at(Failpoint::TakeOwned);
}

/// A writer dies when its message is published and before it says so; a taker takes it, and another writer goes on.
pub(super) fn writer_died() {
    let ring = ring(1, 4);
    let (mut victim, other, taker) = (ring.writer().unwrap(), ring.writer().unwrap(), ring.taker().unwrap());
    let taking = take_in_thread(taker);
    let writing = write_in_thread(other, 1);
    dies_at(Failpoint::ExchangeDone, || {
        let _ = victim.try_write(&message(0));
    });
    let entry = abandon(victim);
    let heir = settle(&ring, entry);
    let handles = (writing.join().unwrap(), taking.join().unwrap());
    assert_eq!(settle(&ring, entry), heir, "what a dead writer owned changed");
    assert_owned_once(&ring);
    drop(handles);
}

fn write_in_thread(mut writer: Writer, n: u64) -> JoinHandle<(Writer, bool)> {
    thread::spawn(move || match writer.try_write(&message(n)) {
        Ok(_) => (writer, true),
        Err(TryWriteError::Full) => (writer, false),
        Err(error) => panic!("{error}"),
    })
}

fn take_in_thread(mut taker: Taker) -> JoinHandle<(Taker, Vec<u64>)> {
    thread::spawn(move || {
        let got = take(&mut taker, 1);
        (taker, got)
    })
}

/// The messages of so many tries.
pub(super) fn take(taker: &mut Taker, tries: usize) -> Vec<u64> {
    let mut got = Vec::new();
    for _ in 0..tries {
        match taker.try_take() {
            Ok(taken) => got.push(number(&taken)),
            Err(TryReadError::Empty | TryReadError::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }
    got
}
