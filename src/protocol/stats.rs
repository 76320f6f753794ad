//! Statistics of a ring: its participants, their positions and whether they are alive.
//!
//! Nothing here stores to the ring, so a handle and a read-only view of a segment give the same
//! numbers.

use crate::memory::Memory;
use crate::protocol::diagnostics;
use crate::protocol::reader_entry;
use crate::protocol::slots::Slots;
use crate::protocol::stream_state;
use crate::sync::Relaxed;
use crate::types::participant::Role;
use std::time::Instant;

pub use crate::protocol::stream_state::Phase as Stream;

/// A registered writer, reader or taker, according to the participant table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Participant {
    /// Its entry in the table.
    pub entry: usize,
    /// What it does.
    pub role: Role,
    /// Its process, numbered as in that process's own pid namespace.
    pub pid: u32,
    /// When that process started, in clock ticks since boot, which distinguishes it
    /// from a later process of the same number; `None` if unknown.
    pub started: Option<u64>,
    /// Whether it holds its entry's lock. If not, it was killed, and its entry is not recovered
    /// yet.
    pub alive: bool,
    /// The sequence at which it registered.
    pub joined: u64,
    /// The next sequence that it reads or writes.
    pub position: u64,
    /// Messages published that it has not read yet; 0 for writers.
    pub lag: u64,
    /// Messages that a reader lost; 0 for others.
    pub lost: u64,
    /// Calls of a writer that found the ring full, whether or not they then waited; 0 for others.
    pub refused: u64,
    /// How often it slept while it waited.
    pub sleeps: u64,
}

/// Statistics of a ring. The numbers of different participants are not from the same instant.
///
/// ```
/// use seqring::{Config, Ring, Start};
/// let ring = Ring::heap(&Config::slots(4).of_bytes(8))?;
/// let (mut writer, _reader) = (ring.writer()?, ring.reader(Start::Next)?);
/// writer.write(b"hello")?;
/// let stats = ring.stats();
/// assert_eq!(stats.next_sequence, 1);
/// assert_eq!(stats.participants.iter().map(|one| one.lag).max(), Some(1)); // The slowest reader.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// When they were collected.
    pub taken_at: Instant,
    /// The state of the stream.
    pub stream: Stream,
    /// The sequence that is published next.
    pub next_sequence: u64,
    /// The readers that the ring still [awaits](crate::Config::await_readers). While there are any,
    /// nothing is overwritten: writers wait once all slots are full.
    pub awaited_readers: u32,
    /// The registered participants, dead ones included.
    pub participants: Vec<Participant>,
}

impl Stats {
    /// # Cost
    /// Two lines and a system call for each entry that was ever used.
    pub(crate) fn collect(memory: &Memory, is_alive: impl Fn(usize) -> bool) -> Self {
        let taken_at = Instant::now();
        let next = Slots::new(memory.clone()).next_sequence();
        let participants = reader_entry::entries(memory)
            .filter_map(|index| participant(memory, index, next, &is_alive))
            .collect();
        let awaited_readers = reader_entry::missing_readers(memory);
        Stats {
            taken_at,
            stream: stream_state::phase(memory),
            next_sequence: next,
            awaited_readers,
            participants,
        }
    }

    /// Messages published per second since `earlier` statistics of the same ring.
    pub fn published_per_second(&self, earlier: &Stats) -> f64 {
        self.per_second(earlier, self.next_sequence.saturating_sub(earlier.next_sequence))
    }

    /// Messages per second by which a participant advanced since `earlier` statistics, if they
    /// include it.
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
    let (role, position) = diagnostics::role_and_position(memory, index, next)?;
    // Relaxed, all of them: statistics, which order nothing.
    let missed = entry.missed.load(Relaxed);
    Some(Participant {
        entry: index,
        role,
        pid: diagnostics::pid(entry.owner.load(Relaxed)),
        started: Some(entry.started.load(Relaxed)).filter(|started| *started > 0),
        alive: is_alive(index),
        joined: entry.joined.load(Relaxed),
        position,
        lag: next - position,
        lost: if role == Role::Reader { missed } else { 0 },
        refused: if role == Role::Writer { missed } else { 0 },
        sleeps: entry.sleeps.load(Relaxed),
    })
}
