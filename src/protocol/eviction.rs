//! Eviction: readers of a gated ring that are alive, hold the writers back and do not move are made
//! to skip.
//!
//! [`Config::evict_after`](crate::Config::evict_after) sets after how long. A waiting writer
//! evicts:
//! 1. It stores, in the reader's entry, the cursor at which the reader is evicted.
//! 2. It raises the reader's floor to the next message to be published, as
//!    [`Ring::skip_readers_to_newest`](crate::Ring::skip_readers_to_newest) does.
//!
//! While the cursor stays the same the reader has not noticed, and a writer that it blocks again
//! raises the floor at once ([`crate::protocol::backpressure`]). The reader's next read returns the
//! number of messages it lost. A pinned message, of a view or of a read in progress, stays valid;
//! [`crate::protocol::standby_buffer`] says when writers can go on all the same.

use crate::protocol::attachment::{Attachment, WaitFor};
use crate::protocol::backpressure;
use crate::protocol::diagnostics;
use crate::protocol::entry_state::EntryState;
use crate::protocol::events;
use crate::protocol::reader_entry::Cursor;
use crate::protocol::slots::Slots;
use crate::sync::Relaxed;
use std::time::{Duration, Instant};

/// The readers that block one waiting writer, and since when.
#[derive(Debug, Default)]
pub(crate) struct Stalls {
    seen: Vec<Stall>,
}

#[derive(Clone, Copy, Debug)]
struct Stall {
    entry: usize,
    /// The entry's [generation](EntryState::generation): a successor at the same cursor has its own
    /// time.
    generation: u64,
    cursor: Cursor,
    since: Instant,
}

impl Stalls {
    /// Evicts the readers that have blocked the ring's writers for at least `after` without moving.
    pub(crate) fn evict_stalled(&mut self, attachment: &Attachment, after: Duration) {
        let memory = &attachment.memory;
        let next = Slots::new(memory.clone()).next_sequence();
        let now = Instant::now();
        let since = |entry, generation, cursor| {
            let same =
                |stall: &&Stall| (stall.entry, stall.generation, stall.cursor) == (entry, generation, cursor);
            self.seen.iter().find(same).map_or(now, |stall| stall.since)
        };
        let stalls: Vec<_> = backpressure::blocking_readers(memory, next)
            .map(|(entry, cursor)| {
                // A reader that registers at this moment has its time from this check or the next.
                let generation = EntryState::of(memory.entry(entry)).generation();
                Stall { entry, generation, cursor, since: since(entry, generation, cursor) }
            })
            .collect();
        self.seen = stalls;
        let overdue = |stall: &&Stall| now.duration_since(stall.since) >= after;
        for Stall { entry, cursor, .. } in self.seen.iter().filter(overdue) {
            evict(attachment, *entry, *cursor, next);
        }
    }
}

fn evict(attachment: &Attachment, entry: usize, cursor: Cursor, next: u64) {
    let memory = &attachment.memory;
    backpressure::evict(memory, entry, cursor, next);
    let owner = memory.entry(entry).owner.load(Relaxed); // Relaxed: for diagnostics.
    attachment.notify(WaitFor::Room);
    events::evicted(attachment, diagnostics::pid(owner), entry, next);
}

/// Evicts every blocking reader, as if its time was over: models have no clock.
#[cfg(seqring_model)]
pub(crate) fn evict_blocking_readers(attachment: &Attachment) {
    let next = Slots::new(attachment.memory.clone()).next_sequence();
    for (entry, cursor) in backpressure::blocking_readers(&attachment.memory, next) {
        evict(attachment, entry, cursor, next);
    }
}

#[cfg(all(test, not(seqring_model)))]
mod tests {
    use super::{Stalls, backpressure, evict};
    use crate::api::ring::Ring;
    use crate::types::config::Config;
    use crate::types::error::TryWriteError;
    use crate::types::message::Start;
    use std::time::Duration;

    const EVICT_AFTER: Duration = Duration::from_millis(5);

    /// Fails if a reader inherits the time of the reader that had its entry and its cursor before.
    #[test]
    fn a_successor_at_the_same_cursor_has_its_own_time() {
        let ring = Ring::heap(&Config::slots(1).of_bytes(8).evict_after(EVICT_AFTER)).unwrap();
        let mut writer = ring.writer().unwrap();
        let reader = ring.reader(Start::Next).unwrap();
        writer.try_write(b"0").unwrap();
        let cursors = || backpressure::blocking_readers(&ring.attachment.memory, 1).collect::<Vec<_>>();
        let (before, mut stalls) = (cursors(), Stalls::default());
        assert_eq!(before.len(), 1);
        stalls.evict_stalled(&ring.attachment, EVICT_AFTER);
        drop(reader);
        let mut successor = ring.reader(Start::Oldest).unwrap();
        assert_eq!(cursors(), before, "the same entry, the same cursor");
        std::thread::sleep(EVICT_AFTER);
        stalls.evict_stalled(&ring.attachment, EVICT_AFTER);
        assert_eq!(successor.try_read(&mut [0; 8]).map(|got| got.sequence), Ok(0), "evicted at once");
    }

    /// Fails if a reader inherits the eviction, or the floor, of the reader that had its entry
    /// before.
    #[test]
    fn the_successor_of_an_evicted_reader_is_not_moved() {
        let ring = Ring::heap(&Config::slots(1).of_bytes(8).evict_after(EVICT_AFTER)).unwrap();
        let mut writer = ring.writer().unwrap();
        let reader = ring.reader(Start::Next).unwrap();
        writer.try_write(b"0").unwrap();
        let (entry, cursor) = backpressure::blocking_readers(&ring.attachment.memory, 1).next().unwrap();
        evict(&ring.attachment, entry, cursor, 1);
        drop(reader);
        let mut successor = ring.reader(Start::Oldest).unwrap();
        assert_eq!(writer.try_write(b"1"), Err(TryWriteError::Full));
        assert_eq!(successor.try_read(&mut [0; 8]).map(|got| got.sequence), Ok(0));
    }
}
