//! A participant died after its exchange, and a second one, the displacer, gets the buffer that it
//! left in the slot. The displacer dies at each step, or goes on, while a third moves the slot on
//! and a survivor settles what the dead own.

use super::messages::{assert_owned_once, message, take, try_write_all};
use super::multi_writer;
use super::queue::{ring, taker_dies};
use loom::thread;
use seqring::model::{Failpoint, abandon, dies_at, settle};
use seqring::{Delivery, Ring, Writer};

/// Writes message `n` and dies at a point. Returns the entry.
fn writer_dies(mut writer: Writer, point: Failpoint, n: u64) -> usize {
    assert!(dies_at(point, || _ = writer.try_write(&message(n))), "the point was not reached");
    abandon(writer)
}

/// Settles the entries of the dead while `others` act: each owns the same buffer before and after.
fn settles<T: 'static>(ring: &Ring, dead: &[usize], others: impl FnOnce() -> T + 'static) {
    let others = thread::spawn(others);
    let buffers = || dead.iter().map(|entry| settle(ring, *entry)).collect::<Vec<_>>();
    let before = buffers();
    let others = others.join().unwrap();
    assert_eq!(buffers(), before, "the buffer of a dead participant changed");
    assert_owned_once(ring);
    drop(others);
}

/// A writer died. A taker takes its message, and dies at a point.
fn by_taker(point: Failpoint) {
    let ring = ring(1, 4);
    let (victim, mut writer) = (ring.writer().unwrap(), ring.writer().unwrap());
    let (displacer, mut taker) = (ring.taker().unwrap(), ring.taker().unwrap());
    let victim = writer_dies(victim, Failpoint::ExchangeDone, 0);
    let (died, displacer) = taker_dies(displacer, point);
    assert!(died, "the point was not reached");
    settles(&ring, &[victim, displacer], move || {
        take(&mut taker, 1);
        try_write_all(&mut writer, 1..2);
        take(&mut taker, 1);
        (writer, taker)
    });
}

pub(super) fn by_taker_with_intent() {
    by_taker(Failpoint::TakeIntended);
}

pub(super) fn by_taker_that_exchanged() {
    by_taker(Failpoint::TakeDone);
}

pub(super) fn by_taker_that_is_owner() {
    by_taker(Failpoint::TakeOwned);
}

/// A taker died. A writer publishes into the slot, and dies at a point.
fn by_writer(point: Failpoint) {
    let ring = ring(1, 4);
    let (mut writer, displacer) = (ring.writer().unwrap(), ring.writer().unwrap());
    let (victim, mut taker) = (ring.taker().unwrap(), ring.taker().unwrap());
    writer.try_write(&message(0)).unwrap();
    let (died, victim) = taker_dies(victim, Failpoint::TakeDone);
    assert!(died, "the point was not reached");
    let displacer = writer_dies(displacer, point, 1);
    settles(&ring, &[victim, displacer], move || {
        try_write_all(&mut writer, 2..3);
        take(&mut taker, 1);
        try_write_all(&mut writer, 3..4);
        (writer, taker)
    });
}

pub(super) fn by_writer_with_intent() {
    by_writer(Failpoint::ExchangeIntended);
}

pub(super) fn by_writer_that_exchanged() {
    by_writer(Failpoint::ExchangeDone);
}

pub(super) fn by_writer_that_is_owner() {
    by_writer(Failpoint::ExchangeOwned);
}

/// A writer of a lossy ring died. Another writes over its message, and dies at a point.
fn over_a_message(point: Failpoint) {
    let ring = multi_writer::ring(Delivery::Lossy, 1, 3);
    let (victim, displacer) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut writer = ring.writer().unwrap();
    let victim = writer_dies(victim, Failpoint::ExchangeDone, 0);
    let displacer = writer_dies(displacer, point, 1);
    settles(&ring, &[victim, displacer], move || {
        try_write_all(&mut writer, 2..4);
        writer
    });
}

pub(super) fn over_with_intent() {
    over_a_message(Failpoint::ExchangeIntended);
}

pub(super) fn over_exchanged() {
    over_a_message(Failpoint::ExchangeDone);
}

pub(super) fn over_owner() {
    over_a_message(Failpoint::ExchangeOwned);
}

/// A writer died. The displacer goes on to its next message.
pub(super) fn by_a_busy_taker() {
    let ring = ring(2, 3);
    let (victim, mut writer, mut taker) =
        (ring.writer().unwrap(), ring.writer().unwrap(), ring.taker().unwrap());
    let victim = writer_dies(victim, Failpoint::ExchangeDone, 0);
    writer.try_write(&message(1)).unwrap();
    settles(&ring, &[victim], move || {
        assert_eq!(take(&mut taker, 2), [0, 1]);
        taker
    });
    drop(writer);
}

/// As [`by_a_busy_taker`], in a lossy ring: the displacer goes on to its next messages.
pub(super) fn by_a_busy_writer() {
    let ring = multi_writer::ring(Delivery::Lossy, 1, 2);
    let (victim, mut writer) = (ring.writer().unwrap(), ring.writer().unwrap());
    let victim = writer_dies(victim, Failpoint::ExchangeDone, 0);
    settles(&ring, &[victim], move || {
        try_write_all(&mut writer, 1..4);
        writer
    });
}

/// A taker is slow: it has seen a buffer in the first message. That buffer goes on to a writer,
/// which dies before it publishes the buffer. The slow taker's intent is no witness of an exchange.
pub(super) fn stale_intent() {
    let ring = ring(1, 4);
    let (mut victim, mut writer) = (ring.writer().unwrap(), ring.writer().unwrap());
    let (mut slow, mut taker) = (ring.taker().unwrap(), ring.taker().unwrap());
    writer.try_write(&message(0)).unwrap();
    let kernel = ring.clone();
    let others = thread::spawn(move || {
        take(&mut taker, 1);
        try_write_all(&mut writer, 1..2);
        take(&mut taker, 1);
        try_write_all(&mut victim, 2..3);
        take(&mut taker, 1);
        dies_at(Failpoint::ExchangeIntended, || _ = victim.try_write(&message(3)));
        let victim = abandon(victim);
        try_write_all(&mut writer, 4..5);
        take(&mut taker, 1);
        (victim, settle(&kernel, victim), writer, taker)
    });
    take(&mut slow, 1);
    let (victim, buffer, writer, taker) = others.join().unwrap();
    assert_eq!(settle(&ring, victim), buffer, "the buffer of a dead participant changed");
    assert_owned_once(&ring);
    drop((writer, taker, slow));
}
