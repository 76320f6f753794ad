//! Arena slots: a slot is one word that names a buffer; publishing exchanges buffers and copies nothing.
//!
//! A ring of `slots` slots and one writer has `slots + 1` buffers: each slot keeps one, the writer owns one.
//! The writer fills its own, which no reader looks for, then puts it into the slot by one store and owns what
//! the slot kept before. A writer that is stopped or killed at any instruction leaves every slot with a whole
//! message, and its own buffer is the one that no slot names ([`missing_buffers`]). In a gated ring it owns a second one,
//! for what a view of an evicted reader shows ([`crate::protocol::standby_buffer`]).
//!
//! # Hot buffers
//! The exchange gives the writer the buffer that lay longest: in a long ring of large messages none of it is left in a
//! cache. So there, in a gated ring, the writer looks after each message how far the readers are, and takes the buffer of
//! one that all of them have read back out of its slot ([`withdraw`]), which then keeps the cold one. Not of the newest:
//! its lines lie in the own caches of the readers' cores, and each has to be fetched from there before it can be stored to,
//! which is slower than the memory that all cores share. Of the one after which as much was read as those caches hold
//! (1-MiB messages, a reader that keeps up, two cores: 26 GB/s with the newest, 57 to 67 with the third newest). In a ring so
//! short that what lay longest is no older than that, nothing is to be gained. Nobody misses the message: who joins stands
//! above what all had read at the writer's last look. An observer finds it overtaken.
//!
//! # States of a slot's word, seen by a reader that waits for round `r` of the slot
//! | word                      | meaning             |
//! |---------------------------|---------------------|
//! | an earlier round          | not there yet       |
//! | round `r`, awaited        | not there yet       |
//! | round `r`, holds buffer b | there, in b         |
//! | round `r`, taken          | was there           |
//! | a later round             | overtaken           |
//!
//! # Steps
//! | writer of `n` (round r of slot i)              | reader of `n`                                    |
//! |------------------------------------------------|--------------------------------------------------|
//! | 1 release fence                                | a word of slot i: does it hold round r?          |
//! | 2 fill the own buffer                          | b copy from the buffer it names                  |
//! | 3 word := holds r, own buffer; released        | c acquire fence                                  |
//! | 4 the buffer named before is the own one now   | d word again: the same? then the copy is whole   |
//!
//! In a lossy ring a reader may still be copying from the buffer that the writer fills in 2: it was displaced
//! by an earlier step 3, which the reader sees in d if it saw a byte of 2. In a gated ring no reader stands at
//! a message whose buffer was displaced, so the bytes are the writer's alone, and a view's are frozen.
//!
//! # Pairings
//! | name      | releases | acquires | without it                                                |
//! |-----------|----------|----------|-----------------------------------------------------------|
//! | `Publish` | step 3   | step a   | a reader sees the word but not yet the payload            |
//! | `Tear`    | step 1   | step c   | a reader accepts a later message's bytes as this one's    |

use crate::memory::Memory;
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::{ArenaStamp, Mismatch, SlotState};
use crate::protocol::seqlock::{OptimisticRead, Refused};
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::mutation::{Mutation, is_active};
use crate::sync::{Pair, Relaxed, acquire, load_own, release, release_fence};
use crate::types::error::Corrupt;

/// Before the writer's first store into its own buffer: whoever is still copying from it will notice.
#[inline(always)]
pub(crate) fn begin_filling() {
    // PAIRS(Tear): whoever copies a byte that we store from here on sees the word moved when it looks again.
    release_fence(Pair::Tear);
}

/// Says that the message in a buffer, which the caller owns, has `len` bytes.
pub(crate) fn set_len(memory: &Memory, own: usize, len: usize) -> Result<(), Corrupt> {
    let (header, _) = memory.buffer(own)?;
    header.len.store(len as u64, Relaxed); // Relaxed: ordered like the payload.
    Ok(())
}

/// Publishes the writer's `own` buffer as the message of `place`, once `before` was told what that displaces. Returns the
/// buffer that the writer owns from now on. Only the one writer of a ring calls it.
#[inline(always)]
pub(crate) fn publish(
    memory: &Memory,
    words: ArenaStamp,
    place: &SlotIndex,
    own: usize,
    before: impl FnOnce(usize),
) -> Result<usize, Corrupt> {
    let word = memory.slot_word(place);
    let displaced = words.any_buffer(load_own(word));
    memory.buffer(displaced)?;
    before(displaced);
    failpoint::at(Failpoint::PublishFilled);
    // PAIRS(Publish): whoever sees this word sees what we stored into the buffer.
    word.store(words.holds(place.round(), own), release(Pair::Publish));
    failpoint::at(Failpoint::PublishDone);
    Ok(displaced)
}

