//! Backpressure: how far the writers of a gated ring may go, and how readers register, advance and
//! are moved by others.
//!
//! A writer may publish `n` while the position of every registered reader is above `n - slots`. It
//! keeps the resulting `limit` and reloads the cursors only when it reaches it, so that a message
//! costs one comparison. Readers store their cursors without waiting for any other participant.
//!
//! # Steps
//! | writer at its limit                               | reader that registers                    |
//! |---------------------------------------------------|------------------------------------------|
//! | 1 announce `next + slots`: the most it can be     | a store a cursor that is low enough      |
//! | 2 fence                                           | b fence                                  |
//! | 3 load all cursors; limit := the lowest + `slots` | c load the announced limit               |
//! | 4 announce that limit, or `next` if higher        | d start at or above that limit − `slots` |
//!
//! Either the writer's load (3) sees the reader's cursor (a), or the reader (c) sees an
//! announcement (1) at or above the writer's limit. So the reader claims nothing below `limit -
//! slots`, and from there on no message is overwritten before the reader has passed it.
//!
//! Many writers announce by a maximum: one of them must not take back what another may still use.
//! So only the one writer executes step 4. In a ring of many writers a reader starts at or above
//! the position that some writer had at its last refresh.
//!
//! Announced limits (4) never fall, also not under a successor of the writer. A killed writer may
//! have left a slot below its limit half overwritten. And a writer that refreshed early may have
//! withdrawn messages that all readers had read ([`crate::protocol::arena_slot`]), which a reader
//! that it did not see must not start at.
//!
//! # Awaited readers
//! A ring may [await](crate::Config::await_readers) its first readers. A writer loads the count of
//! readers that have joined before step 1. If one is missing, the first `slots` messages are all
//! that it may publish: it announces no more, and publishes no more. A reader adds itself to the
//! count after step d. If a writer sees the count complete, its step 3 sees the cursor of each
//! awaited reader. If not, it announced nothing above the first lap, so the reader starts (d) at
//! the first message.
//!
//! # Moved readers
//! Any participant may raise a reader's *floor*: the reader must not stay below it. The reader
//! loads its floor before each read; the writer counts the higher of cursor and floor. A reader of
//! arena slots *pins* its cursor first, whether it copies the bytes or returns them in place. The
//! pin holds the writer back whatever the floor is, unless the writer can leave the pinned buffer
//! to the reader and fill another one ([`crate::protocol::standby_buffer`]). Pin and floor are two
//! words, so both sides execute a full fence between storing the one and loading the other:
//!
//! | reader                                         | writer that sees a floor above the cursor   |
//! |------------------------------------------------|---------------------------------------------|
//! | p store the buffer; cursor := position, pinned | 5 (it loaded the floor)                     |
//! | q fence                                        | 6 fence                                     |
//! | r load the floor: above? then unpin            | 7 reload the cursor: pinned? then it counts |
//!
//! Either the reader (r) sees the raised floor and gives the message up, or the writer (7) sees the
//! pin and does not overwrite the message.
//!
//! # Pairings
//! | name    | releases     | acquires           | without it                                    |
//! |---------|--------------|--------------------|-----------------------------------------------|
//! | `Free`  | cursor store | 3, 7               | bytes are overwritten while they are copied   |
//! | `Join`  | fence 2      | fence b            | a reader registers unseen and is overtaken    |
//! | `Pin`   | fence 6      | fence q            | a view's bytes are overwritten                |
//! | `Floor` | raised floor | the reader's fence | it does not see the messages below the floor, |
//! |         |              | after it was moved | and reports a damaged segment                 |
//!
//! # Costs
//! A write: one comparison, and in up to `slots` messages a full fence and a line per reader. A
//! read: one store of the cursor; with a pin two more stores and a full fence.

use crate::memory::Memory;
use crate::protocol::blocker::Blocker;
use crate::protocol::diagnostics;
use crate::protocol::reader_entry::{Cursor, entries, missing_readers};
use crate::protocol::standby_buffer::StandbyBuffer;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{End, Pair, Relaxed, acquire, full_fence, release};
use crate::types::config::Writers;
use crate::types::participant::Peer;
use std::cmp::Ordering;

