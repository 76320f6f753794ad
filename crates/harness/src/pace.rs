//! Open-loop pacing: message k starts at `start + k / rate`, however long the messages before it
//! took.
//!
//! A late message is not skipped and the schedule does not move: it starts at once, and so do the
//! ones behind it until the sender has caught up. What it waited shows in its latency, which counts
//! from the *intended* start (see [`crate::latency`]). So the rate is held as long as the ring can
//! take it on average.
//!
//! The sender sleeps until shortly before an intended start and spins the rest, since a sleep ends
//! late by the kernel's timer slack (50 µs unless a thread changes it) and its wake-up.

use crate::clock::Moment;
use rustix::io::Errno;
use rustix::thread::{ClockId, clock_nanosleep_absolute};
use std::hint::spin_loop;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Spun before each intended start, at most: what a sleep is usually late by.
const SPIN: Duration = Duration::from_micros(70);

/// One sleep, at most: the stop flag is checked in between.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// The intended start of message `k`, from 0, of `per_second` (at least 1) messages a second, the
/// first of them at `start`. Computed from `k` and not by adding up periods: no rounding error
/// grows.
pub fn intended_start(start: Moment, per_second: u64, k: u64) -> Moment {
    let nanos = u128::from(k) * 1_000_000_000 / u128::from(per_second);
    start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Sleeps, then spins, until `moment`; returns at once if it has passed, and `false` if `stop` was
/// set first.
///
/// # Errors
/// What `clock_nanosleep` reports, except an interruption by a signal.
///
/// # Cost
/// Sleeps and at most 70 µs of spinning; one clock read for a moment that has passed.
pub fn wait_until(moment: Moment, stop: &AtomicBool) -> io::Result<bool> {
    // Relaxed: a request, orders nothing.
    while !stop.load(Ordering::Relaxed) {
        let now = Moment::now();
        let left = moment.since(now);
        if left.is_zero() {
            return Ok(true);
        }
        let sleep = left.saturating_sub(SPIN).min(LONGEST_SLEEP);
        if sleep.is_zero() {
            spin_loop();
            continue;
        }
        match clock_nanosleep_absolute(ClockId::Monotonic, &(now + sleep).as_timespec()) {
            Ok(()) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wait_ends_not_before_its_moment_and_with_its_stop_flag() {
        let (start, go) = (Moment::now(), AtomicBool::new(false));
        for k in 0..100 {
            let intended = intended_start(start, 2_000, k);
            assert!(wait_until(intended, &go).unwrap());
            assert!(Moment::now() >= intended);
        }
        let far_away = Moment::now() + Duration::from_secs(3600);
        assert!(!wait_until(far_away, &AtomicBool::new(true)).unwrap());
    }

    proptest! {
        #[test]
        fn the_schedule_does_not_drift(per_second in 1_u64..10_000_000, seconds in 0_u64..100_000) {
            let start = Moment::from_nanos(17);
            let whole = start + Duration::from_secs(seconds);
            prop_assert_eq!(intended_start(start, per_second, per_second * seconds), whole);
        }
    }
}
