//! The slots of a ring, whichever class they are: one question, one answer.

use crate::arena;
use crate::config::Config;
use crate::inline::{self, Refused};
use crate::layout::SEQUENCE_LIMIT;
use crate::memory::{Memory, Payload};
use crate::place::Place;
use crate::stamp::{Seen, Stamps, Words};
use crate::sync::{AtomicU64, Relaxed};

/// How the slots of a ring are judged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Class {
    Inline(Stamps),
    Arena(Words),
}

/// A ring's slots, for reading.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    pub(crate) memory: Memory,
    pub(crate) class: Class,
    slot_bytes: usize,
}

impl Slots {
    pub(crate) fn new(memory: Memory) -> Self {
        let layout = memory.layout();
        let slot_bytes = layout.config.slot_bytes;
        let class = if layout.is_arena() {
            Class::Arena(Words::new(layout.buffers))
        } else {
            Class::Inline(Stamps::new(slot_bytes))
        };
        Slots { class, slot_bytes, memory }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.memory.layout().config
    }

    /// Reads the message of `place` by `copy`, which may be handed bytes that are changing: what it returns is
    /// passed on only if they did not change.
    #[inline(always)]
    pub(crate) fn read<T>(
        &self,
        place: &Place,
        copy: impl FnOnce(Payload<'_>, usize, &[AtomicU64]) -> T,
    ) -> Result<T, Refused> {
        match self.class {
            Class::Inline(stamps) => {
                let slot = self.memory.inline_slot(place);
                inline::read(&slot, stamps, place.sequence, self.slot_bytes, copy)
            }
            Class::Arena(words) => arena::read(&self.memory, words, place, self.slot_bytes, copy),
        }
    }

    /// What the slot says about the message of `place`, in sequences: `Ok` if it holds it.
    pub(crate) fn look(&self, place: &Place) -> Result<(), Seen> {
        match self.class {
            Class::Inline(stamps) => inline::look(&self.memory.inline_slot(place), stamps, place.sequence),
            Class::Arena(words) => arena::look(&self.memory, words, place).map_err(|seen| match seen {
                Seen::NotYet => Seen::NotYet,
                Seen::Overtaken { by } => {
                    Seen::Overtaken { by: by.saturating_mul(self.config().slots as u64) }
                }
            }),
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
        let mut place = Place::of(start, config.slots);
        for _ in 0..config.slots {
            match self.look(&place) {
                Ok(()) => place.step(),
                Err(Seen::NotYet) => break,
                Err(Seen::Overtaken { by }) => {
                    place.jump(place.sequence.saturating_add(by).min(SEQUENCE_LIMIT));
                }
            }
        }
        place.sequence
    }
}
