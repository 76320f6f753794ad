//! How far apart two cores are: the round trip of one cache line.
//!
//! Two pinned threads bounce one word. Ours stores the odd numbers, the peer answers with the even
//! ones, so a round trip is two transfers of the line and nothing else. The virtual cores of a VM
//! move over the host while one measures, and this number moves with them: it is taken before and
//! after every repetition ([`crate::repeat`]) and sorts repetitions into classes
//! ([`crate::class`]).
//!
//! Both ends spin with PAUSE. On the project's machine that is *faster* than bare spinning (60
//! against 138 ns): a bare spinner asks for the line so often that it delays the store it waits
//! for.

use crate::pin::{Core, CorePair, pin_to};
use crate::spread::median_of;
use std::hint::spin_loop;
use std::io;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// The probe: its cores, and how much it measures.
#[derive(Clone, Copy, Debug)]
pub struct LineProbe {
    cores: CorePair,
    bursts: u64,
    trips: u64,
}

/// One word with its cache line, and the line that the prefetcher brings along, to itself.
#[repr(align(128))]
struct Line(AtomicU64);

/// After so many spins an end yields: the other end is not running, perhaps because we have its
/// core.
const SPINS: u32 = 1 << 14;

impl Line {
    // PAIRS(bounce): nothing else is handed over, so Relaxed would do; a ring's stamp is not
    // Relaxed either, and the probe is to cost what a stamp costs.
    fn await_word(&self, word: u64) {
        while !(0..SPINS).any(|_| {
            let is_there = self.0.load(Ordering::Acquire) == word;
            if !is_there {
                spin_loop();
            }
            is_there
        }) {
            thread::yield_now();
        }
    }

    // PAIRS(bounce)
    fn put(&self, word: u64) {
        self.0.store(word, Ordering::Release);
    }
}

impl LineProbe {
    /// A probe of 9 bursts of 2,000 round trips: 1 ms on one physical core, 6 ms between far ones.
    pub const fn new(cores: CorePair) -> Self {
        Self { cores, bursts: 9, trips: 2_000 }
    }

    /// The same probe with so many round trips a burst, at least 1.
    #[must_use]
    pub fn with_trips(self, trips: u64) -> Self {
        Self { trips, ..self }
    }

    /// Bounces the line, and returns nanoseconds for each round trip: the median of the bursts'
    /// means, which one preemption does not move.
    ///
    /// # Errors
    /// What pinning a thread reports.
    ///
    /// # Cost
    /// Two threads are started and joined; both cores are busy meanwhile.
    pub fn measure(&self) -> io::Result<f64> {
        let (line, pinned, failed) = (Line(AtomicU64::new(0)), Barrier::new(2), AtomicBool::new(false));
        // Neither end waits for one that cannot run.
        let pin = |core: Core| {
            let done = pin_to(core);
            failed.fetch_or(done.is_err(), Ordering::SeqCst);
            pinned.wait();
            done.map(|()| !failed.load(Ordering::SeqCst))
        };
        let theirs = || {
            if pin(self.cores.theirs())? {
                for trip in 1..=self.trips * (self.bursts + 1) {
                    line.await_word(2 * trip - 1);
                    line.put(2 * trip);
                }
            }
            Ok(())
        };
        let ours = || {
            if !pin(self.cores.ours())? {
                return Ok(f64::NAN);
            }
            let mut trip = 0;
            let mut burst = || {
                let begin = Instant::now();
                for _ in 0..self.trips {
                    trip += 1;
                    line.put(2 * trip - 1);
                    line.await_word(2 * trip);
                }
                begin.elapsed().as_nanos() as f64 / self.trips as f64
            };
            burst(); // The other end starts during this one: it is not counted.
            let means: Vec<f64> = (0..self.bursts).map(|_| burst()).collect();
            Ok(median_of(&means).expect("a probe runs at least one burst"))
        };
        thread::scope(|scope| {
            let (theirs, ours) = (scope.spawn(theirs), scope.spawn(ours));
            let (theirs, ours): (io::Result<()>, _) =
                (theirs.join().expect("no panic"), ours.join().expect("no panic"));
            theirs.and(ours)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_takes_time() {
        let probe = LineProbe::new(CorePair::first_allowed().unwrap()).with_trips(50);
        assert!(probe.measure().unwrap() > 0.0);
    }
}
