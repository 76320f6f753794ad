//! Litmus tests of the heavy barrier: a message is published while its reader decides to sleep. The
//! delay between the two is drawn from a printed seed.

use super::{GUARD, Place, Sleepers};
use crate::sync::event_count::EventCounts;
use crate::sync::futex::{FutexWord, Scope};
use crate::sync::{AtomicU64, Line, Relaxed};
use crate::{Config, Delivery, Reader, Ring, SlotClass, Start, WaitStrategy, Writer};
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

/// Answers each message of `questions` by one on `answers`, until the stream ends.
pub(super) fn answer_all(questions: &mut Reader, answers: &mut Writer, seed: u64) {
    let mut jitter = Jitter(seed);
    questions.set_wait_strategy(WaitStrategy::SLEEPING);
    while questions.read(&mut [0; 8]).is_ok() {
        answers.write(b"answer").unwrap();
        jitter.pause(256);
    }
}

/// Asks until the time is over; each question is published while the other end falls asleep.
/// Panics if an answer does not come.
fn ask(questions: &mut Writer, answers: &mut Reader, seed: u64) -> u64 {
    let (begin, mut jitter) = (Instant::now(), Jitter(seed));
    answers.set_wait_strategy(WaitStrategy::STREAMING);
    let mut asked = 0;
    while begin.elapsed() < LITMUS {
        questions.write(b"question").unwrap();
        asked += 1;
        answers.read_timeout(&mut [0; 8], GUARD).expect("the other end is asleep: a wake is lost");
        jitter.pause(256);
    }
    asked
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

#[test]
fn the_heavy_barrier_loses_no_wake_of_a_process() {
    let seed = seed();
    let config = Config::new(4, 8).slot_class(SlotClass::Packed).delivery(Delivery::Lossy);
    let (mut sleepers, say, name) = Sleepers::on(Place::Processes, &config);
    let answers = Ring::create(format!("{name}-answers"), &config).unwrap();
    let mut reader = answers.reader(Start::Next).unwrap();
    let mut writer = sleepers.ring.writer().unwrap();
    sleepers.start(Place::Processes, "answer", &say, &name);
    println!("{} wakes", ask(&mut writer, &mut reader, seed));
    drop(writer);
    assert_eq!(sleepers.line(), "answered all");
}
