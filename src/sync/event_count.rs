//! Sleeping until something changes: spin, yield, sleep; and waking only those who sleep.
//!
//! A event_count is one 32-bit futex word, `[rings:31 | somebody sleeps:1]`. There is no count of sleepers, so a killed
//! sleeper leaves nothing wrong: at worst the next change makes one wake call for nobody.
//!
//! # Steps
//! | whoever changes something     | whoever waits for it                               |
//! |-------------------------------|----------------------------------------------------|
//! | 1 the change (a stamp, …)     | a set the bit; keep the word                       |
//! | 2 fence                       | b fence                                            |
//! | 3 bit set? count and clear it | c look for the change: there? done                 |
//! | 4 wake everybody              | d sleep while the word is what it was in a         |
//!
//! Either the changer (3) sees the bit, or the waiter (c) sees the change. If the changer comes in between,
//! the word differs in d and nobody goes to sleep. The fence 2 would cost more than a small message: where the
//! kernel has `membarrier`, step b executes it on the changer's behalf ([`crate::sync::membarrier`]).
//!
//! Between processes every sleep also ends by itself, after 20 ms, later ones after 40. Wakes do not rely on it as long as
//! everybody lives; it bounds what is lost with a process killed between 3 and 4, by a damaged word, and where the
//! kernel refuses `membarrier` to somebody who waits. Where somebody else looks for the dead, and wakes everybody when one
//! is found, sleeps may be longer. Between threads only the sleeps of whoever may have to evict a reader end so
//! ([`crate::protocol::eviction`]): nobody rings when one does not move. There a thread that gets no processor between 3 and 4 delays the
//! wake until it has one.
//!
//! # Pairings
//! | name   | releases | acquires | without it                                  |
//! |--------|----------|----------|---------------------------------------------|
//! | `Bell` | fence 2  | fence b  | a sleeper sleeps over what it waits for     |

use crate::sync::failpoint::{self, Failpoint};
use crate::sync::futex::{FutexWord, Scope};
use crate::sync::{
    AtomicU64, End, MODELLED, Pair, Relaxed, full_fence, light_barrier, membarrier, spin_loop, yield_now,
};
use crate::types::waiting::WaitStrategy;
use std::time::{Duration, Instant};

const SLEEPING: u32 = 1;
/// The first sleep between processes that ends by itself; each one after it is twice as long, up to the longest: so much
/// later than it happened a death is noticed at most. An idle reader process spends about 64 µs on each such look: with
/// the longest, 0.2 % of a core.
const FIRST_SLEEP: Duration = Duration::from_millis(20);
const LONGEST_SLEEP: Duration = Duration::from_millis(40);
const LOOKS_PER_CLOCK_READ: u32 = 128;

/// Whether whoever changes something pays for the fence itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fence {
    /// It does.
    Own,
    /// `membarrier` does it for this process.
    Lent,
}

impl Fence {
    /// What this process can have.
    fn for_this_process() -> Self {
        if membarrier::register() { Fence::Lent } else { Fence::Own }
    }
}

/// How this attachment rings its ring's event_counts, and sleeps at them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventCounts {
    scope: Scope,
    fence: Fence,
    /// How long a sleep between processes is at most.
    longest_sleep: Duration,
    /// Sleeps between threads end by themselves, too.
    naps: bool,
}

impl EventCounts {
    pub(crate) fn new(scope: Scope) -> Self {
        EventCounts { scope, fence: Fence::for_this_process(), longest_sleep: LONGEST_SLEEP, naps: false }
    }

    /// The same, for a sleeper that may have to look now and then, also between threads.
    pub(crate) fn with_naps(self, naps: bool) -> Self {
        EventCounts { naps, ..self }
    }

