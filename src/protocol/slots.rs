//! The slots of a ring: the questions that inline and arena slots answer in their own ways.

use crate::memory::Memory;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::{ArenaStamp, InlineStamp, Mismatch};
use crate::protocol::arena_slot;
use crate::protocol::call;
use crate::protocol::inline_slot::{self, LoadedSlot};
use crate::protocol::lazy_counter;
use crate::protocol::seqlock::{OptimisticRead, Refused};
use crate::protocol::table;
use crate::sync::mutation::{Mutation, is_active};
use crate::types::config::{Config, Delivery};

/// The class of a ring's slots, with the format of its stamps.
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

    /// Whether a message is a stamp and payload words only, without a message header.
    pub(crate) fn are_plain(&self) -> bool {
        let inline = matches!(self.class, Class::Inline(_));
        inline && self.memory.layout().message_header_words() == 0 && self.memory.copies_words()
    }

    /// The message of `slot_index`, if the slot holds it, to be copied and then validated.
    #[inline(always)]
    pub(crate) fn optimistic_read(&self, slot_index: &SlotIndex) -> Result<OptimisticRead<'_>, Refused> {
        match self.class {
            Class::Inline(stamps) => {
                let slot = self.memory.inline_slot(slot_index);
                LoadedSlot::load(slot, stamps.of(slot_index.sequence)).message()
            }
            Class::Arena(stamps) => arena_slot::optimistic_read(&self.memory, stamps, slot_index),
        }
    }

    /// `Ok` if the slot holds the message of `slot_index`; else the distance, in sequences.
    pub(crate) fn check(&self, slot_index: &SlotIndex) -> Result<(), Mismatch> {
        match self.class {
            Class::Inline(stamps) => {
                inline_slot::check(&self.memory.inline_slot(slot_index), stamps.of(slot_index.sequence))
            }
            Class::Arena(stamps) => arena_slot::check(&self.memory, stamps, slot_index)
                .map_err(|mismatch| self.in_sequences(mismatch)),
        }
    }

    /// The buffer that holds the message of `slot_index`; 0 in a ring without buffers.
    pub(crate) fn buffer_of(&self, slot_index: &SlotIndex) -> Result<usize, Mismatch> {
        match self.class {
            Class::Inline(_) => self.check(slot_index).map(|()| 0),
            Class::Arena(stamps) => arena_slot::buffer_of(&self.memory, stamps, slot_index)
                .map_err(|mismatch| self.in_sequences(mismatch)),
        }
    }

    /// Converts a distance that an arena slot gave in laps.
    fn in_sequences(&self, mismatch: Mismatch) -> Mismatch {
        match mismatch {
            Mismatch::NotYet => Mismatch::NotYet,
            Mismatch::Overtaken { by } => {
                Mismatch::Overtaken { by: by.saturating_mul(self.config().slots as u64) }
            }
        }
    }

    /// The sequence that is published next, according to the slots. While a writer publishes, the
    /// result may be out of date on return.
    ///
    /// The search starts at the shared counter, which may be behind the slots. In a ring for calls:
    /// how many questions were asked. Of a table: how many values were set.
    pub(crate) fn next_sequence(&self) -> u64 {
        match self.config().delivery {
            Delivery::Call => return call::CallCells::new(self.memory.clone()).asked(),
            Delivery::Latest => return table::updates(&self.memory),
            Delivery::Lossy | Delivery::Gated | Delivery::Queue => {}
        }
        self.first_not(lazy_counter::published(&self.memory), |slot_index| self.check(slot_index))
    }

    /// The first message from `from` on that is in its slot, if that is below `end`; else `end`.
    ///
    /// # Cost
    /// A line for each number between them, at most one for each slot.
    pub(crate) fn first_published(&self, from: u64, end: u64) -> u64 {
        let slots = self.config().slots;
        let mut slot_index = SlotIndex::new(from, slots);
        let mut first = end;
        for _ in 0..end.saturating_sub(from).min(slots as u64) {
            match self.check(&slot_index) {
                Ok(()) => return slot_index.sequence, // A later one in another slot is a lap above.
                Err(Mismatch::NotYet) => {}
                Err(Mismatch::Overtaken { by }) => {
                    first = first.min(slot_index.sequence.saturating_add(by));
                }
            }
            slot_index.advance();
        }
        first
    }

    /// Queue: the sequence that is taken next, according to the slots.
    pub(crate) fn taken_sequence(&self) -> u64 {
        self.first_not(lazy_counter::taken(&self.memory), |slot_index| match self.check(slot_index) {
            // Published, and not taken yet.
            Ok(()) if self.buffer_of(slot_index).is_ok() => Err(Mismatch::NotYet),
            other => other,
        })
    }

    /// The first sequence from `start` on for whose slot `passed` is not `Ok`.
    fn first_not(&self, start: u64, passed: impl Fn(&SlotIndex) -> Result<(), Mismatch>) -> u64 {
        let config = self.config();
        let (slots, queue) = (config.slots as u64, config.delivery == Delivery::Queue);
        let mut slot_index = SlotIndex::new(start.max(config.first_sequence), config.slots);
        if is_active(Mutation::ScanSlots) {
            return slot_index.sequence;
        }
        // One jump at most to where the writer is, then at most as many steps as it publishes
        // meanwhile. A queue has no such jumps: the counter is not far behind.
        let steps = 2 * config.slots + 2 + if queue { config.participants + 64 } else { 0 };
        for _ in 0..steps {
            match passed(&slot_index) {
                Ok(()) => slot_index.advance(),
                Err(Mismatch::NotYet) => break,
                // The message one lap before the one that is there was taken, and so were all
                // messages below. Later ones may be missing, if numbers are assigned.
                Err(Mismatch::Overtaken { by }) => {
                    let by = if queue { by.saturating_sub(slots) + 1 } else { by };
                    slot_index.seek(slot_index.sequence.saturating_add(by).min(SEQUENCE_LIMIT));
                }
            }
        }
        slot_index.sequence
    }
}

