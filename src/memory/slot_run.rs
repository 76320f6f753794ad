//! A cursor over the slots of a ring, with a fast path along runs of slots.

use super::InlineSlot;
use super::views::{Memory, RunSlots};
use crate::memory::slot_index::{Lap, SlotIndex};
use crate::memory::stamp::{ExpectedStamp, InlineStamp};

/// The next message of a reader or writer, and the run of slots from there on.
///
/// On the fast path ([`Self::next_slot`] and [`Self::advance`]) a message touches only its slot,
/// which is one stride after the previous slot. The run ends at the end of the lap, or earlier if
/// the owner must do more: at its next backpressure limit or counter update. The owner sets that
/// end by [`Self::extend_to`].
///
/// A run is *light* if its owner's notifications need no fence, and *lean* if its slots need no
/// mark either. The owner checks that when it extends the run, and not for each message. In a light
/// run of [word slots](Self::next_word) a message is one access to its slot.
///
/// Invariants: `lap.first <= sequence <= until <= lap.end()`, and the other ends are at most
/// `until`. `slots` are those of `lap`.
#[derive(Debug)]
pub(crate) struct SlotRun {
    sequence: u64,
    until: u64,
    /// `until` if the run is lean, else 0.
    lean_until: u64,
    /// `until` if the run is light and its slots are word slots, else 0.
    word_until: u64,
    stamps: InlineStamp,
    slots: RunSlots,
    lap: Lap,
}

/// The position of a message in the run, from [`SlotRun::next_slot`].
#[derive(Clone, Copy)]
pub(crate) struct RunPosition {
    pub(crate) sequence: u64,
    pub(crate) stamp: ExpectedStamp,
}

impl SlotRun {
    /// An empty run, whose next message is `sequence`.
    pub(crate) fn new(memory: &Memory, sequence: u64) -> Self {
        let config = &memory.layout().config;
        let lap = Lap::new(sequence, config.slots);
        let slots = RunSlots::new(memory, lap.first);
        SlotRun {
            sequence,
            until: sequence,
            lean_until: 0,
            word_until: 0,
            stamps: InlineStamp::new(config.slot_bytes),
            slots,
            lap,
        }
    }

    /// The next message.
    #[inline(always)]
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The stamp of the next message.
    #[inline(always)]
    pub(crate) fn stamp(&self) -> ExpectedStamp {
        self.stamps.of(self.sequence)
    }

