//! Reading without asking: copy first, look afterwards whether that was allowed.

use crate::memory::RacyBytes;
use crate::memory::stamp::Mismatch;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{AtomicU64, Pair, Relaxed, acquire_fence};
use crate::types::error::Corrupt;

/// A message that was there a moment ago. What is copied from it counts only if [`Self::validate`] says so.
pub(crate) struct OptimisticRead<'a> {
    /// The stamp or word that said so, and what it said.
    pub(crate) word: &'a AtomicU64,
    pub(crate) before: u64,
    pub(crate) message: RacyBytes<'a>,
    pub(crate) extras: &'a [AtomicU64],
}

/// Why a message was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The slot holds another message.
    Other(Mismatch),
    /// It was overtaken while it was copied.
    Torn,
    /// See [`Corrupt`].
    Corrupt(Corrupt),
}

impl OptimisticRead<'_> {
    /// Whether everything loaded from the message so far is of that message.
    #[inline(always)]
    pub(crate) fn validate(&self) -> bool {
        failpoint::at(Failpoint::ReadCopied);
        // PAIRS(Tear): if any byte loaded before is a later message's, the load below sees the word moved.
        acquire_fence(Pair::Tear);
        self.word.load(Relaxed) == self.before // Relaxed: the fence above orders it.
    }
}
