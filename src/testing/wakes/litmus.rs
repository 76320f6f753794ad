//! A litmus test of the heavy barrier between threads: a change is made while its waiter decides to
//! sleep. The delay between the two is drawn from a printed seed.
//!
//! There is none between processes: the barrier of all processes can miss a processor
//! ([`crate::sync::membarrier`]), and sleeps time out.

use super::GUARD;
use crate::WaitStrategy;
use crate::sync::event_count::EventCounts;
use crate::sync::futex::{FutexWord, Scope};
use crate::sync::{AtomicU64, Line, Relaxed};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Without the heavy barrier a reader sleeps for ever within a second.
const LITMUS: Duration = Duration::from_secs(2);
/// More than fits into the caches.
const COLD_BYTES: usize = 64 << 20;

/// `xorshift64`.
struct Jitter(u64);

impl Jitter {
    /// Spins for less than `most` pauses.
    fn pause(&mut self, most: u64) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        for _ in 0..self.0 % most {
            std::hint::spin_loop();
        }
    }
}

fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = now.as_nanos() as u64 | 1;
    println!("seed {seed}");
    seed
}

/// The two ends of the pair `Notify`, alone. The change is stored behind a few stores to lines that
/// are in no cache, as those of a payload may be: so it stays in the notifier's store buffer for a
/// while.
#[test]
fn the_heavy_barrier_loses_no_wake_of_a_thread() {
    #[derive(Default)]
    struct Shared {
        change: Line<AtomicU64>,
        answer: Line<AtomicU64>,
        event_count: Line<FutexWord>,
    }
    let (seed, event_counts) = (seed(), EventCounts::new(Scope::Threads));
    let shared = Arc::new(Shared::default());
    // Detached: a waiter that is never woken ends with the process.
    thread::spawn({
        let shared = Arc::clone(&shared);
        move || {
            let (sleeps, mut jitter) = (AtomicU64::default(), Jitter(!seed));
            for n in 1.. {
                jitter.pause(128);
                let ready = || shared.change.load(Relaxed) >= n;
                let word = &shared.event_count;
                event_counts.wait(word, WaitStrategy::SLEEPING, None, &sleeps, || (), ready);
                shared.answer.store(n, Relaxed);
            }
        }
    });
    let cold: Vec<_> =
        (0..COLD_BYTES / size_of::<Line<AtomicU64>>()).map(|_| Line(AtomicU64::default())).collect();
    let mut cold = cold.iter().step_by(33).cycle(); // Further apart than a page.
    let (begin, mut jitter, mut changes) = (Instant::now(), Jitter(seed), 0);
    while begin.elapsed() < LITMUS {
        jitter.pause(64);
        changes += 1;
        if changes % 1024 == 0 {
            // Where a thread exits, the barrier of all processes misses this one.
            thread::spawn(|| ()).join().unwrap();
        }
        cold.by_ref().take(24).for_each(|line| line.store(changes, Relaxed));
        shared.change.store(changes, Relaxed);
        event_counts.notify(&shared.event_count);
        let asked = Instant::now();
        while shared.answer.load(Relaxed) < changes {
            std::hint::spin_loop();
            assert!(asked.elapsed() < GUARD, "the waiter is asleep: wake {changes} is lost");
        }
    }
    println!("{changes} wakes");
}
