//! Writers and takers of a queue: each message to one taker, in order, whoever dies where. What a dead taker was not done
//! with goes to another one.

use super::assert_owned_once;
use crate::ledger::{Ledger, Message, Order};
use crate::lives::{Ended, call, draw, fate, one_in};
use seqring::model::{Failpoint, abandon, abandon_taker, bury, exclusive_payloads};
use seqring::{Config, Delivery, Ring, Taker, TryReadError, TryWriteError, Writer};
use shuttle::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use shuttle::thread;
use std::sync::Arc;

/// Before the exchange, or in the middle of helping, the message is not published; after it, it is.
const WRITERS_DIE: [Failpoint; 7] = [
    Failpoint::ExchangeLooked,
    Failpoint::ExchangeArmed,
    Failpoint::HelpWitnessed,
    Failpoint::HelpTakeWitnessed,
    Failpoint::GateAnnounced,
    Failpoint::ExchangeDone,
    Failpoint::ExchangeOwned,
];
const PUBLISHED: [Failpoint; 2] = [Failpoint::ExchangeDone, Failpoint::ExchangeOwned];
const TAKERS_DIE: [Failpoint; 6] = [
    Failpoint::TakeArmed,
    Failpoint::HelpWitnessed,
    Failpoint::HelpTakeWitnessed,
    Failpoint::TakeDone,
    Failpoint::TakeOwned,
    Failpoint::MessageAdopted,
];

struct Common {
    ring: Ring,
    ledger: Ledger,
    writers_left: AtomicUsize,
    /// One call in so many is the caller's last; 0: none.
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
    let config = Config::new(1 + draw(3), 16).delivery(Delivery::Queue).participants(2 + writers + takers);
    let common = Arc::new(Common {
        ring: Ring::heap(&config).unwrap(),
        ledger: Ledger::default(),
        writers_left: AtomicUsize::new(writers),
        deaths,
    });
    let mut threads = Vec::new();
    for id in 0..writers {
        let (common, writer) = (Arc::clone(&common), common.ring.writer().unwrap());
        threads.push(thread::spawn(move || write(&common, writer, id, 1 + draw(4))));
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

fn write(common: &Common, mut writer: Writer, id: usize, messages: usize) {
    for n in 0..messages {
        let message = Message { writer: id, n };
        loop {
            let fate = fate(common.deaths, &WRITERS_DIE);
            match call(fate, || writer.try_write(&message.bytes())) {
                Ended::With(Ok(_)) => break common.ledger.publishes(message),
                Ended::With(Err(TryWriteError::Full)) => thread::yield_now(),
                Ended::With(Err(error)) => panic!("{error}"),
                Ended::InDeath(stop) => {
                    if PUBLISHED.contains(&stop) {
                        common.ledger.publishes(message);
                    }
                    bury(&common.ring, abandon(writer));
                    writer = common.ring.writer().unwrap();
                    if PUBLISHED.contains(&stop) {
                        break;
                    }
                }
            }
        }
    }
    drop(writer);
    common.writers_left.fetch_sub(1, SeqCst);
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

/// Takes a message; or takes it and dies over it: then true.
fn take_one(common: &Common, taker: &mut Taker, order: &mut Order) -> Result<bool, TryReadError> {
    let taken = taker.try_take()?;
    let message = Message::from_bytes(&taken);
    // Of an adopted entry nobody but the message knows which it is, to bury it.
    if common.deaths > 0 && !taken.is_redelivered() && one_in(2 * common.deaths) {
        std::mem::forget(taken);
        return Ok(true);
    }
    thread::yield_now();
    assert_eq!(Message::from_bytes(&taken), message, "a message that is held changed");
    if !taken.is_redelivered() {
        order.follows(taken.received().sequence, message);
    }
    common.ledger.gets(message);
    Ok(false)
}
