//! Futures that are dropped at random while they wait lose no message, and make none twice.
//!
//! `SEED=n` repeats the random choices; the schedule of the threads differs.

use futures_lite::StreamExt;
use seqring::{Config, Delivery, ReadError, Ring, Start};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

const CANCELLATIONS: u32 = 20_000;

/// Xorshift: what is random here need only differ.
struct Random(u64);

impl Random {
    fn new(part: u64) -> Self {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) * 7919);
        println!("SEED={seed}");
        Random((seed << 3 | part) + 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Ends after some turns of the executor.
async fn some_turns(turns: u64) {
    for _ in 0..turns {
        yield_now().await;
    }
}

fn rings(config: &Config) -> [Ring; 2] {
    [Ring::heap(config).unwrap(), Ring::anonymous(config).unwrap()]
}

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().build().unwrap(),
        Builder::new_multi_thread().worker_threads(2).build().unwrap(),
    ]
}

/// Writes numbers until `over`, with a pause now and then, so that readers wait. Returns how many.
fn write_numbers(ring: &Ring, over: &AtomicBool, mut random: Random) -> u64 {
    let (mut writer, mut count) = (ring.writer().unwrap(), 0_u64);
    while !over.load(Ordering::Relaxed) {
        writer.write(&count.to_le_bytes()).unwrap();
        count += 1;
        if random.below(2) == 0 {
            thread::yield_now();
        }
    }
    count
}

#[test]
fn a_dropped_read_has_read_nothing() {
    for (ring, runtime) in rings(&Config::slots(8).of_bytes(8)).into_iter().zip(runtimes()) {
        let (over, mut random) = (AtomicBool::new(false), Random::new(0));
        let mut reader = ring.reader(Start::Next).unwrap();
        let (next, written) = thread::scope(|scope| {
            let writing = scope.spawn(|| write_numbers(&ring, &over, Random::new(1)));
            let next = runtime.block_on(async {
                let (mut next, mut cancelled, mut out) = (0_u64, 0, [0; 8]);
                loop {
                    let turns = random.below(3);
                    tokio::select! {
                        read = reader.read_async(&mut out) => match read {
                            Ok(_) => {
                                assert_eq!(u64::from_le_bytes(out), next);
                                next += 1;
                            }
                            // Also before the writer has joined.
                            Err(ReadError::Closed) if over.load(Ordering::Relaxed) => return next,
                            Err(error) => panic!("{error}"),
                        },
                        () = some_turns(turns) => {
                            cancelled += 1;
                            over.fetch_or(cancelled == CANCELLATIONS, Ordering::Relaxed);
                        }
                    }
                }
            });
            (next, writing.join().unwrap())
        });
        assert_eq!(next, written);
    }
}

#[test]
fn a_dropped_take_has_taken_nothing() {
    let config = Config::slots(8).of_bytes(8).delivery(Delivery::Queue);
    for (ring, runtime) in rings(&config).into_iter().zip(runtimes()) {
        let (over, writer) = (AtomicBool::new(false), ring.writer().unwrap());
        let takers = [ring.taker().unwrap(), ring.taker().unwrap()];
        let (mut got, written) = thread::scope(|scope| {
            let writing = scope.spawn(|| write_numbers(&ring, &over, Random::new(2)));
            let over: &AtomicBool = &over;
            let got = runtime.block_on(async {
                let mut workers = takers.into_iter().zip(3..).map(|(mut taker, part)| {
                    Box::pin(async move {
                        let (mut got, mut cancelled, mut random) = (Vec::new(), 0, Random::new(part));
                        loop {
                            let turns = random.below(3);
                            tokio::select! {
                                taken = taker.take_async() => match taken {
                                    Ok(taken) => got.push(*taken.value::<u64>().unwrap()),
                                    Err(ReadError::Closed) => return got,
                                    Err(error) => panic!("{error}"),
                                },
                                () = some_turns(turns) => {
                                    cancelled += 1;
                                    over.fetch_or(cancelled == CANCELLATIONS / 2, Ordering::Relaxed);
                                }
                            }
                        }
                    })
                });
                let (one, two) = (workers.next().unwrap(), workers.next().unwrap());
                let end = async {
                    while !over.load(Ordering::Relaxed) {
                        yield_now().await;
                    }
                    drop(writer); // Until here the stream is open, whenever the other writer joins.
                };
                let (one, two, ()) = tokio::join!(one, two, end);
                [one, two].concat()
            });
            (got, writing.join().unwrap())
        });
        got.sort_unstable();
        assert!(got.into_iter().eq(0..written), "each number once");
    }
}

#[test]
fn a_dropped_write_has_written_nothing() {
    for (ring, runtime) in rings(&Config::slots(2).of_bytes(8)).into_iter().zip(runtimes()) {
        let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
        let mut random = Random::new(5);
        let reading = thread::spawn(move || {
            let (mut next, mut random, mut out) = (0_u64, Random::new(6), [0; 8]);
            loop {
                match reader.read(&mut out) {
                    Ok(_) => assert_eq!(u64::from_le_bytes(out), next),
                    Err(ReadError::Closed) => return next,
                    Err(error) => panic!("{error}"),
                }
                next += 1;
                if random.below(2) == 0 {
                    thread::yield_now();
                }
            }
        });
        let written = runtime.block_on(async move {
            let (mut next, mut cancelled) = (0_u64, 0);
            while cancelled < CANCELLATIONS {
                let (message, turns) = (next.to_le_bytes(), random.below(3));
                tokio::select! {
                    written = writer.write_async(&message) => {
                        assert_eq!(written, Ok(next));
                        next += 1;
                    }
                    () = some_turns(turns) => cancelled += 1,
                }
            }
            next
        });
        assert_eq!(reading.join().unwrap(), written);
    }
}

/// A task without a turn of its own is woken by the watcher alone.
#[test]
fn a_stream_of_messages_ends_with_the_ring() {
    for (ring, runtime) in rings(&Config::slots(8).of_bytes(8)).into_iter().zip(runtimes()) {
        let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
        let writing = thread::spawn(move || {
            for n in 0..1000_u64 {
                writer.write(&n.to_le_bytes()).unwrap();
                if n % 3 == 0 {
                    thread::yield_now();
                }
            }
        });
        let messages = runtime.block_on(reader.stream().try_collect::<Vec<u8>, _, Vec<_>>()).unwrap();
        writing.join().unwrap();
        assert!(messages.iter().enumerate().all(|(n, message)| *message == n.to_le_bytes()));
        assert_eq!(messages.len(), 1000);
    }
}
