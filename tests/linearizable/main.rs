//! Histories of threads against sequential code: every call took effect at one moment between its beginning and its end,
//! in an order in which a plain queue, or a plain list with positions, returns the same. `Full` and `Empty` count like any
//! other result.
//!
//! A failure prints the history. Threads do not repeat themselves: `shuttle-tests` searches what the same actors do under
//! schedules that can be run again.
#![allow(missing_docs)]

mod broadcast;
mod history;
mod message;
mod queue;

use history::{Actor, Clock, Event, is_linearizable};
use proptest::prelude::*;
use std::sync::Barrier;
use std::thread;

/// Lets the actors act, each in a thread of its own, all from one moment on. Returns what each did.
fn record<C: Send>(actors: Vec<Actor<C>>) -> Vec<Vec<Event<C>>> {
    let (clock, start) = (Clock::default(), Barrier::new(actors.len()));
    thread::scope(|scope| {
        let act = |actor: Actor<C>| {
            scope.spawn(|| {
                start.wait();
                actor(&clock)
            })
        };
        let threads: Vec<_> = actors.into_iter().map(act).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// How many calls each of some threads makes.
fn calls() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..24usize, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Fails, for example, if a writer says `Full` that only saw an old counter of takes, or a taker `Empty` beside a
    /// message whose counter stands.
    #[test]
    fn a_queue_is_linearizable(slots in 1..4usize, writers in calls(), takers in calls()) {
        let (_open, first, actors) = queue::cast(slots, &writers, &takers);
        let history = record(actors);
        prop_assert!(is_linearizable(&first, &history), "no order explains {history:#?}");
    }

    /// Fails, for example, if a reader is given a message that a later one stands for, or says `Empty` beside one that was
    /// published before it looked; if a writer goes beyond the slowest reader.
    #[test]
    fn a_broadcast_is_linearizable(
        slots in 1..4usize, gated in any::<bool>(), writers in calls(), readers in calls(),
    ) {
        let (_open, first, actors) = broadcast::cast(slots, gated, &writers, &readers);
        let history = record(actors);
        prop_assert!(is_linearizable(&first, &history), "no order explains {history:#?}");
    }
}
