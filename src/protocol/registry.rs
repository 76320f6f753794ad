//! Entries of the participant table: taking one, leaving it, and freeing those of the dead.

use crate::memory::Memory;
use crate::memory::stamp::Words;
use crate::protocol::attachment::Shared;
use crate::protocol::backpressure::{self, Cursors};
use crate::protocol::diagnostics;
use crate::protocol::events;
use crate::protocol::intent_log::{self, Settled};
use crate::protocol::stream_state::{self, Exit};
use crate::sync::failpoint::{self, Stop};
use crate::sync::mutation::{Step, omits};
use crate::sync::{Relaxed, compiler_keeps_order, yield_now};
use crate::types::config::Unfinished;
use crate::types::error::JoinError;
use crate::types::participant::{Role, Ticket};
use std::ops::Range;
use std::sync::Arc;

/// How often a joiner looks for an entry, with a yield between: about 50 µs. loom tries all that others may do in each
/// yield.
pub(crate) const JOIN_TRIES: usize = if cfg!(seqring_loom) { 3 } else { 100 };

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

    /// A writer that is about to leave, or was found dead, counts as gone; whoever finds the entry so has its end to
    /// finish.
    fn going(self, exit: Exit) -> Self {
        let code = match exit {
            Exit::Left => LEAVING,
            Exit::Died { .. } => FOUND_DEAD,
        };
        State(self.0 & !0xff | code)
    }

    fn is_going(self) -> bool {
        matches!(self.0 & 0xff, LEAVING | FOUND_DEAD)
    }

    /// How the owner of this entry goes, if whoever clears it would have it go by `exit`: who was about to leave has
    /// left.
    fn exit(self, exit: Exit) -> Exit {
        if self.0 & 0xff == LEAVING { Exit::Left } else { exit }
    }

    /// A reader's, and nobody reads: see [`crate::api::park`].
    fn parked(self) -> Self {
        State(self.0 & !0xff | PARKED)
    }

    fn resumed(self) -> Self {
        State(self.0 & !0xff | READER)
    }

    fn is_parked(self) -> bool {
        self.0 & 0xff == PARKED
    }

    /// Tells owners of one entry apart.
    pub(crate) fn times_taken(self) -> u64 {
        self.0 >> 8
    }

    fn is_free(self) -> bool {
        matches!(self.0 & 0xff, FREE)
    }

    fn freed(self) -> Self {
        State(self.0 & !0xff)
    }
}

