//! The way along the slots of a ring, message by message, without a division.

use super::InlineSlot;
use super::views::{LapSlots, Memory};
use crate::memory::slot_index::{Lap, SlotIndex};
use crate::sync::MODELLED;

/// Where a reader or writer is.
///
/// Nearly all messages lie one stride behind the one before, and nothing else is to be thought of: there the lane is
/// *straight*, and [`Self::ahead`] and [`Self::pass`] are all that a message needs. Whoever goes along the lane says by
/// [`Self::bound`] how far; the end of a lap is always a bound.
///
/// Invariants: `lap.first <= sequence <= lap.end()`, `until <= lap.end()`.
#[derive(Debug)]
pub(crate) struct SlotRun {
    sequence: u64,
    until: u64,
    lap: Lap,
    slots: LapSlots,
}

/// That the lane was straight at this message.
#[derive(Clone, Copy)]
pub(crate) struct Here {
    pub(crate) sequence: u64,
}

impl SlotRun {
    /// A lane whose next message is `sequence`, straight nowhere yet.
    pub(crate) fn at(memory: &Memory, sequence: u64) -> Self {
        let lap = Lap::of(sequence, memory.layout().config.slots);
        SlotRun { sequence, until: 0, slots: LapSlots::new(memory, &lap), lap }
    }

    /// The next message.
    #[inline(always)]
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        self.sequence < self.until
    }

    /// The next message's slot, where the lane is straight.
    #[inline(always)]
    #[allow(unsafe_code, reason = "the lap's end is checked here, where it is kept")]
    pub(crate) fn ahead(&self) -> Option<(Here, InlineSlot<'_>)> {
        if !self.is_open() {
            return None;
        }
        // SAFETY: the ring is plain, or the lane is straight nowhere. `slots` are those of `lap`, in which `sequence` lies:
        // not before its first message, and before its end because before `until`.
        Some((Here { sequence: self.sequence }, unsafe { self.slots.slot(self.sequence) }))
    }

    /// Goes on from `here`, which must be the latest that this lane gave out. Says whether it is straight there.
    #[inline(always)]
    pub(crate) fn pass(&mut self, here: Here) -> bool {
        debug_assert_eq!(here.sequence, self.sequence);
        self.sequence = here.sequence + 1;
        here.sequence + 1 < self.until
    }

    /// The next message's number, and the slots from there on: at most `most`, as far as the lane is straight.
    #[inline(always)]
    #[allow(unsafe_code, reason = "as in `ahead`")]
    pub(crate) fn all_ahead(&self, most: usize) -> (u64, impl Iterator<Item = InlineSlot<'_>>) {
        let straight = self.until.saturating_sub(self.sequence);
        let count = straight.min(most as u64) as usize;
        // SAFETY: as in `ahead`, for each of them: the last is before `until`.
        (self.sequence, unsafe { self.slots.stretch(self.sequence, count) })
    }

    /// Goes on by `count` messages, which [`Self::all_ahead`] gave out.
    #[inline(always)]
    pub(crate) fn pass_all(&mut self, count: usize) {
        debug_assert!(count as u64 <= self.until - self.sequence);
        self.sequence += count as u64;
    }

    /// The place of the next message.
    #[inline(always)]
    pub(crate) fn place(&self) -> SlotIndex {
        if self.sequence == self.lap.end() {
            return self.lap.next().place(self.sequence);
        }
        self.lap.place(self.sequence)
    }

    /// Goes on by one, straight or not.
    #[inline(always)]
    pub(crate) fn step(&mut self) {
        self.turn();
        self.sequence += 1;
    }

    /// Makes the lane straight from here on until message `until`, or until the end of the lap if that is nearer.
    pub(crate) fn bound(&mut self, until: u64) {
        self.turn();
        self.until = until.min(self.lap.end());
    }

    /// Fetches the cache lines of the messages from here to the end of the straight lane into this core, to be written,
    /// if they are many. Only whoever alone writes to the slots may do so.
    ///
    /// Each line has to come from the core of whoever read it last. Of stores to one line after the other, many are under
    /// way at once. But a processor makes stores visible in their order, and a writer stores its own count with each
    /// message: then the next line is not asked for before the one before has come. 8-byte messages in a ring of
    /// 1024 took 8 ns each so, 3 ns with all lines of a stretch stored to in one go (two cores, 65 ns a line and back).
    #[allow(unsafe_code, reason = "as in `ahead`")]
    pub(crate) fn fetch_for_writing(&self) {
        const MANY: u64 = if MODELLED { 3 } else { 8 };
        if self.until.saturating_sub(self.sequence) >= MANY {
            // SAFETY: as in `ahead`, for the first and the last of them; they lie in order.
            unsafe { self.slots.store_again(self.sequence, self.until) };
        }
    }

    /// Behind the last slot there is the first.
    #[inline(always)]
    fn turn(&mut self) {
        if self.sequence == self.lap.end() {
            self.lap = self.lap.next();
            self.slots.turn(&self.lap);
        }
    }
}
