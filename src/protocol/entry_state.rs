//! The state word of an entry in the participant table.
//!
//! | state                 | lock holder          | meaning                                |
//! |-----------------------|----------------------|----------------------------------------|
//! | free                  | no process           | a participant may register             |
//! | writer, reader, taker | its owner            | a live participant                     |
//! | writer, reader, taker | no process           | the owner died: to be recovered        |
//! | leaving               | its owner            | a writer that deregisters: not counted |
//! | found dead            | a recovering process | a dead writer: not counted             |
//! | leaving, found dead   | no process           | that process died: the next finishes   |
//! | parked                | only the park lock   | a parked reader ([`crate::api::park`]) |
//!
//! A taker's entry with an unacknowledged message stays as it is until another taker adopts it.

use crate::memory::format::Entry;
use crate::protocol::stream_state::Exit;
use crate::sync::Relaxed;
use crate::types::participant::Role;

/// The state word of an entry: `[generation:56 | state:8]`.
#[derive(Clone, Copy)]
pub(crate) struct EntryState(u64);

impl EntryState {
    pub(super) fn from_word(word: u64) -> Self {
        EntryState(word)
    }

    pub(super) fn of(entry: &Entry) -> Self {
        EntryState(entry.state.load(Relaxed)) // Relaxed: the entry's lock orders it, or decides later.
    }

    pub(super) fn word(self) -> u64 {
        self.0
    }

    pub(super) fn code(self) -> u64 {
        self.0 & 0xff
    }

    pub(super) fn with_code(self, code: u64) -> Self {
        EntryState(self.0 & !0xff | code)
    }

    /// A server is a writer here, and a caller a reader. `None` for a free entry, for a writer that
    /// is leaving or found dead, and in a damaged segment.
    pub(crate) fn role(self) -> Option<Role> {
        match self.code() {
            WRITER => Some(Role::Writer),
            READER | PARKED => Some(Role::Reader),
            TAKER => Some(Role::Taker),
            _ => None,
        }
    }

    pub(super) fn registered(self, role: Role) -> Self {
        let code = match role {
            Role::Writer | Role::Server => WRITER,
            Role::Reader | Role::Caller => READER,
            Role::Taker => TAKER,
        };
        EntryState(self.generation().wrapping_add(1) << 8 | code)
    }

    /// A writer whose deregistration or recovery has begun.
    pub(super) fn ending(self, exit: Exit) -> Self {
        self.with_code(match exit {
            Exit::Left => LEAVING,
            Exit::Died { .. } => FOUND_DEAD,
        })
    }

    pub(super) fn is_ending(self) -> bool {
        matches!(self.code(), LEAVING | FOUND_DEAD)
    }

    /// How the participant ended: a writer that was leaving has left, also if it died meanwhile;
    /// another one ends by `exit`.
    pub(super) fn exit_or(self, exit: Exit) -> Exit {
        if self.code() == LEAVING { Exit::Left } else { exit }
    }

    pub(super) fn is_parked(self) -> bool {
        self.code() == PARKED
    }

    /// How often the entry was registered in: distinguishes its successive owners.
    pub(crate) fn generation(self) -> u64 {
        self.0 >> 8
    }
}

pub(super) const FREE: u64 = 0;
pub(super) const WRITER: u64 = 1;
pub(super) const READER: u64 = 2;
pub(super) const TAKER: u64 = 3;
pub(super) const LEAVING: u64 = 4;
pub(super) const FOUND_DEAD: u64 = 5;
pub(super) const PARKED: u64 = 6;