const FREE: u64 = 0;
const WRITER: u64 = 1;
const READER: u64 = 2;
const TAKER: u64 = 3;
const LEAVING: u64 = 4;
const FOUND_DEAD: u64 = 5;
const PARKED: u64 = 6;

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
            // A first look without hold: whoever may take up what is kept there must not find it held.
            let held = !is_kept(shared, *index) && shared.presence.acquire(*index);
            if held && is_kept(shared, *index) {
                shared.presence.release(*index);
                return false;
            }
            held
        })?;
        let seat = Seat { shared: Arc::clone(shared), index };
        clear_after_death(shared, index);
        let entry = seat.entry();
        let state = State::from_word(entry.state.load(Relaxed)); // Relaxed: ours alone, as for all below.
        seat.name_owner();
        entry.missed.store(0, Relaxed);
        entry.sleeps.store(0, Relaxed);
        compiler_keeps_order(); // Whoever finds us dead in this role finds our process named.
        entry.state.store(state.taken_by(role).0, Relaxed);
        // Relaxed: who must see this entry is ordered by the full fence of its owner's joining.
        shared.memory.control().table.high_water.fetch_max(index as u64 + 1, Relaxed);
        failpoint::at(Stop::SeatTaken);
        events::joined(shared, role, index);
        Some(seat)
    }

    /// Makes an entry that was [adopted](Self::adopt) that of a taker at work, with the message that is in it.
    pub(crate) fn take_up(&self) {
        let entry = self.entry();
        // Relaxed, all of them: ours alone.
        entry.missed.store(0, Relaxed);
        entry.sleeps.store(0, Relaxed);
        let state = State::from_word(entry.state.load(Relaxed)).taken_by(Role::Taker);
        entry.state.store(state.0, Relaxed);
        events::joined(&self.shared, Role::Taker, self.index);
    }

    /// Leaves a reader's entry to whoever resumes it: see [`crate::api::park`].
    pub(crate) fn park(self) -> Result<Ticket, Seat> {
        if !self.shared.presence.acquire(parking(&self.shared, self.index)) {
            return Err(self);
        }
        failpoint::at(Stop::ReaderParking);
        // Relaxed, both: the hold on the entry orders them.
        let state = State::from_word(self.entry().state.load(Relaxed)).parked();
        self.entry().state.store(state.0, Relaxed);
        failpoint::at(Stop::ReaderParked);
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
        let seat = Seat { shared: Arc::clone(shared), index };
        failpoint::at(Stop::ReaderResuming);
        seat.name_owner();
        compiler_keeps_order(); // As in `take`.
        seat.entry().state.store(State::from_word(state).resumed().0, Relaxed); // Relaxed: the hold orders it.
        Some(seat)
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
            let Some(settled) = unfinished(&shared.memory, index) else {
                // Whosever it is by now: the taker may have left, and a writer come and died.
                clear_after_death(shared, index);
                shared.presence.release(index);
                continue;
            };
            let seat = Seat { shared: Arc::clone(shared), index };
            seat.name_owner();
            failpoint::at(Stop::MessageAdopted);
            return Adoption::Message(seat, settled);
        }
        none
    }

    fn name_owner(&self) {
        let (entry, owner) = (self.entry(), self.shared.presence.owner());
        entry.owner.store(owner_word(owner.pid), Relaxed); // Relaxed: for messages to people, as the next one.
        entry.started.store(owner.started, Relaxed);
    }

    pub(crate) fn entry(&self) -> &crate::memory::format::Entry {
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
        // A forked child has a copy of what its parent holds, and nothing to let go of.
        if self.shared.presence.is_inherited() {
            return;
        }
        let state = State::from_word(self.entry().state.load(Relaxed)); // Relaxed: ours.
        if !state.is_parked() {
            clear(&self.shared, self.index, Exit::Left);
        }
        self.shared.presence.release(self.index);
        events::left(&self.shared, state.role(), self.index);
    }
}

/// Ends whatever the dead owner of an entry left; the caller holds it. Nothing to do for a free one.
fn clear_after_death(shared: &Shared, index: usize) {
    let entry = shared.memory.entry(index);
    // Relaxed, both: the hold on the entry orders them.
    let (state, owner) = (State::from_word(entry.state.load(Relaxed)), entry.owner.load(Relaxed));
    if state.is_free() {
        return;
    }
    failpoint::at(Stop::DeadFound);
    let pid = diagnostics::pid(owner);
    if clear(shared, index, Exit::Died { pid }) {
        events::found_dead(shared, state.role(), pid, index);
    }
}

/// Ends the parking of a reader; and the reader, if nobody took it up.
pub(crate) fn unpark(shared: &Shared, ticket: Ticket) {
    if shared.presence.is_inherited() {
        return;
    }
    // First, so that whoever holds the entry at this moment, to look whether the parker lives, clears it in our place.
    shared.presence.release(parking(shared, ticket.entry));
    for _ in 0..JOIN_TRIES {
        if shared.presence.acquire(ticket.entry) {
            if is_parked(shared, ticket) {
                clear(shared, ticket.entry, Exit::Left);
            }
            shared.presence.release(ticket.entry);
            return;
        }
        if !is_parked(shared, ticket) {
            return;
        }
        yield_now();
    }
}

/// Whether the reader of the ticket is parked.
pub(crate) fn is_parked(shared: &Shared, ticket: Ticket) -> bool {
    // Relaxed: a look; taking it up decides.
    shared.memory.entry(ticket.entry).state.load(Relaxed) == ticket.state
}

/// Whether an entry in that state still is the reader's of the ticket.
pub(crate) fn is_of(ticket: Ticket, state: u64) -> bool {
    let (state, parked) = (State::from_word(state), State::from_word(ticket.state));
    state.times_taken() == parked.times_taken() && state.role() == Some(Role::Reader)
}

