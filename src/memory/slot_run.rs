//! A cursor over the slots of a ring, with a fast path along runs of slots.

use super::InlineSlot;
use super::views::{LapSlots, Memory};
use crate::memory::slot_index::{Lap, SlotIndex};
use crate::sync::MODELLED;

/// The next message of a reader or writer, and the run of slots from there on.
///
/// On the fast path a message touches only its slot, which lies one stride behind the slot before:
/// [`Self::next_slot`] and [`Self::advance`]. The run ends where the owner must do more, as it says
/// by [`Self::extend_to`]: at its next backpressure limit or counter update, and at the end of a
/// lap in any case.
///
/// Invariants: `lap.first <= sequence <= lap.end()`, `until <= lap.end()`.
#[derive(Debug)]
pub(crate) struct SlotRun {
    sequence: u64,
    until: u64,
    lap: Lap,
    slots: LapSlots,
}

/// A message that was the next one of the run.
#[derive(Clone, Copy)]
pub(crate) struct RunPosition {
    pub(crate) sequence: u64,
}

impl SlotRun {
    /// An empty run, whose next message is `sequence`.
    pub(crate) fn new(memory: &Memory, sequence: u64) -> Self {
        let lap = Lap::new(sequence, memory.layout().config.slots);
        SlotRun { sequence, until: 0, slots: LapSlots::new(memory, &lap), lap }
    }

    /// The next message.
    #[inline(always)]
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether the run has a next slot.
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        self.sequence < self.until
    }

    /// The next message's slot, if the run is open.
    #[inline(always)]
    #[allow(unsafe_code, reason = "the lap's end is checked here, where it is kept")]
    pub(crate) fn next_slot(&self) -> Option<(RunPosition, InlineSlot<'_>)> {
        if !self.is_open() {
            return None;
        }
        // SAFETY: in a ring that is not plain, no run is ever open. `slots` are those of `lap`, in
        // which `sequence` lies: not before its first message, and before its end because before
        // `until`.
        Some((RunPosition { sequence: self.sequence }, unsafe { self.slots.slot(self.sequence) }))
    }

    /// Goes on after `position`, which must be the latest of [`Self::next_slot`]. Returns whether
    /// the run is still open.
    #[inline(always)]
    pub(crate) fn advance(&mut self, position: RunPosition) -> bool {
        debug_assert_eq!(position.sequence, self.sequence);
        self.sequence = position.sequence + 1;
        position.sequence + 1 < self.until
    }

    /// The next message's number, and the slots of the run from there on: at most `most`.
    #[inline(always)]
    #[allow(unsafe_code, reason = "as in `next_slot`")]
    pub(crate) fn next_slots(&self, most: usize) -> (u64, impl Iterator<Item = InlineSlot<'_>>) {
        let run = self.until.saturating_sub(self.sequence);
        let count = run.min(most as u64) as usize;
        // SAFETY: as in `next_slot`, for each of them: the last is before `until`.
        (self.sequence, unsafe { self.slots.slots(self.sequence, count) })
    }

    /// Goes on by `count` messages of [`Self::next_slots`].
    #[inline(always)]
    pub(crate) fn advance_by(&mut self, count: usize) {
        debug_assert!(count as u64 <= self.until - self.sequence);
        self.sequence += count as u64;
    }

    /// The slot of the next message, in the run or not.
    #[inline(always)]
    pub(crate) fn slot_index(&self) -> SlotIndex {
        if self.sequence == self.lap.end() {
            return self.lap.next().slot_index(self.sequence);
        }
        self.lap.slot_index(self.sequence)
    }

    /// Goes on by one message, in the run or not.
    #[inline(always)]
    pub(crate) fn advance_slow(&mut self) {
        self.enter_lap();
        self.sequence += 1;
    }

    /// Extends the run to before message `until`, or to the end of the lap if that is nearer.
    pub(crate) fn extend_to(&mut self, until: u64) {
        self.enter_lap();
        self.until = until.min(self.lap.end());
    }

    /// Fetches the cache lines of the rest of the run into this core, to be written, if they are
    /// many. Only the one writer of the slots may do so.
    ///
    /// Each line has to come from the core that read it last. Of stores to one line after the
    /// other, many are under way at once. But a processor makes stores visible in their order, and
    /// a writer stores its own count with each message, so the next line is not requested before
    /// the previous one has come. 8-byte messages in a ring of 1024 took 8 ns each so, and 3 ns
    /// when all lines of a run are stored to in one go (two cores, 65 ns a line and back).
    #[allow(unsafe_code, reason = "as in `next_slot`")]
    pub(crate) fn fetch_for_writing(&self) {
        const MANY: u64 = if MODELLED { 3 } else { 8 };
        if self.until.saturating_sub(self.sequence) >= MANY {
            // SAFETY: as in `next_slot`, for the first and the last of them; they lie in order.
            unsafe { self.slots.rewrite_lines(self.sequence, self.until) };
        }
    }

    /// Behind the last slot comes the first, in the next lap.
    #[inline(always)]
    fn enter_lap(&mut self) {
        if self.sequence == self.lap.end() {
            self.lap = self.lap.next();
            self.slots.set_lap(&self.lap);
        }
    }
}
