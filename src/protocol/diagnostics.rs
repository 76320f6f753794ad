//! Participants as error texts and statistics name them.

use crate::memory::Memory;
use crate::protocol::entry_state::EntryState;
use crate::protocol::reader_entry::{self, Cursor};
use crate::protocol::slots::Slots;
use crate::sync::Relaxed;
use crate::types::participant::{BlockedOn, Peer, Role};

/// An entry's word for its owner: `pid << 32 | tid`.
pub(crate) fn owner_word(pid: u32) -> u64 {
    #[cfg(target_os = "linux")]
    let thread = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
    #[cfg(not(target_os = "linux"))]
    let thread = 0_u32;
    u64::from(pid) << 32 | u64::from(thread)
}

/// The process in an entry's word for its owner.
pub(crate) fn pid(owner: u64) -> u32 {
    (owner >> 32) as u32
}

/// The participant of an entry; `None` for a free one. `next` is the sequence that is published
/// next.
pub(crate) fn peer(memory: &Memory, entry: usize, next: u64) -> Option<Peer> {
    let (role, position) = role_and_position(memory, entry, next)?;
    let owner = memory.entry(entry).owner.load(Relaxed); // Relaxed: as in `role_and_position`.
    Some(Peer { pid: pid(owner), role, entry, lag: next - position })
}

/// The role of an entry's participant, and the sequence that it has reached.
pub(crate) fn role_and_position(memory: &Memory, entry: usize, next: u64) -> Option<(Role, u64)> {
    let entry = memory.entry(entry);
    // Relaxed, all of them: for diagnostics, orders nothing.
    let role = EntryState::of(entry).role()?.in_ring(memory.layout().config.delivery);
    let position = match role {
        Role::Writer | Role::Server | Role::Caller => next,
        Role::Taker => Slots::new(memory.clone()).taken_sequence().min(next),
        Role::Reader => {
            let cursor = Cursor::from_word(entry.cursor.load(Relaxed)).position()?;
            cursor.max(entry.floor.load(Relaxed)).min(next)
        }
    };
    Some((role, position))
}

/// All registered participants.
pub(crate) fn participants(memory: &Memory) -> Vec<Peer> {
    let next = Slots::new(memory.clone()).next_sequence();
    reader_entry::entries(memory).filter_map(|entry| peer(memory, entry, next)).collect()
}

/// The registered writers.
pub(crate) fn writers(memory: &Memory) -> BlockedOn {
    participants(memory).iter().filter(|peer| peer.role == Role::Writer).map(|peer| peer.pid).collect()
}
