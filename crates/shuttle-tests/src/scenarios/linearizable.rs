//! The actors of `tests/linearizable`, under reproducible schedules.

use crate::deaths::{draw, one_in};
use crate::linearizable::history::{Actor, Clock, Sequential, is_linearizable};
use crate::linearizable::{broadcast, queue};
use seqring::model::exclusive_payloads;
use shuttle::thread;
use std::fmt::Debug;
use std::sync::Arc;

pub(super) fn queues() {
    exclusive_payloads(true);
    let (_open, first, actors) = queue::cast(1 + draw(3), &calls(), &calls());
    judge(first, actors);
}

pub(super) fn broadcasts() {
    exclusive_payloads(false);
    let (_open, first, actors) = broadcast::cast(1 + draw(3), one_in(2), &calls(), &calls());
    judge(first, actors);
}

/// The number of calls of each thread.
fn calls() -> Vec<usize> {
    (0..1 + draw(3)).map(|_| 1 + draw(6)).collect()
}

fn judge<S: Sequential>(first: S, actors: Vec<Actor<S::Call>>)
where
    S::Call: Debug + Send + 'static,
{
    let clock = Arc::new(Clock::default());
    let act = |actor: Actor<S::Call>| {
        let clock = Arc::clone(&clock);
        thread::spawn(move || actor(&clock))
    };
    let threads: Vec<_> = actors.into_iter().map(act).collect();
    let history: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(is_linearizable(&first, &history), "no order explains {history:#?}");
}