/// A writer's side: sequences below `limit` may be published without loading any cursor.
#[derive(Debug, Default)]
pub(crate) struct Backpressure {
    limit: u64,
    /// Below this no reader may still be copying the slot's previous message.
    mark_from: u64,
    /// The last limit that this writer or its predecessor announced: readers rely on it.
    announced: u64,
    /// Other writers announce concurrently.
    many_writers: bool,
    /// A pinned message that may be overwritten: its buffer is then left to the reader.
    overwritable_pin: Option<u64>,
    /// See [`Self::read_by_all`].
    read_by_all: Option<u64>,
    /// The ring evicts readers.
    evicts: bool,
    /// While the ring awaits readers: the end of the first lap.
    first_lap: Option<u64>,
    /// The reader that blocked the last refresh.
    blocker: Option<Blocker>,
}

impl Backpressure {
    /// Of a gated ring: admits no message before the first [refresh](Self::refresh).
    pub(crate) fn gated(memory: &Memory) -> Self {
        let config = &memory.layout().config;
        Backpressure {
            // Relaxed: our predecessor released its entry, or died, before we acquired it.
            announced: memory.control().limit.load(Relaxed),
            many_writers: config.writers == Writers::Many,
            evicts: memory.layout().config.evict_after.is_some(),
            first_lap: Some(config.first_sequence + config.slots as u64),
            ..Self::default()
        }
    }

    /// Of a lossy ring: admits every message.
    pub(crate) fn lossy() -> Self {
        Backpressure { limit: u64::MAX, ..Self::default() }
    }

    #[inline(always)]
    pub(crate) fn admits(&self, sequence: u64) -> bool {
        sequence < self.limit
    }

    /// Whether the reader that blocked the last refresh blocks message `next`, too.
    #[inline(always)]
    pub(crate) fn still_blocked(&self, memory: &Memory, next: u64) -> bool {
        !self.admits(next) && self.blocker.is_some_and(|blocker| blocker.still_blocks(memory))
    }

    /// Whether the slot must be marked before `sequence` is written: a reader may still be copying
    /// from it.
    #[inline(always)]
    pub(crate) fn must_mark(&self, sequence: u64) -> bool {
        sequence >= self.mark_from
    }

    /// The end of the sequences, from the admitted `sequence` on, for which [`Self::admits`] and
    /// [`Self::must_mark`] return the same.
    pub(crate) fn stable_until(&self, sequence: u64) -> u64 {
        if self.must_mark(sequence) { self.limit } else { self.limit.min(self.mark_from) }
    }

    /// Whether message `sequence` overwrites one, also of laps ago, that a moved reader has pinned.
    #[inline(always)]
    pub(crate) fn displaces_pinned(&self, memory: &Memory, sequence: u64) -> bool {
        let slots = memory.layout().config.slots as u64;
        self.overwritable_pin.is_some_and(|pin| sequence.abs_diff(pin).is_multiple_of(slots))
    }

    /// All readers had read this far at the last refresh; `None` without or with moved readers.
    pub(crate) fn read_by_all(&self) -> Option<u64> {
        self.read_by_all
    }

