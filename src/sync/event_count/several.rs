//! A wait for several event counts at once.
//!
//! # Steps
//! For each event count these are the waiter's steps of [`super`]; the notifiers are the same.
//!
//! | step | waiter                                                                                |
//! |------|---------------------------------------------------------------------------------------|
//! | a    | in each event count: set SLEEPING, keep the word                                      |
//! | b    | one fence for all of them, and one heavy barrier for all of a scope                   |
//! | c    | check for each change; if one is there, done                                          |
//! | d    | sleep while every word is as in a                                                     |
//!
//! A waiter that is done in c leaves SLEEPING set in all the event counts. The next notification of
//! each then makes one wake call that may find no sleeper.
//!
//! # Costs
//! Of a sleep: one read-modify-write for each event count, a heavy barrier (two, if there are
//! event counts of both scopes), and one system call.

use super::{EventCounts, FIRST_SLEEP, LONGEST_SLEEP, SLEEPING, is_late, poll};
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::futex::{Expected, FutexWord, Scope};
use crate::sync::{End, Pair, Relaxed, full_fence, membarrier};
use crate::types::waiting::WaitStrategy;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// What waits for one of several changes.
pub(crate) trait Waiter {
    /// Whether one of the changes is there.
    fn is_ready(&mut self) -> bool;

    /// Looks for deaths.
    fn check_peers(&mut self);

    /// Step d, for at most `timeout`.
    fn sleep(&mut self, words: &[Expected<'_>], timeout: Option<Duration>);
}

/// Waits until `waiter` is ready or until `deadline`, and returns whether it is ready.
pub(crate) fn wait_any(
    event_counts: &[(EventCounts, &FutexWord)],
    strategy: WaitStrategy,
    deadline: Option<Instant>,
    waiter: &mut impl Waiter,
) -> bool {
    let polled = {
        let waiter = RefCell::new(&mut *waiter);
        let ready = || waiter.borrow_mut().is_ready();
        poll(strategy, deadline, &mut || waiter.borrow_mut().check_peers(), &mut { ready })
    };
    if let Some(polled) = polled {
        return polled;
    }
    let unannounced = |&(of, word): &(EventCounts, _)| Expected { word, value: 0, scope: of.scope };
    let mut words: Vec<_> = event_counts.iter().map(unannounced).collect();
    let (mut fenced, mut timeout) = (true, FIRST_SLEEP);
    loop {
        fenced &= announce(&mut words);
        failpoint::hit(Failpoint::SleepAnnounced);
        if waiter.is_ready() {
            return true;
        }
        if is_late(deadline) {
            waiter.check_peers();
            return false;
        }
        let remaining = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let times = event_counts.iter().filter_map(|(of, _)| of.sleep_time(fenced, timeout, remaining));
        waiter.sleep(&words, times.min().or(remaining));
        timeout = (2 * timeout).min(LONGEST_SLEEP);
        if waiter.is_ready() {
            return true;
        }
        waiter.check_peers();
    }
}

/// Steps a and b. Returns whether the light barriers of all notifiers were completed.
///
/// Of the event counts whose words did not change, the announcement before holds, with its fence.
fn announce(words: &mut [Expected<'_>]) -> bool {
    let (mut of_threads, mut of_processes) = (false, false);
    for one in words {
        let word = one.word.fetch_or(SLEEPING, Relaxed) | SLEEPING; // Relaxed: the fence below orders it.
        if word != one.value {
            one.value = word;
            of_threads |= one.scope == Scope::Threads;
            of_processes |= one.scope != Scope::Threads;
        }
        failpoint::hit(Failpoint::OneSleepAnnounced);
    }
    if !of_threads && !of_processes {
        return true;
    }
    let barrier = |wanted: bool, scope| !wanted || membarrier::heavy_barrier(scope);
    let fenced = barrier(of_threads, Scope::Threads) & barrier(of_processes, Scope::Processes);
    // PAIRS(Notify): the change of a notifier that did not see the bit is seen from here on.
    full_fence(Pair::Notify, End::Acquire);
    fenced
}