/// What [`crate::segment::Presence`] calls the parking of an entry: it has a lock of its own, behind those of the table.
fn parking(shared: &Shared, index: usize) -> usize {
    shared.memory.layout().config.participants + index
}

/// Whether an entry is kept for others: for whoever takes up a parked reader, or a dead taker's message. If the caller does
/// not hold the entry, it may be so no longer.
fn is_kept(shared: &Shared, index: usize) -> bool {
    unfinished(&shared.memory, index).is_some() || is_kept_parked(shared, index)
}

/// Whether an entry is parked by somebody who lives; to be relied on by whoever holds it.
fn is_kept_parked(shared: &Shared, index: usize) -> bool {
    // Relaxed: the hold on the entry orders it.
    if !State::from_word(shared.memory.entry(index).state.load(Relaxed)).is_parked() {
        return false;
    }
    // Nobody looks by taking it: whoever parks or takes up the reader at this moment must not find it taken.
    shared.presence.try_is_held(parking(shared, index)) != Some(false)
}

/// Ends whatever an entry stood for, whose owner goes by `exit`; the caller holds it. False for a free one.
fn clear(shared: &Shared, index: usize, exit: Exit) -> bool {
    let entry = shared.memory.entry(index);
    let state = State::from_word(entry.state.load(Relaxed)); // Relaxed: the hold on the entry orders it.
    let bell = match state.0 & 0xff {
        WRITER | LEAVING | FOUND_DEAD => {
            let exit = state.exit(exit);
            entry.state.store(state.going(exit).0, Relaxed); // Relaxed: `stream_state::end` orders it.
            failpoint::at(Stop::LeaveMarked);
            if !(omits(Step::EndStream) && exit != Exit::Left) {
                stream_state::end(&shared.memory, exit, || any(&shared.memory, Role::Writer));
            }
            failpoint::at(Stop::StreamEnded);
            Some(&shared.memory.control().published)
        }
        READER | PARKED => {
            if !(omits(Step::VacateReader) && exit != Exit::Left) {
                Cursors(entry).vacate();
            }
            failpoint::at(Stop::ReaderVacated);
            Some(&shared.memory.control().freed)
        }
        // Another taker takes it over, with the message. What else it owned is settled when its entry is taken again.
        TAKER if unfinished(&shared.memory, index).is_some() => return false,
        TAKER => None,
        _ => return false,
    };
    // Relaxed: as above. Before anybody is woken: the sooner, the less may be left half done.
    entry.state.store(state.freed().0, Relaxed);
    if let Some(bell) = bell {
        shared.bells.ring(bell);
    }
    true
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
    let settled = intent_log::settle(memory, Words::new(layout.buffers), index).ok()??;
    settled.unfinished.is_some().then_some(settled)
}

/// Entries whose state says that role.
fn with_role(memory: &Memory, role: Role) -> impl Iterator<Item = usize> {
    // Relaxed: fences order it where it counts, or the hold on the entry decides.
    backpressure::entries(memory)
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
    if omits(Step::LookForTheDead) {
        return;
    }
    let is_one = |index: &usize| {
        // Relaxed: a first look; the hold on the entry decides.
        let state = State::from_word(shared.memory.entry(*index).state.load(Relaxed));
        state.role() == Some(role) || (role == Role::Writer && state.is_going())
    };
    for index in backpressure::entries(&shared.memory).filter(is_one) {
        // A first look without hold: whoever resumes it must not find it held.
        if !is_kept_parked(shared, index) && shared.presence.try_acquire(index) == Some(true) {
            if !is_kept_parked(shared, index) {
                clear_after_death(shared, index);
            }
            shared.presence.release(index);
        }
    }
}

/// The error for a role that found no entry.
pub(crate) fn table_full(shared: &Shared) -> JoinError {
    JoinError::TableFull { holders: diagnostics::all(&shared.memory) }
}

/// `pid << 32 | tid`; [`diagnostics::pid`] reads it.
fn owner_word(pid: u32) -> u64 {
    #[cfg(target_os = "linux")]
    let thread = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
    #[cfg(not(target_os = "linux"))]
    let thread = 0_u32;
    u64::from(pid) << 32 | u64::from(thread)
}
