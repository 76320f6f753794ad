//! How often a call tries again because others were first.
//!
//! Of many who want the same message one gets it, and with it a counter rises. So whoever comes too late over and over
//! sees the counter rise; one that stands still, or falls, is a damaged ring's, and the call ends soon. One that a
//! hostile peer raises for ever ends it late.
//!
//! Whoever was late stands back for a moment ([`Backoff`]): the one who was first then does many messages in a row with the
//! lines of the counter and of the slots in its core, where else each of them would be fetched from the other for each
//! message. Nobody waits for anybody.

use crate::sync::MODELLED;

/// The tries of one call.
#[derive(Debug, Default)]
pub(crate) struct RetryBudget {
    highest: u64,
    /// Tries since the counter rose.
    in_vain: u32,
    tries: u32,
}

/// A correct ring needs two: somebody else's exchange comes first, and the next try finds it and moves the counter.
const IN_VAIN: u32 = 64;
const TRIES: u32 = 1 << 18;

impl RetryBudget {
    /// Whether there is use in another try, after one that came too late; the counter is at `counter` now.
    pub(crate) fn lasts(&mut self, counter: u64, standoff: &mut Backoff) -> bool {
        if counter > self.highest {
            (self.highest, self.in_vain) = (counter, 0);
        }
        self.in_vain += 1;
        self.tries += 1;
        standoff.stand_back(counter);
        self.in_vain < IN_VAIN && self.tries < TRIES
    }
}

/// How long an endpoint that was late stands back: 7 pauses, 63, and then 255 (some 6 µs) each time, until others published
/// or took a good many messages in which it was not late.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Of [`Backoff`]: each twice as long as the one before, up to 64 pauses.
    spins: u32,
    /// The counter when it last stood back.
    last: u64,
}

const MORE_SPINS: u32 = 3;
const MOST_SPINS: u32 = 9;
/// Two that stand back in turn do some 200 messages each.
const CALM: u64 = 4096;

impl Backoff {
    fn stand_back(&mut self, counter: u64) {
        if counter.abs_diff(self.last) > CALM {
            self.spins = 0;
        }
        self.last = counter;
        self.spins = (self.spins + MORE_SPINS).min(MOST_SPINS);
        if !MODELLED {
            let backoff = crossbeam_utils::Backoff::new();
            (0..self.spins).for_each(|_| backoff.spin());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, IN_VAIN, RetryBudget, TRIES};

    fn tries(mut counter: impl FnMut(u64) -> u64) -> u64 {
        let (mut patience, mut standoff) = (RetryBudget::default(), Backoff::default());
        (1..=2 * u64::from(TRIES)).find(|n| !patience.lasts(counter(*n), &mut standoff)).unwrap()
    }

    #[test]
    fn patience_ends_with_a_counter_that_does_not_rise() {
        assert_eq!(tries(|_| 0), u64::from(IN_VAIN));
        assert_eq!(tries(|_| u64::MAX), u64::from(IN_VAIN));
        assert_eq!(tries(|n| u64::MAX - n), u64::from(IN_VAIN));
        assert_eq!(
            tries(|n| 7 + n / 2),
            u64::from(TRIES),
            "a ring in which every second try is in vain is a busy one"
        );
    }
}
