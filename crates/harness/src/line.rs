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

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bursts::{Bursts, between};
use crate::peer::{Peers, spin_until};
use crate::pin::CorePair;

/// The probe: its cores, and how much it measures.
#[derive(Clone, Copy, Debug)]
pub struct LineProbe {
    cores: CorePair,
    bursts: usize,
    trips: u64,
}

/// One word with its cache line, and the line that the prefetcher brings along, to itself.
#[repr(align(128))]
struct Line(AtomicU64);

impl LineProbe {
    /// A probe of 9 bursts of 2,000 round trips: 1 ms on one physical core, 6 ms between far ones.
    pub const fn new(cores: CorePair) -> Self {
        Self { cores, bursts: 9, trips: 2_000 }
    }

    /// The same probe with another effort; both numbers are at least 1.
    #[must_use]
    pub fn with_effort(self, bursts: usize, trips: u64) -> Self {
        Self { bursts: bursts.max(1), trips: trips.max(1), ..self }
    }

    /// Bounces the line and returns nanoseconds for each round trip, one mean a burst.
    ///
    /// # Errors
    /// What pinning a thread reports.
    ///
    /// # Cost
    /// Two threads are started and joined; both cores are busy meanwhile.
    #[allow(unsafe_code, reason = "the seam to the peer")]
    pub fn measure(&self) -> io::Result<Bursts> {
        let line = Line(AtomicU64::new(0));
        let theirs = |trip| {
            // PAIRS(bounce): nothing else is handed over, so Relaxed would do; a ring's stamp is
            // not
            // Relaxed either, and the probe is to cost what a stamp costs.
            spin_until(|| line.0.load(Ordering::Acquire) == 2 * trip - 1);
            line.0.store(2 * trip, Ordering::Release);
        };
        // SAFETY: a thread, not a child.
        unsafe {
            between(Peers::Threads, self.cores, (self.bursts, self.trips), theirs, |peer, trip| {
                // PAIRS(bounce)
                line.0.store(2 * trip - 1, Ordering::Release);
                peer.spin_until(|| line.0.load(Ordering::Acquire) == 2 * trip)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_burst_is_reported_and_takes_time() {
        let probe = LineProbe::new(CorePair::first_allowed().unwrap()).with_effort(3, 50);
        let reading = probe.measure().unwrap();
        assert_eq!(reading.nanos().len(), 3);
        assert!(reading.nanos().iter().all(|&nanos| nanos > 0.0));
    }
}
