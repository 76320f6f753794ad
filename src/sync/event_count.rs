//! An event count: a waiter spins, yields, then sleeps until something changes; a notifier wakes
//! only waiters that sleep.
//!
//! An event count is one 32-bit futex word, `[notifications:31 | SLEEPING:1]`. There is no count of
//! sleepers, so a killed sleeper leaves nothing wrong: at worst the next notification makes one
//! wake call that finds no sleeper.
//!
//! # Steps
//! | notifier                               | waiter                                          |
//! |----------------------------------------|-------------------------------------------------|
//! | 1 change something (a stamp, a cursor) | a `prepare_wait`: set SLEEPING, keep the word   |
//! | 2 fence                                | b fence                                         |
//! | 3 SLEEPING set? clear it, count        | c check for the change; if it is there, done    |
//! | 4 wake all sleepers                    | d `commit_wait`: sleep while the word is as in a |
//!
//! Either the notifier sees SLEEPING in 3, or the waiter sees the change in c. If step 3 falls
//! between a and d, the word differs in d and the waiter does not sleep. A waiter that is done in c
//! leaves the bit set: there may be other sleepers. The fence 2 would cost more than a small
//! message. Where the kernel has `membarrier`, 2 is a light barrier (of the compiler alone) and b a
//! heavy one, which runs on all cores ([`crate::sync::membarrier`]).
//!
//! # Sleeps that time out
//! Between processes every sleep ends by itself: the first after 20 ms, later ones after 40. That
//! bounds the delay after a process is killed between 3 and 4, after a word is damaged, where the
//! kernel refuses `membarrier` to a waiter, and where that misses a processor
//! ([`crate::sync::membarrier`]).
//! Sleeps may be longer where a supervisor detects deaths and then calls [`EventCounts::wake_all`].
//! Between threads, only the sleeps of a waiter that may have to evict a reader time out
//! ([`crate::protocol::eviction`]), because a reader that does not move notifies no one. A thread
//! that gets no processor between 3 and 4 delays the wake until it has one.
//!
//! # Pairings
//! | name     | releases | acquires | without it                                  |
//! |----------|----------|----------|---------------------------------------------|
//! | `Notify` | fence 2  | fence b  | a waiter sleeps although the change is there |

pub(crate) mod several;

use crate::sync::failpoint::{self, Failpoint};
use crate::sync::futex::{FutexWord, Scope};
use crate::sync::{AtomicU64, End, MODELLED, Pair, Relaxed, full_fence, membarrier, spin_loop, yield_now};
use crate::types::waiting::WaitStrategy;
use std::time::{Duration, Instant};

const SLEEPING: u32 = 1;
/// One more notification, in the bits above [`SLEEPING`].
const NOTIFICATION: u32 = 2;
/// The timeout of the first sleep between processes. Each later one is twice as long, up to the
/// longest. A death is noticed at most so much later. At each timeout an idle reader process spends
/// about 64 µs: with the longest, 0.2 % of a core.
pub(crate) const FIRST_SLEEP: Duration = Duration::from_millis(20);
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_millis(40);
const POLLS_PER_CLOCK_READ: u32 = 128;

/// Whether sleeps time out. In the processes of the tests of wakes they do not, so that a lost wake
/// is found.
#[cfg(all(test, not(seqring_model)))]
pub(crate) static SLEEPS_TIME_OUT: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(true);

#[cfg(all(test, not(seqring_model)))]
pub(crate) fn sleeps_time_out() -> bool {
    SLEEPS_TIME_OUT.load(Relaxed) // Relaxed: set once, at the start.
}

#[cfg(not(all(test, not(seqring_model))))]
pub(crate) fn sleeps_time_out() -> bool {
    true
}

/// What a notifier executes between its change and its load of the event count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotifyFence {
    /// A full fence.
    Full,
    /// A light barrier. Waiters execute the heavy one.
    Light,
}

/// How this attachment notifies and waits on its ring's event counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventCounts {
    scope: Scope,
    fence: NotifyFence,
    /// The longest timeout of a sleep between processes.
    longest_sleep: Duration,
    /// Sleeps between threads time out, too.
    timed_sleeps: bool,
}

