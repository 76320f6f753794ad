//! Messages with assigned numbers: each number once and in order, also with repeated publications
//! and a dead writer.

use super::messages::{assert_owned_once, message, take};
use super::queue::ring;
use loom::thread;
use seqring::model::{Failpoint, abandon, dies_at, settle};
use seqring::{MessageHeader, PublishOutcome, TryWriteError, Writer};

/// Two writers publish the same message, and a taker waits for it.
pub(super) fn published_twice() {
    let ring = ring(1, 3);
    let (mut one, mut two, mut taker) =
        (ring.writer().unwrap(), ring.writer().unwrap(), ring.taker().unwrap());
    let publishing = thread::spawn(move || (publish(&mut one, 0), one));
    let outcome = publish(&mut two, 0);
    let mut taken = take(&mut taker, 1);
    let (other, one) = publishing.join().unwrap();
    taken.extend(take(&mut taker, 1));
    let published = [outcome, other].iter().filter(|one| **one == Some(PublishOutcome::Published)).count();
    assert_eq!((taken, published), (vec![0], 1));
    assert_owned_once(&ring);
    drop(one);
}

/// The later message may come first; a taker gets both in order.
pub(super) fn out_of_order() {
    let ring = ring(2, 3);
    let (mut one, mut two, mut taker) =
        (ring.writer().unwrap(), ring.writer().unwrap(), ring.taker().unwrap());
    let publishing = thread::spawn(move || (publish(&mut one, 1), one));
    assert_eq!(publish(&mut two, 0), Some(PublishOutcome::Published));
    let mut taken = take(&mut taker, 2);
    let (other, one) = publishing.join().unwrap();
    assert_eq!(other, Some(PublishOutcome::Published));
    taken.extend(take(&mut taker, 2));
    assert_eq!(taken, [0, 1]);
    assert_owned_once(&ring);
    drop(one);
}

/// A writer dies after its message, which is not the next one, is published and before it updates
/// its intent; others reuse the slot.
pub(super) fn writer_died() {
    let ring = ring(2, 4);
    let (mut victim, mut other) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut taker = ring.taker().unwrap();
    dies_at(Failpoint::ExchangeDone, || _ = publish(&mut victim, 1));
    let entry = abandon(victim);
    let buffer = settle(&ring, entry);
    let publishing = thread::spawn(move || {
        publish(&mut other, 0);
        publish(&mut other, 3);
        other
    });
    take(&mut taker, 2);
    let other = publishing.join().unwrap();
    assert_eq!(settle(&ring, entry), buffer, "the buffer of a dead writer changed");
    assert_owned_once(&ring);
    drop(other);
}

fn publish(writer: &mut Writer, sequence: u64) -> Option<PublishOutcome> {
    let mut assigned = writer.assigned().unwrap();
    match assigned.try_write(sequence, &message(sequence), &MessageHeader::default()) {
        Ok(outcome) => Some(outcome),
        Err(TryWriteError::Full) => None,
        Err(error) => panic!("{error}"),
    }
}
