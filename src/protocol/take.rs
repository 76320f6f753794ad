//! Queue delivery: each message goes to exactly one taker, together with its buffer.
//!
//! Messages are published as [`crate::protocol::multi_writer`] says. A take is the same exchange in
//! the other direction: the taker's empty buffer for the full one in the slot, whose word then says
//! *taken*. A writer may reuse a slot when its last message is taken; until then the queue is full.
//!
//! # Steps
//! | step |                                                                                      |
//! |------|--------------------------------------------------------------------------------------|
//! | 1    | `h` := the taker's [lower bound](crate::protocol::lazy_counter)                      |
//! | 2    | `w` := the slot's word                                                               |
//! |      | message `h` is not there: the queue is empty                                         |
//! |      | it was taken: catch up; back to 1                                                    |
//! | 3    | record the intent ([`crate::protocol::intent_log`])                                  |
//! | 4    | the slot's word: `w` → taken, our buffer                                             |
//! |      | if another taker was first: the intent is idle again; back to 1                      |
//! | 5    | record that the full buffer is ours: in the buffer, then in the intent, as           |
//! |      | unacknowledged                                                                       |
//! | 6    | pass `h`; one time in 16, raise the counter of takes                                 |
//!
//! `Empty` and `Full` are exact at the load of the slot's word: no participant passes a message
//! before the word of that message's slot has changed.
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
//! A take is one exchange, of the slot's word, and stores to the taker's own entry and to the
//! header of the buffer that it gets; one time in 16, a second read-modify-write.

use crate::memory::slot_index::Lap;
use crate::memory::stamp::ArenaStamp;
use crate::memory::{Memory, OwnEntry};
use crate::protocol::attachment::is_forked;
use crate::protocol::entry_state::EntryState;
use crate::protocol::intent_log::{self, Intent};
use crate::protocol::lazy_counter::{self, LazyCounter};
use crate::protocol::reader_entry::entries;
use crate::protocol::slots::Slots;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{Pair, Relaxed, acquire, load_to_exchange, release};
use crate::types::error::Corrupt;
use crate::types::participant::Role;

/// The result of one attempt to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakeOutcome {
    /// The taker took a message, and now owns its buffer.
    Taken {
        sequence: u64,
        /// The length that the buffer claims.
        len: u64,
    },
    Empty,
    /// Others took this message before: catch up and try again.
    Passed,
    /// Another taker was first: catch up and try again.
    Contended,
}

/// A taker's entry and its buffer.
#[derive(Debug)]
pub(crate) struct TakeCursor {
    stamps: ArenaStamp,
    index: usize,
    entry: OwnEntry,
    own: usize,
    lap: Lap,
    /// The message that this taker takes next.
    next: LazyCounter,
}

impl TakeCursor {
    pub(crate) fn new(memory: &Memory, stamps: ArenaStamp, index: usize, own: usize) -> Self {
        let next = lazy_counter::taken(memory);
        let lap = Lap::new(next, memory.layout().config.slots);
        let entry = memory.own_entry(index);
        TakeCursor { stamps, index, entry, own, lap, next: LazyCounter::new(next) }
    }

    /// The buffer that this taker owns.
    pub(crate) fn own(&self) -> usize {
        self.own
    }

    /// The message that this taker takes next: never above the one that is taken next.
    pub(crate) fn next(&self) -> u64 {
        self.next.next()
    }

    /// Passes messages that other takers took.
    pub(crate) fn catch_up(&mut self, memory: &Memory) {
        let TakeCursor { next, lap, stamps, .. } = self;
        let slots = memory.layout().config.slots;
        next.catch_up(lazy_counter::taken(memory), slots, |h| {
            let slot_index = lap.locate(h);
            // PAIRS(Publish): what this taker takes comes after what it passed.
            let word = memory.slot_word(&slot_index).load(acquire(Pair::Publish));
            stamps.ahead(word, slot_index.lap()) > 1
        });
    }

    #[inline(always)]
    pub(crate) fn try_take(&mut self, memory: &Memory) -> Result<TakeOutcome, Corrupt> {
        let h = self.next.next();
        let slot_index = self.lap.locate(h);
        let slot = memory.slot_word(&slot_index);
        // PAIRS(Publish): what the writer stored into the buffer is visible.
        let word = load_to_exchange(slot, acquire(Pair::Publish));
        // In a forked child a slot that the child does not change may still show what the parent's
        // peers publish.
        if is_forked(memory.control()) {
            return Ok(TakeOutcome::Empty);
        }
        let Some(full) = self.stamps.buffer_of(word, slot_index.lap()) else {
            let passed = self.stamps.ahead(word, slot_index.lap()) > 1;
            return Ok(if passed { TakeOutcome::Passed } else { TakeOutcome::Empty });
        };
        let (header, _) = memory.buffer(full)?;
        memory.fetch_buffer(full);
        // Once: after a store that others see, a field would be loaded again.
        let (entry, own) = (&*self.entry, self.own);
        intent_log::record_intent(entry, h, Intent::Taking { own, displaced: full });
        failpoint::hit(Failpoint::TakeIntended);
        // PAIRS(Publish): we have finished with the buffer that we leave.
        let taken = self.stamps.taken_from(word, full, own);
        if slot.compare_exchange(word, taken, release(Pair::Publish), Relaxed).is_err() {
            intent_log::record_loss(entry, own);
            return Ok(TakeOutcome::Contended);
        }
        failpoint::hit(Failpoint::TakeDone);
        intent_log::record_owner(header, self.index);
        failpoint::hit(Failpoint::TakeOwned);
        intent_log::record_taken(entry, full);
        failpoint::hit(Failpoint::TakeSettled);
        self.own = full;
        self.next.advance(&memory.control().taken);
        // Relaxed: this taker owns the buffer since its exchange.
        Ok(TakeOutcome::Taken { sequence: h, len: header.len.load(Relaxed) })
    }

    /// Acknowledges the message that was taken last.
    #[inline(always)]
    pub(crate) fn acknowledge(&self) {
        intent_log::record_idle(&self.entry, self.own);
    }

    /// Whether an attempt would find a message. Passes messages that other takers took.
    pub(crate) fn is_ready(&mut self, memory: &Memory) -> bool {
        // In a correct ring two rounds, unless others take meanwhile. Bounded: a hostile peer may
        // let it go on for ever.
        for _ in 0..MAX_ROUNDS {
            let slot_index = self.lap.locate(self.next.next());
            // Relaxed: the attempt that follows loads it again.
            let word = memory.slot_word(&slot_index).load(Relaxed);
            match self.stamps.ahead(word, slot_index.lap()) {
                ..=0 => return false,
                1 => break,
                _ => self.catch_up(memory),
            }
        }
        !is_forked(memory.control())
    }
}

const MAX_ROUNDS: u32 = 64;

/// The messages that are taken and not acknowledged, in ascending order, then those that are not
/// taken.
///
/// The entries are searched after the messages that are taken were passed. So the intent of each of
/// these is visible: its taker recorded it before the exchange, and until it acknowledges the
/// message, the entry keeps it.
pub(crate) fn unfinished(slots: &Slots) -> Vec<u64> {
    let (taken, next) = (slots.taken_sequence(), slots.next_sequence());
    let takers = entries(&slots.memory).map(|index| slots.memory.entry(index));
    let takers = takers.filter(|entry| EntryState::of(entry).role() == Some(Role::Taker));
    let held = takers.filter_map(intent_log::taking);
    let mut unfinished: Vec<u64> = held.filter(|held| *held < taken).collect();
    unfinished.sort_unstable();
    unfinished.extend(taken..next);
    unfinished
}
