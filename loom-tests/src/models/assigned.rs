//! Messages under assigned numbers: each number once, in order, whoever makes it and whoever dies over it.

use super::many::assert_owned_once;
use super::message;
use super::queue::{ring, take};
use loom::thread;
use seqring::model::{Failpoint, abandon, dies_at, settle};
use seqring::{MessageHeader, PublishOutcome, TryWriteError, Writer};

/// Two writers make the same message, and a taker waits for it.
pub(super) fn made_twice() {
    let ring = ring(1, 3);
    let (mut one, mut two, mut taker) =
        (ring.writer().unwrap(), ring.writer().unwrap(), ring.taker().unwrap());
    let making = thread::spawn(move || (place(&mut one, 0), one));
    let ours = place(&mut two, 0);
    let mut got = take(&mut taker, 1);
    let (theirs, one) = making.join().unwrap();
    got.extend(take(&mut taker, 1));
    assert_eq!(
        (got, [ours, theirs].iter().filter(|placed| **placed == Some(PublishOutcome::Published)).count()),
        (vec![0], 1)
    );
    assert_owned_once(&ring);
    drop(one);
}

/// The later message comes first, or not; a taker gets both in order.
pub(super) fn out_of_order() {
    let ring = ring(2, 3);
    let (mut one, mut two, mut taker) =
        (ring.writer().unwrap(), ring.writer().unwrap(), ring.taker().unwrap());
    let making = thread::spawn(move || (place(&mut one, 1), one));
    assert_eq!(place(&mut two, 0), Some(PublishOutcome::Published));
    let mut got = take(&mut taker, 2);
    let (theirs, one) = making.join().unwrap();
    assert_eq!(theirs, Some(PublishOutcome::Published));
    got.extend(take(&mut taker, 2));
    assert_eq!(got, [0, 1]);
    assert_owned_once(&ring);
    drop(one);
}

/// A writer dies when its message, which is not the next one, is published and before it says so; others use the slot again.
pub(super) fn died() {
    let ring = ring(2, 4);
    let (mut victim, mut other) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut taker = ring.taker().unwrap();
    dies_at(Failpoint::ExchangeDone, || {
        place(&mut victim, 1);
    });
    let entry = abandon(victim);
    let heir = settle(&ring, entry);
    let making = thread::spawn(move || {
        place(&mut other, 0);
        place(&mut other, 3);
        other
    });
    take(&mut taker, 2);
    let other = making.join().unwrap();
    assert_eq!(settle(&ring, entry), heir, "what a dead writer owned changed");
    assert_owned_once(&ring);
    drop(other);
}

fn place(writer: &mut Writer, sequence: u64) -> Option<PublishOutcome> {
    let mut assigned = writer.assigned().unwrap();
    match assigned.try_write(sequence, &message(sequence), &MessageHeader::default()) {
        Ok(placed) => Some(placed),
        Err(TryWriteError::Full) => None,
        Err(error) => panic!("{error}"),
    }
}
