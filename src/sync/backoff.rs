//! How often a call retries a lost CAS, and how long it backs off before each retry.
//!
//! Of several writers (or takers) that want the same sequence one wins, and the others pass its
//! message. So a call that keeps losing sees the sequence that it wants rise. Where that stands
//! still, the ring is damaged, and the call ends soon. A hostile peer that makes it rise for ever
//! makes the call end late.
//!
//! A writer that lost backs off for up to 6 µs ([`Backoff`]). The winner can then publish many
//! messages while the lines of the slots stay in its cache; without the pause each line would move
//! between the two cores for each message. A call that backs off does not wait for the progress of
//! others.

use crate::sync::MODELLED;

/// The retries of one call.
#[derive(Debug, Default)]
pub(crate) struct RetryBudget {
    highest: u64,
    /// Tries since the counter rose.
    without_progress: u32,
    tries: u32,
}

/// A correct ring needs two: another participant's exchange wins, and the next try finds it and
/// passes its message.
const MAX_WITHOUT_PROGRESS: u32 = 64;
const MAX_TRIES: u32 = 1 << 18;

impl RetryBudget {
    /// Backs off after a lost try, with the counter now at `counter`, and returns whether to retry.
    pub(crate) fn may_retry(&mut self, counter: u64, backoff: &mut Backoff) -> bool {
        if counter > self.highest {
            (self.highest, self.without_progress) = (counter, 0);
        }
        self.without_progress += 1;
        self.tries += 1;
        backoff.back_off();
        self.without_progress < MAX_WITHOUT_PROGRESS && self.tries < MAX_TRIES
    }
}

/// How long an endpoint backs off after a lost try: 7 pauses, then 63, then 255 (some 6 µs) each
/// time. It starts over once more than [`CALM`] messages were published or taken since it last
/// lost.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Of crossbeam's `Backoff`: each twice as long as the one before, up to 64 pauses.
    spins: u32,
    /// The counter at the last lost exchange.
    last: u64,
    lost: bool,
}

const MORE_SPINS: u32 = 3;
const MOST_SPINS: u32 = 9;
/// Two endpoints that back off in turn do some 200 messages each.
const CALM: u64 = 4096;

impl Backoff {
    /// Notes a lost exchange, for message `counter`.
    pub(crate) fn note_loss(&mut self, counter: u64) {
        if counter.abs_diff(self.last) > CALM {
            self.spins = 0;
        }
        (self.last, self.lost) = (counter, true);
    }

    /// Whether an exchange was lost lately: then others are at work at this moment.
    pub(crate) fn lost_lately(&self, counter: u64) -> bool {
        self.lost && counter.abs_diff(self.last) <= CALM / 4
    }

    fn back_off(&mut self) {
        self.spins = (self.spins + MORE_SPINS).min(MOST_SPINS);
        #[cfg(seqring_transfers)]
        crate::sync::hostile::pause((1 << self.spins) - 1);
        if !MODELLED && !cfg!(seqring_transfers) {
            let backoff = crossbeam_utils::Backoff::new();
            (0..self.spins).for_each(|_| backoff.spin());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, MAX_TRIES, MAX_WITHOUT_PROGRESS, RetryBudget};

    fn tries(mut counter: impl FnMut(u64) -> u64) -> u64 {
        let (mut budget, mut backoff) = (RetryBudget::default(), Backoff::default());
        (1..=2 * u64::from(MAX_TRIES)).find(|n| !budget.may_retry(counter(*n), &mut backoff)).unwrap()
    }

    #[test]
    fn the_budget_ends_with_a_counter_that_does_not_rise() {
        assert_eq!(tries(|_| 0), u64::from(MAX_WITHOUT_PROGRESS));
        assert_eq!(tries(|_| u64::MAX), u64::from(MAX_WITHOUT_PROGRESS));
        assert_eq!(tries(|n| u64::MAX - n), u64::from(MAX_WITHOUT_PROGRESS));
        assert_eq!(
            tries(|n| 7 + n / 2),
            u64::from(MAX_TRIES),
            "a ring where every second try wins is a busy one"
        );
    }
}
