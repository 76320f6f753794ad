//! Many writers, and readers that register at any time: a reader gets each message in order, or it
//! is counted as lost.

use super::assert_owned_once;
use crate::deaths::{Ended, call, draw, fate, one_in, write};
use crate::ledger::Order;
use crate::linearizable::message::Message;
use seqring::model::{Failpoint, abandon_reader, bury, exclusive_payloads};
use seqring::{Config, Delivery, Lagged, Reader, Ring, Start, TryReadError, Writers};
use shuttle::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use shuttle::thread;
use std::sync::Arc;

const WRITERS_DIE: [Failpoint; 6] = [
    Failpoint::ExchangeLoaded,
    Failpoint::ExchangeIntended,
    Failpoint::LimitAnnounced,
    Failpoint::ExchangeDone,
    Failpoint::ExchangeOwned,
    Failpoint::ExchangeSettled,
];
const READERS_DIE: [Failpoint; 2] = [Failpoint::ReadPinned, Failpoint::ReadCopied];

struct Common {
    ring: Ring,
    writers_left: AtomicUsize,
    published: AtomicUsize,
    deaths: usize,
}

pub(super) fn whole() {
    run(0);
}

pub(super) fn with_deaths() {
    run(5);
}

fn run(deaths: usize) {
    let delivery = if one_in(2) { Delivery::Gated } else { Delivery::Lossy };
    exclusive_payloads(delivery == Delivery::Gated);
    let (writers, readers) = (1 + draw(3), 1 + draw(2));
    let config = Config::slots(1 + draw(3)).of_bytes(16).delivery(delivery).writers(Writers::Many);
    let ring = Ring::heap(&config.participants(2 + writers + readers)).unwrap();
    let (writers_left, published) = (AtomicUsize::new(writers), AtomicUsize::new(0));
    let common = Arc::new(Common { ring, writers_left, published, deaths });
    let mut threads = Vec::new();
    for id in 0..writers {
        let (common, writer) = (Arc::clone(&common), common.ring.writer().unwrap());
        threads.push(thread::spawn(move || {
            let published = |_, _| _ = common.published.fetch_add(1, SeqCst);
            write(&common.ring, writer, (id, 1 + draw(4)), (common.deaths, &WRITERS_DIE), published);
            common.writers_left.fetch_sub(1, SeqCst);
        }));
    }
    for _ in 0..readers {
        let common = Arc::clone(&common);
        threads.push(thread::spawn(move || read(&common, delivery)));
    }
    if one_in(2) {
        let common = Arc::clone(&common);
        threads.push(thread::spawn(move || common.ring.skip_readers_to_newest()));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(common.ring.next_sequence() as usize, common.published.load(SeqCst));
    assert_owned_once(&common.ring);
}

/// Registers after a while and reads to the end. It may die; then a successor continues.
fn read(common: &Common, delivery: Delivery) {
    for _ in 0..draw(4) {
        thread::yield_now();
    }
    let start = [Start::Next, Start::Oldest, Start::Newest][draw(3)];
    let mut reader = common.ring.reader(start).unwrap();
    let (mut order, mut expected) = (Order::default(), reader.position());
    loop {
        let last = common.writers_left.load(SeqCst) == 0;
        let fate = fate(2 * common.deaths, &READERS_DIE);
        match call(fate, || read_one(&mut reader, delivery)) {
            Ended::With(Ok((sequence, message))) => {
                assert_eq!(sequence, expected, "not the next one");
                order.check_next(sequence, message);
                expected += 1;
            }
            Ended::With(Err(TryReadError::Lagged(Lagged { lost }))) => expected += lost,
            Ended::With(Err(TryReadError::Empty | TryReadError::Closed)) if last => break,
            Ended::With(Err(
                TryReadError::Empty | TryReadError::Closed | TryReadError::WriterDied { .. },
            )) => thread::yield_now(),
            Ended::With(Err(error)) => panic!("{error}"),
            Ended::InDeath(_) => {
                bury(&common.ring, abandon_reader(reader));
                reader = common.ring.reader(Start::Next).unwrap();
                (order, expected) = (Order::default(), reader.position());
            }
        }
    }
    assert_eq!(expected as usize, common.published.load(SeqCst), "messages are missing at the end");
}

/// Reads by a copy or a view. The bytes of a view do not change.
fn read_one(reader: &mut Reader, delivery: Delivery) -> Result<(u64, Message), TryReadError> {
    if one_in(2) {
        let mut out = [0; 16];
        let received = reader.try_read(&mut out)?;
        return Ok((received.sequence, Message::from_bytes(&out)));
    }
    let view = reader.try_view()?;
    assert_eq!(view.is_in_place(), delivery == Delivery::Gated);
    let message = Message::from_bytes(&view);
    for _ in 0..draw(16) {
        thread::yield_now();
        assert_eq!(Message::from_bytes(&view), message, "the bytes of a view changed");
    }
    Ok((view.received().sequence, message))
}
