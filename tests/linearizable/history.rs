//! Histories of threads, and the search for an order that explains them.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// One call: its beginning and end on a clock that all threads share, and its result.
#[derive(Clone, Debug)]
pub(crate) struct Event<C> {
    began: usize,
    ended: usize,
    call: C,
}

/// A sequential specification.
pub(crate) trait Sequential: Clone + Eq + Hash {
    type Call;

    /// The state after the call, if the call may have this result in this state.
    fn after(&self, call: &Self::Call) -> Option<Self>;
}

/// The clock of a history.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicUsize);

impl Clock {
    /// Makes a call and records it. `SeqCst`: a thread that sees the end of a call begins later.
    pub(crate) fn time<C>(&self, call: impl FnOnce() -> C) -> Event<C> {
        let began = self.0.fetch_add(1, SeqCst);
        let call = call();
        Event { began, ended: self.0.fetch_add(1, SeqCst), call }
    }
}

/// The calls of one thread, which it records.
pub(crate) type Actor<C> = Box<dyn FnOnce(&Clock) -> Vec<Event<C>> + Send>;

/// Whether the calls of all threads fit into one order from the state `first` on, each between its
/// beginning and its end.
///
/// The search of Wing and Gong: a candidate for the next call is one before which no other call
/// ended. If the specification does not permit its result, the search tries another candidate;
/// without any, it backtracks. It does not repeat a combination of completed calls and state
/// (Lowe).
pub(crate) fn is_linearizable<S: Sequential>(first: &S, threads: &[Vec<Event<S::Call>>]) -> bool {
    search(first, threads, &mut vec![0; threads.len()], &mut HashSet::new())
}

fn search<S: Sequential>(
    state: &S,
    threads: &[Vec<Event<S::Call>>],
    done: &mut Vec<usize>,
    tried: &mut HashSet<(Vec<usize>, S)>,
) -> bool {
    let next: Vec<_> = (0..threads.len()).filter(|id| done[*id] < threads[*id].len()).collect();
    let Some(first_end) = next.iter().map(|id| threads[*id][done[*id]].ended).min() else { return true };
    if !tried.insert((done.clone(), state.clone())) {
        return false;
    }
    next.into_iter().any(|id| {
        let event = &threads[id][done[id]];
        if event.began > first_end {
            return false;
        }
        let Some(after) = state.after(&event.call) else { return false };
        done[id] += 1;
        let found = search(&after, threads, done, tried);
        done[id] -= 1;
        found
    })
}

#[cfg(test)]
mod tests {
    use super::{Event, Sequential, is_linearizable};

    /// A word that is stored and loaded.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Word(u8);

    #[derive(Clone)]
    enum Access {
        Store(u8),
        Load(u8),
    }

    impl Sequential for Word {
        type Call = Access;

        fn after(&self, call: &Access) -> Option<Self> {
            match call {
                Access::Store(value) => Some(Word(*value)),
                Access::Load(value) => (*value == self.0).then(|| self.clone()),
            }
        }
    }

    fn event(began: usize, ended: usize, call: Access) -> Event<Access> {
        Event { began, ended, call }
    }

    #[test]
    fn a_load_may_return_either_value_during_a_store_and_only_the_new_one_after_it() {
        let store = || vec![event(0, 3, Access::Store(1))];
        for seen in [0, 1] {
            assert!(is_linearizable(&Word(0), &[store(), vec![event(1, 2, Access::Load(seen))]]));
        }
        assert!(!is_linearizable(&Word(0), &[store(), vec![event(1, 2, Access::Load(2))]]));
        assert!(!is_linearizable(&Word(0), &[store(), vec![event(4, 5, Access::Load(0))]]));
        let back = vec![event(1, 2, Access::Load(1)), event(4, 5, Access::Load(0))];
        assert!(!is_linearizable(&Word(0), &[store(), back]));
    }
}
