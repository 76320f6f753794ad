//! The floor of a 64-byte message's round trip: two cores, two mailboxes, no ring.
//!
//! Ours copies 64 bytes into one mailbox and stamps it; the peer copies them out to private memory,
//! copies them into the other mailbox and stamps that; ours copies them out. Relaxed atomic words
//! both ways, because that is what a seqlock slot is made of. The stamp is in the line beside the
//! payload: a slot that keeps stamp, length and 64 bytes of payload together cannot have fewer
//! lines. No ring can be faster with the same bytes and lines.

use std::array;
use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bursts::{Bursts, between};
use crate::pages::{Kind, Pages};
use crate::peer::{Peers, spin_until};
use crate::pin::CorePair;

const WORDS: usize = 8;
const MAILBOX_WORDS: usize = 64;

/// Exchanges messages in `bursts` bursts of `trips` round trips; both numbers are at least 1.
///
/// # Errors
/// What mapping, forking or pinning reports; `BrokenPipe` if the child is killed meanwhile.
///
/// # Cost
/// One thread and one peer are started and joined; both cores are busy meanwhile.
#[allow(unsafe_code, reason = "a peer that may be a forked child")]
pub fn exchange(peers: Peers, cores: CorePair, bursts: usize, trips: u64) -> io::Result<Bursts> {
    let pages = Pages::new(4096, Kind::Shared)?;
    let (ask, answer) = pages.words().split_at(MAILBOX_WORDS);
    let (ask, answer) = (Mailbox::at(ask), Mailbox::at(answer));
    let theirs = |number| {
        spin_until(|| ask.holds(number));
        answer.put(black_box(&ask.take()), number);
    };
    // SAFETY: `theirs` touches words of shared pages and its own stack only.
    unsafe {
        between(peers, cores, (bursts, trips), theirs, |peer, number| {
            ask.put(black_box(&[number; WORDS]), number);
            peer.spin_until(|| answer.holds(number))?;
            black_box(answer.take());
            Ok(())
        })
    }
}

/// A payload, and in the next line the number of the message that is in it.
struct Mailbox<'a> {
    payload: &'a [AtomicU64; WORDS],
    stamp: &'a AtomicU64,
}

impl<'a> Mailbox<'a> {
    fn at(words: &'a [AtomicU64]) -> Self {
        let payload = words.first_chunk().expect("a mailbox has 64 words of its own");
        Self { payload, stamp: &words[WORDS] }
    }

    fn put(&self, message: &[u64; WORDS], number: u64) {
        for (word, &value) in self.payload.iter().zip(message) {
            word.store(value, Ordering::Relaxed);
        }
        // PAIRS(mail): an end that sees the number sees the words above.
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
    fn threads_and_processes_exchange() {
        let cores = CorePair::first_allowed().unwrap();
        for peers in [Peers::Threads, Peers::Processes] {
            assert_eq!(exchange(peers, cores, 3, 50).unwrap().nanos().len(), 3, "{peers:?}");
        }
    }

    #[test]
    fn a_mailbox_gives_back_what_was_put_and_which_message_it_is() {
        let words: Vec<AtomicU64> = (0..MAILBOX_WORDS).map(|_| AtomicU64::new(0)).collect();
        let mailbox = Mailbox::at(&words);
        mailbox.put(&[1, 2, 3, 4, 5, 6, 7, 8], 9);
        assert!(mailbox.holds(9) && !mailbox.holds(8));
        assert_eq!(mailbox.take(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
