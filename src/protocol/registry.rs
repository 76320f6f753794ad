//! The registry: entries of the participant table are registered in, left, and recovered from dead
//! participants.
//!
//! There is no participant counter. A participant is live iff its entry's lock is held
//! ([`crate::segment::Liveness`]). The kernel releases the lock when the process ends, however it
//! ends. A process that acquires the lock of an entry that is not free has found a dead
//! participant, and recovers the entry.
//!
//! [`EntryState`] has the states of an entry.
//!
//! # Steps
//! | step | to deregister; to recover, after the entry's lock is acquired     |
//! |------|-------------------------------------------------------------------|
//! | 0    | server: refuse the question that it took and did not answer       |
//! | 1    | writer: state := leaving or found dead; reader: vacate the cursor |
//! | 2    | writer: end the stream if no other writer is registered           |
//! | 3    | state := free                                                     |
//! | 4    | wake the calls that wait for this participant                     |
//! | 5    | release the lock                                                  |
//!
//! A process may die between any two steps: the next process that acquires the lock repeats them
//! from the state that it finds.
//!
//! # Progress
//! One window is not lock-free. While process A recovers the entry of a dead process, it holds that
//! entry's lock; if A is suspended there, every process waiting for the dead one waits for A.
//!
//! # Strangers
//! A process that may only read the ring's file can hold shared locks on it. They refuse the lock
//! of an entry, so that no participant registers ([`RegisterError::Obstructed`]), and no taker
//! adopts a message. They do not make a dead participant look alive: the recovering process then
//! shares the entry's lock with the stranger, which still excludes a participant that registers.
//! Two processes may share it. For a writer's entry, the exchange of the state decides which of
//! them recovers it; the steps for a reader's entry may run twice. A process that dies in step 2
//! leaves the entry to the next one that gets the exclusive lock.
//!
//! # Pairings
//! `Leave` orders step 1 before the check of step 2 ([`crate::protocol::stream_state`]). All other
//! accesses to an entry's state are ordered by its lock.
//!
//! # Costs
//! Registering: a system call for each entry tried. Recovery: a system call for each registered
//! participant of the awaited role.

mod parked;
#[cfg(all(test, not(seqring_model)))]
mod tests;

pub(crate) use parked::{belongs_to, is_parked, unpark};

use crate::memory::Memory;
use crate::memory::format::Entry;
use crate::memory::stamp::ArenaStamp;
use crate::protocol::attachment::{Attachment, WaitFor};
use crate::protocol::call;
use crate::protocol::diagnostics;
use crate::protocol::entry_state::{EntryState, FOUND_DEAD, FREE, LEAVING, PARKED, READER, TAKER, WRITER};
use crate::protocol::events;
use crate::protocol::intent_log::{self, Recovered};
use crate::protocol::reader_entry::{self, ReaderEntry};
use crate::protocol::stream_state::{self, Exit};
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::mutation::{Mutation, is_active};
use crate::sync::{Pair, Relaxed, acquire, compiler_barrier};
use crate::types::config::{Delivery, Redelivery};
use crate::types::error::RegisterError;
use crate::types::participant::{ParkTicket, Role};
use std::ops::Range;
use std::sync::Arc;

/// How often a participant tries to register, with a yield between the attempts: about 50 µs. At
/// each yield loom explores all that other threads may do.
pub(crate) const REGISTER_TRIES: usize = if cfg!(seqring_loom) { 3 } else { 100 };

/// An entry whose lock we hold until drop.
#[derive(Debug)]
pub(crate) struct Registration {
    attachment: Arc<Attachment>,
    index: usize,
}

/// An entry's `joined` before its owner has a position in the stream.
const JOINING: u64 = u64::MAX;

/// The result of a search for a message that a dead taker left.
pub(crate) enum Adoption {
    /// A message: its entry, which is ours now, and its buffer.
    Message(Registration, Recovered),
    None,
    /// Unknown, because another thread is registering or leaving.
    Unknown,
}