    /// The same, for a sleeper that somebody wakes with [`Self::wake_sleepers`] when a participant died.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn with_sleeps_of(self, longest_sleep: Duration) -> Self {
        EventCounts { longest_sleep, ..self }
    }

    /// Wakes those who sleep, also if somebody cleared the bit and then died.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn wake_sleepers(self, event_count: &FutexWord) {
        event_count.wake_all(self.scope);
    }

    /// Wakes those who sleep, after a change.
    ///
    /// # Cost
    /// One load if nobody sleeps, and a full fence if it is not lent; one system call if somebody does.
    #[inline(always)]
    pub(crate) fn ring(&self, event_count: &FutexWord) {
        // PAIRS(Bell): whoever announced sleep without seeing our change is seen below.
        light_barrier();
        if self.fence == Fence::Own {
            own_fence();
        }
        let word = event_count.load(Relaxed); // Relaxed: the fence orders it.
        if word & SLEEPING != 0 {
            self.wake(event_count, word);
        }
    }

    /// How long to sleep: until the deadline; and no longer than a nap where a wake may be lost with its process.
    fn sleep(self, nap: Duration, deadline: Option<Instant>, heard: bool) -> Option<Duration> {
        let nap = if heard { nap } else { nap.min(LONGEST_SLEEP) };
        let remaining = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match self.scope {
            Scope::Threads if heard && !self.naps => remaining,
            _ => Some(remaining.map_or(nap, |left| left.min(nap))),
        }
    }

    #[cold]
    fn wake(&self, event_count: &FutexWord, word: u32) {
        // Relaxed: the word carries no other memory with it; sleepers look for the change themselves. Of two ringers
        // that see the same bit one counts and wakes for both.
        if event_count.compare_exchange(word, word.wrapping_add(2) & !SLEEPING, Relaxed).is_ok() {
            failpoint::at(Failpoint::BellCleared);
            event_count.wake_all(self.scope);
        }
    }

    /// Waits until `ready`, or until `deadline`: then false. Counts sleeps in `sleeps`. Every now and then `look_after`
    /// runs: there the wait looks for peers that died.
    pub(crate) fn wait(
        self,
        event_count: &FutexWord,
        waiting: WaitStrategy,
        deadline: Option<Instant>,
        sleeps: &AtomicU64,
        mut look_after: impl FnMut(),
        mut ready: impl FnMut() -> bool,
    ) -> bool {
        let late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        // Also here: a caller for whom it is only ever ready until it tries comes again and again. One that never waits long
        // must find the dead, too.
        if late() {
            look_after();
            return false;
        }
        let mut looks = 0;
        while !MODELLED && looks < waiting.looks() {
            if ready() {
                return true;
            }
            if looks < waiting.spins {
                for _ in 0..waiting.pauses {
                    spin_loop();
                }
            } else {
                yield_now();
            }
            looks += 1;
            if looks % LOOKS_PER_CLOCK_READ == 0 {
                look_after();
                if late() {
                    return false;
                }
                if waiting.spins == u32::MAX {
                    looks = 0;
                }
            }
        }
        let mut standing = None;
        let mut nap = FIRST_SLEEP;
        loop {
            let announced = announce(event_count, standing);
            standing = Some(announced);
            failpoint::at(Failpoint::BellAnnounced);
            if ready() {
                return true;
            }
            if late() {
                look_after();
                return false;
            }
            sleeps.store(sleeps.load(Relaxed).wrapping_add(1), Relaxed); // Relaxed: a count of the owner's, orders nothing.
            event_count.wait(announced.word, self.sleep(nap, deadline, announced.heard), self.scope);
            nap = (2 * nap).min(self.longest_sleep);
            if ready() {
                return true;
            }
            look_after();
        }
    }
}

/// Apart from the path of those who are lent theirs.
#[cold]
fn own_fence() {
    // PAIRS(Bell): whoever announced sleep without seeing our change is seen by the load of the event_count that follows.
    full_fence(Pair::Bell, End::Release);
}

/// That somebody is about to sleep, as it was announced.
#[derive(Clone, Copy)]
struct Announced {
    word: u32,
    /// Everybody's lent fence was executed after it.
    heard: bool,
}

/// Says that somebody is about to sleep; the caller must look for the change once more before it does.
///
/// After a sleep that nobody ended, the bit has been set all the while, or the count would differ: then the
/// announcement that is `standing` still stands, and was heard already.
fn announce(event_count: &FutexWord, standing: Option<Announced>) -> Announced {
    let word = event_count.fetch_or(SLEEPING, Relaxed) | SLEEPING; // Relaxed: the fence below orders it.
    if let Some(standing) = standing
        && standing.word == word
    {
        return standing;
    }
    let heard = membarrier::barrier();
    // PAIRS(Bell): whoever changed something without seeing the bit, its change is seen from here on.
    full_fence(Pair::Bell, End::Acquire);
    Announced { word, heard }
}
