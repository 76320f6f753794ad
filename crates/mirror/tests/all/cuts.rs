//! Random cuts, kills and restarts, while messages flow. The number of disturbances is
//! `SEQRING_CUTS`, 30 by default; the seed is printed, and `SEQRING_SEED` repeats it.
//! `SEQRING_CUTS=1000 cargo test --test all cuts -- --nocapture` is the long run.

use crate::common::{Found, Network, Process, Random, endpoint, free_port, fresh, open, source, write};
use seqring::{Delivery, Ring};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) fn cuts() -> u64 {
    std::env::var("SEQRING_CUTS").map_or(30, |cuts| cuts.parse().unwrap())
}

/// Everything between a source and the ring of its mirror.
struct Way {
    near: String,
    far: String,
    flags: &'static [&'static str],
    router_port: u16,
    networks: [Network; 2],
    router: Option<Process>,
    server: Option<Process>,
    mirror: Option<Process>,
}

impl Way {
    fn new(near: &str, flags: &'static [&'static str]) -> Self {
        let router_port = free_port();
        let mut way = Way {
            near: near.into(),
            far: fresh("far"),
            flags,
            router_port,
            networks: [Network::to(router_port), Network::to(router_port)],
            router: Some(Process::route(router_port)),
            server: None,
            mirror: None,
        };
        way.start_server();
        way.start_mirror();
        way
    }

    fn start_server(&mut self) {
        let connect = endpoint(self.networks[0].port);
        self.server = Some(Process::serve(&self.near, &[self.flags, &["--connect", &connect]].concat()));
    }

    fn start_mirror(&mut self) {
        let from = endpoint(self.networks[1].port);
        self.mirror = Some(Process::mirror(&self.near, &self.far, &["--from", &from]));
    }

    /// One disturbance, of those with a number below `kinds`.
    fn disturb(&mut self, random: &mut Random, kinds: u64) {
        match random.below(kinds) {
            0 => self.networks[0].cut(),
            1 => self.networks[1].cut(),
            2 => {
                let network = &self.networks[random.below(2) as usize];
                network.set_open(false);
                thread::sleep(Duration::from_millis(random.below(300)));
                network.set_open(true);
            }
            3 => {
                self.mirror.take().unwrap().kill();
                self.start_mirror();
            }
            4 => {
                self.router.take().unwrap().kill();
                self.router = Some(Process::route(self.router_port));
            }
            _ => {
                self.server.take().unwrap().kill();
                self.start_server();
            }
        }
    }
}

/// Disturbs a stream of messages. Returns how many were written, and what the far reader found.
fn run(delivery: Delivery, flags: &'static [&'static str], kinds: u64) -> (u64, Found) {
    let near = fresh("near");
    let ring = Ring::create(&near, &source(delivery, 256).observers(delivery == Delivery::Lossy)).unwrap();
    let mut way = Way::new(&near, flags);
    let stop = Arc::new(AtomicBool::new(false));
    let mut writer = ring.writer().unwrap();
    let writing = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(SeqCst) {
                write(&mut writer);
                if writer.next_sequence().is_multiple_of(64) {
                    thread::sleep(Duration::from_micros(500)); // The rate, not an order of events.
                }
            }
            writer
        }
    });
    let (_far_ring, mut reader) = open(&way.far);
    let first = reader.position();
    let (position, end) = (Arc::new(AtomicU64::new(first)), Arc::new(AtomicU64::new(u64::MAX)));
    let reading = thread::spawn({
        let (position, end) = (Arc::clone(&position), Arc::clone(&end));
        move || {
            let mut found = Found::default();
            let begin = Instant::now();
            while reader.position() < end.load(SeqCst) {
                let _ = found.step(&mut reader); // At the end of a stream another one comes.
                position.store(reader.position(), SeqCst);
                assert!(begin.elapsed() < Duration::from_hours(2), "it hangs");
            }
            found
        }
    });
    let mut random = Random::new();
    for cut in 0..cuts() {
        thread::sleep(Duration::from_millis(random.below(60)));
        way.disturb(&mut random, kinds);
        if cut % 8 == 7 {
            // Messages come through after it.
            let before = position.load(SeqCst);
            crate::common::wait_until("the next message", || position.load(SeqCst) > before + 256);
        }
    }
    stop.store(true, SeqCst);
    let writer = writing.join().unwrap();
    let written = writer.next_sequence();
    end.store(written, SeqCst);
    let found = reading.join().unwrap();
    println!(
        "{} disturbances, {} messages: {} read, {} lost, {} ends of the stream",
        cuts(),
        written - first,
        found.read,
        found.lost,
        found.deaths.len()
    );
    (written - first, found)
}

/// Fails if a cut connection, a killed mirror or a killed router loses or repeats a message, or
/// stops the stream for ever.
#[test]
fn a_lossless_link_loses_nothing() {
    let (written, found) = run(Delivery::Gated, &["--lossless"], 5);
    assert_eq!((found.read, found.lost), (written, 0));
}

/// Fails if a loss is not counted, whichever process dies.
#[test]
fn a_lossy_link_counts_what_it_loses() {
    let (written, found) = run(Delivery::Lossy, &[], 6);
    assert_eq!(found.read + found.lost, written);
}