impl Registration {
    /// Registers in the first entry of `range` that is neither locked, nor parked by a live
    /// process, nor kept for the message of a dead taker.
    pub(crate) fn register(
        attachment: &Arc<Attachment>,
        role: Role,
        mut range: Range<usize>,
    ) -> Option<Registration> {
        let index = range.find(|index| {
            // Checked without the lock first: a process that resumes or adopts the entry must not
            // find it locked.
            let held = !is_kept(attachment, *index) && attachment.liveness.acquire(*index);
            if held && is_kept(attachment, *index) {
                attachment.liveness.release(*index);
                return false;
            }
            held
        })?;
        let registration = Registration { attachment: Arc::clone(attachment), index };
        let died = recover(attachment, index);
        let entry = registration.entry();
        let state = EntryState::of(entry);
        registration.store_owner();
        // Relaxed, all below: ours alone.
        entry.missed.store(0, Relaxed);
        entry.sleeps.store(0, Relaxed);
        entry.joined.store(JOINING, Relaxed);
        compiler_barrier(); // A process that finds us dead in this role finds our process id.
        entry.state.store(state.registered(role).word(), Relaxed);
        // Relaxed: where this entry must be seen, the full fence of the registration orders it.
        attachment.memory.control().table.high_water.fetch_max(index as u64 + 1, Relaxed);
        failpoint::hit(Failpoint::EntryTaken);
        if let Some((role, pid)) = died {
            events::recovered_dead(attachment, role, pid, index);
        }
        events::registered(attachment, role, index);
        Some(registration)
    }

    /// Registers a taker in an [adopted](Self::adopt) entry, with the message that is in it.
    pub(crate) fn become_taker(&self) {
        let entry = self.entry();
        // Relaxed, all of them: ours alone.
        entry.missed.store(0, Relaxed);
        entry.sleeps.store(0, Relaxed);
        entry.state.store(EntryState::of(entry).registered(Role::Taker).word(), Relaxed);
        events::registered(&self.attachment, Role::Taker, self.index);
    }

    /// Leaves a reader's entry to the process that resumes it: see [`crate::api::park`].
    pub(crate) fn park(self) -> Result<ParkTicket, Registration> {
        if !self.attachment.liveness.acquire(park_lock(&self.attachment, self.index)) {
            return Err(self);
        }
        failpoint::hit(Failpoint::ReaderParking);
        let state = EntryState::of(self.entry()).with_code(PARKED);
        self.entry().state.store(state.word(), Relaxed); // Relaxed: the entry's lock orders it.
        failpoint::hit(Failpoint::ReaderParked);
        Ok(ParkTicket { entry: self.index, state: state.word() }) // The drop releases the lock only.
    }

    /// Registers in a parked reader's entry.
    pub(crate) fn resume(attachment: &Arc<Attachment>, ticket: ParkTicket) -> Option<Registration> {
        let ParkTicket { entry: index, state } = ticket;
        if index >= attachment.memory.layout().config.participants || !attachment.liveness.acquire(index) {
            return None;
        }
        let entry = attachment.memory.entry(index);
        if EntryState::of(entry).word() != state || !EntryState::from_word(state).is_parked() {
            attachment.liveness.release(index);
            return None;
        }
        let registration = Registration { attachment: Arc::clone(attachment), index };
        failpoint::hit(Failpoint::ReaderResuming);
        registration.store_owner();
        compiler_barrier(); // As in `register`.
        let resumed = EntryState::from_word(state).with_code(READER);
        registration.entry().state.store(resumed.word(), Relaxed); // Relaxed: the entry's lock orders it.
        Some(registration)
    }

    /// Takes over the entry of a dead taker that had not acknowledged its message.
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
            let Some(recovered) = unacknowledged(&attachment.memory, index) else {
                // In whichever role: the taker may have left, and a writer may have registered and
                // died.
                recover_and_release(attachment, index);
                continue;
            };
            let registration = Registration { attachment: Arc::clone(attachment), index };
            registration.store_owner();
            failpoint::hit(Failpoint::MessageAdopted);
            return Adoption::Message(registration, recovered);
        }
        none
    }

    /// Whether [`Self::adopt`] may find a message, at the same cost.
    pub(crate) fn has_orphan(Attachment { memory, liveness, .. }: &Attachment) -> bool {
        let is_left = |index: &usize| unacknowledged(memory, *index).is_some();
        with_role(memory, Role::Taker).filter(is_left).any(|index| liveness.try_is_held(index) == Some(false))
    }

    fn store_owner(&self) {
        let (entry, owner) = (self.entry(), self.attachment.liveness.owner());
        entry.owner.store(diagnostics::owner_word(owner.pid), Relaxed); // Relaxed: for diagnostics, as the next one.
        entry.started.store(owner.started, Relaxed);
    }

    /// Deregisters the participant as if it had died, as process `pid`.
    pub(crate) fn die_as(self, pid: u32) {
        let is_own = !self.attachment.liveness.is_inherited();
        let _ = is_own && deregister(&self.attachment, self.index, Exit::Died { pid });
    }

    pub(crate) fn entry(&self) -> &Entry {
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
        // The entry is the parent's: a forked child has nothing to release.
        if self.attachment.liveness.is_inherited() {
            return;
        }
        let state = EntryState::of(self.entry());
        if !state.is_parked() {
            deregister(&self.attachment, self.index, Exit::Left);
        }
        self.attachment.liveness.release(self.index);
        events::deregistered(&self.attachment, state.role(), self.index);
    }
}

