//! Inline slots: stamp, extras and payload together; a sequence lock per slot that says its sequence.
//!
//! # States of a slot, seen by a reader that waits for `n`
//! | stamp                            | meaning                                            |
//! |----------------------------------|----------------------------------------------------|
//! | holds or writes an earlier one   | `n` is not there yet                               |
//! | writes `n`                       | not there yet: its bytes are changing              |
//! | holds `n`, `len`                 | there, `len` bytes                                 |
//! | writes or holds a later one      | overtaken, by so many                              |
//!
//! # Steps
//! | writer of `n`                                  | reader of `n`                                    |
//! |------------------------------------------------|--------------------------------------------------|
//! | 1 stamp := writes `n`                          | a stamp: does it hold `n`?                       |
//! | 2 release fence                                | b copy the payload                               |
//! | 3 store the payload                            | c acquire fence                                  |
//! | 4 stamp := holds `n`, released                 | d stamp again: the same? then the copy is whole  |
//!
//! # Pairings
//! | name      | releases | acquires | without it                                       |
//! |-----------|----------|----------|--------------------------------------------------|
//! | `Publish` | step 4   | step a   | a reader sees the stamp but not yet the payload  |
//! | `Tear`    | step 2   | step c   | a reader accepts later bytes under the old stamp |
//!
//! In a gated ring the reader of the slot's previous message is done with it before the writer begins: it has
//! stored its cursor, and the writer has seen that. Then steps 1 and 2 are left out. Not so where a reader was
//! moved on by others in the middle of a copy ([`crate::protocol::backpressure`]): those messages are marked like a lossy ring's.
//!
//! # Costs
//! A write: one or two stores of the stamp beside the payload's. A read: two loads of it. No read-modify-write, no
//! fence instruction on x86-64.

use crate::memory::InlineSlot;
use crate::memory::stamp::{ExpectedStamp, Mismatch};
use crate::protocol::seqlock::{OptimisticRead, Refused};
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{AtomicU64, Pair, Relaxed, acquire, release, release_fence};
use crate::types::error::Corrupt;

/// Publishes `payload` as the message of `stamp`. Only the one writer of the ring calls it.
///
/// `marked` says whether somebody may still be copying what the slot held before. A gated writer that saw every
/// reader pass it may leave steps 1 and 2 out.
#[inline(always)]
pub(crate) fn publish(
    slot: &InlineSlot<'_>,
    stamp: ExpectedStamp,
    payload: &[u8],
    marked: bool,
    store_extras: impl FnOnce(&[AtomicU64]),
) {
    if marked {
        slot.stamp.store(stamp.writing(), Relaxed); // Relaxed: the fence below orders it.
        // PAIRS(Tear): whoever copies a byte that we store below sees the mark above when it looks again.
        release_fence(Pair::Tear);
        failpoint::at(Failpoint::PublishMarked);
    }
    slot.payload.store(payload);
    store_extras(slot.extras);
    failpoint::at(Failpoint::PublishStored);
    // PAIRS(Publish): whoever sees this stamp sees the bytes above.
    slot.stamp.store(stamp.holds(payload.len()), release(Pair::Publish));
    failpoint::at(Failpoint::PublishDone);
}

/// A look at a slot by somebody who waits for the message of `stamp`.
pub(crate) struct Glance<'a> {
    slot: InlineSlot<'a>,
    stamp: ExpectedStamp,
    before: u64,
}

impl<'a> Glance<'a> {
    #[inline(always)]
    pub(crate) fn at(slot: InlineSlot<'a>, stamp: ExpectedStamp) -> Self {
        // PAIRS(Publish): if it holds the message, we see all its bytes.
        let before = slot.stamp.load(acquire(Pair::Publish));
        Glance { slot, stamp, before }
    }

    /// What the slot's stamp said.
    #[inline(always)]
    pub(crate) fn before(&self) -> u64 {
        self.before
    }

    /// A look at the same slot that saw `before` earlier.
    #[inline(always)]
    pub(crate) fn that_saw(before: u64, slot: InlineSlot<'a>, stamp: ExpectedStamp) -> Self {
        Glance { slot, stamp, before }
    }

    /// The message, if the slot holds it, to be copied and then validated.
    #[inline(always)]
    pub(crate) fn message(self) -> Result<OptimisticRead<'a>, Refused> {
        let Some(len) = self.stamp.len_in(self.before) else {
            return Err(Refused::Other(self.stamp.seen(self.before)));
        };
        let Some(message) = self.slot.payload.message(len) else {
            return Err(Refused::Corrupt(Corrupt { what: "a stamp claims more bytes than a slot has" }));
        };
        Ok(OptimisticRead { word: self.slot.stamp, before: self.before, message, extras: self.slot.extras })
    }

    /// The same, if its length is `len`: that takes one comparison.
    #[inline(always)]
    pub(crate) fn message_of(&self, len: usize) -> Option<OptimisticRead<'a>> {
        let message = self.slot.payload.message(len)?;
        let there = self.before == self.stamp.holds(len);
        there.then_some(OptimisticRead {
            word: self.slot.stamp,
            before: self.before,
            message,
            extras: self.slot.extras,
        })
    }
}

/// What a slot says about the message of `stamp`: `Ok` if it holds it.
pub(crate) fn look(slot: &InlineSlot<'_>, stamp: ExpectedStamp) -> Result<(), Mismatch> {
    // PAIRS(Publish): as in `Glance::at`.
    let before = slot.stamp.load(acquire(Pair::Publish));
    stamp.len_in(before).map(drop).ok_or_else(|| stamp.seen(before))
}
