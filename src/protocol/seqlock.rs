//! The seqlock read: load a stamp, copy the message, load the stamp again. The copy counts only if
//! the stamp did not change.

use crate::memory::RacyBytes;
use crate::memory::stamp::Mismatch;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{AtomicU64, Pair, Relaxed, acquire_fence};
use crate::types::error::Corrupt;

/// A message whose stamp was loaded. Bytes copied from it count only if [`Self::validate`] returns
/// true afterwards.
pub(crate) struct OptimisticRead<'a> {
    /// The slot's stamp, and its value when it was loaded.
    pub(crate) stamp: &'a AtomicU64,
    pub(crate) before: u64,
    pub(crate) message: RacyBytes<'a>,
    /// The words of the message header.
    pub(crate) header: &'a [AtomicU64],
}

/// Why a message was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The slot holds another message.
    Mismatch(Mismatch),
    /// The message was overwritten while it was copied.
    Torn,
    /// See [`Corrupt`].
    Corrupt(Corrupt),
}

impl OptimisticRead<'_> {
    /// Whether everything loaded from the message so far belongs to that message.
    #[inline(always)]
    pub(crate) fn validate(&self) -> bool {
        failpoint::hit(Failpoint::ReadCopied);
        // PAIRS(Tear): if a byte loaded above is a later message's, the load below sees a changed
        // stamp.
        acquire_fence(Pair::Tear);
        self.stamp.load(Relaxed) == self.before // Relaxed: the fence above orders it.
    }
}
