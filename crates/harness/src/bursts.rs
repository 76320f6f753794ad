//! How long a round trip takes: bursts of many, and the median of their means.
//!
//! One that is preempted in a burst raises that burst's mean alone, and does not move the median.

use std::io;
use std::time::{Duration, Instant};

use crate::clock::Moment;
use crate::patience::Stop;
use crate::peer::{Peer, PeerGone, Peers, with_peer};
use crate::pin::CorePair;
use crate::spread::median_of;

/// Bursts of a repetition.
pub const BURSTS: u32 = 9;

/// Between two readings of the clock.
const TRIPS: u64 = 1000;

/// Nanoseconds for each round trip: the median of [`BURSTS`] means, taken in `duration`. `trip`
/// makes the trip of that number, from 0.
///
/// # Errors
/// Why a trip failed.
pub fn nanos_a_trip(duration: Duration, mut trip: impl FnMut(u64) -> Result<(), Stop>) -> Result<f64, Stop> {
    let mut trips = 0;
    let mut burst = |length: Duration| {
        let (first, begin) = (trips, Instant::now());
        while begin.elapsed() < length {
            for _ in 0..TRIPS {
                trip(trips)?;
                trips += 1;
            }
        }
        Ok(begin.elapsed().as_nanos() as f64 / (trips - first) as f64)
    };
    let length = duration / BURSTS;
    burst(length / 10)?;
    let means: Result<Vec<f64>, Stop> = (0..BURSTS).map(|_| burst(length)).collect();
    median_of(&means?).ok_or_else(|| Stop::failed("no bursts"))
}

/// Nanoseconds for each round trip of a probe: one mean for every burst, in the order in which they
/// ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Bursts {
    nanos: Vec<f64>,
    median: f64,
}

impl Bursts {
    /// The median of the bursts' means, in ns.
    pub const fn median(&self) -> f64 {
        self.median
    }

    /// The mean of every burst, in ns.
    pub fn nanos(&self) -> &[f64] {
        &self.nanos
    }
}

/// So many bursts of so many round trips, without a ring: `ask` makes the trip of that number, from
/// 1, and `answer` is the peer's part of it.
///
/// # Errors
/// What mapping, forking or pinning reports; `BrokenPipe` if the peer ends meanwhile.
///
/// # Cost
/// One thread and one peer are started and joined; both cores are busy meanwhile.
///
/// # Safety
/// Between processes `answer` runs in a forked child: it may touch shared memory that is there
/// already and its own stack, and must not allocate or lock.
#[allow(unsafe_code, reason = "with_peer")]
pub(crate) unsafe fn between(
    peers: Peers,
    cores: CorePair,
    (bursts, trips): (usize, u64),
    answer: impl Fn(u64) + Send,
    ask: impl Fn(&Peer<'_>, u64) -> Result<(), PeerGone> + Send,
) -> io::Result<Bursts> {
    let (bursts, trips) = (bursts.max(1), trips.max(1));
    let theirs = move || (1..=trips * (bursts as u64 + 1)).for_each(&answer);
    let ours = move |peer: &Peer<'_>| {
        let mut number = 0;
        let mut burst = || {
            let begin = Moment::now();
            for _ in 0..trips {
                number += 1;
                ask(peer, number)?;
            }
            io::Result::Ok(begin.elapsed().as_nanos() as f64 / trips as f64)
        };
        burst()?; // The peer starts during this one: it is not counted.
        (0..bursts).map(|_| burst()).collect()
    };
    // SAFETY: the caller's promise for `answer`; `theirs` ends with the last answer that `ours`
    // waits for, and `ours` has nothing that panics.
    let nanos: Vec<f64> = unsafe { with_peer(peers, cores, theirs, ours) }?;
    let median = median_of(&nanos).expect("a probe runs at least one burst");
    Ok(Bursts { nanos, median })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trip_that_fails_ends_it() {
        let mut next = 0;
        let end = nanos_a_trip(Duration::from_secs(1), |trip| {
            assert_eq!(trip, next);
            next += 1;
            if trip == TRIPS - 1 { Err(Stop::Closed) } else { Ok(()) }
        });
        assert!(matches!(end, Err(Stop::Closed)));
        assert_eq!(next, TRIPS);
    }

    #[test]
    fn a_trip_takes_the_time_of_its_closure() {
        let wait = Duration::from_micros(1);
        let nanos = nanos_a_trip(Duration::from_millis(1), |_| {
            let begin = Instant::now();
            while begin.elapsed() < wait {}
            Ok(())
        });
        assert!(nanos.unwrap() >= 1000.0);
    }
}
