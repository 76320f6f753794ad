//! Readers that live, hold a gated ring's writers back, and do not move: after how long they are made to skip.
//!
//! The ring says so ([`Config::evict_after`](crate::Config::evict_after)), and whoever waits for such a reader does it:
//! the reader's floor is raised to the newest message, as by
//! [`Ring::skip_readers_to_newest`](crate::Ring::skip_readers_to_newest), and it is written down at which cursor that was. As
//! long as the cursor stays the same the reader has not noticed, and every writer that comes to it raises the floor again
//! at once ([`crate::gate`]). When it goes on it is told how many messages it missed. What it has pinned, a view's message,
//! stays: whether writers can go on all the same, [`crate::gate`] says.

use crate::events;
use crate::gate::{self, Cursor};
use crate::peers;
use crate::shared::Shared;
use crate::slots::Slots;
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
    cursor: Cursor,
    since: Instant,
}

impl Stalls {
    /// Evicts the readers that have held the ring's writers back since `after` ago without moving.
    pub(crate) fn evict_stalled(&mut self, shared: &Shared, after: Duration) {
        let memory = &shared.memory;
        let next = Slots::new(memory.clone()).next_sequence();
        let now = Instant::now();
        let since = |entry, cursor| {
            let before = self.seen.iter().find(|stall| (stall.entry, stall.cursor) == (entry, cursor));
            before.map_or(now, |stall| stall.since)
        };
        let stalls: Vec<_> = gate::in_the_way(memory, next)
            .map(|(entry, cursor)| Stall { entry, cursor, since: since(entry, cursor) })
            .collect();
        self.seen = stalls;
        let overdue = |stall: &&Stall| now.duration_since(stall.since) >= after;
        for Stall { entry, cursor, .. } in self.seen.iter().filter(overdue) {
            evict(shared, *entry, *cursor, next);
        }
    }
}

fn evict(shared: &Shared, entry: usize, cursor: Cursor, next: u64) {
    let memory = &shared.memory;
    gate::evict(memory, entry, cursor, next);
    let owner = memory.entry(entry).owner.load(Relaxed); // Relaxed: for people.
    events::evicted(shared, peers::pid(owner), entry, next);
    shared.bells.ring(&memory.control().freed);
}

/// Evicts whoever is in the way, as if it had been there for too long: models know no time.
#[cfg(seqring_loom)]
pub(crate) fn evict_whoever_is_in_the_way(shared: &Shared) {
    let next = Slots::new(shared.memory.clone()).next_sequence();
    for (entry, cursor) in gate::in_the_way(&shared.memory, next) {
        evict(shared, entry, cursor, next);
    }
}