    /// Reloads the readers' cursors. Returns whether `next` may be published now. A writer with a
    /// `standby` buffer is not held back by one pinned message of a moved reader.
    ///
    /// # Cost
    /// A full fence and one line per registered reader. While the reader that blocked the last call
    /// stays where it was, the line of that one.
    #[cold]
    pub(crate) fn refresh(
        &mut self,
        memory: &Memory,
        next: u64,
        standby: Option<&mut StandbyBuffer>,
    ) -> bool {
        let slots = memory.layout().config.slots as u64;
        if self.blocker.is_some_and(|blocker| blocker.still_blocks(memory)) {
            return false;
        }
        self.blocker = None;
        self.first_lap = self.first_lap.filter(|_| missing_readers(memory) > 0);
        if self.first_lap.is_some_and(|end| next >= end) {
            return false;
        }
        let most = self.first_lap.unwrap_or(next + slots);
        let announced = &memory.control().limit;
        // Relaxed, both: the fence below orders them.
        if self.many_writers {
            announced.fetch_max(most, Relaxed);
        } else {
            announced.store(most, Relaxed);
        }
        // PAIRS(Join): a reader whose cursor the loads below miss sees the announcement above.
        full_fence(Pair::Join, End::Release);
        failpoint::hit(Failpoint::LimitAnnounced);
        let mut all = summarize_readers(memory, next);
        if self.evicts && all.slowest + slots <= next && advance_evicted(memory, next) {
            all = summarize_readers(memory, next);
        }
        let ReaderSummary { any, any_moved, .. } = all;
        let [first, second] = all.pinned;
        let overwritable = first < all.slowest && standby.is_some_and(StandbyBuffer::is_free);
        self.overwritable_pin = overwritable.then_some(first);
        let slowest = all.slowest.min(if overwritable { second } else { first });
        self.read_by_all = (any && !any_moved && self.first_lap.is_none()).then_some(slowest);
        // Not below `next`: a reader that registers may be far below, where it finds no messages.
        self.limit = (slowest + slots).max(next).min(most);
        // A moved reader may be copying any earlier message; an observer always may.
        self.mark_from = if any_moved || memory.layout().config.observers { 0 } else { self.limit };
        if !self.many_writers {
            // Relaxed: a reader may see this or the higher value before it. Not below the previous
            // announcement: messages below it may be half overwritten by a killed writer, or
            // withdrawn.
            self.announced = self.limit.max(self.announced.min(most));
            announced.store(self.announced, Relaxed);
        }
        if !self.admits(next) && !self.evicts && !any_moved {
            self.blocker = all.blocker;
        }
        self.admits(next)
    }
}

/// The reader that holds the writers back most, for diagnostics.
pub(crate) fn slowest_peer(memory: &Memory, next: u64) -> Option<Peer> {
    let slots = memory.layout().config.slots as u64;
    // The position that it holds, not the one it was moved to: a pin counts.
    let held_at = |hold: ReaderHold| hold.blocking_pin(next, slots).unwrap_or(hold.position);
    let readers = entries(memory).filter_map(|entry| Some((held_at(hold_of(memory, entry)?), entry)));
    let (position, entry) = readers.min()?;
    Some(Peer { lag: next.saturating_sub(position), ..diagnostics::peer(memory, entry, next)? })
}

/// What all readers together hold.
struct ReaderSummary {
    /// The lowest position: no message below is needed, except pinned ones.
    slowest: u64,
    any: bool,
    /// Others moved one of them: it may still be copying a message below its position.
    any_moved: bool,
    /// The lowest two messages that moved readers still have pinned; `next` for none.
    pinned: [u64; 2],
    /// A reader that blocks `next`, if others have not moved it.
    blocker: Option<Blocker>,
}

/// Loads all readers' cursors and floors. Readers beyond `next` count as if they were at `next`.
fn summarize_readers(memory: &Memory, next: u64) -> ReaderSummary {
    let slots = memory.layout().config.slots as u64;
    let mut all =
        ReaderSummary { slowest: next, any: false, any_moved: false, pinned: [next; 2], blocker: None };
    for hold in entries(memory).filter_map(|entry| hold_of(memory, entry)) {
        all.any = true;
        all.any_moved |= hold.moved;
        all.slowest = all.slowest.min(hold.position);
        if !hold.moved && hold.position.saturating_add(slots) <= next {
            all.blocker = Some(hold.seen);
        }
        if let Some(pin) = hold.blocking_pin(next, slots) {
            let [first, second] = all.pinned;
            all.pinned = match pin.cmp(&first) {
                Ordering::Less => [pin, first],
                Ordering::Equal => [first, second],
                Ordering::Greater => [first, second.min(pin)],
            };
        }
    }
    all
}

/// Whether a reader has a message in `buffer` pinned.
///
/// # Cost
/// One line per reader.
pub(crate) fn is_pinned(memory: &Memory, buffer: usize) -> bool {
    entries(memory).any(|index| {
        let entry = memory.entry(index);
        // PAIRS(Free): if the reader has unpinned the buffer, it has finished reading it.
        let cursor = Cursor::from_word(entry.cursor.load(acquire(Pair::Free)));
        // PAIRS(Free): the same if it has pinned another buffer since.
        cursor.is_pinned() && entry.pinned.load(acquire(Pair::Free)) == buffer as u64
    })
}

