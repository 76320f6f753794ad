//! Writers and takers of a queue: each message goes to one taker, in order, with deaths at every
//! point. The unfinished message of a dead taker is redelivered.

use super::assert_owned_once;
use crate::deaths::{Ended, call, draw, fate, one_in, write};
use crate::ledger::{Ledger, Order};
use crate::linearizable::message::Message;
use seqring::model::{Failpoint, abandon_taker, bury, exclusive_payloads};
use seqring::{Config, Delivery, Ring, Taker, TryReadError};
use shuttle::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use shuttle::thread;
use std::sync::Arc;

/// Before the exchange the message is not published; after the exchange, it is.
const WRITERS_DIE: [Failpoint; 6] = [
    Failpoint::ExchangeLoaded,
    Failpoint::ExchangeIntended,
    Failpoint::LimitAnnounced,
    Failpoint::ExchangeDone,
    Failpoint::ExchangeOwned,
    Failpoint::ExchangeSettled,
];
const TAKERS_DIE: [Failpoint; 5] = [
    Failpoint::TakeIntended,
    Failpoint::TakeDone,
    Failpoint::TakeOwned,
    Failpoint::TakeSettled,
    Failpoint::MessageAdopted,
];

struct Common {
    ring: Ring,
    ledger: Ledger,
    writers_left: AtomicUsize,
    /// The caller dies in one of so many calls; 0: in none.
    deaths: usize,
}

pub(super) fn whole() {
    run(0);
}

pub(super) fn with_deaths() {
    run(4);
}

fn run(deaths: usize) {
    exclusive_payloads(true);
    let (writers, takers) = (1 + draw(3), 1 + draw(3));
    let config = Config::slots(1 + draw(3)).of_bytes(16).delivery(Delivery::Queue).participants(2 + writers + takers);
    let common = Arc::new(Common {
        ring: Ring::heap(&config).unwrap(),
        ledger: Ledger::default(),
        writers_left: AtomicUsize::new(writers),
        deaths,
    });
    let mut threads = Vec::new();
    for id in 0..writers {
        let (common, writer) = (Arc::clone(&common), common.ring.writer().unwrap());
        threads.push(thread::spawn(move || {
            let published = |message, _| common.ledger.publish(message);
            write(&common.ring, writer, (id, 1 + draw(4)), (common.deaths, &WRITERS_DIE), published);
            common.writers_left.fetch_sub(1, SeqCst);
        }));
    }
    for _ in 0..takers {
        let common = Arc::clone(&common);
        threads.push(thread::spawn(move || take(&common)));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    common.ledger.assert_balanced();
    assert_owned_once(&common.ring);
}

fn take(common: &Common) {
    let (mut taker, mut order) = (common.ring.taker().unwrap(), Order::default());
    loop {
        let last = common.writers_left.load(SeqCst) == 0;
        let fate = fate(common.deaths, &TAKERS_DIE);
        let died = match call(fate, || take_one(common, &mut taker, &mut order)) {
            Ended::With(Ok(died)) => died,
            Ended::With(Err(TryReadError::Closed)) if last => return,
            Ended::With(Err(
                TryReadError::Empty | TryReadError::Closed | TryReadError::WriterDied { .. },
            )) => {
                thread::yield_now();
                false
            }
            Ended::With(Err(error)) => panic!("{error}"),
            Ended::InDeath(_) => true,
        };
        if died {
            bury(&common.ring, abandon_taker(taker));
            taker = common.ring.taker().unwrap();
        }
    }
}

/// Takes a message. Returns true if the taker dies before it finishes the message.
fn take_one(common: &Common, taker: &mut Taker, order: &mut Order) -> Result<bool, TryReadError> {
    let taken = taker.try_take()?;
    let message = Message::from_bytes(&taken);
    // Not a redelivered message: the entry that holds it is not known here, so it could not be
    // buried.
    if common.deaths > 0 && !taken.is_redelivered() && one_in(2 * common.deaths) {
        std::mem::forget(taken);
        return Ok(true);
    }
    thread::yield_now();
    assert_eq!(Message::from_bytes(&taken), message, "a held message changed");
    if !taken.is_redelivered() {
        order.check_next(taken.received().sequence, message);
    }
    common.ledger.receive(message);
    Ok(false)
}
