//! Readers that live, hold a gated ring's writers back, and do not move: after how long they are made to skip.
//!
//! The ring says so ([`Config::evict_after`](crate::Config::evict_after)), and whoever waits for such a reader does it:
//! the reader's floor is raised to the newest message, as by
//! [`Ring::skip_readers_to_newest`](crate::Ring::skip_readers_to_newest), and it is written down at which cursor that was. As
//! long as the cursor stays the same the reader has not noticed, and every writer that comes to it raises the floor again
//! at once ([`crate::protocol::backpressure`]). When it goes on it is told how many messages it missed. What it has pinned, the
//! message of a view or of a read under way, stays: whether writers can go on all the same, [`crate::protocol::backpressure`] says.

use crate::memory::Memory;
use crate::protocol::attachment::Attachment;
use crate::protocol::backpressure::{self, Cursor};
use crate::protocol::diagnostics;
use crate::protocol::events;
use crate::protocol::registry::State;
use crate::protocol::slots::Slots;
use crate::sync::Relaxed;
use std::time::{Duration, Instant};

/// Whom one waiting writer found in its way, and since when.
#[derive(Debug, Default)]
pub(crate) struct Stalls {
    seen: Vec<Stall>,
}

#[derive(Clone, Copy, Debug)]
struct Stall {
    entry: usize,
    /// How often the entry had been taken: who came to it later has not stood there yet, be it at the same cursor.
    owner: u64,
    cursor: Cursor,
    since: Instant,
}

impl Stalls {
    /// Evicts the readers that have held the ring's writers back since `after` ago without moving.
    pub(crate) fn evict_stalled(&mut self, attachment: &Attachment, after: Duration) {
        let memory = &attachment.memory;
        let next = Slots::new(memory.clone()).next_sequence();
        let now = Instant::now();
        let since = |entry, owner, cursor| {
            let same = |stall: &&Stall| (stall.entry, stall.owner, stall.cursor) == (entry, owner, cursor);
            self.seen.iter().find(same).map_or(now, |stall| stall.since)
        };
        let stalls: Vec<_> = backpressure::blocking_readers(memory, next)
            .map(|(entry, cursor)| {
                let owner = owner_of(memory, entry);
                Stall { entry, owner, cursor, since: since(entry, owner, cursor) }
            })
            .collect();
        self.seen = stalls;
        let overdue = |stall: &&Stall| now.duration_since(stall.since) >= after;
        for Stall { entry, cursor, .. } in self.seen.iter().filter(overdue) {
            evict(attachment, *entry, *cursor, next);
        }
    }
}

/// Tells one owner of an entry from the next.
fn owner_of(memory: &Memory, entry: usize) -> u64 {
    // Relaxed: who comes at this moment waits its time from here on, or from the next look.
    State::from_word(memory.entry(entry).state.load(Relaxed)).times_taken()
}

fn evict(attachment: &Attachment, entry: usize, cursor: Cursor, next: u64) {
    let memory = &attachment.memory;
    backpressure::evict(memory, entry, cursor, next);
    let owner = memory.entry(entry).owner.load(Relaxed); // Relaxed: for people.
    events::evicted(attachment, diagnostics::pid(owner), entry, next);
    attachment.event_counts.ring(&memory.control().freed);
}

/// Evicts whoever is in the way, as if it had been there for too long: models know no time.
#[cfg(seqring_model)]
pub(crate) fn evict_whoever_is_in_the_way(attachment: &Attachment) {
    let next = Slots::new(attachment.memory.clone()).next_sequence();
    for (entry, cursor) in backpressure::blocking_readers(&attachment.memory, next) {
        evict(attachment, entry, cursor, next);
    }
}

#[cfg(all(test, not(seqring_model)))]
mod tests {
    use super::{Stalls, backpressure};
    use crate::api::ring::Ring;
    use crate::types::config::Config;
    use crate::types::message::Start;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_millis(5);

    /// Fails if whoever comes after a reader, in its entry and at its cursor, comes after its time there, too.
    #[test]
    fn a_successor_at_the_same_cursor_has_its_own_time() {
        let ring = Ring::heap(&Config::new(1, 8).evict_after(PATIENCE)).unwrap();
        let mut writer = ring.writer().unwrap();
        let reader = ring.reader(Start::Next).unwrap();
        writer.try_write(b"0").unwrap();
        let cursors = || backpressure::blocking_readers(&ring.attachment.memory, 1).collect::<Vec<_>>();
        let (before, mut stalls) = (cursors(), Stalls::default());
        assert_eq!(before.len(), 1);
        stalls.evict_stalled(&ring.attachment, PATIENCE);
        drop(reader);
        let mut successor = ring.reader(Start::Oldest).unwrap();
        assert_eq!(cursors(), before, "the same entry, the same cursor");
        std::thread::sleep(PATIENCE);
        stalls.evict_stalled(&ring.attachment, PATIENCE);
        assert_eq!(successor.try_read(&mut [0; 8]).map(|got| got.sequence), Ok(0), "evicted at once");
    }
}