/// What one reader holds.
struct ReaderHold {
    /// The higher of cursor and floor: it needs no message below, except a pinned one.
    position: u64,
    /// The floor is higher: the reader may still be copying a message below it.
    moved: bool,
    /// The message below the floor that it has pinned.
    pinned: Option<u64>,
    /// Its entry, and the words that say so.
    seen: Blocker,
}

impl ReaderHold {
    /// The pinned message, unless it was overwritten: then its buffer was left to the reader, and
    /// the pin blocks no writer.
    fn blocking_pin(&self, next: u64, slots: u64) -> Option<u64> {
        self.pinned.filter(|pin| pin + slots >= next)
    }
}

/// The readers that keep `next` from being published: their entries and cursors.
pub(crate) fn blocking_readers(memory: &Memory, next: u64) -> impl Iterator<Item = (usize, Cursor)> {
    let slots = memory.layout().config.slots as u64;
    entries(memory).filter_map(move |index| {
        let hold = hold_of(memory, index)?;
        // Relaxed: an eviction takes effect only while the cursor is still the same.
        let cursor = Cursor::from_word(memory.entry(index).cursor.load(Relaxed));
        // Saturating: a hostile peer may have stored any floor.
        let blocks = hold.position.saturating_add(slots) <= next && cursor != Cursor::VACANT;
        blocks.then_some((index, cursor))
    })
}

/// Makes a reader skip to `next`, now and each time it blocks a writer, while it stays at `cursor`.
pub(crate) fn evict(memory: &Memory, index: usize, cursor: Cursor, next: u64) {
    // Relaxed: it concerns one value of the cursor only, whenever it is seen.
    memory.entry(index).evicted.store(cursor.word().wrapping_add(1), Relaxed);
    failpoint::hit(Failpoint::ReaderEvicted);
    advance_evicted(memory, next);
}

/// Raises the floors of evicted readers that have not noticed yet to `next`. Returns whether there
/// are any.
fn advance_evicted(memory: &Memory, next: u64) -> bool {
    let mut any = false;
    for entry in entries(memory).map(|index| memory.entry(index)) {
        // Relaxed, both: a reader that advances at this moment is moved a little further.
        let (cursor, evicted) = (entry.cursor.load(Relaxed), entry.evicted.load(Relaxed));
        if Cursor::from_word(cursor) != Cursor::VACANT && evicted == cursor.wrapping_add(1) {
            // PAIRS(Floor): a reader that sees this floor sees the messages below it published.
            entry.floor.fetch_max(next, release(Pair::Floor));
            any = true;
        }
    }
    any
}

/// What the reader of this entry holds, if there is one.
fn hold_of(memory: &Memory, index: usize) -> Option<ReaderHold> {
    let entry = memory.entry(index);
    // PAIRS(Free): the reader finished its copies before it stored this cursor.
    let cursor = Cursor::from_word(entry.cursor.load(acquire(Pair::Free)));
    let position = cursor.position()?;
    let floor = entry.floor.load(Relaxed); // Relaxed: the fence below orders it where it counts.
    let seen = Blocker { index, cursor: cursor.word(), floor };
    if floor <= position {
        return Some(ReaderHold { position, moved: false, pinned: None, seen });
    }
    // PAIRS(Pin): if a reader pinned without seeing this floor, the load below sees the pin.
    full_fence(Pair::Pin, End::Release);
    // PAIRS(Free): as above.
    let cursor = Cursor::from_word(entry.cursor.load(acquire(Pair::Free)));
    let position = cursor.position()?;
    let pinned = cursor.is_pinned().then_some(position).filter(|pin| *pin < floor);
    Some(ReaderHold { position: position.max(floor), moved: true, pinned, seen })
}

#[cfg(all(test, not(seqring_model)))]
mod tests {
    use super::{Backpressure, blocking_readers, missing_readers};
    use crate::api::ring::Ring;
    use crate::protocol::reader_entry::Cursor;
    use crate::sync::Relaxed;
    use crate::types::config::{Config, Writers};
    use crate::types::message::Start;

