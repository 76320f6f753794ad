//! Entries of the participant table: taking one, leaving it, and freeing those of the dead.

use crate::config::Unfinished;
use crate::error::JoinError;
use crate::gate::{self, Cursors};
use crate::handover::Ticket;
use crate::life;
use crate::memory::Memory;
use crate::ownership::{self, Settled};
use crate::shared::Shared;
use crate::stamp::Words;
use crate::stops::{self, Stop};
use crate::sync::Relaxed;
use std::ops::Range;
use std::sync::Arc;

/// What a participant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Publishes messages.
    Writer,
    /// Reads every message.
    Reader,
    /// Takes messages of a queue.
    Taker,
}

/// The state word of an entry: `[times taken:56 | role:8]`, role 0 for a free one.
#[derive(Clone, Copy)]
pub(crate) struct State(u64);

impl State {
    pub(crate) fn from_word(word: u64) -> Self {
        State(word)
    }

    /// `None` for a free entry, and for a role that only a damaged segment holds.
    pub(crate) fn role(self) -> Option<Role> {
        match self.0 & 0xff {
            WRITER => Some(Role::Writer),
            READER | PARKED => Some(Role::Reader),
            TAKER => Some(Role::Taker),
            _ => None,
        }
    }

    fn taken_by(self, role: Role) -> Self {
        let code = match role {
            Role::Writer => WRITER,
            Role::Reader => READER,
            Role::Taker => TAKER,
        };
        State(((self.0 >> 8).wrapping_add(1) << 8) | code)
    }

    /// A writer that is about to leave counts as gone, but whoever finds it dead has its leaving to finish.
    fn leaving(self) -> Self {
        State(self.0 & !0xff | LEAVING)
    }

    /// A reader's, and nobody reads: see [`crate::handover`].
    fn parked(self) -> Self {
        State(self.0 & !0xff | PARKED)
    }

    fn resumed(self) -> Self {
        State(self.0 & !0xff | READER)
    }

    fn is_parked(self) -> bool {
        self.0 & 0xff == PARKED
    }

    fn freed(self) -> Self {
        State(self.0 & !0xff)
    }
}

const WRITER: u64 = 1;
const READER: u64 = 2;
const TAKER: u64 = 3;
const LEAVING: u64 = 4;
const PARKED: u64 = 5;

/// An entry that is ours until drop.
#[derive(Debug)]
pub(crate) struct Seat {
    shared: Arc<Shared>,
    index: usize,
}

/// What was found of messages that dead takers left.
pub(crate) enum Adoption {
    /// One of them: the entry, ours now, and what is in it.
    Message(Seat, Settled),
    None,
    /// Another thread joins or leaves at this moment: there may be some, or not.
    Unknown,
}

impl Seat {
    /// Takes the first entry of `range` that nobody living holds or left parked, and that keeps no message of a dead taker.
    pub(crate) fn take(shared: &Arc<Shared>, role: Role, mut range: Range<usize>) -> Option<Seat> {
        let index = range.find(|index| {
            let held = shared.presence.acquire(*index);
            if held && (unfinished(&shared.memory, *index).is_some() || is_kept_parked(shared, *index)) {
                shared.presence.release(*index);
                return false;
            }
            held
        })?;
        let seat = Seat { shared: Arc::clone(shared), index };
        clear(shared, index);
        let entry = seat.entry();
        let state = State::from_word(entry.state.load(Relaxed)); // Relaxed: ours alone, as for all below.
        entry.owner.store(owner_word(), Relaxed);
        entry.missed.store(0, Relaxed);
        entry.sleeps.store(0, Relaxed);
        entry.state.store(state.taken_by(role).0, Relaxed);
        // Relaxed: who must see this entry is ordered by the full fence of its owner's joining.
        shared.memory.control().table.high_water.fetch_max(index as u64 + 1, Relaxed);
        stops::at(Stop::SeatTaken);
        Some(seat)
    }

    /// Leaves a reader's entry to whoever resumes it: see [`crate::handover`].
    pub(crate) fn park(self) -> Result<Ticket, Seat> {
        if !self.shared.presence.acquire(parking(&self.shared, self.index)) {
            return Err(self);
        }
        // Relaxed, both: the hold on the entry orders them.
        let state = State::from_word(self.entry().state.load(Relaxed)).parked();
        self.entry().state.store(state.0, Relaxed);
        Ok(Ticket { entry: self.index, state: state.0 }) // Dropping a parked seat lets go of it, and clears nothing.
    }

    /// Takes a parked reader's entry up.
    pub(crate) fn resume(shared: &Arc<Shared>, ticket: Ticket) -> Option<Seat> {
        let Ticket { entry: index, state } = ticket;
        if index >= shared.memory.layout().config.participants || !shared.presence.acquire(index) {
            return None;
        }
        let entry = shared.memory.entry(index);
        if entry.state.load(Relaxed) != state || !State::from_word(state).is_parked() {
            shared.presence.release(index);
            return None;
        }
        // Relaxed, both: the hold on the entry orders them.
        entry.owner.store(owner_word(), Relaxed);
        entry.state.store(State::from_word(state).resumed().0, Relaxed);
        Some(Seat { shared: Arc::clone(shared), index })
    }

    /// Takes over, from a taker that died, an entry with a message that it was not done with.
    ///
    /// # Cost
    /// One system call for each taker of another process.
    pub(crate) fn adopt(shared: &Arc<Shared>) -> Adoption {
        let mut none = Adoption::None;
        for index in with_role(&shared.memory, Role::Taker) {
            match shared.presence.try_acquire(index) {
                Some(true) => {}
                Some(false) => continue,
                None => {
                    none = Adoption::Unknown;
                    continue;
                }
            }
            let seat = Seat { shared: Arc::clone(shared), index }; // Frees the entry, if there is no message.
            if let Some(settled) = unfinished(&shared.memory, index) {
                seat.entry().owner.store(owner_word(), Relaxed); // Relaxed: for a message to people.
                stops::at(Stop::MessageAdopted);
                return Adoption::Message(seat, settled);
            }
        }
        none
    }

