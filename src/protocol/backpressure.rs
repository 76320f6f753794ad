//! The gate of a gated ring: how far writers may go, and how readers join, move on and are moved.
//!
//! A writer may publish `n` while every registered reader's position is above `n - slots`. It keeps the
//! resulting `limit` for itself and looks at the cursors again only when it gets there, so a message costs one
//! comparison. Readers store their cursors without asking anybody.
//!
//! # Steps
//! | writer at its limit                                 | reader that joins                             |
//! |-----------------------------------------------------|-----------------------------------------------|
//! | 1 announce `next + slots`: the most it can be given | a store a cursor that is surely low enough    |
//! | 2 fence                                             | b fence                                       |
//! | 3 look at all cursors, take the lowest + `slots`    | c load the announced limit                    |
//! | 4 announce that, or `next` if that is higher        | d stand at or above that limit − `slots`      |
//!
//! Either the writer's look (3) sees the joiner's cursor (a), or the joiner (c) sees an announcement (1) at or
//! above what the writer took. So below `limit - slots` the joiner claims nothing, and from there on nothing is
//! overwritten before the joiner has passed it.
//!
//! Many writers announce by raising: what one of them may still use, no other takes back. So step 4 is the one
//! writer's alone, and joiners of a ring of many stand at or above where some writer was at its last look.
//!
//! # Moved by others
//! Others may raise a reader's *floor*: it must not stand below. The reader looks at its floor before each
//! read; the writer counts the higher of cursor and floor. A reader of arena slots first *pins* its cursor, whether it
//! copies the bytes or hands them out in place: the pin holds the writer back whatever the floor says, unless the writer
//! can leave the pinned buffer alone and go on with another ([`crate::protocol::standby_buffer`]). Pin and floor are two words, so both sides
//! put a full fence between storing the one and loading the other:
//!
//! | reader                        | writer that finds a floor above the cursor |
//! |-------------------------------|--------------------------------------------|
//! | p say which buffer; cursor := position, pinned | 5 (floor was loaded)      |
//! | q fence                       | 6 fence                                    |
//! | r floor above? then give up   | 7 cursor again: pinned? then it counts     |
//!
//! # Pairings
//! | name   | releases      | acquires       | without it                                             |
//! |--------|---------------|----------------|--------------------------------------------------------|
//! | `Free` | cursor store  | 3, 7           | bytes are overwritten while a reader still copies them |
//! | `Join` | fence 2       | fence b        | a joiner is overtaken unseen                           |
//! | `Pin`  | fence 6       | fence q        | a view's bytes are overwritten                         |
//! | `Floor`| raised floor  | the moved reader's fence | a reader is moved to where it sees nothing yet, and takes the segment for damaged |
//!
//! # Who comes after whom
//! What is announced in step 4 never falls, also not under a writer's successor: a writer that was killed may have left a slot
//! below its limit half overwritten, and one that looked before it had to may have withdrawn messages that all had read
//! ([`crate::protocol::arena_slot`]), of which a joiner that it did not see then knows nothing.

use crate::memory::Memory;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::protocol::diagnostics;
use crate::protocol::standby_buffer::StandbyBuffer;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{End, Pair, Relaxed, acquire, full_fence, release};
use crate::types::config::Writers;
use crate::types::participant::Peer;

/// A reader's cursor as it stands in its entry: `[position | pinned:1]`, or vacant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(u64);

impl Cursor {
    /// No reader is here; nobody waits for it.
    pub(crate) const VACANT: Cursor = Cursor(u64::MAX);

    /// The next message this reader will read; it may skip ahead if told to.
    #[inline(always)]
    pub(crate) fn at(position: u64) -> Self {
        Cursor(position << 1)
    }

    /// The message that this reader is reading in place: nobody overwrites it, whatever the floor.
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

    fn is_pinned(self) -> bool {
        self != Self::VACANT && self.0 & 1 == 1
    }
}