    /// Fails if a process that the writer does not wait for copies from a slot that is not marked.
    #[test]
    fn slots_are_marked_where_an_observer_or_a_moved_reader_may_be_copying() {
        let marks = |ring: &Ring, next| {
            let (memory, mut backpressure) =
                (&ring.attachment.memory, Backpressure::gated(&ring.attachment.memory));
            assert!(backpressure.refresh(memory, next, None));
            backpressure.must_mark(next)
        };
        assert!(marks(&Ring::heap(&Config::slots(1).of_bytes(8).observers(true)).unwrap(), 0));
        let ring = Ring::heap(&Config::slots(1).of_bytes(8)).unwrap();
        let _reader = ring.reader(Start::Next).unwrap();
        assert!(!marks(&ring, 0));
        ring.writer().unwrap().try_write(b"0").unwrap();
        ring.skip_readers_to_newest();
        assert!(marks(&ring, 1));
    }

    /// Fails if a writer that is late takes back what another one may be admitted to already.
    #[test]
    fn one_of_many_writers_takes_back_no_announcement() {
        let ring = Ring::heap(&Config::slots(1).of_bytes(8).writers(Writers::Many).await_readers(0)).unwrap();
        let memory = &ring.attachment.memory;
        let (mut early, mut late) = (Backpressure::gated(memory), Backpressure::gated(memory));
        assert!(early.refresh(memory, 5, None) && late.refresh(memory, 4, None));
        assert_eq!(memory.control().limit.load(Relaxed), 6);
    }

    /// Fails if the buffer of a message is filled again that an awaited reader has yet to read.
    #[test]
    fn nothing_is_withdrawn_while_a_reader_is_missing() {
        let ring = Ring::heap(&Config::slots(2).of_bytes(8).await_readers(2)).unwrap();
        let memory = &ring.attachment.memory;
        let mut backpressure = Backpressure::gated(memory);
        let _one = ring.reader(Start::Next).unwrap();
        backpressure.refresh(memory, 0, None);
        assert_eq!(backpressure.read_by_all(), None);
        let _two = ring.reader(Start::Next).unwrap();
        backpressure.refresh(memory, 0, None);
        assert_eq!(backpressure.read_by_all(), Some(0));
    }

    /// Two readers may register for one missing place; a hostile peer may store any count.
    #[test]
    fn a_reader_too_many_makes_none_missing() {
        let ring = Ring::heap(&Config::slots(1).of_bytes(8)).unwrap();
        let memory = &ring.attachment.memory;
        for (joined, missing) in [(0, 1), (1, 0), (2, 0), (u64::MAX, 0)] {
            memory.control().table.readers_joined.store(joined, Relaxed);
            assert_eq!(missing_readers(memory), missing);
        }
    }

    /// Fails if sums of what others store overflow.
    #[test]
    fn a_reader_that_was_moved_beyond_everything_blocks_no_writer() {
        let ring = Ring::heap(&Config::slots(1).of_bytes(8)).unwrap();
        let _reader = ring.reader(Start::Next).unwrap();
        let memory = &ring.attachment.memory;
        assert_eq!(blocking_readers(memory, 1).count(), 1);
        // A reader that has reported the end of a closed ring stores this; a hostile peer may, too.
        memory.entry(1).floor.store(u64::MAX, Relaxed);
        assert_eq!(blocking_readers(memory, 1).count(), 0);
    }

    /// Fails if a writer announces only the limit that it computed itself: then a reader could join
    /// at a message that its killed predecessor was overwriting.
    #[test]
    fn a_writer_never_announces_less_than_its_predecessor_was_given() {
        let ring = Ring::heap(&Config::slots(4).of_bytes(8).await_readers(0)).unwrap();
        let mut writer = ring.writer().unwrap();
        for n in 0..4_u64 {
            writer.write(&n.to_le_bytes()).unwrap();
        }
        drop(writer);
        let memory = &ring.attachment.memory;
        // The state of a writer killed when it might write 4 to 7, with no reader registered.
        memory.control().limit.store(8, Relaxed);
        // A joiner that was suspended since the limit was 4 stores its first guess only now.
        memory.entry(1).cursor.store(Cursor::at(0).word(), Relaxed);
        memory.control().table.high_water.store(2, Relaxed);
        assert!(!Backpressure::gated(memory).refresh(memory, 4, None), "the joiner holds the ring back");
        assert_eq!(memory.control().limit.load(Relaxed), 8, "it may not stand below 4");
    }
}
