//! How far a pipeline is.

use super::status::Board;
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
    /// How often another process took its place.
    pub replaced: u64,
    /// Time in `produce`.
    pub busy: Duration,
}

impl Progress {
    pub(crate) fn of(board: &Board, producers: usize, done: u64) -> Self {
        let issued = board.issued();
        let producers = (0..producers).map(|index| board.line(index).stats()).collect();
        Progress { issued, done, in_flight: issued.saturating_sub(done), producers }
    }
}