/// A writer's side of the gate: sequences below `limit` may be published without looking.
#[derive(Debug)]
pub(crate) struct Backpressure {
    limit: u64,
    /// Below this, no reader is still at the message that the slot held before.
    unmarked: u64,
    /// What this writer, or the one before it, announced last: a joiner may rely on it.
    announced: u64,
    /// Other writers announce too, at the same time.
    many: bool,
    /// The message whose buffer is set aside when it is published over.
    aside: Option<u64>,
    /// Readers there are, and none that others moved: below this all have read everything.
    read_by_all: Option<u64>,
    /// Readers that do not move are made to skip.
    evicts: bool,
}

impl Backpressure {
    /// Lets nothing through before the first look.
    pub(crate) fn closed(memory: &Memory) -> Self {
        Backpressure {
            limit: 0,
            unmarked: 0,
            // Relaxed: the writer before us let go of its entry, or died, before we took it.
            announced: memory.control().limit.load(Relaxed),
            many: memory.layout().config.writers == Writers::Many,
            aside: None,
            read_by_all: None,
            evicts: memory.layout().config.evict_after_ms > 0,
        }
    }

    /// Lets everything through: a lossy ring waits for nobody.
    pub(crate) fn open() -> Self {
        Backpressure {
            limit: u64::MAX,
            unmarked: 0,
            announced: 0,
            many: false,
            aside: None,
            read_by_all: None,
            evicts: false,
        }
    }

    #[inline(always)]
    pub(crate) fn admits(&self, sequence: u64) -> bool {
        sequence < self.limit
    }

    /// Whether a slot must be marked before `sequence` is written into it: somebody may still be copying from it.
    #[inline(always)]
    pub(crate) fn marks(&self, sequence: u64) -> bool {
        sequence >= self.unmarked
    }

    /// Up to here the answers for `sequence`, which the gate admits, stay the same.
    pub(crate) fn same_until(&self, sequence: u64) -> u64 {
        if self.marks(sequence) { self.limit } else { self.limit.min(self.unmarked) }
    }

    /// Whether what message `sequence` is published over is still shown to a reader that was moved.
    #[inline(always)]
    pub(crate) fn displaces_pinned(&self, memory: &Memory, sequence: u64) -> bool {
        self.aside.is_some_and(|aside| aside + memory.layout().config.slots as u64 == sequence)
    }

    /// Below this every reader had read everything at the last look; `None` if there were no readers, or moved ones.
    pub(crate) fn read_by_all(&self) -> Option<u64> {
        self.read_by_all
    }

    /// Looks at the readers again; says whether `next` may be published now. A writer with a `standby` buffer is not held
    /// back by one view of a reader that was moved.
    ///
    /// # Cost
    /// A full fence and one line a registered reader.
    #[cold]
    pub(crate) fn look(&mut self, memory: &Memory, next: u64, standby: Option<&mut StandbyBuffer>) -> bool {
        let slots = memory.layout().config.slots as u64;
        let announced = &memory.control().limit;
        // Relaxed, both: the fence below orders them.
        if self.many {
            announced.fetch_max(next + slots, Relaxed);
        } else {
            announced.store(next + slots, Relaxed);
        }
        // PAIRS(Join): a reader whose cursor the look below misses sees the announcement above.
        full_fence(Pair::Join, End::Release);
        failpoint::at(Failpoint::GateAnnounced);
        let mut all = summarize_readers(memory, next);
        if self.evicts && all.slowest + slots <= next && advance_evicted(memory, next) {
            all = summarize_readers(memory, next);
        }
        let ReaderSummary { moved, readers, .. } = all;
        let [first, second] = all.shown.map(|shown| shown.unwrap_or(next));
        self.aside = (first < all.slowest && standby.is_some_and(StandbyBuffer::is_free)).then_some(first);
        let slowest = all.slowest.min(if self.aside.is_some() { second } else { first });
        self.read_by_all = (readers && !moved).then_some(slowest);
        // Never below what is published already: a joiner may stand far below, but finds nothing there.
        self.limit = (slowest + slots).max(next);
        // A reader that was moved may be anywhere below, in the middle of a copy; an observer always may.
        self.unmarked = if moved || memory.layout().config.observers { 0 } else { self.limit };
        if !self.many {
            // Relaxed: this and the higher value before it are both safe for a joiner to see. Never below what was announced
            // before: what lies further down may be half overwritten by a writer that was killed, or withdrawn.
            self.announced = self.limit.max(self.announced.min(next + slots));
            announced.store(self.announced, Relaxed);
        }
        self.admits(next)
    }
}