    /// Whether the run has a next slot.
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        self.sequence < self.until
    }

    /// Whether the run was extended as a lean one.
    #[inline(always)]
    pub(crate) fn is_lean(&self) -> bool {
        self.lean_until > 0
    }

    /// The next message's slot, if the run is open.
    #[inline(always)]
    pub(crate) fn next_slot(&self) -> Option<(RunPosition, InlineSlot<'_>)> {
        self.next_slot_before(self.until)
    }

    /// The next message's slot, if the run is open and lean.
    #[inline(always)]
    pub(crate) fn next_lean_slot(&self) -> Option<(RunPosition, InlineSlot<'_>)> {
        self.next_slot_before(self.lean_until)
    }

    /// The next message, if [`Self::store_word`] and [`Self::load_word`] may access its slot.
    #[inline(always)]
    pub(crate) fn next_word(&self) -> Option<RunPosition> {
        // The stamps are known: word slots have 8 bytes.
        let stamp = const { InlineStamp::new(8) }.of(self.sequence);
        (self.sequence < self.word_until).then_some(RunPosition { sequence: self.sequence, stamp })
    }

    /// Publishes `word` as message `next` of [`Self::next_word`], by one access to its slot.
    #[inline(always)]
    #[allow(unsafe_code, reason = "as in `next_slot`")]
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "an instruction loads it from there")]
    pub(crate) fn store_word(&self, next: RunPosition, word: &[u8; 8]) {
        debug_assert_eq!(next.sequence, self.sequence);
        // SAFETY: as in `next_slot`. Before `word_until` the slots are word slots.
        unsafe { self.slots.store_word(next.sequence, next.stamp.published(8), word) };
    }

    /// Copies message `next` of [`Self::next_word`] to `word`, if its slot holds it, by one access.
    /// Returns the stamp of the slot.
    #[inline(always)]
    #[allow(unsafe_code, reason = "as in `next_slot`")]
    pub(crate) fn load_word(&self, next: RunPosition, word: &mut [u8; 8]) -> u64 {
        debug_assert_eq!(next.sequence, self.sequence);
        // SAFETY: as in `store_word`.
        unsafe { self.slots.load_word(next.sequence, next.stamp.published(8), word) }
    }

    /// The next message's slot, if it is before `end`: one of the ends of the run.
    #[inline(always)]
    #[allow(unsafe_code, reason = "the end of the run is checked here, where it is kept")]
    fn next_slot_before(&self, end: u64) -> Option<(RunPosition, InlineSlot<'_>)> {
        debug_assert!(end <= self.until);
        if self.sequence >= end {
            return None;
        }
        let here = RunPosition { sequence: self.sequence, stamp: self.stamp() };
        // SAFETY: in a ring that is not plain, no run is ever open. The message is in the lap of
        // `slots`, because before `until`.
        Some((here, unsafe { self.slots.of(here.sequence) }))
    }

    /// Advances past `here`, which must be the latest of [`Self::next_slot`].
    #[inline(always)]
    pub(crate) fn advance(&mut self, here: RunPosition) {
        debug_assert_eq!(here.sequence, self.sequence);
        self.sequence = here.sequence + 1;
    }

    /// Whether the run has a slot after that of `here`.
    #[inline(always)]
    pub(crate) fn goes_beyond(&self, here: RunPosition) -> bool {
        here.sequence + 1 < self.until
    }

    /// The next message's stamp, and the slots of the run from there on: at most `most`.
    #[inline(always)]
    #[allow(unsafe_code, reason = "as in `next_slot`")]
    pub(crate) fn next_slots(&self, most: usize) -> (ExpectedStamp, impl Iterator<Item = InlineSlot<'_>>) {
        // SAFETY: as in `next_slot`, for each of them: the last is before `until`.
        (self.stamp(), unsafe { self.slots.from(self.sequence) }.take(self.room(most)))
    }

    /// The next message's stamp, and the slots of the run from there on, each with its part of
    /// `out`, of `each` bytes: as many as both have.
    #[inline(always)]
    #[allow(unsafe_code, reason = "as in `next_slot`")]
    pub(crate) fn next_slots_into<'r>(
        &'r self,
        each: usize,
        out: &'r mut [u8],
    ) -> (ExpectedStamp, impl Iterator<Item = (&'r mut [u8], InlineSlot<'r>)>) {
        let count = self.room(out.len() / each);
        let rooms = out[..count * each].chunks_exact_mut(each);
        // SAFETY: as in `next_slots`: there are `count` rooms, and `zip` asks for a room first.
        (self.stamp(), rooms.zip(unsafe { self.slots.from(self.sequence) }))
    }

    /// How many slots the run has, at most `most`.
    #[inline(always)]
    fn room(&self, most: usize) -> usize {
        (self.until - self.sequence).min(most as u64) as usize
    }

    /// Publishes as many of the words of `messages` as the run has slots for, each by one access to
    /// its slot, and advances. Returns how many, or `None` if these slots do not offer that.
    #[inline(always)]
    #[allow(unsafe_code, reason = "as in `next_slot`")]
    pub(crate) fn store_words(&mut self, messages: &[u8]) -> Option<usize> {
        let count = self.room(messages.len() / 8);
        // SAFETY: as in `next_slot`, for each of them: the last is before `until`.
        let stored = unsafe { self.slots.store_words(self.sequence, self.stamp(), &messages[..8 * count]) };
        stored.then(|| self.advance_by(count))?;
        Some(count)
    }

    /// Copies messages of one word into `out`, each by one access to its slot, as far as they are
    /// published and the run goes, and advances. Returns how many, or `None` if these slots do not
    /// offer that.
    #[inline(always)]
    #[allow(unsafe_code, reason = "as in `next_slot`")]
    pub(crate) fn load_words(&mut self, out: &mut [u8]) -> Option<usize> {
        let count = self.room(out.len() / 8);
        // SAFETY: as in `store_words`.
        let loaded = unsafe { self.slots.load_words(self.sequence, self.stamp(), &mut out[..8 * count]) }?;
        self.advance_by(loaded);
        Some(loaded)
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
        self.until = self.until.max(self.sequence);
    }

    /// Extends the run to before message `until`, or to the end of the lap if that is nearer. Its
    /// notifications are `light`, its slots to be `marked`.
    pub(crate) fn extend_to(&mut self, until: u64, light: bool, marked: bool) {
        self.enter_lap();
        self.until = until.clamp(self.sequence, self.lap.end());
        self.lean_until = if light && !marked { self.until } else { 0 };
        self.word_until = if light && self.slots.are_whole() { self.until } else { 0 };
    }

    /// Fetches the cache lines of the rest of the run into this core, for writing.
    pub(crate) fn fetch_for_writing(&self) {
        self.slots.fetch_for_writing(self.sequence, (self.until - self.sequence) as usize);
    }

    /// Fetches the lines of the next message's payload, for writing. Not the line of its stamp,
    /// which readers load meanwhile.
    pub(crate) fn fetch_next_payload(&self) {
        if self.sequence < self.lap.end() {
            self.slots.fetch_payload(self.sequence);
        }
    }

    /// Enters the next lap, if the last slot of this one was passed.
    #[inline(always)]
    fn enter_lap(&mut self) {
        if self.sequence == self.lap.end() {
            self.lap = self.lap.next();
            self.slots.enter(self.lap.first);
        }
    }
}
