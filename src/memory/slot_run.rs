//! A cursor over the slots of a ring, with a fast path along runs of slots.

use super::InlineSlot;
use super::views::{LapSlots, Memory};
use crate::memory::slot_index::{Lap, SlotIndex};
use crate::sync::MODELLED;

/// The next message of a reader or writer, and the run of slots from there on.
///
/// On the fast path ([`Self::next_slot`] and [`Self::advance`]) a message touches only its slot,
/// which is one stride after the previous slot. The run ends at the end of the lap, or earlier if
/// the owner must do more: at its next backpressure limit or counter update. The owner sets that
/// end by [`Self::extend_to`].
///
/// Invariants: `lap.first <= sequence <= lap.end()`, `until <= lap.end()`.
#[derive(Debug)]
pub(crate) struct SlotRun {
    sequence: u64,
    until: u64,
    lap: Lap,
    slots: LapSlots,
}

/// The position of a message in the run, from [`SlotRun::next_slot`].
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

    /// Advances past `position`, which must be the latest of [`Self::next_slot`]. Returns whether
    /// the run is still open.
    #[inline(always)]
    pub(crate) fn advance(&mut self, position: RunPosition) -> bool {
        debug_assert_eq!(position.sequence, self.sequence);
        self.sequence = position.sequence + 1;
        position.sequence + 1 < self.until
    }

    /// The next message's sequence, and the slots of the run from there on: at most `most`.
    #[inline(always)]
    #[allow(unsafe_code, reason = "as in `next_slot`")]
    pub(crate) fn next_slots(&self, most: usize) -> (u64, impl Iterator<Item = InlineSlot<'_>>) {
        let run = self.until.saturating_sub(self.sequence);
        let count = run.min(most as u64) as usize;
        // SAFETY: as in `next_slot`, for each of them: the last is before `until`.
        (self.sequence, unsafe { self.slots.slots(self.sequence, count) })
    }

    /// Advances by `count` messages of [`Self::next_slots`].
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

    /// Advances by one message, in the run or not.
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

    /// Fetches the cache lines of the rest of the run into this core, for writing, if there are
    /// many. Only the writer may call it, in a ring of one writer.
    ///
    /// Each line must come from the core that read it last. Stores to successive lines can be in
    /// flight together. But a processor makes stores visible in program order, and a writer stores
    /// its own count with each message. So the next line is not requested before the previous one
    /// has arrived: 8-byte messages in a ring of 1024 slots then take 8 ns each. They take 3 ns if
    /// the writer stores to all lines of a run first (two cores, round trip of a line: 65 ns).
    #[allow(unsafe_code, reason = "as in `next_slot`")]
    pub(crate) fn fetch_for_writing(&self) {
        const MANY: u64 = if MODELLED { 3 } else { 8 };
        if self.until.saturating_sub(self.sequence) >= MANY {
            // SAFETY: as in `next_slot`, for the first and the last slot; the rest lies between.
            unsafe { self.slots.rewrite_lines(self.sequence, self.until) };
        }
    }

    /// Enters the next lap, if the last slot of this one was passed.
    #[inline(always)]
    fn enter_lap(&mut self) {
        if self.sequence == self.lap.end() {
            self.lap = self.lap.next();
            self.slots.set_lap(&self.lap);
        }
    }
}
