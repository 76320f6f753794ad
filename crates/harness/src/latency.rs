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
//!
//! # Stretches
//! Reading the clock takes as long as a fast message, so a sender without a pace times one message
//! of a [`Stretch`], and the others together. A stretch lasts about 8 µs: of slow messages, each is
//! timed. A message counts as often as it stands for others,
//! and a call that blocked among the others counts once, so that the histogram accounts for all of
//! the sender's time. Timing one message in so many by count alone would miss the calls that block.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// The longest latency that is distinguished from longer ones: one minute.
pub const LONGEST: Duration = Duration::from_secs(60);

/// Values are kept to three digits: quantiles are off by less than 0.1 %.
const DIGITS: u8 = 3;

/// How long a [`Stretch`] lasts at most, unless a call blocks: then a reading of the clock is below
/// 1 % of it.
const STRETCH: u64 = 8_000;

/// How many messages a [`Stretch`] has at most.
const LONGEST_STRETCH: u32 = 1024;

/// Of fewer latencies the 99th percentile is not known, and of fewer than ten times as many the
/// 99.9th: too few lie beyond it.
const ENOUGH_FOR_P99: u64 = 100;

/// A histogram of latencies in nanoseconds.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
    /// How many were timed; each may stand for several messages.
    samples: u64,
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
        Self { histogram, samples: 0, max_nanos: 0 }
    }

    /// Counts one latency. Longer than [`LONGEST`] counts as `LONGEST`, except in the maximum.
    ///
    /// # Cost
    /// One addition in 216 KiB, of which a steady measurement touches few lines.
    pub fn record(&mut self, nanos: u64) {
        self.record_for(nanos, 1);
    }

    /// Counts one latency for so many messages.
    fn record_for(&mut self, nanos: u64, messages: u32) {
        self.histogram.saturating_record_n(nanos, messages.into());
        self.samples += 1;
        self.max_nanos = self.max_nanos.max(nanos);
    }

    /// Counts the time from the `intended` start of an operation to its `end` (see the module).
    pub fn record_since(&mut self, intended: Moment, end: Moment) {
        self.record(u64::try_from(end.since(intended).as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many latencies were timed.
    pub fn count(&self) -> u64 {
        self.samples
    }

    /// The usual quantiles; `None` if nothing was timed.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let at = |quantile| self.histogram.value_at_quantile(quantile).min(self.max_nanos);
        let among = |enough, quantile| (self.samples >= enough).then(|| at(quantile));
        (self.samples > 0).then(|| Quantiles {
            count: self.samples,
            p50: at(0.5),
            p99: among(ENOUGH_FOR_P99, 0.99),
            p999: among(10 * ENOUGH_FOR_P99, 0.999),
            max: self.max_nanos,
        })
    }
}

/// The messages of a sender without a pace, from one that is timed to the next.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    messages: u32,
}

impl Default for Stretch {
    fn default() -> Self {
        Self { messages: 1 }
    }
}

impl Stretch {
    /// The messages behind the timed one.
    pub fn others(self) -> u32 {
        self.messages - 1
    }

    /// Records a stretch whose timed message took `timed`, and the others `others` together, in ns.
    /// The next one is chosen to last about 8 µs.
    pub fn record(&mut self, latencies: &mut Latencies, timed: u64, others: u64) {
        match self.others() {
            0 => latencies.record(timed),
            // The timed call blocked: it stands for none but itself.
            count if timed > others => {
                latencies.record(timed);
                latencies.record_for(others / u64::from(count), count);
            }
            // One among the others blocked: all but that one were as the timed one.
            count if others > 2 * STRETCH => {
                latencies.record_for(timed, count);
                latencies.record(others.saturating_sub(timed * u64::from(count - 1)));
            }
            count => latencies.record_for(timed, count + 1),
        }
        self.messages = match timed + others {
            short if short < STRETCH / 2 => LONGEST_STRETCH.min(2 * self.messages),
            long if long > 8 * STRETCH => 1,
            long if long > STRETCH => self.messages.div_ceil(2),
            _ => self.messages,
        };
    }
}

/// Quantiles of latencies, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many latencies were timed.
    #[serde(rename = "samples")]
    pub count: u64,
    /// Half of them are no longer.
    pub p50: u64,
    /// 99 % of them are no longer; not known from fewer than 100.
    pub p99: Option<u64>,
    /// 99.9 % of them are no longer; not known from fewer than 1,000.
    pub p999: Option<u64>,
    /// The longest, exact.
    pub max: u64,
}

impl Quantiles {
    /// The worse of two workers in each quantile, as far as both know it.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        let known = |one: Option<u64>, other: Option<u64>| Some(one?.max(other?));
        Self {
            count: self.count.min(other.count),
            p50: self.p50.max(other.p50),
            p99: known(self.p99, other.p99),
            p999: known(self.p999, other.p999),
            max: self.max.max(other.max),
        }
    }

    /// The longest that the mean can be: a mean above it contradicts a quantile.
    pub fn highest_mean(&self) -> f64 {
        let p999 = self.p999.unwrap_or(self.max);
        let p99 = self.p99.unwrap_or(p999);
        [(0.5, self.p50), (0.49, p99), (0.009, p999), (0.001, self.max)]
            .map(|(share, nanos)| share * nanos as f64)
            .iter()
            .sum()
    }
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

    /// Times the calls of a sender that take so long, as the writer of a run does.
    fn timed(calls: &[u64]) -> Quantiles {
        let (mut latencies, mut stretch, mut calls) = (Latencies::new(), Stretch::default(), calls.iter());
        while let Some(first) = calls.next() {
            let others = calls.by_ref().take(stretch.others() as usize).sum();
            stretch.record(&mut latencies, *first, others);
        }
        latencies.quantiles().unwrap()
    }

    #[test]
    fn a_call_that_blocks_is_seen_wherever_it_is() {
        for at in (0..5_000).step_by(7) {
            let mut calls = vec![20; 8_000];
            calls[at] = 40_000_000;
            let quantiles = timed(&calls);
            assert_eq!((quantiles.p50, quantiles.max), (20, 40_000_000), "{at}");
        }
    }

    #[test]
    fn each_slow_call_is_timed_and_few_of_the_fast_ones() {
        assert_eq!(timed(&vec![STRETCH; 500]).count, 500);
        assert!((100..10_000).contains(&timed(&vec![20; 1_000_000]).count));
    }

    #[test]
    fn a_quantile_beyond_which_too_few_latencies_lie_is_not_known() {
        let known = |count| {
            let quantiles = of(&vec![7; count]).quantiles().unwrap();
            (quantiles.p99, quantiles.p999)
        };
        assert_eq!([99, 100, 999].map(known), [(None, None), (Some(7), None), (Some(7), None)]);
        assert_eq!(known(1_000), (Some(7), Some(7)));
        let [few, many] = [99, 1_000].map(|count| of(&vec![9; count]).quantiles().unwrap());
        assert_eq!(few.worse(many).p99, None);
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

        /// A lock that lets most calls through at once, and blocks some.
        #[test]
        fn no_quantile_lies_below_what_the_rate_allows(
            fast in 10_u64..5_000,
            blocked in 1_000_u64..5_000_000,
            places in prop::collection::vec(0_usize..3_000, 0..600),
        ) {
            let mut calls = vec![fast; 3_000];
            for place in places {
                calls[place] = fast + blocked;
            }
            let mean = calls.iter().sum::<u64>() as f64 / calls.len() as f64;
            let quantiles = timed(&calls);
            prop_assert!(mean <= 1.02 * quantiles.highest_mean() + 1.0, "{mean} ns, {quantiles:?}");
        }
    }
}
