//! Arena slots: a slot is one word that names a buffer. Publishing exchanges buffers and copies
//! nothing.
//!
//! A ring with one writer and `slots` slots has `slots + 1` buffers: each slot names one, and the
//! writer owns one. No reader looks for a message in the writer's buffer. The writer fills it,
//! stores its number into the slot, and then owns the buffer that the slot named before. A writer
//! that is suspended or killed at any instruction leaves a whole message in every slot; its own
//! buffer is the one that no slot names ([`missing_buffers`]). In a gated ring the writer owns a
//! second buffer, for a message that an evicted reader still has pinned
//! ([`crate::protocol::standby_buffer`]).
//!
//! # States
//! What the slot's word means to a reader that expects the message of lap `r`:
//!
//! | word                      | meaning                  |
//! |---------------------------|--------------------------|
//! | an earlier lap            | not published yet        |
//! | lap `r`, awaited          | not published yet        |
//! | lap `r`, holds buffer `b` | published, in buffer `b` |
//! | lap `r`, taken            | published, then taken    |
//! | a later lap               | overtaken                |
//!
//! # Steps
//! | writer of `n` (lap `r` of slot `i`)      | reader of `n`                                |
//! |------------------------------------------|----------------------------------------------|
//! | 1 release fence ([`FillingBuffer`])      | a load the word of slot `i`: lap `r`?        |
//! | 2 fill the own buffer                    | b copy from the buffer that it names         |
//! | 3 word := lap `r`, own buffer; released  | c acquire fence                              |
//! | 4 own := the buffer that it named before | d load the word: if equal, the copy is whole |
//!
//! In a lossy ring a reader may still be copying from the buffer that step 2 fills. An earlier step
//! 3 displaced that buffer, so a reader that copied a byte of step 2 sees the changed word in step
//! d. In a gated ring no reader is at a message whose buffer was displaced: the bytes are the
//! writer's alone, and the bytes of a view do not change.
//!
//! # Warm buffers
//! The exchange gives the writer the buffer that was filled longest ago. In a long ring of large
//! messages no line of it is in a cache. So in a gated ring with large slots the writer reloads the
//! cursors after each message, takes the buffer of a message that all readers have read back out of
//! its slot ([`withdraw`]), and leaves the cold buffer there.
//!
//! - It does not take the newest such message. Those lines are in the private caches of the
//!   readers' cores, and fetching each from there is slower than from the memory that all cores
//!   share. The writer takes the message after which as many bytes were read as those caches hold
//!   (1-MiB messages, one reader that keeps up, two cores: 26 GB/s with the newest, 57 to 67 with
//!   the third newest).
//! - A ring that is shorter than this distance gains nothing and does not do it.
//! - No reader misses a withdrawn message: a reader that registers later starts above what all
//!   readers had read when the writer last loaded the cursors. An observer finds the message
//!   overtaken.
//!
//! # Pairings
//! | name      | releases | acquires | without it                                             |
//! |-----------|----------|----------|--------------------------------------------------------|
//! | `Publish` | step 3   | step a   | a reader sees the word but not yet the payload         |
//! | `Tear`    | step 1   | step c   | a reader accepts a later message's bytes as this one's |
//!
//! # Costs
//! A write is one load and one store of the slot's word, and the length. A read loads the word
//! twice. There is no read-modify-write, and no fence instruction on x86-64.

use crate::memory::format::BufferHeader;
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::{ArenaStamp, Mismatch, SlotState};
use crate::memory::{Memory, Payload};
use crate::protocol::seqlock::{OptimisticRead, Refused};
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::mutation::{Mutation, is_active};
use crate::sync::{Pair, Relaxed, acquire, load_own, release, release_fence};
use crate::types::error::Corrupt;

/// A buffer that its owner fills. The only way to its bytes for a writer, so that step 1 precedes
/// each store: [`Self::begin`] executes the fence.
pub(crate) struct FillingBuffer<'a> {
    buffer_header: &'a BufferHeader,
    payload: Payload<'a>,
}

impl<'a> FillingBuffer<'a> {
    /// Begins to fill `own`, which belongs to the caller.
    #[inline(always)]
    pub(crate) fn begin(memory: &'a Memory, own: usize) -> Result<Self, Corrupt> {
        // PAIRS(Tear): a reader that copies a byte stored from here on sees the word changed when
        // it validates.
        release_fence(Pair::Tear);
        let (buffer_header, payload) = memory.buffer(own)?;
        Ok(FillingBuffer { buffer_header, payload })
    }

    #[inline(always)]
    pub(crate) fn payload(&self) -> Payload<'a> {
        self.payload
    }

    /// Stores the length of the payload, and the mark of a message that is redelivered.
    #[inline(always)]
    pub(crate) fn finish(self, len: usize, mark: u64) {
        self.buffer_header.len.store(len as u64 | mark, Relaxed); // Relaxed: ordered like the payload.
    }
}

