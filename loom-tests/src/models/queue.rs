//! Queues: each message goes to one taker, and buffers are handed on in both directions, also when
//! a participant dies.

use super::messages::{
    assert_each_once, assert_owned_once, message, number, take, take_in_thread, write_in_thread,
};
use loom::thread;
use seqring::model::{Failpoint, abandon, abandon_taker, bury, dies_at, exclusive_payloads, settle};
use seqring::{Config, Delivery, Ring, Taker, TryReadError};

pub(super) fn ring(slots: usize, participants: usize) -> Ring {
    exclusive_payloads(true);
    let config = Config::slots(slots).of_bytes(16).delivery(Delivery::Queue);
    Ring::heap(&config.participants(participants)).unwrap()
}

/// One writer and one taker: each buffer goes there and back.
pub(super) fn one_to_one() {
    let ring = ring(1, 2);
    let (mut writer, mut taker) = (ring.writer().unwrap(), ring.taker().unwrap());
    writer.try_write(&message(0)).unwrap();
    let writing = write_in_thread(writer, 1..4);
    let mut taken = take(&mut taker, 2);
    let (writer, written) = writing.join().unwrap();
    taken.extend(take(&mut taker, 2));
    assert_eq!(taken.len() as u64, 1 + written, "{taken:?}");
    assert!(taken.is_sorted());
    assert_owned_once(&ring);
    drop(writer);
}

/// Two writers and two takers.
fn two_to_two(slots: usize) {
    let ring = ring(slots, 4);
    let (mut one, two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let (mut here, there) = (ring.taker().unwrap(), ring.taker().unwrap());
    one.try_write(&message(0)).unwrap();
    let writing = write_in_thread(two, 1..2);
    let taking = take_in_thread(there);
    let mut taken = take(&mut here, 1);
    let (two, written) = writing.join().unwrap();
    let (there, others) = taking.join().unwrap();
    taken.extend(others);
    taken.extend(take(&mut here, 2));
    assert_each_once(taken, 1 + written);
    assert_owned_once(&ring);
    drop((two, there));
}

pub(super) fn two_to_two_on_one_slot() {
    two_to_two(1);
}

pub(super) fn two_to_two_on_two_slots() {
    two_to_two(2);
}

/// A taker takes and dies at a point. Returns its entry.
pub(super) fn taker_dies(mut victim: Taker, point: Failpoint) -> (bool, usize) {
    let died = dies_at(point, || _ = victim.try_take().map(|taken| number(&taken)));
    (died, abandon_taker(victim))
}

/// A taker dies at a point, another continues, and a writer reuses the slot. Each message comes
/// once: the message of the dead taker is redelivered.
fn taker_died_at(point: Failpoint) {
    let ring = ring(1, 4);
    let (mut writer, victim, other) = (ring.writer().unwrap(), ring.taker().unwrap(), ring.taker().unwrap());
    writer.try_write(&message(0)).unwrap();
    let writing = write_in_thread(writer, 1..2);
    let taking = take_in_thread(other);
    let (_, entry) = taker_dies(victim, point);
    let buffer = settle(&ring, entry);
    let ((writer, written), (mut other, mut taken)) = (writing.join().unwrap(), taking.join().unwrap());
    assert_eq!(settle(&ring, entry), buffer, "the buffer of a dead taker changed");
    bury(&ring, entry);
    taken.extend(take(&mut other, 3));
    assert_each_once(taken, 1 + written);
    assert_owned_once(&ring);
    drop(writer);
}

pub(super) fn taker_died_with_intent() {
    taker_died_at(Failpoint::TakeIntended);
}

pub(super) fn taker_died_after_exchange() {
    taker_died_at(Failpoint::TakeDone);
}

pub(super) fn taker_died_as_owner() {
    taker_died_at(Failpoint::TakeSettled);
}

/// A taker dies with a message; two others detect it concurrently.
pub(super) fn redelivered_once() {
    let ring = ring(1, 4);
    let (mut writer, victim) = (ring.writer().unwrap(), ring.taker().unwrap());
    let (mut here, there) = (ring.taker().unwrap(), ring.taker().unwrap());
    writer.try_write(&message(0)).unwrap();
    bury(&ring, taker_dies(victim, Failpoint::TakeDone).1);
    let taking = take_in_thread(there);
    let mut taken = take(&mut here, 1);
    let (there, others) = taking.join().unwrap();
    taken.extend(others);
    taken.extend(take(&mut here, 1));
    assert_eq!(taken, [0]);
    assert_owned_once(&ring);
    drop((writer, there));
}

/// A taker searches for messages of dead takers. It finds an entry that a taker has left and in
/// which a writer has died meanwhile: that death is reported.
pub(super) fn entry_changed_role() {
    let ring = ring(1, 3);
    let (leaver, mut taker) = (ring.taker().unwrap(), ring.taker().unwrap());
    let kernel = ring.clone();
    let replacing = thread::spawn(move || {
        drop(leaver);
        let mut victim = kernel.writer().unwrap();
        victim.try_write(&message(0)).unwrap();
        bury(&kernel, abandon(victim));
    });
    let (mut taken, mut deaths) = (0, 0);
    let mut take = |tries: usize| {
        for _ in 0..tries {
            match taker.try_take() {
                Ok(message) => taken += 1 + number(&message),
                Err(TryReadError::WriterDied { .. }) => deaths += 1,
                Err(TryReadError::Empty | TryReadError::Closed) => {}
                Err(error) => panic!("{error}"),
            }
        }
        (taken, deaths)
    };
    take(1);
    replacing.join().unwrap();
    assert_eq!(take(4), (1, 1), "a message, and a death");
    assert_owned_once(&ring);
}

/// A writer dies after its message is published and before it updates its intent; a taker takes the
/// message, and another writer continues.
pub(super) fn writer_died() {
    let ring = ring(1, 4);
    let (mut victim, other, taker) = (ring.writer().unwrap(), ring.writer().unwrap(), ring.taker().unwrap());
    let taking = take_in_thread(taker);
    let writing = write_in_thread(other, 1..2);
    dies_at(Failpoint::ExchangeDone, || _ = victim.try_write(&message(0)));
    let entry = abandon(victim);
    let buffer = settle(&ring, entry);
    let handles = (writing.join().unwrap(), taking.join().unwrap());
    assert_eq!(settle(&ring, entry), buffer, "the buffer of a dead writer changed");
    assert_owned_once(&ring);
    drop(handles);
}
