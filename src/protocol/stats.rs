//! What a ring looks like from outside: who is registered, how far everybody is, who lives.
//!
//! Nothing here stores to a ring, so the same figures come from a handle and from a read-only look at a segment.

use crate::memory::Memory;
use crate::protocol::backpressure;
use crate::protocol::diagnostics;
use crate::protocol::slots::Slots;
use crate::protocol::stream_state;
use crate::sync::Relaxed;
use crate::types::participant::Role;
use std::time::Instant;

pub use crate::protocol::stream_state::Phase as Stream;

/// A registered writer, reader or taker, as the table shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Its entry.
    pub entry: usize,
    /// What it does.
    pub role: Role,
    /// Its process, as that calls itself: another pid namespace may call it otherwise.
    pub pid: u32,
    /// When that process started, in clock ticks since boot: tells it from a later one of the same number. 0 where that
    /// is not known.
    pub started: u64,
    /// Whether it still holds its entry. One that does not was killed, and nobody needed its entry since.
    pub alive: bool,
    /// The sequence at which it joined.
    pub joined: u64,
    /// The next sequence: that it reads, or that is written.
    pub position: u64,
    /// Messages published and not yet read by it; 0 for writers.
    pub lag: u64,
    /// Messages that it lost (readers) or could not write because the ring was full (writers).
    pub missed: u64,
    /// How often it slept.
    pub sleeps: u64,
}

/// The figures of a ring at one time. Those of different participants are not of one instant.
#[derive(Clone, Debug)]
pub struct Stats {
    /// When they were taken.
    pub taken_at: Instant,
    /// Whether the stream goes on.
    pub stream: Stream,
    /// The sequence that is published next.
    pub next_sequence: u64,
    /// Who is registered, dead or alive.
    pub participants: Vec<Participant>,
}

impl Stats {
    /// # Cost
    /// Two lines and a system call an entry that was ever taken.
    pub(crate) fn take(memory: &Memory, is_alive: impl Fn(usize) -> bool) -> Self {
        let taken_at = Instant::now();
        let next = Slots::new(memory.clone()).next_sequence();
        let participants = backpressure::entries(memory)
            .filter_map(|index| participant(memory, index, next, &is_alive))
            .collect();
        Stats { taken_at, stream: stream_state::phase(memory), next_sequence: next, participants }
    }

    /// Messages published a second since `earlier` figures of the same ring.
    pub fn published_per_second(&self, earlier: &Stats) -> f64 {
        self.per_second(earlier, self.next_sequence.saturating_sub(earlier.next_sequence))
    }

    /// Messages that a participant passed a second since `earlier` figures, if it was there then.
    pub fn passed_per_second(&self, of: &Participant, earlier: &Stats) -> Option<f64> {
        let same = |then: &&Participant| {
            (then.entry, then.role, then.pid, then.joined) == (of.entry, of.role, of.pid, of.joined)
        };
        let then = earlier.participants.iter().find(same)?;
        Some(self.per_second(earlier, of.position.saturating_sub(then.position)))
    }

    fn per_second(&self, earlier: &Stats, count: u64) -> f64 {
        count as f64 / self.taken_at.saturating_duration_since(earlier.taken_at).as_secs_f64().max(1e-9)
    }
}

fn participant(
    memory: &Memory,
    index: usize,
    next: u64,
    is_alive: impl Fn(usize) -> bool,
) -> Option<Participant> {
    let entry = memory.entry(index);
    let (role, position) = diagnostics::stand(memory, index, next)?;
    // Relaxed, all of them: figures for people, which order nothing.
    Some(Participant {
        entry: index,
        role,
        pid: diagnostics::pid(entry.owner.load(Relaxed)),
        started: entry.started.load(Relaxed),
        alive: is_alive(index),
        joined: entry.joined.load(Relaxed),
        position,
        lag: next - position,
        missed: entry.missed.load(Relaxed),
        sleeps: entry.sleeps.load(Relaxed),
    })
}
