//! The counters of rings of many writers and of queues: of messages, and of takes.
//!
//! A counter is a *hint*: everything below it was published (taken), and it may be behind. Each
//! participant has its own lower bound instead, and passes a message when the message's slot shows
//! that it was published (taken). Only the slots decide what comes next: so the order of messages,
//! `Empty` and `Full` are exact.
//!
//! # How far a counter is behind
//! A participant that has published (taken) message `n` raises the counter to `n + 1`, unless it
//! knows that the counter is above `n + 1 - EVERY`. So the counter is less than [`EVERY`] behind
//! the last message whose publication (take) returned to its caller. Each participant that is
//! stopped between its exchange and that check adds at most one.
//!
//! # Pairings
//! | name   | releases          | acquires            | without it                              |
//! |--------|-------------------|---------------------|-----------------------------------------|
//! | `Next` | raise the counter | load it, to jump to | what was published below is not visible |
//!
//! # Costs
//! A message costs an addition and a comparison, one in [`EVERY`] a read-modify-write.

use crate::memory::Memory;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::sync::{AtomicU64, MODELLED, Pair, acquire, load_to_exchange, release};

/// How many messages a participant lets pass before it raises a counter.
const EVERY: u64 = if MODELLED { 2 } else { 16 };

/// In an undamaged ring no counter is so far behind: there are fewer participants.
const MOST_BEHIND: u64 = 1 << 17;

/// The highest lower bound. A counter is as high only if a hostile peer stored it. An
/// [intent](crate::protocol::intent_log) has no bits for higher numbers.
const HIGHEST: u64 = SEQUENCE_LIMIT - 1;

/// A participant's lower bound of a counter.
#[derive(Debug)]
pub(crate) struct LazyCounter {
    /// Everything below was published (taken).
    next: u64,
    /// At or above this the shared counter is due.
    raise_at: u64,
}

impl LazyCounter {
    /// With everything below `next` published (taken).
    pub(crate) fn new(next: u64) -> Self {
        LazyCounter { next, raise_at: next }
    }

    /// The message that is published (taken) next, as far as this participant knows: never above
    /// the one that is.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Passes the next message, which this participant published (took).
    #[inline(always)]
    pub(crate) fn advance(&mut self, counter: &AtomicU64) {
        self.next += 1;
        if self.next >= self.raise_at {
            self.raise(counter);
        }
    }

    #[inline(never)]
    fn raise(&mut self, counter: &AtomicU64) {
        self.next = self.next.min(HIGHEST);
        // PAIRS(Next): the messages below are published (taken) for all that jump here.
        counter.fetch_max(self.next, release(Pair::Next));
        self.raise_at = (self.next + EVERY).min(HIGHEST);
    }

    /// Passes messages that others published (took): those below `hint`, and then those that
    /// `is_passed` finds in their slots, a limited number.
    #[inline(never)]
    pub(crate) fn catch_up(&mut self, hint: u64, slots: usize, mut is_passed: impl FnMut(u64) -> bool) {
        self.next = self.next.max(hint);
        self.raise_at = (hint + EVERY).min(HIGHEST);
        let end = (self.next + 2 * EVERY).min(hint + slots as u64 + MOST_BEHIND).min(HIGHEST);
        while self.next < end && is_passed(self.next) {
            self.next += 1;
        }
    }
}

/// Every message below was published.
pub(crate) fn published(memory: &Memory) -> u64 {
    // Writers of assigned sequences raise no counter: they do not know of the messages below.
    load(&memory.control().next).max(taken(memory))
}

/// Every message below was taken from the queue; in other rings, the first sequence.
pub(crate) fn taken(memory: &Memory) -> u64 {
    load(&memory.control().taken)
}

fn load(counter: &AtomicU64) -> u64 {
    // PAIRS(Next): what was published (taken) below is visible. Bounded: a peer may have stored
    // anything.
    load_to_exchange(counter, acquire(Pair::Next)).min(HIGHEST)
}