/// Recovers an entry whose owner died. The caller holds the entry's lock. Returns what to report
/// once that is released.
#[must_use]
fn recover(attachment: &Attachment, index: usize) -> Option<(Option<Role>, u32)> {
    let entry = attachment.memory.entry(index);
    let (state, owner) = (EntryState::of(entry), entry.owner.load(Relaxed)); // Relaxed: as in `of`.
    if state.code() == FREE {
        return None;
    }
    failpoint::hit(Failpoint::DeadFound);
    let pid = diagnostics::pid(owner);
    deregister(attachment, index, Exit::Died { pid }).then_some((state.role(), pid))
}

/// As [`recover`], for a caller that does not need the entry.
fn recover_and_release(attachment: &Attachment, index: usize) {
    let died = recover(attachment, index);
    attachment.liveness.release(index);
    if let Some((role, pid)) = died {
        events::recovered_dead(attachment, role, pid, index);
    }
}

/// Marks the writers that this process has registered as leaving. If the process ends now, they
/// have left and did not die. They stay registered until then.
pub(crate) fn mark_leaving(attachment: &Attachment) {
    let Attachment { memory, liveness, .. } = attachment;
    liveness.each_held(|index| {
        if index >= memory.layout().config.participants {
            return; // A park lock.
        }
        let (entry, state) = (memory.entry(index), EntryState::of(memory.entry(index)));
        if state.role() == Some(Role::Writer) {
            let leaving = state.ending(Exit::Left);
            // Relaxed: the entry's lock orders it. It fails if the writer's own thread leaves now.
            let _ = entry.state.compare_exchange(state.word(), leaving.word(), Relaxed, Relaxed);
        }
    });
}

/// The number of an entry's park lock for [`crate::segment::Liveness`]: after the locks of all
/// entries.
fn park_lock(attachment: &Attachment, index: usize) -> usize {
    attachment.memory.layout().config.participants + index
}

/// Whether an entry is kept: for the process that resumes a parked reader, or for the taker that
/// adopts a message. Without the entry's lock the result may be out of date.
fn is_kept(attachment: &Attachment, index: usize) -> bool {
    unacknowledged(&attachment.memory, index).is_some() || is_parked_by_live(attachment, index)
}

/// Whether a live process keeps the entry parked. Without the entry's lock the result may be out of
/// date.
fn is_parked_by_live(attachment: &Attachment, index: usize) -> bool {
    if !EntryState::of(attachment.memory.entry(index)).is_parked() {
        return false;
    }
    // Checked without acquiring it: a process that parks or resumes the reader must not find it
    // locked.
    attachment.liveness.try_is_held(park_lock(attachment, index)) != Some(false)
}

/// Steps 1 to 4, for an owner that ended by `exit`. The caller holds the entry's lock. False if
/// there was nothing to do, or the entry is kept for another taker.
fn deregister(attachment: &Attachment, index: usize, exit: Exit) -> bool {
    let memory = &attachment.memory;
    let entry = memory.entry(index);
    let state = EntryState::of(entry);
    let event = match state.code() {
        WRITER | LEAVING | FOUND_DEAD => {
            let exit = state.exit_or(exit);
            if memory.layout().config.delivery == Delivery::Call {
                call::settle(memory, if let Exit::Died { pid } = exit { pid } else { 0 });
            }
            entry.state.store(state.ending(exit).word(), Relaxed); // Relaxed: the fence in `end_if_last` orders it.
            failpoint::hit(Failpoint::LeaveMarked);
            if !(is_active(Mutation::EndStream) && exit != Exit::Left) {
                stream_state::end_if_last(memory, exit, || with_role(memory, Role::Writer).next().is_some());
            }
            failpoint::hit(Failpoint::StreamEnded);
            Some(WaitFor::Message)
        }
        READER | PARKED => {
            if !(is_active(Mutation::VacateReader) && exit != Exit::Left) {
                ReaderEntry(entry).vacate();
            }
            failpoint::hit(Failpoint::ReaderVacated);
            Some(WaitFor::Room)
        }
        // Another taker adopts the entry. What else it owns is recovered at its next registration.
        TAKER if unacknowledged(memory, index).is_some() => return false,
        TAKER => None,
        _ => return false,
    };
    // Relaxed: the entry's lock orders it. Before the wake: the earlier, the less a killed process
    // leaves to be recovered.
    entry.state.store(state.with_code(FREE).word(), Relaxed);
    if let Some(event) = event {
        attachment.notify(event);
    }
    true
}