impl EventCounts {
    pub(crate) fn new(scope: Scope) -> Self {
        let fence = if membarrier::register(scope) { NotifyFence::Light } else { NotifyFence::Full };
        EventCounts { scope, fence, longest_sleep: LONGEST_SLEEP, timed_sleeps: false }
    }

    /// The same, for a waiter whose sleeps must time out between threads, too.
    pub(crate) fn with_timed_sleeps(self, timed_sleeps: bool) -> Self {
        EventCounts { timed_sleeps, ..self }
    }

    /// The same, for a waiter that a supervisor wakes by [`Self::wake_all`] when a participant
    /// died.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn with_longest_sleep(self, longest_sleep: Duration) -> Self {
        EventCounts { longest_sleep, ..self }
    }

    /// Wakes all sleepers whatever the word says: also after a notifier cleared the bit and then
    /// died.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn wake_all(self, event_count: &FutexWord) {
        event_count.wake_all(self.scope);
    }

    /// Wakes the sleepers, after a change.
    ///
    /// # Cost
    /// Without sleepers one load, and a full fence where `membarrier` is missing. With sleepers one
    /// system call more.
    #[inline(always)]
    pub(crate) fn notify(&self, event_count: &FutexWord) {
        self.fence();
        self.notify_light(event_count);
    }

    /// The full fence between a change and [`Self::notify_light`], if that needs one.
    #[inline(always)]
    pub(crate) fn fence(&self) {
        if !self.are_light() {
            full_notify_fence();
        }
    }

    /// Whether [`Self::notify_light`] is all that a notifier needs.
    #[inline(always)]
    pub(crate) fn are_light(&self) -> bool {
        self.fence == NotifyFence::Light
    }

    /// As [`Self::notify`], if event counts [are light](Self::are_light), or after a full fence.
    #[inline(always)]
    pub(crate) fn notify_light(&self, event_count: &FutexWord) {
        // PAIRS(Notify): a waiter that prepared to sleep without seeing the change is seen by the
        // load below.
        membarrier::light_barrier();
        let word = event_count.load(Relaxed); // Relaxed: the fence orders it.
        if word & SLEEPING != 0 {
            self.wake(event_count, word);
        }
    }

    #[cold]
    fn wake(&self, event_count: &FutexWord, word: u32) {
        // Relaxed: the word publishes no other memory; a waiter checks for the change itself. Of
        // two notifiers that see the same bit, one counts and wakes for both.
        if event_count.compare_exchange(word, word.wrapping_add(NOTIFICATION) & !SLEEPING, Relaxed).is_ok() {
            failpoint::hit(Failpoint::SleepCleared);
            event_count.wake_all(self.scope);
        }
    }

    /// Waits until `ready` or until `deadline`, and returns whether it is ready. Counts sleeps in
    /// `sleeps`. Now and then calls `check_peers`, in which the caller detects deaths.
    pub(crate) fn wait(
        self,
        event_count: &FutexWord,
        strategy: WaitStrategy,
        deadline: Option<Instant>,
        sleeps: &AtomicU64,
        mut check_peers: impl FnMut(),
        mut ready: impl FnMut() -> bool,
    ) -> bool {
        if let Some(polled) = poll(strategy, deadline, &mut check_peers, &mut ready) {
            return polled;
        }
        let mut previous = None;
        let mut timeout = FIRST_SLEEP;
        loop {
            let key = prepare_wait(event_count, previous, self.scope);
            previous = Some(key);
            failpoint::hit(Failpoint::SleepAnnounced);
            if ready() {
                return true;
            }
            if is_late(deadline) {
                check_peers();
                return false;
            }
            sleeps.store(sleeps.load(Relaxed).wrapping_add(1), Relaxed); // Relaxed: a count of the owner's, orders nothing.
            self.commit_wait(event_count, key, timeout, deadline);
            timeout = (2 * timeout).min(self.longest_sleep);
            if ready() {
                return true;
            }
            check_peers();
        }
    }

    /// Announces a sleep for the caller, whose word another thread sleeps on: see [`prepare_wait`].
    /// Returns the word, its scope, and whether every notifier's light barrier was completed: if
    /// not, the sleep must time out.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no watchers"))]
    pub(crate) fn announce(self, event_count: &FutexWord) -> (u32, Scope, bool) {
        let WaitKey { word, fenced } = prepare_wait(event_count, None, self.scope);
        (word, self.scope, fenced)
    }

    /// Sleeps while the word is that of `key`, until the deadline, and no longer than `timeout`
    /// where a wake may be lost.
    fn commit_wait(
        self,
        event_count: &FutexWord,
        key: WaitKey,
        timeout: Duration,
        deadline: Option<Instant>,
    ) {
        let remaining = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = self.sleep_time(key.fenced, timeout, remaining);
        event_count.wait(key.word, timeout, self.scope);
    }

    /// How long to sleep: `remaining`, and no longer than `timeout` where a wake may be lost.
    fn sleep_time(self, fenced: bool, timeout: Duration, remaining: Option<Duration>) -> Option<Duration> {
        let timeout = if fenced { timeout } else { timeout.min(LONGEST_SLEEP) };
        match self.scope {
            Scope::Threads if fenced && !self.timed_sleeps => remaining,
            _ if !sleeps_time_out() => remaining,
            _ => Some(remaining.map_or(timeout, |left| left.min(timeout))),
        }
    }
}

