//! The floor of a 64-byte message's round trip: two cores, two mailboxes, no ring.
//!
//! Ours copies 64 bytes into one mailbox and stamps it; the peer copies them out to private memory, copies
//! them into the other mailbox and stamps that; ours copies them out. Relaxed atomic words both ways, because
//! that is what a seqlock slot is made of. No ring can be faster with the same bytes and the same lines.
//!
//! | [`Shape`] | payload | stamp | lines each way |
//! |---|---|---|---|
//! | `OneLine` | 56 bytes | the 8 bytes behind them, in the same line | 1 |
//! | `TwoLines` | 64 bytes | in the adjacent line | 2 |
//!
//! A slot that keeps stamp, length and 64 bytes of payload together cannot have fewer lines than `TwoLines`;
//! `OneLine` says what the second line costs.

use std::array;
use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bursts::Bursts;
use crate::clock::Moment;
use crate::pages::{Kind, Pages};
use crate::peer::{Peer, Peers, spin_until, with_peer};
use crate::pin::CorePair;

/// Where the stamp of a mailbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// 56 bytes of payload and the stamp in one line.
    OneLine,
    /// 64 bytes of payload in one line, the stamp in the next.
    TwoLines,
}

/// The measurement: who the ends are, where they run, how much they exchange.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    cores: CorePair,
    peers: Peers,
    shape: Shape,
    bursts: usize,
    trips: u64,
}

impl Exchange {
    /// An exchange of 9 bursts of 10,000 round trips.
    pub const fn new(cores: CorePair, peers: Peers, shape: Shape) -> Self {
        Self { cores, peers, shape, bursts: 9, trips: 10_000 }
    }

    /// The same exchange with another effort; both numbers are at least 1.
    #[must_use]
    pub fn with_effort(self, bursts: usize, trips: u64) -> Self {
        Self { bursts: bursts.max(1), trips: trips.max(1), ..self }
    }

    /// Exchanges messages and returns nanoseconds for each round trip, one mean a burst.
    ///
    /// # Errors
    /// What mapping, forking or pinning reports; `BrokenPipe` if the child is killed meanwhile.
    ///
    /// # Cost
    /// One thread and one peer are started and joined; both cores are busy meanwhile.
    pub fn measure(&self) -> io::Result<Bursts> {
        match self.shape {
            Shape::OneLine => self.measure_words::<7>(7),
            Shape::TwoLines => self.measure_words::<8>(8),
        }
    }

    #[allow(unsafe_code, reason = "with_peer")]
    fn measure_words<const WORDS: usize>(&self, stamp_at: usize) -> io::Result<Bursts> {
        let pages = Pages::new(4096, Kind::Shared)?;
        let ask = Mailbox::<WORDS>::at(&pages.words()[..64], stamp_at);
        let answer = Mailbox::<WORDS>::at(&pages.words()[64..], stamp_at);
        let (bursts, trips) = (self.bursts, self.trips);
        let theirs = || {
            for number in 1..=trips * (bursts as u64 + 1) {
                spin_until(|| ask.holds(number));
                answer.put(black_box(&ask.take()), number);
            }
        };
        let ours = |peer: &Peer<'_>| {
            let mut number = 0;
            let mut burst = || {
                let begin = Moment::now();
                let mut message = [number; WORDS];
                for _ in 0..trips {
                    number += 1;
                    ask.put(black_box(&message), number);
                    peer.spin_until(|| answer.holds(number))?;
                    message = answer.take();
                }
                black_box(message);
                io::Result::Ok(begin.elapsed().as_nanos() as f64 / trips as f64)
            };
            burst()?; // The peer starts during this one: it is not counted.
            (0..bursts).map(|_| burst()).collect()
        };
        // SAFETY: `theirs` touches words of shared pages and its own stack only, and ends with the last answer
        // that `ours` waits for; `ours` has nothing that panics.
        let nanos = unsafe { with_peer(self.peers, self.cores, theirs, ours) }?;
        Ok(Bursts::new(nanos))
    }
}

/// A payload of `WORDS` words and the number of the message that is in it.
struct Mailbox<'a, const WORDS: usize> {
    payload: &'a [AtomicU64; WORDS],
    stamp: &'a AtomicU64,
}

impl<'a, const WORDS: usize> Mailbox<'a, WORDS> {
    fn at(words: &'a [AtomicU64], stamp_at: usize) -> Self {
        let payload = words.first_chunk().expect("a mailbox has 64 words of its own");
        Self { payload, stamp: &words[stamp_at] }
    }

    fn put(&self, message: &[u64; WORDS], number: u64) {
        for (word, &value) in self.payload.iter().zip(message) {
            word.store(value, Ordering::Relaxed);
        }
        // PAIRS(mail): whoever sees the number sees the words above.
        self.stamp.store(number, Ordering::Release);
    }

    fn holds(&self, number: u64) -> bool {
        // PAIRS(mail)
        self.stamp.load(Ordering::Acquire) == number
    }

    fn take(&self) -> [u64; WORDS] {
        array::from_fn(|at| self.payload[at].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_and_processes_exchange_both_shapes() {
        let cores = CorePair::first_allowed().unwrap();
        for peers in [Peers::Threads, Peers::Processes] {
            for shape in [Shape::OneLine, Shape::TwoLines] {
                let reading = Exchange::new(cores, peers, shape).with_effort(3, 50).measure().unwrap();
                assert_eq!(reading.nanos().len(), 3, "{peers:?} {shape:?}");
            }
        }
    }

    #[test]
    fn a_mailbox_gives_back_what_was_put_and_says_which() {
        let words: Vec<AtomicU64> = (0..64).map(|_| AtomicU64::new(0)).collect();
        let mailbox = Mailbox::<8>::at(&words, 8);
        mailbox.put(&[1, 2, 3, 4, 5, 6, 7, 8], 9);
        assert!(mailbox.holds(9) && !mailbox.holds(8));
        assert_eq!(mailbox.take(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