/// Publishes the writer's `own` buffer as the message of `slot_index`, after `before` was called
/// with the buffer that this displaces. Returns that buffer, which the writer owns from now on.
/// Only the ring's one writer calls it.
#[inline(always)]
pub(crate) fn publish(
    memory: &Memory,
    stamps: ArenaStamp,
    slot_index: &SlotIndex,
    own: usize,
    before: impl FnOnce(usize),
) -> Result<usize, Corrupt> {
    let word = memory.slot_word(slot_index);
    let displaced = stamps.any_buffer(load_own(word));
    memory.buffer(displaced)?;
    before(displaced);
    failpoint::hit(Failpoint::PublishFilled);
    // PAIRS(Publish): a reader that sees this word sees what was stored into the buffer.
    word.store(stamps.published(slot_index.lap(), own), release(Pair::Publish));
    failpoint::hit(Failpoint::PublishDone);
    Ok(displaced)
}

/// The message of `slot_index`, if the slot holds it, to be copied and then validated.
#[inline(always)]
pub(crate) fn optimistic_read<'a>(
    memory: &'a Memory,
    stamps: ArenaStamp,
    slot_index: &SlotIndex,
) -> Result<OptimisticRead<'a>, Refused> {
    let stamp = memory.slot_word(slot_index);
    // PAIRS(Publish): if the slot holds the message, all its bytes are visible.
    let before = stamp.load(acquire(Pair::Publish));
    let Some(buffer) = stamps.buffer_of(before, slot_index.lap()) else {
        return Err(Refused::Mismatch(stamps.mismatch(before, slot_index.lap())));
    };
    let (buffer_header, payload) = memory.buffer(buffer).map_err(Refused::Corrupt)?;
    // Relaxed: ordered like the payload. It may be a later message's length until it is validated.
    let len = usize::try_from(buffer_header.len.load(Relaxed)).unwrap_or(usize::MAX);
    let fits = payload.message(len);
    // An empty message stands in for one that does not fit.
    let message = fits.or_else(|| payload.message(0)).expect("no bytes fit");
    let read = OptimisticRead { stamp, before, message, header: memory.message_header(buffer) };
    match fits {
        Some(_) => Ok(read),
        None if read.validate() => {
            Err(Refused::Corrupt(Corrupt { what: "a buffer claims more bytes than it has" }))
        }
        None => Err(Refused::Torn),
    }
}

/// Takes the buffer of the message of `slot_index` back out of its slot and leaves `own` there.
/// `None` if the slot does not hold the message. Only the one writer of a gated ring calls it, for
/// a message that all readers have read.
pub(crate) fn withdraw(
    memory: &Memory,
    stamps: ArenaStamp,
    slot_index: &SlotIndex,
    own: usize,
) -> Result<Option<usize>, Corrupt> {
    let word = memory.slot_word(slot_index);
    let Some(buffer) = stamps.buffer_of(load_own(word), slot_index.lap()) else {
        return Ok(None);
    };
    memory.buffer(buffer)?;
    // PAIRS(Publish): as in `publish`; no reader gets a message from this word.
    word.store(stamps.taken(slot_index.lap(), own), release(Pair::Publish));
    failpoint::hit(Failpoint::BufferWithdrawn);
    Ok(Some(buffer))
}

/// `Ok` if the message of `slot_index` is in the slot or was taken from it; else the distance, in
/// laps.
pub(crate) fn check(memory: &Memory, stamps: ArenaStamp, slot_index: &SlotIndex) -> Result<(), Mismatch> {
    // PAIRS(Publish): as in `optimistic_read`.
    let word = memory.slot_word(slot_index).load(acquire(Pair::Publish));
    match stamps.state(word, slot_index.lap()) {
        SlotState::Published | SlotState::Taken => Ok(()),
        SlotState::Awaited => Err(Mismatch::NotYet),
        SlotState::Lapped => Err(stamps.mismatch(word, slot_index.lap())),
    }
}

/// The buffer that holds the message of `slot_index`.
pub(crate) fn buffer_of(
    memory: &Memory,
    stamps: ArenaStamp,
    slot_index: &SlotIndex,
) -> Result<usize, Mismatch> {
    // PAIRS(Publish): as in `optimistic_read`.
    let word = memory.slot_word(slot_index).load(acquire(Pair::Publish));
    stamps.buffer_of(word, slot_index.lap()).ok_or_else(|| stamps.mismatch(word, slot_index.lap()))
}

/// The buffers that no slot names, in ascending order. They are the writer's, at whichever step its
/// predecessor stopped.
///
/// # Cost
/// A pass over all slots, once per writer.
pub(crate) fn missing_buffers(memory: &Memory, stamps: ArenaStamp) -> Result<Vec<usize>, Corrupt> {
    let layout = memory.layout();
    if is_active(Mutation::FindMissingBuffer) {
        return Ok((layout.config.slots..layout.buffers).collect());
    }
    let mut named = vec![false; layout.buffers];
    let mut slot_index = SlotIndex::new(0, layout.config.slots);
    for _ in 0..layout.config.slots {
        // PAIRS(Publish): the writer of a buffer that we displace later has finished with it.
        let word = memory.slot_word(&slot_index).load(acquire(Pair::Publish));
        let twice = Corrupt { what: "two slots name one buffer, or one that the ring does not have" };
        let buffer = named.get_mut(stamps.any_buffer(word)).ok_or(twice)?;
        if std::mem::replace(buffer, true) {
            return Err(twice);
        }
        slot_index.advance();
    }
    Ok((0..layout.buffers).filter(|buffer| !named[*buffer]).collect())
}