/// The message of `place`, if the slot holds it, to be copied and then validated.
#[inline(always)]
pub(crate) fn optimistic_read<'a>(
    memory: &'a Memory,
    words: ArenaStamp,
    place: &SlotIndex,
) -> Result<OptimisticRead<'a>, Refused> {
    let word = memory.slot_word(place);
    // PAIRS(Publish): if it holds the message, we see all its bytes.
    let before = word.load(acquire(Pair::Publish));
    let Some(buffer) = words.buffer_of(before, place.round()) else {
        return Err(Refused::Other(words.seen(before, place.round())));
    };
    let (header, payload) = memory.buffer(buffer).map_err(Refused::Corrupt)?;
    // Relaxed: ordered like the payload. May be a later message's, so it means nothing before validation.
    let len = usize::try_from(header.len.load(Relaxed)).unwrap_or(usize::MAX);
    let fits = payload.message(len);
    // The front of the buffer stands in for a message that cannot be.
    let message = fits.or_else(|| payload.message(0)).expect("no bytes fit");
    let optimistic = OptimisticRead { word, before, message, extras: memory.buffer_extras(buffer) };
    match fits {
        Some(_) => Ok(optimistic),
        None if optimistic.validate() => {
            Err(Refused::Corrupt(Corrupt { what: "a buffer claims more bytes than it has" }))
        }
        None => Err(Refused::Torn),
    }
}

/// Takes the buffer of message `place` back out of its slot, for `own`, which the slot keeps instead. `None` if the message
/// is not there. Only the one writer of a gated ring calls it, for a message that every reader has passed.
pub(crate) fn withdraw(
    memory: &Memory,
    words: ArenaStamp,
    place: &SlotIndex,
    own: usize,
) -> Result<Option<usize>, Corrupt> {
    let word = memory.slot_word(place);
    let Some(buffer) = words.buffer_of(load_own(word), place.round()) else {
        return Ok(None);
    };
    memory.buffer(buffer)?;
    // PAIRS(Publish): as for a publication; nobody takes up a message from it.
    word.store(words.taken(place.round(), own), release(Pair::Publish));
    failpoint::at(Failpoint::Withdrawn);
    Ok(Some(buffer))
}

/// What the slot of `place` says about that message: `Ok` if it is there, or was taken.
pub(crate) fn look(memory: &Memory, words: ArenaStamp, place: &SlotIndex) -> Result<(), Mismatch> {
    // PAIRS(Publish): as in `optimistic_read`.
    let word = memory.slot_word(place).load(acquire(Pair::Publish));
    match words.at(word, place.round()) {
        SlotState::There | SlotState::Taken => Ok(()),
        SlotState::Before => Err(Mismatch::NotYet),
        SlotState::Beyond => Err(words.seen(word, place.round())),
    }
}

/// The buffer that message `place` is in.
pub(crate) fn buffer_of(memory: &Memory, words: ArenaStamp, place: &SlotIndex) -> Result<usize, Mismatch> {
    // PAIRS(Publish): as in `optimistic_read`.
    let word = memory.slot_word(place).load(acquire(Pair::Publish));
    words.buffer_of(word, place.round()).ok_or_else(|| words.seen(word, place.round()))
}

/// The buffers that no slot names, in order: the writer's own, whatever its predecessor was doing when it left.
///
/// # Cost
/// A pass over all slots, once a writer.
pub(crate) fn missing_buffers(memory: &Memory, words: ArenaStamp) -> Result<Vec<usize>, Corrupt> {
    let layout = memory.layout();
    if is_active(Mutation::FindMissingBuffer) {
        return Ok((layout.config.slots..layout.buffers).collect());
    }
    let mut kept = vec![false; layout.buffers];
    let mut place = SlotIndex::of(0, layout.config.slots);
    for _ in 0..layout.config.slots {
        // PAIRS(Publish): what we displace later, its writer was done with before.
        let word = memory.slot_word(&place).load(acquire(Pair::Publish));
        let twice = Corrupt { what: "two slots name one buffer, or one that the ring does not have" };
        let buffer = kept.get_mut(words.any_buffer(word)).ok_or(twice)?;
        if std::mem::replace(buffer, true) {
            return Err(twice);
        }
        place.step();
    }
    Ok((0..layout.buffers).filter(|buffer| !kept[*buffer]).collect())
}
