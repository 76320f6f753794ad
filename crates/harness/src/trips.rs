//! How long a round trip takes: the median of several bursts' means.

use std::time::{Duration, Instant};

use crate::patience::Stop;
use crate::spread::median_of;

/// Bursts of a repetition.
pub const BURSTS: u32 = 9;

/// Between two looks at the clock.
const TRIPS: u64 = 1000;

/// Nanoseconds for each round trip: the median of [`BURSTS`] means, taken in `duration`. `trip` makes the trip of that
/// number, from 0.
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
    fn trips_take_what_they_take() {
        let wait = Duration::from_micros(1);
        let nanos = nanos_a_trip(Duration::from_millis(1), |_| {
            let begin = Instant::now();
            while begin.elapsed() < wait {}
            Ok(())
        });
        assert!(nanos.unwrap() >= 1000.0);
    }
}
