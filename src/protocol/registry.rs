//! Entries of the participant table: taking one, leaving it, and freeing those of the dead.

use crate::memory::Memory;
use crate::memory::stamp::ArenaStamp;
use crate::protocol::attachment::Attachment;
use crate::protocol::backpressure::{self, ReaderEntry};
use crate::protocol::diagnostics;
use crate::protocol::events;
use crate::protocol::intent_log::{self, Settled};
use crate::protocol::stream_state::{self, Exit};
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::mutation::{Mutation, is_active};
use crate::sync::{Relaxed, compiler_keeps_order, yield_now};
use crate::types::config::Redelivery;
use crate::types::error::RegisterError;
use crate::types::participant::{ParkTicket, Role};
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
pub(crate) struct Registration {
    attachment: Arc<Attachment>,
    index: usize,
}

/// What was found of messages that dead takers left.
pub(crate) enum Adoption {
    /// One of them: the entry, ours now, and what is in it.
    Message(Registration, Settled),
    None,
    /// Another thread joins or leaves at this moment: there may be some, or not.
    Unknown,
}

impl Registration {
    /// Takes the first entry of `range` that nobody living holds or left parked, and that keeps no message of a dead taker.
    pub(crate) fn take(
        attachment: &Arc<Attachment>,
        role: Role,
        mut range: Range<usize>,
    ) -> Option<Registration> {
        let index = range.find(|index| {
            // A first look without hold: whoever may take up what is kept there must not find it held.
            let held = !is_kept(attachment, *index) && attachment.liveness.acquire(*index);
            if held && is_kept(attachment, *index) {
                attachment.liveness.release(*index);
                return false;
            }
            held
        })?;
        let registration = Registration { attachment: Arc::clone(attachment), index };
        clear_after_death(attachment, index);
        let entry = registration.entry();
        let state = State::from_word(entry.state.load(Relaxed)); // Relaxed: ours alone, as for all below.
        registration.name_owner();
        entry.missed.store(0, Relaxed);
        entry.sleeps.store(0, Relaxed);
        compiler_keeps_order(); // Whoever finds us dead in this role finds our process named.
        entry.state.store(state.taken_by(role).0, Relaxed);
        // Relaxed: who must see this entry is ordered by the full fence of its owner's joining.
        attachment.memory.control().table.high_water.fetch_max(index as u64 + 1, Relaxed);
        failpoint::at(Failpoint::SeatTaken);
        events::joined(attachment, role, index);
        Some(registration)
    }

    /// Makes an entry that was [adopted](Self::adopt) that of a taker at work, with the message that is in it.
    pub(crate) fn take_up(&self) {
        let entry = self.entry();
        // Relaxed, all of them: ours alone.
        entry.missed.store(0, Relaxed);
        entry.sleeps.store(0, Relaxed);
        let state = State::from_word(entry.state.load(Relaxed)).taken_by(Role::Taker);
        entry.state.store(state.0, Relaxed);
        events::joined(&self.attachment, Role::Taker, self.index);
    }

    /// Leaves a reader's entry to whoever resumes it: see [`crate::api::park`].
    pub(crate) fn park(self) -> Result<ParkTicket, Registration> {
        if !self.attachment.liveness.acquire(parking(&self.attachment, self.index)) {
            return Err(self);
        }
        failpoint::at(Failpoint::ReaderParking);
        // Relaxed, both: the hold on the entry orders them.
        let state = State::from_word(self.entry().state.load(Relaxed)).parked();
        self.entry().state.store(state.0, Relaxed);
        failpoint::at(Failpoint::ReaderParked);
        Ok(ParkTicket { entry: self.index, state: state.0 }) // Dropping a parked registration lets go of it, and clears nothing.
    }

    /// Takes a parked reader's entry up.
    pub(crate) fn resume(attachment: &Arc<Attachment>, ticket: ParkTicket) -> Option<Registration> {
        let ParkTicket { entry: index, state } = ticket;
        if index >= attachment.memory.layout().config.participants || !attachment.liveness.acquire(index) {
            return None;
        }
        let entry = attachment.memory.entry(index);
        if entry.state.load(Relaxed) != state || !State::from_word(state).is_parked() {
            attachment.liveness.release(index);
            return None;
        }
        let registration = Registration { attachment: Arc::clone(attachment), index };
        failpoint::at(Failpoint::ReaderResuming);
        registration.name_owner();
        compiler_keeps_order(); // As in `take`.
        registration.entry().state.store(State::from_word(state).resumed().0, Relaxed); // Relaxed: the hold orders it.
        Some(registration)
    }