#[cfg(all(test, not(any(seqring_model, seqring_fuzz))))]
mod tests {
    use super::{Class, Slots};
    use crate::api::ring::Ring;
    use crate::memory::slot_index::SlotIndex;
    use crate::sync::Relaxed;
    use crate::types::config::{Config, Delivery, SlotClass};
    use crate::types::error::{TryReadError, TryWriteError};
    use crate::types::message::Start;

    const SLOT_BYTES: usize = 9;

    fn ring(class: SlotClass, delivery: Delivery) -> Ring {
        Ring::heap(&Config::slots(2).of_bytes(SLOT_BYTES).slot_class(class).delivery(delivery)).unwrap()
    }

    /// Fails if a length from shared memory is cut to the slot, or used as it is.
    #[test]
    fn a_length_beyond_the_slot_is_corrupt() {
        for class in [SlotClass::Packed, SlotClass::Lines, SlotClass::Arena] {
            let ring = ring(class, Delivery::Gated);
            let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
            writer.try_write(b"a").unwrap();
            let (memory, first) = (&ring.attachment.memory, SlotIndex::new(0, 2));
            match Slots::new(memory.clone()).class {
                Class::Inline(stamps) => {
                    memory.inline_slot(&first).stamp.store(stamps.of(0).published(SLOT_BYTES + 1), Relaxed);
                }
                Class::Arena(stamps) => {
                    let buffer = stamps.any_buffer(memory.slot_word(&first).load(Relaxed));
                    memory.buffer(buffer).unwrap().0.len.store(SLOT_BYTES as u64 + 1, Relaxed);
                }
            }
            let refused = reader.try_read(&mut [0; 2 * SLOT_BYTES]);
            assert!(matches!(refused, Err(TryReadError::Corrupt(_))), "{class:?}: {refused:?}");
        }
    }

    /// Fails if the writer takes over a buffer that the ring does not have.
    #[test]
    fn a_slot_that_names_no_buffer_is_corrupt() {
        let ring = ring(SlotClass::Arena, Delivery::Lossy);
        let mut writer = ring.writer().unwrap();
        let word = ring.attachment.memory.slot_word(&SlotIndex::new(0, 2));
        word.store(word.load(Relaxed) | 3, Relaxed); // There are three buffers.
        let refused = writer.try_write(b"a");
        assert!(matches!(refused, Err(TryWriteError::Corrupt(_))), "{refused:?}");
        assert_eq!(ring.next_sequence(), 0);
    }
}
