//! A way through the slots, message by message: what the next step needs is kept at hand.

use crate::layout::Layout;
use crate::memory::{Memory, SlotWalk};
use crate::place::Place;
use crate::slots::{Class, Slots};
use crate::stamp::{Stamp, Words};

/// Where a reader or writer is.
#[derive(Debug)]
pub(crate) struct Track {
    /// The next message.
    pub(crate) sequence: u64,
    pub(crate) spot: Spot,
}

/// Where the next message lies, and how to tell that it is there.
#[derive(Debug)]
pub(crate) enum Spot {
    /// In an inline slot without extras.
    Plain(Lane),
    /// In an inline slot.
    Inline(Lane),
    /// In a buffer that this slot names.
    Arena(Words, Place),
}

/// An inline slot and the stamps of the message that it is to hold.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) walk: SlotWalk,
    pub(crate) stamp: Stamp,
}

impl Lane {
    #[inline(always)]
    pub(crate) fn step(&mut self) {
        self.walk.step();
        self.stamp = self.stamp.next();
    }
}

impl Track {
    pub(crate) fn at(slots: &Slots, sequence: u64) -> Self {
        let layout = slots.memory.layout();
        let place = Place::of(sequence, layout.config.slots);
        let lane = |memory: &Memory| Lane {
            walk: memory.slot_walk(&place),
            stamp: Stamp::of(sequence, layout.config.slot_bytes),
        };
        let spot = match slots.class {
            Class::Inline if layout.extras_words() == 0 => Spot::Plain(lane(&slots.memory)),
            Class::Inline => Spot::Inline(lane(&slots.memory)),
            Class::Arena(words) => Spot::Arena(words, place),
        };
        Track { sequence, spot }
    }

    /// The place of the next message.
    ///
    /// # Cost
    /// A division, for inline slots: not for the common path.
    pub(crate) fn place(&self, layout: &Layout) -> Place {
        match &self.spot {
            Spot::Plain(_) | Spot::Inline(_) => Place::of(self.sequence, layout.config.slots),
            Spot::Arena(_, place) => *place,
        }
    }

    #[inline(always)]
    pub(crate) fn step(&mut self) {
        self.sequence += 1;
        match &mut self.spot {
            Spot::Plain(lane) | Spot::Inline(lane) => lane.step(),
            Spot::Arena(_, place) => place.step(),
        }
    }
}
