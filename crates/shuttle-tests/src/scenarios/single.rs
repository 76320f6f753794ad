//! One writer and its successors, in every slot class: a reader gets each message, or it is counted
//! as lost.

use crate::deaths::{draw, write};
use crate::ledger::Order;
use crate::linearizable::message::Message;
use seqring::model::{Failpoint, exclusive_payloads};
use seqring::{Config, Delivery, Lagged, Ring, SlotClass, Start, TryReadError};
use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use shuttle::thread;
use std::sync::Arc;

/// At none of these points the message is published.
const WRITERS_DIE: [Failpoint; 4] =
    [Failpoint::PublishMarked, Failpoint::PublishStored, Failpoint::PublishFilled, Failpoint::LimitAnnounced];

struct Common {
    ring: Ring,
    ended: AtomicBool,
    published: AtomicU64,
}

pub(super) fn whole() {
    run(0);
}

pub(super) fn with_deaths() {
    run(4);
}

fn run(deaths: usize) {
    let class = [SlotClass::Packed, SlotClass::Arena][draw(2)];
    let delivery = [Delivery::Gated, Delivery::Lossy][draw(2)];
    exclusive_payloads(false); // A skipped reader may copy overwritten bytes: the read is refused afterwards.
    let config = Config::slots(1 + draw(4)).of_bytes(16).slot_class(class).delivery(delivery);
    let ring = Ring::heap(&config.participants(6)).unwrap();
    let (ended, published) = (AtomicBool::new(false), AtomicU64::new(0));
    let common = Arc::new(Common { ring, ended, published });
    let mut threads = Vec::new();
    for _ in 0..1 + draw(3) {
        let common = Arc::clone(&common);
        threads.push(thread::spawn(move || read(&common)));
    }
    for _ in 0..draw(3) {
        let common = Arc::clone(&common);
        threads.push(thread::spawn(move || common.ring.skip_readers_to_newest()));
    }
    let messages = 1 + draw(12);
    let writer = common.ring.writer().unwrap();
    write(&common.ring, writer, (0, messages), (deaths, &WRITERS_DIE), |message, sequence| {
        assert_eq!(sequence, Some(message.n as u64));
    });
    common.published.store(messages as u64, SeqCst);
    common.ended.store(true, SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
}

fn read(common: &Common) {
    for _ in 0..draw(4) {
        thread::yield_now();
    }
    let mut reader = common.ring.reader([Start::Next, Start::Oldest][draw(2)]).unwrap();
    let (mut order, mut expected) = (Order::default(), reader.position());
    loop {
        let last = common.ended.load(SeqCst);
        let mut out = [0; 16];
        match reader.try_read(&mut out) {
            Ok(received) => {
                assert_eq!(received.sequence, expected, "not the next one");
                let message = Message::from_bytes(&out);
                assert_eq!(message.n as u64, received.sequence, "another message");
                order.check_next(received.sequence, message);
                expected += 1;
            }
            Err(TryReadError::Lagged(Lagged { lost })) => expected += lost,
            Err(TryReadError::Empty | TryReadError::Closed) if last => break,
            Err(TryReadError::Empty | TryReadError::Closed | TryReadError::WriterDied { .. }) => {
                thread::yield_now()
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(expected, common.published.load(SeqCst), "messages are missing at the end");
}
