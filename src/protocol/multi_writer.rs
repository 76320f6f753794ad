//! Many writers: each fills a buffer of its own and publishes it by exchanging it for the one in
//! the slot.
//!
//! Before that exchange nothing of a write is visible. A writer that is slow, suspended or killed
//! while it fills its buffer delays no other writer and leaves no gap. The order of messages is the
//! order of their exchanges.
//!
//! # Steps
//! A publication; the own buffer is filled before 1, or between 2 and 3:
//!
//! | step |                                                                                     |
//! |------|-------------------------------------------------------------------------------------|
//! | 1    | `n` := the counter; gated: below this writer's limit?                               |
//! | 2    | `w` := the slot's word                                                              |
//! |      | if it holds message `n`: help: 2a confirm it, 2b the counter := `n + 1`; back to 1  |
//! | 3    | record the intent ([`crate::protocol::intent_log`])                                 |
//! | 4    | the slot's word: `w` → holds `n`, our buffer; back to 1 if another writer was first |
//! | 5    | record that the displaced buffer is ours                                            |
//! | 6    | the counter: `n` → `n + 1`, unless another participant helped                       |
//!
//! Words never repeat, because they count laps: a successful exchange replaced the word that step 2
//! loaded. If a writer stops between 4 and 6, the next writer completes its publication in step 2.
//!
//! # Assigned sequences
//! In a queue a writer may publish under an assigned sequence `n` and skip step 1. The counter then
//! moves only with the lowest missing message, and takers, which go in order, move it on (step 3 of
//! [`crate::protocol::take`]): so each message below it is confirmed, or its owner recorded it, as
//! always. If two writers publish the same `n`, one succeeds in step 4. The other finds in step 2
//! or 4 that `n` is published, and keeps its buffer.
//!
//! # Pairings
//! | name      | releases       | acquires      | without it                                     |
//! |-----------|----------------|---------------|------------------------------------------------|
//! | `Publish` | 4              | reader's load | it sees the word but not yet the payload       |
//! | `Publish` | 4              | 2             | a buffer's next owner stores into it too early |
//! | `Tear`    | before filling | after a copy  | a reader accepts later bytes                   |
//! | `Next`    | 2b, 6          | 1             | a recovery misses the confirmation             |
//!
//! # Progress
//! Lock-free: a writer returns to step 1 only because another writer's message was published.
//!
//! # Costs
//! A publication is two exchanges, of the slot's word and of the counter, and stores to the
//! writer's own entry.

use crate::memory::Memory;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::memory::slot_index::{Lap, SlotIndex};
use crate::memory::stamp::{ArenaStamp, SlotState};
use crate::protocol::intent_log::{self, Intent};
use crate::protocol::registry::Registration;
use crate::protocol::take;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::mutation::{Mutation, is_active};
use crate::sync::{Pair, Relaxed, acquire, load_to_exchange, release};
use crate::types::config::Delivery;
use crate::types::error::{Corrupt, RegisterError};

/// One of many writers: its entry and its buffer.
#[derive(Debug)]
pub(crate) struct SharedPublisher {
    stamps: ArenaStamp,
    entry: usize,
    /// The buffer that this writer owns.
    own: usize,
    /// The lap of the last slot that was checked.
    lap: Lap,
    queue: bool,
    /// Queue: the counter of takes when it was last loaded.
    taken: u64,
    /// For how many more messages this writer checks for room before it fills its buffer.
    check_first_for: u32,
}

/// For how many messages after a refusal a writer checks for room first. Where the ring is often
/// full, most copies would be made for messages that are then refused.
const CHECK_FIRST_FOR: u32 = 64;

/// Where a message goes: its slot, and the word to be exchanged there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    slot_index: SlotIndex,
    word: u64,
}

impl Target {
    /// The message's sequence.
    pub(crate) fn sequence(&self) -> u64 {
        self.slot_index.sequence
    }
}

/// Whether a message's slot accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vacancy<T = ()> {
    Free(T),
    /// Queue: the slot's previous message is not taken yet.
    Full,
    /// Another writer published this message.
    Published,
}

/// The buffer that the entry of `registration` owns, backed with pages.
pub(crate) fn own_buffer(registration: &Registration, stamps: ArenaStamp) -> Result<usize, RegisterError> {
    let (memory, entry) = (&registration.attachment().memory, registration.index());
    let slots = memory.layout().config.slots;
    let own = if let Some(recovered) = intent_log::recover(memory, stamps, entry)? {
        recovered.buffer
    } else {
        registration.attachment().back_with_pages(memory.layout().buffer_pages(slots + entry))?;
        slots + entry
    };
    memory.make_buffer_resident(own);
    intent_log::record_idle(memory, entry, own);
    Ok(own)
}

impl SharedPublisher {
    /// For the writer in the entry of `registration`, with the buffer that the entry owns.
    pub(crate) fn new(registration: &Registration, stamps: ArenaStamp) -> Result<Self, RegisterError> {
        let own = own_buffer(registration, stamps)?;
        let memory = &registration.attachment().memory;
        let config = &memory.layout().config;
        Ok(SharedPublisher {
            stamps,
            entry: registration.index(),
            own,
            lap: Lap::new(next_sequence(memory), config.slots),
            queue: config.delivery == Delivery::Queue,
            taken: 0,
            check_first_for: 0,
        })
    }

