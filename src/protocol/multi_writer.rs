//! Many writers at once: each fills a buffer of its own, and publishes it by exchanging it for the one in the slot.
//!
//! Nothing of a write can be seen before that one exchange. A writer that is slow, stopped or killed while it
//! fills its buffer holds nobody up and leaves no hole; the order of messages is that of their exchanges.
//!
//! # Steps of a publication
//! The own buffer is filled before, or between 2 and 3: nobody can tell.
//!
//! | step |                                                                                             |
//! |------|---------------------------------------------------------------------------------------------|
//! | 1    | `n` := the counter; gated: below this writer's limit?                                       |
//! | 2    | `w` := the slot's word; if message `n` is there already, help: 2a witness it, 2b the counter := `n + 1`; back to 1 |
//! | 3    | say what is about to be exchanged for what ([`crate::protocol::intent_log`])                           |
//! | 4    | the slot's word: `w` → holds `n`, our buffer; back to 1 if somebody else was first          |
//! | 5    | say that the buffer from the slot is ours                                                   |
//! | 6    | the counter: `n` → `n + 1`, unless somebody helped                                          |
//!
//! Words never repeat, because they count rounds: an exchange that succeeds replaced what it looked at. Whoever
//! stops between 4 and 6 is helped by the next writer, in 2.
//!
//! # Assigned numbers
//! In a queue a writer may be told which message to publish, `n`, and skips 1. The counter then moves only with the
//! lowest message that is missing, and takers, who go in order, move it on (step 3 of [`crate::protocol::take`]): so whatever
//! lies below it is witnessed or was said by its owner, as ever. Of two who publish `n` one wins the exchange in 4; the
//! other finds in 2 or 4 that `n` is gone, and keeps its buffer.
//!
//! # Pairings
//! | name      | releases        | acquires                  | without it                                        |
//! |-----------|-----------------|---------------------------|---------------------------------------------------|
//! | `Publish` | exchange 4      | reader's load of the word | a reader sees the word but not yet the payload    |
//! | `Publish` | exchange 4      | 2                         | the new owner of a buffer writes into it while its bytes are still on their way |
//! | `Tear`    | fence before the buffer is filled | fence after the copy | a reader accepts later bytes under the old word |
//! | `Next`    | 2b, 6           | 1                         | a survivor finds a slot of a later round, but not the witness of the earlier one |
//!
//! # Progress
//! Lock-free: whoever goes back to 1 does so because somebody else's message was published.

use crate::memory::Memory;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::memory::slot_index::{Lap, SlotIndex};
use crate::memory::stamp::{ArenaStamp, SlotState};
use crate::protocol::intent_log;
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
    words: ArenaStamp,
    entry: usize,
    /// The buffer that is this writer's.
    own: usize,
    /// The lap of the last message looked at.
    lap: Lap,
    queue: bool,
    /// Queue: the counter of takes when it was last looked at.
    taken: u64,
    /// For so many messages this writer looks for room before it fills its buffer.
    cautious_for: u32,
}

/// For so many messages after there was no room. Where the ring is full time and again, copying for nothing would be the rule.
const CAUTIOUS_FOR: u32 = 64;

/// Where a message is to go: its place, and the word that was in the slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    place: SlotIndex,
    word: u64,
}

impl Aim {
    /// The number of the message.
    pub(crate) fn sequence(&self) -> u64 {
        self.place.sequence
    }
}

/// What a look at a message's slot came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    Free(Aim),
    /// Queue: the message that was in the slot before is not taken.
    Full,
    /// Somebody published this one.
    Gone,
}

/// Whether a message may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Free,
    /// The message that was in its slot before is not taken.
    Full,
    /// Somebody published it.
    Gone,
}

/// Takes up what the entry of `registration` owns.
pub(crate) fn join(registration: &Registration, words: ArenaStamp) -> Result<SharedPublisher, RegisterError> {
    let own = own_buffer(registration, words)?;
    let memory = &registration.attachment().memory;
    let config = &memory.layout().config;
    let lap = Lap::of(next(memory), config.slots);
    Ok(SharedPublisher {
        words,
        entry: registration.index(),
        own,
        lap,
        queue: config.delivery == Delivery::Queue,
        taken: 0,
        cautious_for: 0,
    })
}

/// The buffer that the entry of `registration` owns, backed with pages.
pub(crate) fn own_buffer(registration: &Registration, words: ArenaStamp) -> Result<usize, RegisterError> {
    let (memory, entry) = (&registration.attachment().memory, registration.index());
    let slots = memory.layout().config.slots;
    let own = if let Some(settled) = intent_log::settle(memory, words, entry)? {
        settled.buffer
    } else {
        registration.attachment().back_with_pages(memory.layout().buffer_pages(slots + entry))?;
        slots + entry
    };
    memory.make_buffer_resident(own);
    intent_log::rest(memory, entry, own);
    Ok(own)
}

