//! Inline slots: stamp, payload and message header lie together. The stamp makes each slot a
//! seqlock that also names the message it holds.
//!
//! # States
//! What the stamp means to a reader that expects message `n`:
//!
//! | stamp                            | meaning                                          |
//! |----------------------------------|--------------------------------------------------|
//! | an earlier message, in any state | `n` is not published yet                         |
//! | `n`, being written               | `n` is not published yet; its bytes are changing |
//! | `n`, whole, `len` bytes          | `n` is published                                 |
//! | a later message, in any state    | `n` is overtaken; the stamp says by how many     |
//!
//! # Steps
//! | writer of `n`                   | reader of `n`                                       |
//! |---------------------------------|-----------------------------------------------------|
//! | 1 stamp := `n`, being written   | a load the stamp: is `n` whole?                     |
//! | 2 release fence                 | b copy the payload                                  |
//! | 3 store the payload             | c acquire fence                                     |
//! | 4 stamp := `n`, whole; released | d load the stamp again: if equal, the copy is whole |
//!
//! In a gated ring the writer leaves steps 1 and 2 out. Every reader has finished with the slot's
//! previous message by then: it stored its cursor, and the writer loaded that. The steps are
//! executed where a reader may still be copying: in a ring with observers, and after another
//! participant moved a reader on in the middle of a copy ([`crate::protocol::backpressure`]).
//!
//! # Pairings
//! | name      | releases | acquires | without it                                       |
//! |-----------|----------|----------|--------------------------------------------------|
//! | `Publish` | step 4   | step a   | a reader sees the stamp but not yet the payload  |
//! | `Tear`    | step 2   | step c   | a reader accepts later bytes under the old stamp |
//!
//! # Costs
//! A write stores the stamp once or twice, a read loads it twice. There is no read-modify-write,
//! and no fence instruction on x86-64.

use crate::memory::InlineSlot;
use crate::memory::stamp::{ExpectedStamp, Mismatch};
use crate::protocol::seqlock::{OptimisticRead, Refused};
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{AtomicU64, Pair, Relaxed, acquire, release, release_fence};
use crate::types::error::Corrupt;

/// Publishes `payload` as the message of `stamp`. Only the ring's one writer calls it.
///
/// `mark` must be true if a reader may still be copying the slot's previous message: then steps 1
/// and 2 are executed.
#[inline(always)]
pub(crate) fn publish(
    slot: &InlineSlot<'_>,
    stamp: ExpectedStamp,
    payload: &[u8],
    mark: bool,
    store_header: impl FnOnce(&[AtomicU64]),
) {
    if mark {
        slot.stamp.store(stamp.writing(), Relaxed); // Relaxed: the fence below orders it.
        // PAIRS(Tear): a reader that copies a byte stored below sees the mark above when it
        // validates.
        release_fence(Pair::Tear);
        failpoint::hit(Failpoint::PublishMarked);
    }
    slot.payload.store(payload);
    store_header(slot.header);
    failpoint::hit(Failpoint::PublishStored);
    // PAIRS(Publish): a reader that sees this stamp sees the bytes above.
    slot.stamp.store(stamp.published(payload.len()), release(Pair::Publish));
    failpoint::hit(Failpoint::PublishDone);
}

/// A slot whose stamp was loaded for a reader that expects one message.
pub(crate) struct LoadedSlot<'a> {
    slot: InlineSlot<'a>,
    expected: ExpectedStamp,
    stamp: u64,
}

impl<'a> LoadedSlot<'a> {
    /// Step a.
    #[inline(always)]
    pub(crate) fn load(slot: InlineSlot<'a>, expected: ExpectedStamp) -> Self {
        // PAIRS(Publish): if the slot holds the message, all its bytes are visible.
        let stamp = slot.stamp.load(acquire(Pair::Publish));
        LoadedSlot { slot, expected, stamp }
    }

    /// The loaded stamp.
    #[inline(always)]
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp
    }

    /// The same slot, with a `stamp` that was loaded earlier.
    #[inline(always)]
    pub(crate) fn with_stamp(stamp: u64, slot: InlineSlot<'a>, expected: ExpectedStamp) -> Self {
        LoadedSlot { slot, expected, stamp }
    }

    /// The message, if the slot holds it, to be copied and then validated.
    #[inline(always)]
    pub(crate) fn message(self) -> Result<OptimisticRead<'a>, Refused> {
        let Some(len) = self.expected.len_in(self.stamp) else {
            return Err(Refused::Mismatch(self.expected.mismatch(self.stamp)));
        };
        let Some(message) = self.slot.payload.message(len) else {
            return Err(Refused::Corrupt(Corrupt { what: "a stamp claims more bytes than a slot has" }));
        };
        let InlineSlot { stamp, header, .. } = self.slot;
        Ok(OptimisticRead { stamp, before: self.stamp, message, header })
    }

    /// As [`Self::message`], if the message has `len` bytes: that takes one comparison.
    #[inline(always)]
    pub(crate) fn message_of(&self, len: usize) -> Option<OptimisticRead<'a>> {
        if !self.expected.is_published_in(self.stamp, len) {
            return None;
        }
        let message = self.slot.payload.message(len)?;
        let InlineSlot { stamp, header, .. } = self.slot;
        Some(OptimisticRead { stamp, before: self.stamp, message, header })
    }
}

/// `Ok` if the slot holds the expected message; else how its stamp differs.
pub(crate) fn check(slot: &InlineSlot<'_>, expected: ExpectedStamp) -> Result<(), Mismatch> {
    // PAIRS(Publish): as in `LoadedSlot::load`.
    let stamp = slot.stamp.load(acquire(Pair::Publish));
    expected.len_in(stamp).map(drop).ok_or_else(|| expected.mismatch(stamp))
}
