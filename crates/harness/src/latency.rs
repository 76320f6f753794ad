//! Latencies in a histogram: quantiles of any number of them in fixed memory.
//!
//! # From the intended start
//! A sender that is to send every 500 µs and is stopped for 10 ms sends 20 messages late. Counted
//! from when each was *really* sent, 20 latencies look fine and one is 10 ms; counted from when it
//! *should* have been sent, all 20 carry their share of the delay, as they do for a waiting user.
//! Leaving the delay out is called coordinated omission: the measurement stops asking exactly while
//! the answer is slow. So a paced measurement records with [`Latencies::record_since`] from the
//! moment that [`intended_start`](crate::pace::intended_start) gives. An unpaced one has no
//! intended start: its latencies describe a saturated ring, not a user's wait.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// The longest latency that is distinguished from longer ones: one minute.
pub const LONGEST: Duration = Duration::from_mins(1);

/// Values are kept to three digits: quantiles are off by less than 0.1 %.
const DIGITS: u8 = 3;

/// A histogram of latencies in nanoseconds.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
    /// Exact, where the histogram rounds.
    max_nanos: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Latencies {
    /// An empty histogram.
    ///
    /// # Cost
    /// All its memory at once, 216 KiB: recording never allocates.
    pub fn new() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        let histogram = Histogram::new_with_bounds(1, longest, DIGITS).expect("constant bounds are valid");
        Self { histogram, max_nanos: 0 }
    }

    /// Counts one latency. Longer than [`LONGEST`] counts as `LONGEST`, except in the maximum.
    ///
    /// # Cost
    /// One addition in 216 KiB, of which a steady measurement touches few lines.
    pub fn record(&mut self, nanos: u64) {
        self.histogram.saturating_record(nanos);
        self.max_nanos = self.max_nanos.max(nanos);
    }

    /// Counts the time from the `intended` start of an operation to its `end` (see the module).
    pub fn record_since(&mut self, intended: Moment, end: Moment) {
        self.record(u64::try_from(end.since(intended).as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many latencies were counted.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The usual quantiles; `None` if nothing was counted.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let at = |quantile| self.histogram.value_at_quantile(quantile).min(self.max_nanos);
        (self.count() > 0).then(|| Quantiles {
            count: self.count(),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: self.max_nanos,
        })
    }
}

/// Quantiles of latencies, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many latencies there are.
    #[serde(rename = "samples")]
    pub count: u64,
    /// Half of them are no longer.
    pub p50: u64,
    /// 99 % of them are no longer.
    pub p99: u64,
    /// 99.9 % of them are no longer; with fewer than 1,000 latencies that is the maximum.
    pub p999: u64,
    /// The longest, exact.
    pub max: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(nanos: &[u64]) -> Latencies {
        let mut latencies = Latencies::new();
        for &nanos in nanos {
            latencies.record(nanos);
        }
        latencies
    }

    #[test]
    fn a_late_start_counts_from_the_intended_one() {
        let intended = Moment::from_nanos(1_000);
        let mut latencies = Latencies::new();
        latencies.record_since(intended, Moment::from_nanos(51_000));
        assert_eq!(latencies.quantiles().unwrap().max, 50_000);
    }

    #[test]
    fn the_maximum_is_exact_even_beyond_the_bound() {
        let beyond = 2 * LONGEST.as_nanos() as u64 + 1;
        let latencies = of(&[5, beyond]);
        assert_eq!(latencies.quantiles().unwrap().max, beyond);
        assert_eq!(of(&[123_457]).quantiles().unwrap().p50, 123_457);
    }

    proptest! {
        // A histogram of 216 KiB for each case: fewer cases than usual.
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn quantiles_are_within_a_thousandth(mut nanos in prop::collection::vec(1_u64..1_000_000_000, 1..300)) {
            let quantiles = of(&nanos).quantiles().unwrap();
            nanos.sort_unstable();
            let exact = nanos[(nanos.len() - 1) / 2];
            prop_assert!(quantiles.p50.abs_diff(exact) as f64 <= 0.001 * exact as f64 + 1.0);
            prop_assert_eq!(quantiles.max, *nanos.last().unwrap());
        }
    }
}
