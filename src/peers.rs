//! Participants as others name them: whom a call waits for, and who holds the entries.

use crate::gate::{self, Cursor};
use crate::memory::Memory;
use crate::participant::{Role, State};
use crate::slots::Slots;
use crate::sync::Relaxed;
use std::fmt;

/// A participant that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its process.
    pub pid: u32,
    /// What it does.
    pub role: Role,
    /// Its entry in the participant table.
    pub entry: usize,
    /// Messages published and not yet read by it; 0 for writers.
    pub lag: u64,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Writer => write!(f, "the writer of process {}", self.pid),
            Role::Reader => write!(f, "the reader of process {}, {} messages behind", self.pid, self.lag),
            Role::Taker => write!(f, "the taker of process {}", self.pid),
        }
    }
}

/// The writers that a reader waits for: how many, and the processes of the first few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Awaited {
    count: u32,
    pids: [u32; Awaited::NAMED],
}

impl Awaited {
    /// So many are named; [`Ring::participants`](crate::Ring::participants) has all.
    pub const NAMED: usize = 6;

    /// How many writers are registered.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// The processes of the first [`Self::NAMED`] of them.
    pub fn pids(&self) -> &[u32] {
        &self.pids[..self.count().min(Self::NAMED)]
    }
}

impl FromIterator<u32> for Awaited {
    fn from_iter<I: IntoIterator<Item = u32>>(pids: I) -> Self {
        let mut awaited = Awaited::default();
        for pid in pids {
            if let Some(free) = awaited.pids.get_mut(awaited.count as usize) {
                *free = pid;
            }
            awaited.count += 1;
        }
        awaited
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, others @ ..] = self.pids() else {
            return write!(f, "no writer is there");
        };
        let plural = if self.count > 1 { "writers of processes" } else { "writer of process" };
        write!(f, "waiting for the {plural} {first}")?;
        for pid in others {
            write!(f, ", {pid}")?;
        }
        match self.count().saturating_sub(Self::NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The process in an entry's word for its owner.
pub(crate) fn pid(owner: u64) -> u32 {
    (owner >> 32) as u32
}

/// The participant of an entry, for messages to people; `None` for a free one.
///
/// `next` is the sequence that is published next.
pub(crate) fn peer(memory: &Memory, entry: usize, next: u64) -> Option<Peer> {
    let (role, position) = stand(memory, entry, next)?;
    let owner = memory.entry(entry).owner.load(Relaxed); // Relaxed: as in `stand`.
    Some(Peer { pid: pid(owner), role, entry, lag: next - position })
}

/// The role of an entry's participant, and the sequence that it is at.
pub(crate) fn stand(memory: &Memory, entry: usize, next: u64) -> Option<(Role, u64)> {
    let entry = memory.entry(entry);
    // Relaxed, all of them: figures for people, which order nothing.
    let role = State::from_word(entry.state.load(Relaxed)).role()?;
    let position = match role {
        Role::Writer => next,
        Role::Taker => memory.control().taken.load(Relaxed).min(next),
        Role::Reader => {
            let cursor = Cursor::from_word(entry.cursor.load(Relaxed)).position()?;
            cursor.max(entry.floor.load(Relaxed)).min(next)
        }
    };
    Some((role, position))
}

/// Everybody who is registered.
pub(crate) fn all(memory: &Memory) -> Vec<Peer> {
    let next = Slots::new(memory.clone()).next_sequence();
    gate::entries(memory).filter_map(|entry| peer(memory, entry, next)).collect()
}

/// The registered writers.
pub(crate) fn writers(memory: &Memory) -> Awaited {
    all(memory).iter().filter(|peer| peer.role == Role::Writer).map(|peer| peer.pid).collect()
}

/// The first few holders of entries, for a message.
pub(crate) fn holders(holders: &[Peer]) -> String {
    const NAMED: usize = 8;
    let mut text: Vec<_> = holders.iter().take(NAMED).map(Peer::to_string).collect();
    if holders.len() > NAMED {
        text.push(format!("and {} more", holders.len() - NAMED));
    }
    text.join("; ")
}

#[cfg(test)]
mod tests {
    use super::Awaited;

    #[test]
    fn who_is_awaited_is_named() {
        let text = |pids: &[u32]| pids.iter().copied().collect::<Awaited>().to_string();
        assert_eq!(text(&[]), "no writer is there");
        assert_eq!(text(&[7]), "waiting for the writer of process 7");
        assert_eq!(text(&[7, 8]), "waiting for the writers of processes 7, 8");
        let many: Vec<u32> = (1..=9).collect();
        assert_eq!(text(&many), "waiting for the writers of processes 1, 2, 3, 4, 5, 6 and 3 more");
    }
}