/// The registered reader that holds the writers back most: its position and its entry.
fn slowest(memory: &Memory, next: u64) -> Option<(u64, usize)> {
    let slots = memory.layout().config.slots as u64;
    let at = |held: &ReaderHold| held.still_pinned(next, slots).unwrap_or(held.position);
    entries(memory).filter_map(|index| Some((at(&hold_of(memory, index)?), index))).min()
}

/// The slowest reader as a peer, for whoever reports that it waits.
pub(crate) fn slowest_peer(memory: &Memory, next: u64) -> Option<Peer> {
    let (position, entry) = slowest(memory, next)?;
    // What it holds, not where it was moved to: a pin counts.
    Some(Peer { lag: next.saturating_sub(position), ..diagnostics::peer(memory, entry, next)? })
}

/// What all readers together let a writer do.
struct ReaderSummary {
    /// Below it no reader needs anything any more, but for what is shown.
    slowest: u64,
    /// Others said so of one of them: it may be copying something below.
    moved: bool,
    /// There are any.
    readers: bool,
    /// The lowest two messages that readers have pinned which others moved beyond them.
    shown: [Option<u64>; 2],
}

/// Looks at all readers. Those that need nothing below `next` are as if they stood there.
fn summarize_readers(memory: &Memory, next: u64) -> ReaderSummary {
    let slots = memory.layout().config.slots as u64;
    let mut all = ReaderSummary { slowest: next, moved: false, readers: false, shown: [None; 2] };
    for held in entries(memory).filter_map(|index| hold_of(memory, index)) {
        all.readers = true;
        all.moved |= held.moved;
        all.slowest = all.slowest.min(held.position);
        if let Some(shown) = held.still_pinned(next, slots) {
            let [first, second] = all.shown;
            all.shown = match first {
                Some(first) if shown > first => {
                    [Some(first), Some(second.map_or(shown, |second| second.min(shown)))]
                }
                Some(first) if shown == first => [Some(first), second],
                _ => [Some(shown), first],
            };
        }
    }
    all
}

/// Whether a reader has pinned a message in `buffer`.
///
/// # Cost
/// A line a reader.
pub(crate) fn is_pinned(memory: &Memory, buffer: usize) -> bool {
    entries(memory).any(|index| {
        let entry = memory.entry(index);
        // PAIRS(Free): if the reader has let go of the buffer, what it read there is read.
        let cursor = Cursor::from_word(entry.cursor.load(acquire(Pair::Free)));
        // PAIRS(Free): also if it has pinned another one since.
        cursor.is_pinned() && entry.pinned.load(acquire(Pair::Free)) == buffer as u64
    })
}

/// What a reader lets the writers do.
struct ReaderHold {
    /// Below it the reader needs nothing any more, but for what it shows.
    position: u64,
    /// Others said so, not a reader itself: it may be copying something below.
    moved: bool,
    /// The message that it has pinned all the same.
    shown: Option<u64>,
}

impl ReaderHold {
    /// The message that is shown, unless it was published over already: then it was set aside, and holds nobody back.
    fn still_pinned(&self, next: u64, slots: u64) -> Option<u64> {
        self.shown.filter(|shown| shown + slots >= next)
    }
}