impl SharedPublisher {
    /// The buffer to be filled.
    pub(crate) fn own(&self) -> usize {
        self.own
    }

    /// There was no room.
    pub(crate) fn found_no_room(&mut self) {
        self.cautious_for = CAUTIOUS_FOR;
    }

    /// Whether the next message is to be filled in only when there is room for it: there was none lately.
    pub(crate) fn is_cautious(&mut self) -> bool {
        let cautious = self.cautious_for > 0;
        self.cautious_for = self.cautious_for.saturating_sub(1);
        cautious
    }

    /// Looks at the slot of message `n`, which the counter said is next, or for which there is [room](Self::room_at).
    #[inline(always)]
    pub(crate) fn look(&mut self, memory: &Memory, n: u64) -> Result<Look, Corrupt> {
        let place = self.lap.seek(n);
        // PAIRS(Publish): whoever wrote to the buffer that we shall own is done with it.
        let word = load_to_exchange(memory.slot_word(&place), acquire(Pair::Publish));
        match self.words.at(word, place.round()) {
            SlotState::Before if self.queue => match self.words.at(word, place.round().wrapping_sub(1)) {
                SlotState::There => return Ok(Look::Full),
                SlotState::Taken => take::finish_take(memory, self.words, &place, word, &mut self.taken)?,
                SlotState::Before | SlotState::Beyond => {} // Nothing was ever in the slot.
            },
            SlotState::Before => {}
            SlotState::There if is_active(Mutation::HelpCounter) => return Ok(Look::Gone),
            SlotState::There => {
                help(memory, self.words.any_buffer(word), n)?;
                return Ok(Look::Gone);
            }
            // Taken: by somebody who moved the counter before.
            SlotState::Taken | SlotState::Beyond => return Ok(Look::Gone),
        }
        memory.buffer(self.words.any_buffer(word))?;
        failpoint::at(Failpoint::ExchangeLooked);
        Ok(Look::Free(Aim { place, word }))
    }

    /// Publishes the own buffer where `aim` says; then the buffer that was in the slot is the own one. False if somebody
    /// published that message meanwhile.
    #[inline(always)]
    pub(crate) fn exchange(&mut self, memory: &Memory, aim: &Aim) -> bool {
        let Aim { place, word } = aim;
        let theirs = self.words.any_buffer(*word);
        intent_log::arm(memory, self.entry, place.sequence, self.own, theirs);
        failpoint::at(Failpoint::ExchangeArmed);
        // PAIRS(Publish): whoever sees this word sees what we stored into the buffer.
        let (slot, holds) = (memory.slot_word(place), self.words.holds(place.round(), self.own));
        if slot.compare_exchange(*word, holds, release(Pair::Publish), Relaxed).is_err() {
            return false;
        }
        failpoint::at(Failpoint::ExchangeDone);
        intent_log::rest(memory, self.entry, theirs);
        failpoint::at(Failpoint::ExchangeOwned);
        self.own = theirs;
        advance(memory, place.sequence);
        true
    }

    /// What the slot of message `n` says about it, whatever the counter says. Where readers gate, only they say that
    /// the slot is in use.
    pub(crate) fn room_at(&mut self, memory: &Memory, n: u64) -> Room {
        if !self.queue {
            return Room::Free;
        }
        let place = self.lap.seek(n);
        // Relaxed: the exchange that follows looks again, and room stays once it is there.
        let word = memory.slot_word(&place).load(Relaxed);
        match self.words.at(word, place.round()) {
            SlotState::Before => match self.words.at(word, place.round().wrapping_sub(1)) {
                SlotState::Before | SlotState::There => Room::Full,
                // Taken; or nothing was ever in the slot.
                SlotState::Taken | SlotState::Beyond => Room::Free,
            },
            SlotState::There | SlotState::Taken | SlotState::Beyond => Room::Gone,
        }
    }
}

/// Witnesses that `buffer` was published as message `n`, and moves the counter beyond it.
pub(crate) fn help(memory: &Memory, buffer: usize, n: u64) -> Result<(), Corrupt> {
    intent_log::witness(memory, buffer, n)?;
    failpoint::at(Failpoint::HelpWitnessed);
    advance(memory, n);
    Ok(())
}

/// The sequence that is published next.
#[inline(always)]
pub(crate) fn next(memory: &Memory) -> u64 {
    // PAIRS(Next): what was witnessed of the messages below is visible. Bounded: a peer may have stored anything.
    load_to_exchange(&memory.control().next, acquire(Pair::Next)).min(SEQUENCE_LIMIT)
}

/// Moves the counter beyond message `n`, unless somebody did.
#[inline(always)]
fn advance(memory: &Memory, n: u64) {
    // PAIRS(Next): message `n` is published, and witnessed if we are not its writer.
    let _ = memory.control().next.compare_exchange(n, n + 1, release(Pair::Next), Relaxed);
}
