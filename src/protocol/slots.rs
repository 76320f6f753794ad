//! The slots of a ring, whichever class they are: one question, one answer.

use crate::memory::Memory;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::{ArenaStamp, InlineStamp, Mismatch};
use crate::protocol::arena_slot;
use crate::protocol::inline_slot::{self, Glance};
use crate::protocol::seqlock::{OptimisticRead, Refused};
use crate::sync::Relaxed;
use crate::sync::mutation::{Mutation, is_active};
use crate::types::config::Config;

/// How the slots of a ring are judged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Class {
    Inline(InlineStamp),
    Arena(ArenaStamp),
}

/// A ring's slots.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    pub(crate) memory: Memory,
    pub(crate) class: Class,
}

impl Slots {
    pub(crate) fn new(memory: Memory) -> Self {
        let layout = memory.layout();
        let class = if layout.is_arena() {
            Class::Arena(ArenaStamp::new(layout.buffers))
        } else {
            Class::Inline(InlineStamp::new(layout.config.slot_bytes))
        };
        Slots { memory, class }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.memory.layout().config
    }

    /// Whether a stamp and the words of a payload are all there is to a message.
    pub(crate) fn are_plain(&self) -> bool {
        let inline = matches!(self.class, Class::Inline(_));
        inline && self.memory.layout().extras_words() == 0 && self.memory.copies_words()
    }

    /// The message of `place`, if the slot holds it, to be copied and then validated.
    #[inline(always)]
    pub(crate) fn optimistic_read(&self, place: &SlotIndex) -> Result<OptimisticRead<'_>, Refused> {
        match self.class {
            Class::Inline(stamps) => {
                Glance::at(self.memory.inline_slot(place), stamps.of(place.sequence)).message()
            }
            Class::Arena(words) => arena_slot::optimistic_read(&self.memory, words, place),
        }
    }

    /// What the slot says about the message of `place`, in sequences: `Ok` if it holds it.
    pub(crate) fn look(&self, place: &SlotIndex) -> Result<(), Mismatch> {
        match self.class {
            Class::Inline(stamps) => {
                inline_slot::look(&self.memory.inline_slot(place), stamps.of(place.sequence))
            }
            Class::Arena(words) => {
                arena_slot::look(&self.memory, words, place).map_err(|seen| self.in_sequences(seen))
            }
        }
    }

    /// The buffer that the message of `place` is in; in a ring without buffers, any.
    pub(crate) fn buffer_of(&self, place: &SlotIndex) -> Result<usize, Mismatch> {
        match self.class {
            Class::Inline(_) => self.look(place).map(|()| 0),
            Class::Arena(words) => {
                arena_slot::buffer_of(&self.memory, words, place).map_err(|seen| self.in_sequences(seen))
            }
        }
    }

    /// What an arena slot said in rounds.
    fn in_sequences(&self, seen: Mismatch) -> Mismatch {
        match seen {
            Mismatch::NotYet => Mismatch::NotYet,
            Mismatch::Overtaken { by } => {
                Mismatch::Overtaken { by: by.saturating_mul(self.config().slots as u64) }
            }
        }
    }

    /// The sequence that is published next, as the slots themselves say it. While a writer is at work it may
    /// have moved on when this returns.
    ///
    /// The shared counter may lag behind by what a killed writer did not get to store: so it is only the start.
    pub(crate) fn next_sequence(&self) -> u64 {
        let config = self.config();
        // Relaxed: a start; the slots decide. Bounded: a peer may have stored anything.
        let start = self.memory.control().next.load(Relaxed).clamp(config.first_sequence, SEQUENCE_LIMIT);
        let mut place = SlotIndex::of(start, config.slots);
        if is_active(Mutation::LookAtSlots) {
            return place.sequence;
        }
        // At most one jump to where the writer is, and from there at most what it publishes meanwhile.
        for _ in 0..2 * config.slots + 2 {
            match self.look(&place) {
                Ok(()) => place.step(),
                Err(Mismatch::NotYet) => break,
                Err(Mismatch::Overtaken { by }) => {
                    place.jump(place.sequence.saturating_add(by).min(SEQUENCE_LIMIT));
                }
            }
        }
        place.sequence
    }
}