/// The readers that keep `next` from being published: their entries and cursors.
pub(crate) fn blocking_readers(memory: &Memory, next: u64) -> impl Iterator<Item = (usize, Cursor)> {
    let slots = memory.layout().config.slots as u64;
    entries(memory).filter_map(move |index| {
        let held = hold_of(memory, index)?; // As far as it was moved, which may be anywhere.
        // Relaxed: whether it is still the same is looked at before anything is made of it.
        let cursor = Cursor::from_word(memory.entry(index).cursor.load(Relaxed));
        (held.position.saturating_add(slots) <= next && cursor != Cursor::VACANT).then_some((index, cursor))
    })
}

/// Has a reader skip to `next` that stays at `cursor`, now and until it notices.
pub(crate) fn evict(memory: &Memory, index: usize, cursor: Cursor, next: u64) {
    // Relaxed: it says something of one value of the cursor only, whenever it is seen.
    memory.entry(index).evicted.store(cursor.word().wrapping_add(1), Relaxed);
    failpoint::at(Failpoint::ReaderEvicted);
    advance_evicted(memory, next);
}

/// Moves the evicted readers that have not noticed yet on to `next`. Whether there are any.
fn advance_evicted(memory: &Memory, next: u64) -> bool {
    let mut any = false;
    for entry in entries(memory).map(|index| memory.entry(index)) {
        // Relaxed, both: a reader that moves at this moment is moved a little further.
        let (cursor, evicted) = (entry.cursor.load(Relaxed), entry.evicted.load(Relaxed));
        if Cursor::from_word(cursor) != Cursor::VACANT && evicted == cursor.wrapping_add(1) {
            // PAIRS(Floor): a reader that sees this floor sees the messages below it published.
            entry.floor.fetch_max(next, release(Pair::Floor));
            any = true;
        }
    }
    any
}

/// What the reader of this entry, if there is one, lets the writers do.
fn hold_of(memory: &Memory, index: usize) -> Option<ReaderHold> {
    let entry = memory.entry(index);
    // PAIRS(Free): what this reader copied, it copied before it stored this cursor.
    let cursor = Cursor::from_word(entry.cursor.load(acquire(Pair::Free)));
    let position = cursor.position()?;
    let floor = entry.floor.load(Relaxed); // Relaxed: the fence below orders it where it counts.
    if floor <= position {
        return Some(ReaderHold { position, moved: false, shown: None });
    }
    // PAIRS(Pin): a reader that pinned without seeing this floor is seen pinned below.
    full_fence(Pair::Pin, End::Release);
    // PAIRS(Free): as above.
    let cursor = Cursor::from_word(entry.cursor.load(acquire(Pair::Free)));
    let position = cursor.position()?;
    let shown = cursor.is_pinned().then_some(position).filter(|shown| *shown < floor);
    Some(ReaderHold { position: position.max(floor), moved: true, shown })
}

/// Entries that were ever taken.
pub(crate) fn entries(memory: &Memory) -> std::ops::Range<usize> {
    // Relaxed: whoever must see an entry is ordered by a full fence with its owner's joining.
    let taken = memory.control().table.high_water.load(Relaxed) as usize;
    0..taken.min(memory.layout().config.participants)
}

/// Registers a reader's cursor in its entry, and returns the lowest position that it may take up: from there
/// on no message is overwritten before this reader has passed it.
///
/// The entry must lie below the high-water mark already. The caller then raises the cursor to where it starts.
pub(crate) fn join(memory: &Memory, index: usize) -> u64 {
    let config = &memory.layout().config;
    let entry = memory.entry(index);
    // Relaxed: a first guess, judged below.
    let limit = || memory.control().limit.load(Relaxed);
    // Bounded: a peer may have stored anything.
    let oldest =
        |limit: u64| limit.min(SEQUENCE_LIMIT).saturating_sub(config.slots as u64).max(config.first_sequence);
    let guess = oldest(limit());
    entry.evicted.store(0, Relaxed); // Relaxed: as for the floor.
    entry.floor.store(0, Relaxed); // Relaxed: what a peer stores here meanwhile moves a reader that just came.
    // PAIRS(Free): this store may hide from a writer the last one of the reader who had this entry before, whose
    // copies it must not lose sight of; holding the entry, we are ordered behind them.
    entry.cursor.store(Cursor::at(guess).word(), release(Pair::Free));
    // PAIRS(Join): a writer whose look misses the cursor above announced its limit before, and we see it below.
    full_fence(Pair::Join, End::Acquire);
    failpoint::at(Failpoint::JoinCursor);
    oldest(limit()).max(guess)
}

