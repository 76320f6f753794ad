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
//! # Costs
//! A write: two stores of the stamp beside the payload's. A read: two loads of it. No read-modify-write, no
//! fence instruction on x86-64.

use crate::error::Corrupt;
use crate::memory::InlineSlot;
use crate::optimistic::{Optimistic, Refused};
use crate::stamp::{Seen, Stamps};
use crate::sync::{AtomicU64, Pair, Relaxed, acquire, release, release_fence};

/// Publishes `payload` as message `sequence`. Only the one writer of the ring calls it.
#[inline(always)]
pub(crate) fn publish(
    slot: &InlineSlot<'_>,
    stamps: Stamps,
    sequence: u64,
    payload: &[u8],
    store_extras: impl FnOnce(&[AtomicU64]),
) {
    slot.stamp.store(stamps.writing(sequence), Relaxed); // Relaxed: the fence below orders it.
    // PAIRS(Tear): whoever copies a byte that we store below sees the mark above when it looks again.
    release_fence(Pair::Tear);
    slot.payload.store(payload);
    store_extras(slot.extras);
    // PAIRS(Publish): whoever sees this stamp sees the bytes above.
    slot.stamp.store(stamps.holds(sequence, payload.len()), release(Pair::Publish));
}

/// Message `sequence`, if the slot holds it, to be copied and then validated.
#[inline(always)]
pub(crate) fn optimistic_read<'a>(
    slot: &InlineSlot<'a>,
    stamps: Stamps,
    sequence: u64,
) -> Result<Optimistic<'a>, Refused> {
    // PAIRS(Publish): if it holds `sequence`, we see all its bytes.
    let before = slot.stamp.load(acquire(Pair::Publish));
    let Some(len) = stamps.len_of(before, sequence) else {
        return Err(Refused::Other(stamps.seen(before, sequence)));
    };
    let Some(message) = slot.payload.message(len) else {
        return Err(Refused::Corrupt(Corrupt { what: "a stamp claims more bytes than a slot has" }));
    };
    Ok(Optimistic { word: slot.stamp, before, message, extras: slot.extras })
}

/// What a slot says about `sequence`: `Ok` if it holds it.
pub(crate) fn look(slot: &InlineSlot<'_>, stamps: Stamps, sequence: u64) -> Result<(), Seen> {
    // PAIRS(Publish): as in `optimistic_read`.
    let stamp = slot.stamp.load(acquire(Pair::Publish));
    stamps.len_of(stamp, sequence).map(drop).ok_or_else(|| stamps.seen(stamp, sequence))
}
