//! All participants wait by sleeping, without timeouts: a lost wake is a deadlock, which shuttle
//! reports.

use crate::deaths::{draw, one_in};
use crate::ledger::{Ledger, Order};
use crate::linearizable::message::Message;
use seqring::model::{exclusive_payloads, set_heavy_barrier};
use seqring::wait::WaitSet;
use seqring::{Config, Delivery, Lagged, ReadError, Ring, Start, TryReadError, Writer, Writers};
use shuttle::thread;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn broadcast() {
    prepare();
    let writers = 1 + draw(3);
    let mut config = Config::slots(1 + draw(3)).of_bytes(16).participants(8);
    if writers > 1 || one_in(2) {
        config = config.writers(Writers::Many);
    }
    let ring = Ring::heap(&config).unwrap();
    let mut threads = write_in_threads(&ring, writers);
    for _ in 0..1 + draw(3) {
        let mut reader = ring.reader(Start::Next).unwrap();
        threads.push(thread::spawn(move || {
            let (mut order, mut out) = (Order::default(), [0; 16]);
            loop {
                match reader.read(&mut out) {
                    Ok(received) => order.check_next(received.sequence, Message::from_bytes(&out)),
                    Err(ReadError::Lagged(Lagged { .. })) => {}
                    Err(ReadError::Closed) => {
                        break assert_eq!(reader.lag(), 0, "messages are missing at the end");
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }));
    }
    if one_in(3) {
        let ring = ring.clone();
        threads.push(thread::spawn(move || ring.skip_readers_to_newest()));
    }
    if one_in(4) {
        drop(ring.reader(Start::Oldest).unwrap());
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

pub(super) fn queue() {
    prepare();
    let config = Config::slots(1 + draw(3)).of_bytes(16).delivery(Delivery::Queue).participants(8);
    let ring = Ring::heap(&config).unwrap();
    let mut threads = write_in_threads(&ring, 1 + draw(3));
    let ledger = Arc::new(Ledger::default());
    for _ in 0..1 + draw(3) {
        let (mut taker, ledger) = (ring.taker().unwrap(), Arc::clone(&ledger));
        threads.push(thread::spawn(move || {
            let mut order = Order::default();
            loop {
                match taker.take() {
                    Ok(taken) => {
                        let message = Message::from_bytes(&taken);
                        order.check_next(taken.received().sequence, message);
                        ledger.receive(message);
                    }
                    Err(ReadError::Closed) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(ledger.received() as u64, ring.next_sequence(), "messages are missing at the end");
}

/// One thread waits for three rings.
pub(super) fn set() {
    prepare();
    let mut config = Config::slots(1 + draw(3)).of_bytes(16).participants(8);
    if one_in(2) {
        config = config.writers(Writers::Many);
    }
    let rings = [(); 3].map(|()| Ring::heap(&config).unwrap());
    let mut set = WaitSet::new();
    for ring in &rings {
        set.add(ring.reader(Start::Next).unwrap());
    }
    let writers = if config.writers == Writers::Many { 1 + draw(2) } else { 1 };
    let threads: Vec<_> = rings.iter().flat_map(|ring| write_in_threads(ring, writers)).collect();
    let (mut left, mut out) = (rings.len(), [0; 16]);
    let mut orders = HashMap::new();
    while left > 0 {
        for token in set.wait().unwrap() {
            match set[token].try_read(&mut out) {
                Ok(received) => {
                    let order: &mut Order = orders.entry(token).or_default();
                    order.check_next(received.sequence, Message::from_bytes(&out));
                }
                Err(TryReadError::Closed) => {
                    assert_eq!(set.remove(token).unwrap().lag(), 0, "messages are missing at the end");
                    left -= 1;
                }
                Err(error) => panic!("reported as ready: {error}"),
            }
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

fn prepare() {
    exclusive_payloads(false);
    set_heavy_barrier(false);
}

/// All writers register before the first can leave: the stream ends once.
fn write_in_threads(ring: &Ring, writers: usize) -> Vec<thread::JoinHandle<()>> {
    let joined: Vec<Writer> = (0..writers).map(|_| ring.writer().unwrap()).collect();
    let write = |(id, mut writer): (usize, Writer)| {
        thread::spawn(move || {
            for n in 0..1 + draw(4) {
                writer.write(&Message { writer: id, n }.bytes()).unwrap();
            }
        })
    };
    joined.into_iter().enumerate().map(write).collect()
}