/// The message that the taker of this entry took and did not acknowledge, if it is to be
/// redelivered. Only exact while the caller holds the entry's lock.
fn unacknowledged(memory: &Memory, index: usize) -> Option<Recovered> {
    let layout = memory.layout();
    let role = EntryState::of(memory.entry(index)).role();
    if role != Some(Role::Taker) || layout.config.redelivery == Redelivery::Drop {
        return None;
    }
    // A damaged entry keeps no message.
    let recovered = intent_log::recover(memory, ArenaStamp::new(layout.buffers), index).ok()??;
    recovered.redelivery.is_some().then_some(recovered)
}

/// The entries of participants of a role, dead or alive.
fn with_role(memory: &Memory, role: Role) -> impl Iterator<Item = usize> {
    reader_entry::entries(memory)
        .filter(move |index| EntryState::of(memory.entry(*index)).role() == Some(role))
}

/// The registered participants of a role, dead or alive, that have their position: a reader misses
/// no message that is published from now on.
pub(crate) fn joined(memory: &Memory, role: Role) -> usize {
    // PAIRS(Join): a reader decided on its position before it stored it.
    let has_joined = |index: &usize| memory.entry(*index).joined.load(acquire(Pair::Join)) != JOINING;
    with_role(memory, role).filter(has_joined).count()
}

/// Recovers the entries of dead participants of a role, for a call that may wait for them.
///
/// # Cost
/// One system call for each participant of the role, of other processes.
pub(crate) fn recover_dead(attachment: &Attachment, role: Role) {
    if is_active(Mutation::DetectDeaths) {
        return;
    }
    let may_be_dead = |index: &usize| {
        let state = EntryState::of(attachment.memory.entry(*index));
        state.role() == Some(role) || (role == Role::Writer && state.is_ending())
    };
    let liveness = &attachment.liveness;
    for index in reader_entry::entries(&attachment.memory).filter(may_be_dead) {
        // Checked without the lock first: a process that resumes the reader must not find it
        // locked.
        if liveness.backing.is_locked_elsewhere(index) || is_parked_by_live(attachment, index) {
            continue;
        }
        let alone = liveness.try_acquire(index);
        let shared = alone == Some(false) && liveness.backing.is_obstructed(index) && liveness.share(index);
        if alone != Some(true) && !shared {
            continue;
        }
        if !is_parked_by_live(attachment, index) && (!shared || is_first_to_find(attachment, index)) {
            recover_and_release(attachment, index);
        } else {
            liveness.release(index);
        }
    }
}

/// Whether a process that shares the entry's lock is the one to recover it. The entry of a dead
/// writer is marked by the first process, also for those that share the lock later.
fn is_first_to_find(attachment: &Attachment, index: usize) -> bool {
    let entry = attachment.memory.entry(index);
    let state = EntryState::of(entry);
    let found = state.with_code(FOUND_DEAD).word();
    // Relaxed: `deregister` stores the same word again, and the fence in `end_if_last` orders it.
    let mark = || entry.state.compare_exchange(state.word(), found, Relaxed, Relaxed).is_ok();
    !state.is_ending() && (state.role() != Some(Role::Writer) || mark())
}

/// The error of a registration that found none of these entries free.
pub(crate) fn no_entry(attachment: &Attachment, mut entries: Range<usize>) -> RegisterError {
    if entries.any(|index| attachment.liveness.backing.is_obstructed(index)) {
        return RegisterError::Obstructed;
    }
    RegisterError::TableFull { holders: diagnostics::participants(&attachment.memory) }
}
