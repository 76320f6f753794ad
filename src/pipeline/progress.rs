//! How far a pipeline is.

use super::watch::Watch;
use crate::sync::Relaxed;
use std::sync::Arc;
use std::time::Duration;

/// How far a pipeline is, at about one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Commands issued.
    pub issued: u64,
    /// Items delivered or reported as failed.
    pub done: u64,
    /// Commands whose items were not delivered yet.
    pub in_flight: u64,
    /// What each producer did so far.
    pub producers: Vec<ProducerFigures>,
}

/// What a producer did so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerFigures {
    /// Items that it published.
    pub made: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Time in `produce`.
    pub busy: Duration,
}

impl Progress {
    pub(crate) fn of(watches: &[Arc<Watch>], done: u64, issued: u64) -> Self {
        // Relaxed: counts, which order nothing.
        let producers = watches.iter().map(|watch| ProducerFigures {
            made: watch.made.load(Relaxed),
            failed: watch.failed.load(Relaxed),
            busy: Duration::from_nanos(watch.busy_ns.load(Relaxed)),
        });
        Progress { issued, done, in_flight: issued.saturating_sub(done), producers: producers.collect() }
    }
}