    /// Takes over, from a taker that died, an entry with a message that it was not done with.
    ///
    /// # Cost
    /// One system call for each taker of another process.
    pub(crate) fn adopt(attachment: &Arc<Attachment>) -> Adoption {
        let mut none = Adoption::None;
        for index in with_role(&attachment.memory, Role::Taker) {
            match attachment.liveness.try_acquire(index) {
                Some(true) => {}
                Some(false) => continue,
                None => {
                    none = Adoption::Unknown;
                    continue;
                }
            }
            let Some(settled) = redelivery(&attachment.memory, index) else {
                // Whosever it is by now: the taker may have left, and a writer come and died.
                clear_after_death(attachment, index);
                attachment.liveness.release(index);
                continue;
            };
            let registration = Registration { attachment: Arc::clone(attachment), index };
            registration.name_owner();
            failpoint::at(Failpoint::MessageAdopted);
            return Adoption::Message(registration, settled);
        }
        none
    }

    fn name_owner(&self) {
        let (entry, owner) = (self.entry(), self.attachment.liveness.owner());
        entry.owner.store(owner_word(owner.pid), Relaxed); // Relaxed: for messages to people, as the next one.
        entry.started.store(owner.started, Relaxed);
    }

    pub(crate) fn entry(&self) -> &crate::memory::format::Entry {
        self.attachment.memory.entry(self.index)
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn attachment(&self) -> &Arc<Attachment> {
        &self.attachment
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // A forked child has a copy of what its parent holds, and nothing to let go of.
        if self.attachment.liveness.is_inherited() {
            return;
        }
        let state = State::from_word(self.entry().state.load(Relaxed)); // Relaxed: ours.
        if !state.is_parked() {
            clear(&self.attachment, self.index, Exit::Left);
        }
        self.attachment.liveness.release(self.index);
        events::left(&self.attachment, state.role(), self.index);
    }
}

/// Ends whatever the dead owner of an entry left; the caller holds it. Nothing to do for a free one.
fn clear_after_death(attachment: &Attachment, index: usize) {
    let entry = attachment.memory.entry(index);
    // Relaxed, both: the hold on the entry orders them.
    let (state, owner) = (State::from_word(entry.state.load(Relaxed)), entry.owner.load(Relaxed));
    if state.is_free() {
        return;
    }
    failpoint::at(Failpoint::DeadFound);
    let pid = diagnostics::pid(owner);
    if clear(attachment, index, Exit::Died { pid }) {
        events::found_dead(attachment, state.role(), pid, index);
    }
}

/// Ends the parking of a reader; and the reader, if nobody took it up.
pub(crate) fn unpark(attachment: &Attachment, ticket: ParkTicket) {
    if attachment.liveness.is_inherited() {
        return;
    }
    // First, so that whoever holds the entry at this moment, to look whether the parker lives, clears it in our place.
    attachment.liveness.release(parking(attachment, ticket.entry));
    for _ in 0..JOIN_TRIES {
        if attachment.liveness.acquire(ticket.entry) {
            if is_parked(attachment, ticket) {
                clear(attachment, ticket.entry, Exit::Left);
            }
            attachment.liveness.release(ticket.entry);
            return;
        }
        if !is_parked(attachment, ticket) {
            return;
        }
        yield_now();
    }
}

/// Whether the reader of the ticket is parked.
pub(crate) fn is_parked(attachment: &Attachment, ticket: ParkTicket) -> bool {
    // Relaxed: a look; taking it up decides.
    attachment.memory.entry(ticket.entry).state.load(Relaxed) == ticket.state
}

/// Whether an entry in that state still is the reader's of the ticket.
pub(crate) fn is_of(ticket: ParkTicket, state: u64) -> bool {
    let (state, parked) = (State::from_word(state), State::from_word(ticket.state));
    state.times_taken() == parked.times_taken() && state.role() == Some(Role::Reader)
}

/// What [`crate::segment::Liveness`] calls the parking of an entry: it has a lock of its own, behind those of the table.
fn parking(attachment: &Attachment, index: usize) -> usize {
    attachment.memory.layout().config.participants + index
}

/// Whether an entry is kept for others: for whoever takes up a parked reader, or a dead taker's message. If the caller does
/// not hold the entry, it may be so no longer.
fn is_kept(attachment: &Attachment, index: usize) -> bool {
    redelivery(&attachment.memory, index).is_some() || is_kept_parked(attachment, index)
}

/// Whether an entry is parked by somebody who lives; to be relied on by whoever holds it.
fn is_kept_parked(attachment: &Attachment, index: usize) -> bool {
    // Relaxed: the hold on the entry orders it.
    if !State::from_word(attachment.memory.entry(index).state.load(Relaxed)).is_parked() {
        return false;
    }
    // Nobody looks by taking it: whoever parks or takes up the reader at this moment must not find it taken.
    attachment.liveness.try_is_held(parking(attachment, index)) != Some(false)
}

/// Ends whatever an entry stood for, whose owner goes by `exit`; the caller holds it. False for a free one.
fn clear(attachment: &Attachment, index: usize, exit: Exit) -> bool {
    let entry = attachment.memory.entry(index);
    let state = State::from_word(entry.state.load(Relaxed)); // Relaxed: the hold on the entry orders it.
    let event_count = match state.0 & 0xff {
        WRITER | LEAVING | FOUND_DEAD => {
            let exit = state.exit(exit);
            entry.state.store(state.going(exit).0, Relaxed); // Relaxed: `stream_state::end` orders it.
            failpoint::at(Failpoint::LeaveMarked);
            if !(is_active(Mutation::EndStream) && exit != Exit::Left) {
                stream_state::end(&attachment.memory, exit, || any(&attachment.memory, Role::Writer));
            }
            failpoint::at(Failpoint::StreamEnded);
            Some(&attachment.memory.control().published)
        }
        READER | PARKED => {
            if !(is_active(Mutation::VacateReader) && exit != Exit::Left) {
                ReaderEntry(entry).vacate();
            }
            failpoint::at(Failpoint::ReaderVacated);
            Some(&attachment.memory.control().freed)
        }
        // Another taker takes it over, with the message. What else it owned is settled when its entry is taken again.
        TAKER if redelivery(&attachment.memory, index).is_some() => return false,
        TAKER => None,
        _ => return false,
    };
    // Relaxed: as above. Before anybody is woken: the sooner, the less may be left half done.
    entry.state.store(state.freed().0, Relaxed);
    if let Some(event_count) = event_count {
        attachment.event_counts.ring(event_count);
    }
    true
}

/// The message that the taker of this entry took and is not done with, if it shall have another taker. For whoever holds
/// the entry.
fn redelivery(memory: &Memory, index: usize) -> Option<Settled> {
    let layout = memory.layout();
    let state = State::from_word(memory.entry(index).state.load(Relaxed)); // Relaxed: the hold on the entry orders it.
    if state.role() != Some(Role::Taker) || layout.config.redelivery == Redelivery::Drop {
        return None;
    }
    // A damaged entry keeps no message.
    let settled = intent_log::settle(memory, ArenaStamp::new(layout.buffers), index).ok()??;
    settled.redelivery.is_some().then_some(settled)
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
pub(crate) fn clear_dead(attachment: &Attachment, role: Role) {
    if is_active(Mutation::LookForTheDead) {
        return;
    }
    let is_one = |index: &usize| {
        // Relaxed: a first look; the hold on the entry decides.
        let state = State::from_word(attachment.memory.entry(*index).state.load(Relaxed));
        state.role() == Some(role) || (role == Role::Writer && state.is_going())
    };
    for index in backpressure::entries(&attachment.memory).filter(is_one) {
        // A first look without hold: whoever resumes it must not find it held.
        if !is_kept_parked(attachment, index) && attachment.liveness.try_acquire(index) == Some(true) {
            if !is_kept_parked(attachment, index) {
                clear_after_death(attachment, index);
            }
            attachment.liveness.release(index);
        }
    }
}

/// The error for a role that found no entry.
pub(crate) fn table_full(attachment: &Attachment) -> RegisterError {
    RegisterError::TableFull { holders: diagnostics::all(&attachment.memory) }
}

/// `pid << 32 | tid`; [`diagnostics::pid`] reads it.
fn owner_word(pid: u32) -> u64 {
    #[cfg(target_os = "linux")]
    let thread = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
    #[cfg(not(target_os = "linux"))]
    let thread = 0_u32;
    u64::from(pid) << 32 | u64::from(thread)
}