fn is_late(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

/// The part of a wait before its first sleep. `None` means to sleep, else whether it is ready.
#[inline(always)]
fn poll(
    strategy: WaitStrategy,
    deadline: Option<Instant>,
    check_peers: &mut impl FnMut(),
    ready: &mut impl FnMut() -> bool,
) -> Option<bool> {
    // Checked here, too: a caller that finds `ready` true but then fails calls again and again, and
    // one that never waits long must detect deaths, too.
    if is_late(deadline) {
        check_peers();
        return Some(false);
    }
    let mut polls = 0;
    while !MODELLED && polls < strategy.polls() {
        if ready() {
            return Some(true);
        }
        if polls < strategy.spins {
            for _ in 0..strategy.pauses {
                spin_loop();
            }
        } else {
            yield_now();
        }
        polls += 1;
        if polls % POLLS_PER_CLOCK_READ == 0 {
            check_peers();
            if is_late(deadline) {
                return Some(false);
            }
            if strategy.spins == u32::MAX {
                polls = 0;
            }
        }
    }
    None
}

/// Out of line: most notifiers have the light barrier.
#[cold]
fn full_notify_fence() {
    // PAIRS(Notify): a waiter that prepared to sleep without seeing the change is seen by the load
    // that follows.
    full_fence(Pair::Notify, End::Release);
}

/// An announced wait.
#[derive(Clone, Copy)]
struct WaitKey {
    /// The word, with [`SLEEPING`] set.
    word: u32,
    /// Every notifier's light barrier was completed by a heavy one after the bit was set.
    fenced: bool,
}

/// Announces that the caller is about to sleep. Before [`EventCounts::commit_wait`] it must check
/// for the change once more.
///
/// If the word is still that of `previous`, no notifier cleared the bit since: that announcement,
/// with its fence, holds.
fn prepare_wait(event_count: &FutexWord, previous: Option<WaitKey>, scope: Scope) -> WaitKey {
    let word = event_count.fetch_or(SLEEPING, Relaxed) | SLEEPING; // Relaxed: the fence below orders it.
    if let Some(previous) = previous
        && previous.word == word
    {
        return previous;
    }
    let fenced = membarrier::heavy_barrier(scope);
    // PAIRS(Notify): the change of a notifier that did not see the bit is seen from here on.
    full_fence(Pair::Notify, End::Acquire);
    WaitKey { word, fenced }
}

#[cfg(all(test, not(seqring_model)))]
mod tests {
    use super::{EventCounts, FutexWord, Relaxed, SLEEPING, Scope, prepare_wait};

    /// Fails if a waiter does not announce its sleep, or if a notification leaves the announcement,
    /// or a word that a waiter announced.
    #[test]
    fn a_notification_ends_an_announcement() {
        let (word, event_counts) = (FutexWord::default(), EventCounts::new(Scope::Threads));
        let first = prepare_wait(&word, None, Scope::Threads);
        assert_eq!((word.load(Relaxed), first.word & SLEEPING), (first.word, SLEEPING));
        assert_eq!(prepare_wait(&word, Some(first), Scope::Threads).word, first.word);
        event_counts.notify(&word);
        assert_eq!(word.load(Relaxed) & SLEEPING, 0);
        assert_ne!(prepare_wait(&word, Some(first), Scope::Threads).word, first.word);
    }
}
