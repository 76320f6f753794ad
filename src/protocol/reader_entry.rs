//! A reader's entry in the participant table: its cursor, its floor and its pin.
//!
//! This is the reader's side of [`crate::protocol::backpressure`], whose step names are used here.

use crate::memory::Memory;
use crate::memory::format::Entry;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{End, Pair, Relaxed, acquire, full_fence, release};

/// A reader's cursor as its entry holds it: `[position | pinned:1]`, or vacant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(u64);

impl Cursor {
    /// No reader uses the entry: it holds no writer back.
    pub(crate) const VACANT: Cursor = Cursor(u64::MAX);

    /// The reader reads `position` next, and others may move it on.
    #[inline(always)]
    pub(crate) fn at(position: u64) -> Self {
        Cursor(position << 1)
    }

    /// The reader is reading `position`, which is not overwritten, whatever the floor is.
    #[inline(always)]
    pub(crate) fn pinned_at(position: u64) -> Self {
        Cursor(position << 1 | 1)
    }

    #[inline(always)]
    pub(crate) fn from_word(word: u64) -> Self {
        Cursor(word)
    }

    #[inline(always)]
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    /// The position, unless vacant.
    pub(crate) fn position(self) -> Option<u64> {
        (self != Self::VACANT).then_some(self.0 >> 1)
    }

    pub(crate) fn is_pinned(self) -> bool {
        self != Self::VACANT && self.0 & 1 == 1
    }
}

/// The entries that were ever used.
pub(crate) fn entries(memory: &Memory) -> std::ops::Range<usize> {
    // Relaxed: where an entry must be seen, full fences here and in its registration order it.
    let used = memory.control().table.high_water.load(Relaxed) as usize;
    0..used.min(memory.layout().config.participants)
}

/// Registers a reader's cursor in its entry. Returns the lowest position at which it may start:
/// from there on no message is overwritten before this reader has passed it.
///
/// The entry must be below the high-water mark. The caller then advances the cursor to its start.
pub(crate) fn register(memory: &Memory, index: usize) -> u64 {
    let config = &memory.layout().config;
    let entry = memory.entry(index);
    // Relaxed: a guess first; the load after the fence decides.
    let limit = || memory.control().limit.load(Relaxed);
    // Bounded: a peer may have stored anything.
    let oldest =
        |limit: u64| limit.min(SEQUENCE_LIMIT).saturating_sub(config.slots as u64).max(config.first_sequence);
    let guess = oldest(limit());
    entry.evicted.store(0, Relaxed); // Relaxed: as for the floor.
    entry.floor.store(0, Relaxed); // Relaxed: a floor that a peer raises meanwhile moves this reader.
    // PAIRS(Free): this store may hide the previous reader's last cursor store from a writer, which
    // must still see that reader's copies finished. The entry's lock orders them before this store.
    entry.cursor.store(Cursor::at(guess).word(), release(Pair::Free));
    // PAIRS(Join): if a writer's loads miss the cursor above, the load below sees its announcement.
    full_fence(Pair::Join, End::Acquire);
    failpoint::hit(Failpoint::JoinCursorStored);
    oldest(limit()).max(guess)
}

/// Counts a reader that the ring awaits, after [`register`]. Not counted, a dead reader is awaited
/// again.
pub(crate) fn count_joined(memory: &Memory) {
    // PAIRS(Join): a writer that sees this count announces its limit after `register` loaded it.
    memory.control().table.readers_joined.fetch_add(1, release(Pair::Join));
}

/// The readers that the ring still awaits.
pub(crate) fn missing_readers(memory: &Memory) -> u32 {
    // PAIRS(Join): a writer that sees a reader counted announces its limit after that reader
    // loaded the announcement.
    let joined = memory.control().table.readers_joined.load(acquire(Pair::Join));
    // Saturating: a hostile peer may have stored any count.
    memory.layout().config.await_readers.saturating_sub(u32::try_from(joined).unwrap_or(u32::MAX))
}

/// Moves every registered reader to `position` or beyond. A read in progress completes or is
/// refused.
pub(crate) fn raise_floors(memory: &Memory, position: u64) {
    for index in entries(memory) {
        let entry = memory.entry(index);
        // Relaxed: a reader that registers at this moment is moved or not.
        if Cursor::from_word(entry.cursor.load(Relaxed)) != Cursor::VACANT {
            // PAIRS(Floor): a reader that sees this floor sees the messages below it published.
            entry.floor.fetch_max(position, release(Pair::Floor));
        }
    }
}

/// A reader's side: the cursor and the floor of its entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReaderEntry<'a>(pub(crate) &'a Entry);

impl ReaderEntry<'_> {
    /// Stores that the reader has read everything below `position`, unpinned.
    #[inline(always)]
    pub(crate) fn advance(self, position: u64) {
        // PAIRS(Free): our copies of messages below are finished before a writer sees this.
        self.0.cursor.store(Cursor::at(position).word(), release(Pair::Free));
    }

    /// The reader's floor, if others moved it beyond `position`.
    #[inline(always)]
    pub(crate) fn moved_beyond(self, position: u64) -> Option<u64> {
        let floor = self.0.floor.load(Relaxed); // Relaxed: the fences of `Pin` and `Floor` order it.
        (floor > position).then_some(floor)
    }

    /// Pins message `position`, which is in `buffer`: no writer overwrites it until
    /// [`Self::advance`].
    ///
    /// # Errors
    /// The floor, if the reader was moved beyond `position`; then nothing is pinned.
    pub(crate) fn pin(self, position: u64, buffer: usize) -> Result<(), u64> {
        // PAIRS(Free): our reads of the buffer that was pinned before are finished.
        self.0.pinned.store(buffer as u64, release(Pair::Free));
        // PAIRS(Free): as in `advance`.
        self.0.cursor.store(Cursor::pinned_at(position).word(), release(Pair::Free));
        // PAIRS(Pin): if the load below misses a floor, the writer that acts on it sees the pin.
        full_fence(Pair::Pin, End::Acquire);
        failpoint::hit(Failpoint::ReadPinned);
        match self.moved_beyond(position) {
            None => Ok(()),
            Some(floor) => {
                self.advance(floor);
                Err(floor)
            }
        }
    }

    /// Deregisters the reader: the entry holds no writer back any more.
    pub(crate) fn vacate(self) {
        // PAIRS(Free): our last copies are finished before a writer sees this.
        self.0.cursor.store(Cursor::VACANT.word(), release(Pair::Free));
    }
}
