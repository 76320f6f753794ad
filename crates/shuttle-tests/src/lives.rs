//! Draws, and deaths: where somebody dies, and what is known about a call in which it did.

use seqring::model::{Failpoint, dies_at};
use shuttle::rand::Rng;

/// A number below `end`, decided by the schedule's seed.
pub(crate) fn draw(end: usize) -> usize {
    shuttle::rand::thread_rng().gen_range(0..end)
}

pub(crate) fn one_in(n: usize) -> bool {
    draw(n) == 0
}

/// Where the next call ends with the death of its caller, one time in `n`; never if that is 0.
pub(crate) fn fate(n: usize, points: &[Failpoint]) -> Option<Failpoint> {
    (n > 0 && one_in(n)).then(|| points[draw(points.len())])
}

/// How a call ended.
pub(crate) enum Ended<T> {
    With(T),
    /// At this point.
    InDeath(Failpoint),
}

/// Calls, and perhaps dies.
pub(crate) fn call<T>(fate: Option<Failpoint>, call: impl FnOnce() -> T) -> Ended<T> {
    let Some(stop) = fate else { return Ended::With(call()) };
    let mut result = None;
    dies_at(stop, || result = Some(call()));
    result.map_or(Ended::InDeath(stop), Ended::With)
}