/// Moves every registered reader to `position` or beyond. Reads in progress finish undisturbed or are refused.
pub(crate) fn raise_floors(memory: &Memory, position: u64) {
    for index in entries(memory) {
        let entry = memory.entry(index);
        // Relaxed: a vacant entry that is joined at this moment may be moved or not.
        if Cursor::from_word(entry.cursor.load(Relaxed)) != Cursor::VACANT {
            // PAIRS(Floor): a reader that sees this floor sees the messages below it published.
            entry.floor.fetch_max(position, release(Pair::Floor));
        }
    }
}

/// A reader's side of the gate: its entry's cursor and floor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReaderEntry<'a>(pub(crate) &'a crate::memory::format::Entry);

impl ReaderEntry<'_> {
    /// Says that everything below `position` is read.
    #[inline(always)]
    pub(crate) fn advance(self, position: u64) {
        // PAIRS(Free): our copies of everything below are done before a writer sees this.
        self.0.cursor.store(Cursor::at(position).word(), release(Pair::Free));
    }

    /// Whether somebody moved this reader beyond `position`, and to where.
    #[inline(always)]
    pub(crate) fn moved_beyond(self, position: u64) -> Option<u64> {
        let floor = self.0.floor.load(Relaxed); // Relaxed: `pin` and `Floor`'s fence order what is made of it.
        (floor > position).then_some(floor)
    }

    /// Holds all writers back from overwriting message `position`, which is in `buffer`, until [`Self::advance`]; or says
    /// that this reader was moved beyond it, and holds nothing.
    pub(crate) fn pin(self, position: u64, buffer: usize) -> Result<(), u64> {
        // PAIRS(Free): what we read in the buffer that was pinned before is read.
        self.0.pinned.store(buffer as u64, release(Pair::Free));
        // PAIRS(Free): everything below is read, as in `advance`.
        self.0.cursor.store(Cursor::pinned_at(position).word(), release(Pair::Free));
        // PAIRS(Pin): a writer that acts on a floor which we do not see below has seen us pinned.
        full_fence(Pair::Pin, End::Acquire);
        failpoint::at(Failpoint::ReadPinned);
        match self.moved_beyond(position) {
            None => Ok(()),
            Some(floor) => {
                self.advance(floor);
                Err(floor)
            }
        }
    }

    /// Leaves: nobody waits for this entry any more.
    pub(crate) fn vacate(self) {
        // PAIRS(Free): our last copies are done before a writer sees this.
        self.0.cursor.store(Cursor::VACANT.word(), release(Pair::Free));
    }
}

#[cfg(all(test, not(seqring_model)))]
mod tests {
    use super::blocking_readers;
    use crate::api::ring::Ring;
    use crate::sync::Relaxed;
    use crate::types::config::Config;
    use crate::types::message::Start;

    /// Fails if sums of what others store overflow.
    #[test]
    fn a_reader_that_was_moved_beyond_everything_is_in_nobody_s_way() {
        let ring = Ring::heap(&Config::new(1, 8)).unwrap();
        let _reader = ring.reader(Start::Next).unwrap();
        let memory = &ring.attachment.memory;
        assert_eq!(blocking_readers(memory, 1).count(), 1);
        // As a reader that has reported the end of a closed ring stores it, and as a hostile peer may.
        memory.entry(1).floor.store(u64::MAX, Relaxed);
        assert_eq!(blocking_readers(memory, 1).count(), 0);
    }
}