    pub(crate) fn entry(&self) -> &crate::format::Entry {
        self.shared.memory.entry(self.index)
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.shared.presence.is_inherited() {
            return; // A fork's copy: the entry is the parent's.
        }
        if !State::from_word(self.entry().state.load(Relaxed)).is_parked() {
            clear(&self.shared, self.index);
        }
        self.shared.presence.release(self.index);
    }
}

/// Ends the parking of a reader; and the reader, if nobody took it up.
pub(crate) fn unpark(shared: &Shared, ticket: Ticket) {
    if shared.presence.is_inherited() {
        return;
    }
    if shared.presence.acquire(ticket.entry) {
        if shared.memory.entry(ticket.entry).state.load(Relaxed) == ticket.state {
            clear(shared, ticket.entry); // Relaxed, above: the hold on the entry orders it.
        }
        shared.presence.release(ticket.entry);
    }
    shared.presence.release(parking(shared, ticket.entry));
}

/// Whether an entry in that state still is the reader's of the ticket.
pub(crate) fn is_of(ticket: Ticket, state: u64) -> bool {
    state >> 8 == ticket.state >> 8 && State::from_word(state).role() == Some(Role::Reader)
}

/// What [`crate::segment::Presence`] calls the parking of an entry: it has a lock of its own, behind those of the table.
fn parking(shared: &Shared, index: usize) -> usize {
    shared.memory.layout().config.participants + index
}

/// Whether an entry, which the caller holds, is parked by somebody who lives.
fn is_kept_parked(shared: &Shared, index: usize) -> bool {
    // Relaxed: the hold on the entry orders it.
    if !State::from_word(shared.memory.entry(index).state.load(Relaxed)).is_parked() {
        return false;
    }
    let parking = parking(shared, index);
    let abandoned = shared.presence.try_acquire(parking) == Some(true);
    if abandoned {
        shared.presence.release(parking);
    }
    !abandoned
}

/// Ends whatever an entry stood for; the caller holds it. Nothing to do for a free one.
fn clear(shared: &Shared, index: usize) {
    let entry = shared.memory.entry(index);
    let state = State::from_word(entry.state.load(Relaxed)); // Relaxed: the hold on the entry orders it.
    match state.0 & 0xff {
        WRITER | LEAVING => {
            entry.state.store(state.leaving().0, Relaxed); // Relaxed: `life::end` orders it.
            stops::at(Stop::LeaveMarked);
            life::end(&shared.memory, || any(&shared.memory, Role::Writer));
            shared.bells.ring(&shared.memory.control().published);
        }
        READER | PARKED => {
            Cursors(entry).vacate();
            shared.bells.ring(&shared.memory.control().freed);
        }
        // Another taker takes it over, with the message. What else it owned is settled when its entry is taken again.
        TAKER if unfinished(&shared.memory, index).is_some() => return,
        TAKER => {}
        _ => return,
    }
    entry.state.store(state.freed().0, Relaxed); // Relaxed: as above.
}

/// The message that the taker of this entry took and is not done with, if it shall have another taker. For whoever holds
/// the entry.
fn unfinished(memory: &Memory, index: usize) -> Option<Settled> {
    let layout = memory.layout();
    let state = State::from_word(memory.entry(index).state.load(Relaxed)); // Relaxed: the hold on the entry orders it.
    if state.role() != Some(Role::Taker) || layout.config.unfinished == Unfinished::Drop {
        return None;
    }
    // A damaged entry keeps no message.
    let settled = ownership::settle(memory, Words::new(layout.buffers), index).ok()??;
    settled.unfinished.is_some().then_some(settled)
}

/// Entries whose state says that role.
fn with_role(memory: &Memory, role: Role) -> impl Iterator<Item = usize> {
    // Relaxed: fences order it where it counts, or the hold on the entry decides.
    gate::entries(memory)
        .filter(move |index| State::from_word(memory.entry(*index).state.load(Relaxed)).role() == Some(role))
}

/// Whether anybody is registered in that role.
fn any(memory: &Memory, role: Role) -> bool {
    with_role(memory, role).next().is_some()
}

/// Frees the entries of participants of that role that died, on behalf of somebody who may wait for them.
///
/// # Cost
/// One system call for each such participant.
pub(crate) fn clear_dead(shared: &Shared, role: Role) {
    let is_one = |index: &usize| {
        // Relaxed: a first look; the hold on the entry decides.
        let state = State::from_word(shared.memory.entry(*index).state.load(Relaxed));
        state.role() == Some(role) || (role == Role::Writer && state.0 & 0xff == LEAVING)
    };
    for index in gate::entries(&shared.memory).filter(is_one) {
        if shared.presence.try_acquire(index) == Some(true) {
            if !is_kept_parked(shared, index) {
                clear(shared, index);
            }
            shared.presence.release(index);
        }
    }
}

/// The error for a role that found no entry.
pub(crate) fn table_full(shared: &Shared) -> JoinError {
    JoinError::TableFull { participants: shared.memory.layout().config.participants }
}

/// `pid << 32 | tid`.
fn owner_word() -> u64 {
    #[cfg(target_os = "linux")]
    let thread = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
    #[cfg(not(target_os = "linux"))]
    let thread = 0_u32;
    u64::from(std::process::id()) << 32 | u64::from(thread)
}
