//! Which command a producer is at, so that one that takes too long is given up.
//!
//! One word a producer: the label of its command while it is at it. The producer, when it is done, and the consumer, when
//! the time is over, both exchange that word, for *idle* or *given up*; whoever
//! succeeds decides. So of a command that was given up and
//! repeated exactly one result is published, in any order of events.

use super::label::Label;
use crate::sync::{AtomicU64, Relaxed};
use std::sync::Arc;
use std::time::Instant;

const IDLE: u64 = u64::MAX;
const GIVEN_UP: u64 = u64::MAX - 2;
/// No label: marks count at most 254 tries.
const BUILDING: u64 = u64::MAX - 1;

/// The word of one producer, and its counts.
#[derive(Debug)]
pub(crate) struct Watch {
    at: AtomicU64,
    pub(crate) made: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) busy_ns: AtomicU64,
}

impl Watch {
    pub(crate) fn new() -> Arc<Self> {
        let count = || AtomicU64::new(0);
        Arc::new(Watch { at: AtomicU64::new(BUILDING), made: count(), failed: count(), busy_ns: count() })
    }

    // Relaxed, everywhere: the exchange of one word decides, and orders nothing else; the rest are counts.

    pub(crate) fn begin(&self, label: Label) {
        self.at.store(label.word(), Relaxed);
    }

    /// The producer is done. False: it was given up meanwhile.
    pub(crate) fn end(&self, label: Option<Label>) -> bool {
        self.exchange(label, IDLE)
    }

    /// The time is over. False: the producer was done a moment before.
    pub(crate) fn give_up(&self, label: Option<Label>) -> bool {
        self.exchange(label, GIVEN_UP)
    }

    /// Whether the producer was given up and has begun nothing since.
    pub(crate) fn is_given_up(&self) -> bool {
        self.at.load(Relaxed) == GIVEN_UP
    }

    fn exchange(&self, label: Option<Label>, to: u64) -> bool {
        let word = label.map_or(BUILDING, Label::word);
        self.at.compare_exchange(word, to, Relaxed, Relaxed).is_ok()
    }

    pub(crate) fn is_at(&self, label: Option<Label>) -> bool {
        self.at.load(Relaxed) == label.map_or(BUILDING, Label::word)
    }
}

/// What a producer says when it begins, if there is a time-out.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) producer: usize,
    /// `None`: it is being built.
    pub(crate) label: Option<Label>,
    pub(crate) command: Vec<u8>,
    pub(crate) at: Instant,
}
