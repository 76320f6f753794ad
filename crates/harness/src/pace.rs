//! An open-loop pacer: message k starts at `start + k / rate`, however long the messages before it
//! took.
//!
//! A late message is not skipped and the schedule does not move: it starts at once, and so do the
//! ones behind it until the sender has caught up. What it waited shows in its latency, which counts
//! from the *intended* start (see [`crate::latency`]). So the rate is held as long as the ring can
//! take it on average.
//!
//! The pacer sleeps until shortly before an intended start and spins the rest, since a sleep ends
//! late by the kernel's timer slack (50 µs unless a thread changes it) and its wake-up.

use std::hint::spin_loop;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::{ClockId, clock_nanosleep_absolute};

use crate::clock::Moment;

/// Spun before each intended start, at most: what a sleep is usually late by.
const SPIN: Duration = Duration::from_micros(70);

/// One sleep, at most: the stop flag is checked in between.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A schedule of starts.
#[derive(Clone, Debug)]
pub struct Pacer {
    start: Moment,
    per_second: u64,
    next: u64,
}

impl Pacer {
    /// A schedule of `per_second` (at least 1) starts a second, the first of them at `start`.
    /// Writers that share `start` start together.
    pub const fn starting_at(start: Moment, per_second: u64) -> Self {
        Self { start, per_second, next: 0 }
    }

    /// The intended start of message `k`, from 0.
    ///
    /// Computed from `k` and not by adding up periods: no rounding error grows.
    pub fn intended_start(&self, k: u64) -> Moment {
        let nanos = u128::from(k) * NANOS_PER_SECOND / u128::from(self.per_second);
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Waits for the next intended start and returns it; at once if it has passed. `Ok(None)` if
    /// `stop` is set meanwhile; then the start is still to come.
    ///
    /// # Errors
    /// What `clock_nanosleep` reports, except an interruption by a signal.
    ///
    /// # Cost
    /// One sleep and at most 70 µs of spinning for a start that is still to come; one clock read
    /// for a late one.
    pub fn wait_for_next(&mut self, stop: &AtomicBool) -> io::Result<Option<Moment>> {
        // Relaxed: a request, orders nothing.
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let intended = self.intended_start(self.next);
        if !wait_until(intended, stop)? {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(intended))
    }

    /// How many starts were handed out.
    pub const fn started(&self) -> u64 {
        self.next
    }
}

/// Sleeps, then spins, until `moment`; `false` if `stop` was set first.
fn wait_until(moment: Moment, stop: &AtomicBool) -> io::Result<bool> {
    loop {
        let now = Moment::now();
        let left = moment.since(now);
        if left.is_zero() {
            return Ok(true);
        }
        let sleep = left.saturating_sub(SPIN).min(LONGEST_SLEEP);
        if sleep.is_zero() {
            spin_loop();
        } else {
            let wake = now + sleep;
            match clock_nanosleep_absolute(ClockId::Monotonic, &wake.as_timespec()) {
                Ok(()) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            // Relaxed: a request, orders nothing.
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static GO: AtomicBool = AtomicBool::new(false);

    #[test]
    fn no_message_starts_before_its_intended_start() {
        let mut pacer = Pacer::starting_at(Moment::now(), 2_000);
        for k in 0..100 {
            let intended = pacer.wait_for_next(&GO).unwrap().unwrap();
            assert_eq!(intended, pacer.intended_start(k));
            assert!(Moment::now() >= intended);
        }
    }

    #[test]
    fn a_late_sender_gets_every_start_it_missed_and_their_intended_moments() {
        let long_ago = Moment::from_nanos(Moment::now().as_nanos() - 1_000_000_000);
        let mut pacer = Pacer::starting_at(long_ago, 1_000);
        let begin = Moment::now();
        for k in 0..1_000 {
            let intended = pacer.wait_for_next(&GO).unwrap().unwrap();
            assert_eq!(intended, long_ago + Duration::from_millis(k));
            assert!(intended <= begin, "it is late");
        }
    }

    #[test]
    fn a_stop_ends_the_wait_for_a_start_that_is_far_away() {
        let mut pacer = Pacer::starting_at(Moment::now() + Duration::from_hours(1), 1);
        assert_eq!(pacer.wait_for_next(&AtomicBool::new(true)).unwrap(), None);
        assert_eq!(pacer.started(), 0);
    }

    proptest! {
        #[test]
        fn the_schedule_does_not_drift(per_second in 1_u64..10_000_000, seconds in 0_u64..100_000) {
            let start = Moment::from_nanos(17);
            let pacer = Pacer::starting_at(start, per_second);
            let whole = start + Duration::from_secs(seconds);
            prop_assert_eq!(pacer.intended_start(per_second * seconds), whole);
        }
    }
}
