//! Queue delivery: each message goes to exactly one taker, together with its buffer.
//!
//! Messages are published as [`crate::protocol::multi_writer`] says. A take is the same exchange in
//! the other direction: the taker's empty buffer for the full one in the slot, whose word then says
//! *taken*. A writer may reuse a slot when its last message is taken; until then the queue is full.
//!
//! # Steps
//! | step |                                                                                      |
//! |------|--------------------------------------------------------------------------------------|
//! | 1    | `h` := the counter of takes                                                          |
//! | 2    | `w` := the slot's word                                                               |
//! |      | message `h` is not there: the queue is empty                                         |
//! |      | taken: help: 2a confirm the buffer left there, 2b the counter := `h + 1`; back to 1  |
//! | 3    | if the counter of messages is not beyond `h`: confirm message `h`, move that counter |
//! | 4    | record the intent ([`crate::protocol::intent_log`])                                  |
//! | 5    | the slot's word: `w` → taken, our buffer; back to 1 if another taker was first       |
//! | 6    | record that the full buffer is ours, unacknowledged                                  |
//! | 7    | the counter of takes: `h` → `h + 1`, unless another participant helped               |
//!
//! A writer that is about to reuse a slot helps first, as in step 2, if the counter of takes is not
//! beyond the slot's last message. Otherwise a taker that is suspended after step 5 would block all
//! other takers: the slot's word would neither hold message `h` nor say that it was taken.
//!
//! `Empty` and `Full` are exact at the load of the slot's word: no counter passes a message before
//! the word of that message's slot has changed.
//!
//! # Pairings
//! Those of [`crate::protocol::multi_writer`]. `Publish` also orders a taker's exchange before the
//! writer that gets the empty buffer.
//!
//! # Progress
//! Lock-free on both sides: a participant returns to step 1 only because another participant has
//! published or taken a message.
//!
//! # Costs
//! A take is two exchanges, of the slot's word and of the counter of takes, and stores to the
//! taker's own entry.

use crate::memory::Memory;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::memory::slot_index::{Lap, SlotIndex};
use crate::memory::stamp::{ArenaStamp, SlotState};
use crate::protocol::intent_log::{self, Intent};
use crate::protocol::multi_writer;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{Pair, Relaxed, acquire, load_to_exchange, release};
use crate::types::error::Corrupt;

/// The result of one attempt to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakeOutcome {
    /// The taker took the message of this sequence, and now owns its buffer.
    Taken(u64),
    Empty,
    /// Another taker was first: try again.
    Contended,
}

/// A taker's entry and its buffer.
#[derive(Debug)]
pub(crate) struct TakeCursor {
    stamps: ArenaStamp,
    entry: usize,
    own: usize,
    lap: Lap,
    /// The counter of messages when it was last loaded: each message below is published, and
    /// confirmed or recorded by its writer.
    published: u64,
}

impl TakeCursor {
    pub(crate) fn new(memory: &Memory, stamps: ArenaStamp, entry: usize, own: usize) -> Self {
        let lap = Lap::new(next_sequence(memory), memory.layout().config.slots);
        TakeCursor { stamps, entry, own, lap, published: 0 }
    }

    /// The buffer that this taker owns.
    pub(crate) fn own(&self) -> usize {
        self.own
    }

    pub(crate) fn try_take(&mut self, memory: &Memory) -> Result<TakeOutcome, Corrupt> {
        let h = next_sequence(memory);
        let slot_index = self.lap.locate(h);
        let slot = memory.slot_word(&slot_index);
        // PAIRS(Publish): what the writer stored into the buffer is visible.
        let word = load_to_exchange(slot, acquire(Pair::Publish));
        let full = self.stamps.any_buffer(word);
        match self.stamps.state(word, slot_index.lap()) {
            SlotState::Published => {}
            SlotState::Awaited => return Ok(TakeOutcome::Empty),
            SlotState::Taken => {
                help(memory, full, h)?;
                return Ok(TakeOutcome::Contended);
            }
            SlotState::Lapped => return Ok(TakeOutcome::Contended),
        }
        memory.buffer(full)?;
        if self.published <= h {
            // Loaded seldom: writers store to that line.
            self.published = multi_writer::next_sequence(memory);
            if self.published <= h {
                multi_writer::help(memory, full, h)?;
            }
        }
        let intent = Intent::Taking { own: self.own, displaced: full };
        intent_log::record_intent(memory, self.entry, h, intent);
        failpoint::hit(Failpoint::TakeIntended);
        // PAIRS(Publish): we have finished with the buffer that we leave.
        let taken = self.stamps.taken(slot_index.lap(), self.own);
        if slot.compare_exchange(word, taken, release(Pair::Publish), Relaxed).is_err() {
            return Ok(TakeOutcome::Contended);
        }
        failpoint::hit(Failpoint::TakeDone);
        intent_log::record_taken(memory, self.entry, full);
        failpoint::hit(Failpoint::TakeSettled);
        self.own = full;
        advance(memory, h);
        Ok(TakeOutcome::Taken(h))
    }

    /// Acknowledges the message that was taken last.
    pub(crate) fn acknowledge(&self, memory: &Memory) {
        intent_log::record_idle(memory, self.entry, self.own);
    }

    /// Whether an attempt would find a message, or a take to be completed.
    pub(crate) fn is_ready(&mut self, memory: &Memory) -> bool {
        let slot_index = self.lap.locate(next_sequence(memory));
        // Relaxed: the attempt that follows loads it again.
        let word = memory.slot_word(&slot_index).load(Relaxed);
        self.stamps.state(word, slot_index.lap()) != SlotState::Awaited
    }
}

/// Completes the take of a slot's previous message, before a writer reuses the slot of
/// `slot_index`, whose `word` says that the message was taken. `taken` is the counter of takes when
/// this writer last loaded it.
pub(crate) fn finish_take(
    memory: &Memory,
    stamps: ArenaStamp,
    slot_index: &SlotIndex,
    word: u64,
    taken: &mut u64,
) -> Result<(), Corrupt> {
    let previous = slot_index.sequence.wrapping_sub(memory.layout().config.slots as u64);
    if *taken <= previous {
        // Loaded seldom: takers store to that line.
        *taken = next_sequence(memory);
        if *taken == previous {
            help(memory, stamps.any_buffer(word), previous)?;
        }
    }
    Ok(())
}

/// Confirms that a taker left `buffer` in the slot of message `h`, and moves the counter of takes
/// beyond it.
fn help(memory: &Memory, buffer: usize, h: u64) -> Result<(), Corrupt> {
    intent_log::confirm(memory, buffer, h)?;
    failpoint::hit(Failpoint::HelpTakeConfirmed);
    advance(memory, h);
    Ok(())
}

/// The counter of takes: the sequence that is taken next.
pub(crate) fn next_sequence(memory: &Memory) -> u64 {
    // PAIRS(Next): confirmations of the takes below are visible. Bounded: a peer may have stored
    // anything.
    load_to_exchange(&memory.control().taken, acquire(Pair::Next)).min(SEQUENCE_LIMIT)
}

/// Moves the counter of takes beyond message `h`, unless another participant did.
fn advance(memory: &Memory, h: u64) {
    // PAIRS(Next): message `h` is taken, and that is confirmed if we are not its taker.
    let _ = memory.control().taken.compare_exchange(h, h + 1, release(Pair::Next), Relaxed);
}