    /// The buffer to be filled.
    pub(crate) fn own(&self) -> usize {
        self.own
    }

    /// Notes that a message was refused because the ring was full.
    pub(crate) fn note_full(&mut self) {
        self.check_first_for = CHECK_FIRST_FOR;
    }

    /// Whether to check for room before the next message is filled in, because the ring was full
    /// lately.
    pub(crate) fn checks_first(&mut self) -> bool {
        let check = self.check_first_for > 0;
        self.check_first_for = self.check_first_for.saturating_sub(1);
        check
    }

    /// Step 2, for message `n`, which is the counter's value or [has room](Self::vacancy).
    #[inline(always)]
    pub(crate) fn find_target(&mut self, memory: &Memory, n: u64) -> Result<Vacancy<Target>, Corrupt> {
        let slot_index = self.lap.locate(n);
        // PAIRS(Publish): the previous owner of the buffer that we get has finished with it.
        let word = load_to_exchange(memory.slot_word(&slot_index), acquire(Pair::Publish));
        match self.stamps.state(word, slot_index.lap()) {
            SlotState::Awaited if self.queue => {
                match self.stamps.state(word, slot_index.lap().wrapping_sub(1)) {
                    SlotState::Published => return Ok(Vacancy::Full),
                    SlotState::Taken => {
                        take::finish_take(memory, self.stamps, &slot_index, word, &mut self.taken)?;
                    }
                    SlotState::Awaited | SlotState::Lapped => {} // The slot never held a message.
                }
            }
            SlotState::Awaited => {}
            SlotState::Published if is_active(Mutation::HelpCounter) => return Ok(Vacancy::Published),
            SlotState::Published => {
                help(memory, self.stamps.any_buffer(word), n)?;
                return Ok(Vacancy::Published);
            }
            // Taken: the taker moved the counter beyond `n` before.
            SlotState::Taken | SlotState::Lapped => return Ok(Vacancy::Published),
        }
        memory.buffer(self.stamps.any_buffer(word))?;
        failpoint::hit(Failpoint::ExchangeLoaded);
        Ok(Vacancy::Free(Target { slot_index, word }))
    }

    /// Steps 3 to 6: publishes the own buffer at `target` and takes over the buffer from the slot.
    /// False if another writer published that message meanwhile.
    #[inline(always)]
    pub(crate) fn exchange(&mut self, memory: &Memory, target: &Target) -> bool {
        let Target { slot_index, word } = target;
        let displaced = self.stamps.any_buffer(*word);
        let intent = Intent::Publishing { own: self.own, displaced };
        intent_log::record_intent(memory, self.entry, slot_index.sequence, intent);
        failpoint::hit(Failpoint::ExchangeIntended);
        // PAIRS(Publish): a reader that sees this word sees what we stored into the buffer.
        let (slot, holds) = (memory.slot_word(slot_index), self.stamps.published(slot_index.lap(), self.own));
        if slot.compare_exchange(*word, holds, release(Pair::Publish), Relaxed).is_err() {
            return false;
        }
        failpoint::hit(Failpoint::ExchangeDone);
        intent_log::record_idle(memory, self.entry, displaced);
        failpoint::hit(Failpoint::ExchangeSettled);
        self.own = displaced;
        advance(memory, slot_index.sequence);
        true
    }

    /// What the slot of message `n` says about it, whatever the counter is. Always free in a gated
    /// ring, where the readers' cursors decide.
    pub(crate) fn vacancy(&mut self, memory: &Memory, n: u64) -> Vacancy {
        if !self.queue {
            return Vacancy::Free(());
        }
        let slot_index = self.lap.locate(n);
        // Relaxed: `find_target` loads it again, and room once seen stays.
        let word = memory.slot_word(&slot_index).load(Relaxed);
        match self.stamps.state(word, slot_index.lap()) {
            SlotState::Awaited => match self.stamps.state(word, slot_index.lap().wrapping_sub(1)) {
                SlotState::Awaited | SlotState::Published => Vacancy::Full,
                // Taken; or the slot never held a message.
                SlotState::Taken | SlotState::Lapped => Vacancy::Free(()),
            },
            SlotState::Published | SlotState::Taken | SlotState::Lapped => Vacancy::Published,
        }
    }
}

/// Step 2 of a helper: confirms that `buffer` was published as message `n`, and moves the counter
/// beyond it.
pub(crate) fn help(memory: &Memory, buffer: usize, n: u64) -> Result<(), Corrupt> {
    intent_log::confirm(memory, buffer, n)?;
    failpoint::hit(Failpoint::HelpConfirmed);
    advance(memory, n);
    Ok(())
}

/// The counter: the sequence that is published next.
#[inline(always)]
pub(crate) fn next_sequence(memory: &Memory) -> u64 {
    // PAIRS(Next): confirmations of the messages below are visible. Bounded: a peer may have stored
    // anything.
    load_to_exchange(&memory.control().next, acquire(Pair::Next)).min(SEQUENCE_LIMIT)
}

/// Moves the counter beyond message `n`, unless another participant did.
#[inline(always)]
fn advance(memory: &Memory, n: u64) {
    // PAIRS(Next): message `n` is published, and confirmed if we are not its writer.
    let _ = memory.control().next.compare_exchange(n, n + 1, release(Pair::Next), Relaxed);
}
