//! Participants of a ring as values: their roles, and their names in error messages.

use crate::types::config::Delivery;
use std::fmt;

/// What a participant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Publishes messages.
    Writer,
    /// Reads every message.
    Reader,
    /// Takes messages of a queue.
    Taker,
    /// Answers the questions of a call ring.
    Server,
    /// Asks questions in a call ring.
    Caller,
}

impl Role {
    /// The role in a ring of that delivery. The table has the server of a call ring as its writer,
    /// and the callers as readers: the protocols that detect ends and deaths are the same.
    pub(crate) fn in_ring(self, delivery: Delivery) -> Role {
        match (delivery, self) {
            (Delivery::Call, Role::Writer) => Role::Server,
            (Delivery::Call, Role::Reader) => Role::Caller,
            (_, role) => role,
        }
    }
}

/// A participant that others wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its process.
    pub pid: u32,
    /// What it does.
    pub role: Role,
    /// Its entry in the participant table.
    pub entry: usize,
    /// Messages published and not yet read by it; 0 for writers, servers and callers.
    pub lag: u64,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Writer => write!(f, "the writer of {}", process(self.pid)),
            Role::Reader => write!(f, "the reader of {}, {} messages behind", process(self.pid), self.lag),
            Role::Taker => write!(f, "the taker of {}", process(self.pid)),
            Role::Server => write!(f, "the server of {}", process(self.pid)),
            Role::Caller => write!(f, "the caller of {}", process(self.pid)),
        }
    }
}

/// The writers that a reader waits for: how many, and the processes of the first few.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockedOn {
    count: u32,
    pids: [u32; BlockedOn::NAMED],
}

impl BlockedOn {
    /// The number of processes that are named; [`Ring::participants`](crate::Ring::participants)
    /// has all.
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

impl FromIterator<u32> for BlockedOn {
    fn from_iter<I: IntoIterator<Item = u32>>(pids: I) -> Self {
        let mut writers = BlockedOn::default();
        for pid in pids {
            if let Some(free) = writers.pids.get_mut(writers.count as usize) {
                *free = pid;
            }
            writers.count += 1;
        }
        writers
    }
}

impl fmt::Debug for BlockedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockedOn").field("count", &self.count).field("pids", &self.pids()).finish()
    }
}

impl fmt::Display for BlockedOn {
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

/// What a process needs to resume a parked reader: plain numbers, to be sent to it by any means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkTicket {
    /// The reader's entry of the participant table.
    pub entry: usize,
    /// The entry's state word while the reader is parked: distinguishes this reader from others
    /// that had the entry.
    pub state: u64,
}

/// A process, for a message. A participant that is registering has not stored its number yet.
pub(crate) fn process(pid: u32) -> String {
    if pid == 0 { "a process that is registering".into() } else { format!("process {pid}") }
}

/// The first few of `peers`, for a message.
pub(crate) fn list(peers: &[Peer]) -> String {
    const NAMED: usize = 8;
    let mut text: Vec<_> = peers.iter().take(NAMED).map(Peer::to_string).collect();
    if peers.len() > NAMED {
        text.push(format!("and {} more", peers.len() - NAMED));
    }
    text.join("; ")
}

#[cfg(test)]
mod tests {
    use super::BlockedOn;

    #[test]
    fn the_awaited_writers_are_named() {
        let text = |pids: &[u32]| pids.iter().copied().collect::<BlockedOn>().to_string();
        assert_eq!(text(&[]), "no writer is there");
        assert_eq!(text(&[7]), "waiting for the writer of process 7");
        assert_eq!(text(&[7, 8]), "waiting for the writers of processes 7, 8");
        let many: Vec<u32> = (1..=9).collect();
        assert_eq!(text(&many), "waiting for the writers of processes 1, 2, 3, 4, 5, 6 and 3 more");
    }
}
