//! Linearizability: every call of concurrent threads takes effect at one moment between its
//! beginning and its end, in an order that a sequential specification (a queue, or a list with
//! positions) permits. `Full` and `Empty` are results, too.
//!
//! A failure prints the history. Schedules of threads are not reproducible: `shuttle-tests` runs
//! the same actors under schedules that are.
#![allow(missing_docs)]

mod broadcast;
mod history;
mod message;
mod queue;

use history::{Actor, Clock, Event, is_linearizable};
use proptest::prelude::*;
use std::sync::Barrier;
use std::thread;

/// Runs the actors, each in its own thread, from a common start. Returns the history of each.
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

/// The number of calls of each thread.
fn calls() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..24usize, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Fails, for example, if a writer returns `Full` because of a stale take counter, or if a
    /// taker returns `Empty` because the counter is behind a published message.
    #[test]
    fn a_queue_is_linearizable(slots in 1..4usize, writers in calls(), takers in calls()) {
        let (_open, first, actors) = queue::cast(slots, &writers, &takers);
        let history = record(actors);
        prop_assert!(is_linearizable(&first, &history), "no order explains {history:#?}");
    }

    /// Fails, for example, if a reader gets the message of another sequence, if it returns `Empty`
    /// although a message was published before its call, or if a writer overtakes the slowest
    /// reader.
    #[test]
    fn a_broadcast_is_linearizable(
        slots in 1..4usize, gated in any::<bool>(), writers in calls(), readers in calls(),
    ) {
        let (_open, first, actors) = broadcast::cast(slots, gated, &writers, &readers);
        let history = record(actors);
        prop_assert!(is_linearizable(&first, &history), "no order explains {history:#?}");
    }
}