#[cfg(all(test, not(any(seqring_model, seqring_fuzz))))]
mod tests {
    use super::{EVERY, LazyCounter, published, taken};
    use crate::api::ring::Ring;
    use crate::memory::layout::SEQUENCE_LIMIT;
    use crate::sync::{AtomicU64, Relaxed};
    use crate::types::config::{Config, Delivery, Writers};

    /// Two participants in turn, and others that sleep for long: each passes what the others did.
    #[test]
    fn the_counters_are_less_than_sixteen_behind() {
        for slots in [1, 3, 100] {
            let ring =
                Ring::heap(&Config::slots(slots).of_bytes(8).delivery(Delivery::Queue).participants(6))
                    .unwrap();
            let memory = &ring.attachment.memory;
            let mut writers = [(); 3].map(|()| ring.writer().unwrap());
            let mut takers = [(); 3].map(|()| ring.taker().unwrap());
            for n in 0..1000_u64 {
                let turn = if n % 300 == 299 { 2 } else { n as usize % 2 };
                assert_eq!(writers[turn].try_write(&n.to_le_bytes()), Ok(n), "slots {slots}");
                assert!((n + 2 - EVERY.min(n + 2)..=n + 1).contains(&published(memory)), "message {n}");
                let message = takers[turn].try_take().unwrap();
                assert_eq!((&message[..], message.received().sequence), (&n.to_le_bytes()[..], n));
                drop(message);
                assert!((n + 2 - EVERY.min(n + 2)..=n + 1).contains(&taken(memory)), "message {n}");
                assert_eq!((ring.next_sequence(), writers[2].next_sequence()), (n + 1, n + 1));
                let positions: Vec<_> = ring.stats().participants.iter().map(|one| one.position).collect();
                assert_eq!(positions, [n + 1; 6], "statistics are exact");
            }
        }
    }

    #[test]
    fn a_writer_that_slept_passes_what_others_published() {
        let config = Config::slots(4).of_bytes(8).delivery(Delivery::Lossy).writers(Writers::Many);
        let ring = Ring::heap(&config).unwrap();
        let (mut sleeper, mut other) = (ring.writer().unwrap(), ring.writer().unwrap());
        for n in [0_u64, 1, 17, 100, 100_000] {
            assert!(n == 0 || sleeper.write(&[0; 8]).is_ok());
            let next = ring.next_sequence();
            for more in 0..n {
                assert_eq!(other.write(&[0; 8]), Ok(next + more));
            }
            assert_eq!(sleeper.write(&[0; 8]), Ok(next + n));
        }
    }

    /// Fails if a number runs into the bits of an intent that say what kind it is.
    #[test]
    fn no_participant_counts_beyond_the_limit() {
        let ring = Ring::heap(&Config::slots(4).of_bytes(8).delivery(Delivery::Queue)).unwrap();
        let memory = &ring.attachment.memory;
        let (mut writer, mut taker) = (ring.writer().unwrap(), ring.taker().unwrap());
        for hostile in [SEQUENCE_LIMIT - 1, SEQUENCE_LIMIT, u64::MAX] {
            memory.control().next.store(hostile, Relaxed);
            memory.control().taken.store(hostile, Relaxed);
            assert_eq!((published(memory), taken(memory)), (SEQUENCE_LIMIT - 1, SEQUENCE_LIMIT - 1));
            if let Ok(sequence) = writer.try_write(b"a") {
                assert!(sequence < SEQUENCE_LIMIT);
            }
            if let Ok(taken) = taker.try_take() {
                assert!(taken.received().sequence < SEQUENCE_LIMIT);
            }
        }
        for start in SEQUENCE_LIMIT - 40..SEQUENCE_LIMIT {
            let (mut counter, shared) = (LazyCounter::new(start), AtomicU64::new(start));
            for _ in 0..50 {
                counter.advance(&shared);
                assert!(counter.next() < SEQUENCE_LIMIT, "from {start} on");
            }
            let mut counter = LazyCounter::new(start);
            counter.catch_up(start, 100, |_| true);
            assert!(counter.next() < SEQUENCE_LIMIT, "from {start} on");
        }
    }
}
