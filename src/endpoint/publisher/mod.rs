//! The publishing side of a writer: where the next message goes, and whether it may go there.
//!
//! There are three algorithms, one a file. A ring's slots and number of writers choose one at
//! registration:
//!
//! | publisher | slots | writers | a publication is | progress |
//! |---|---|---|---|---|
//! | [`Inline`] | inline | one | one or two stores to the slot's stamp | wait-free |
//! | [`Arena`] | arena | one | one store of the slot's word, which exchanges buffers | wait-free |
//! | [`Shared`] | arena | many | a compare-and-exchange of the slot's word; a counter | lock-free |
//!
//! A publisher never waits. It refuses with `Full`, and [`super::wait`] repeats the attempt.

mod arena;
mod batch;
mod core;
mod inline;
mod shared;

pub(crate) use batch::{EndToEnd, Messages};

use self::arena::Arena;
use self::core::Core;
use self::inline::{FastPath, Inline};
use self::shared::Shared;
use crate::memory::Payload;
use crate::protocol::arena_slot::FillingBuffer;
use crate::protocol::backpressure;
use crate::protocol::gap;
use crate::protocol::inline_slot;
use crate::protocol::registry::Registration;
use crate::protocol::slots::{Class, Slots};
use crate::protocol::stream_state;
use crate::sync::Relaxed;
use crate::sync::failpoint::{self, Failpoint};
use crate::types::config::Writers;
use crate::types::error::{Corrupt, RegisterError, TryWriteError};
use crate::types::message::{MessageHeader, PublishOutcome};
use crate::types::participant;

/// The publishing state of a writer. It is separate from the writer's `Endpoint`, so that a wait
/// can borrow both.
#[derive(Debug)]
pub(crate) struct Publisher {
    fast: FastPath,
    core: Core,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Inline(Inline),
    Arena(Arena),
    Shared(Shared),
}

impl Publisher {
    /// Starts publishing from the entry of `registration`, after the last message of the previous
    /// writer.
    pub(crate) fn join(registration: &Registration) -> Result<Self, RegisterError> {
        let core = Core::new(registration);
        let slots = Slots::new(core.memory.clone());
        // A predecessor may have died while it skipped numbers.
        let next = slots.next_sequence().max(gap::end(&core.memory));
        let kind = match (slots.class, slots.config().writers) {
            (Class::Inline(_), _) => Kind::Inline(Inline::new(&core.memory, next)),
            (Class::Arena(stamp), Writers::One) => Kind::Arena(Arena::new(&core, registration, stamp, next)?),
            (Class::Arena(stamp), Writers::Many) => Kind::Shared(Shared::new(registration, stamp)?),
        };
        if !matches!(kind, Kind::Shared(_)) {
            core.memory.control().next.store(next, Relaxed); // Relaxed: a hint, see `SequenceHint`.
        }
        registration.entry().joined.store(next, Relaxed); // Relaxed: a statistic, orders nothing.
        if !stream_state::open(&core.memory) {
            return Err(RegisterError::Closed);
        }
        failpoint::hit(Failpoint::StreamOpened);
        Ok(Publisher { fast: FastPath::new(&slots, next), core, kind })
    }

    /// The sequence that is published next.
    pub(crate) fn sequence(&self) -> u64 {
        match &self.kind {
            Kind::Inline(_) => Inline::sequence(&self.fast),
            Kind::Arena(arena) => arena.sequence(),
            Kind::Shared(_) => Slots::new(self.core.memory.clone()).next_sequence(),
        }
    }

    /// Skips the numbers below `sequence`, which is not below the next one. Returns how many.
    pub(crate) fn skip_to(&mut self, sequence: u64) -> Result<u64, TryWriteError> {
        let skipped = sequence - self.sequence();
        if self.core.is_closed() {
            return Err(self.core.closed());
        }
        if skipped > 0 {
            let Publisher { core, fast, kind } = self;
            gap::skip(&core.memory, sequence);
            match kind {
                Kind::Inline(inline) => inline.seek(fast, &core.memory, sequence),
                Kind::Arena(arena) => arena.seek(sequence),
                Kind::Shared(_) => unreachable!("one of many writers does not choose its numbers"),
            }
            core.notify();
        }
        Ok(skipped)
    }

    /// Sets the time stamp of the messages that are published from now on.
    pub(crate) fn set_time(&mut self, time: Option<u64>) {
        self.core.header_format.set_time(time);
    }

    /// Sets whether the messages that are published from now on are marked as redelivered.
    pub(crate) fn set_redelivered(&mut self, redelivered: bool) {
        self.core.header_format.set_redelivered(redelivered);
    }

    /// How many calls found the ring full.
    pub(crate) fn refused(&self) -> u64 {
        self.core.refused()
    }

    /// Counts a call that found the ring full.
    #[cold]
    pub(crate) fn count_refusal(&mut self) {
        self.core.count_refusal();
    }

    /// The registered reader that blocks this writer.
    pub(crate) fn slowest(&self) -> Option<participant::Peer> {
        backpressure::slowest_peer(&self.core.memory, self.sequence())
    }

    /// Publishes `payload` if the fast path admits it. If not, [`Self::write`] publishes or refuses
    /// it.
    #[inline(always)]
    pub(crate) fn write_fast(&mut self, payload: &[u8]) -> Option<u64> {
        let Publisher { core, fast, .. } = self;
        let control = core.memory.control();
        let refused = |room: usize| payload.len() > room || stream_state::is_closed(control);
        // Branches, so that a message finds out by one comparison that it is one access to its
        // slot, or that it needs neither a mark nor a fence.
        let here;
        if let (Ok(word), Some(next)) = (payload.try_into(), fast.run.next_word()) {
            if refused(8) {
                return None;
            }
            fast.run.store_word(next, word);
            here = next;
        } else if let Some((lean, slot)) = fast.run.next_lean_slot() {
            if refused(slot.payload.bytes()) {
                return None;
            }
            inline_slot::publish(&slot, lean.stamp, payload, false, |_| ());
            here = lean;
        } else if let Some((marked, slot)) = fast.run.next_slot() {
            if refused(slot.payload.bytes()) {
                return None;
            }
            inline_slot::publish(&slot, marked.stamp, payload, true, |_| ());
            here = marked;
            core.event_counts.fence(); // PAIRS(Notify): as in `EventCounts::notify`.
        } else {
            return self.write_off_run(payload);
        }
        fast.run.advance(here);
        core.event_counts.notify_light(&control.published);
        if !fast.run.goes_beyond(here) {
            self.extend_run(); // Now, while no caller waits for it.
        }
        Some(here.sequence)
    }

    /// As [`Self::write_fast`], where no run is open.
    #[inline(never)]
    fn write_off_run(&mut self, payload: &[u8]) -> Option<u64> {
        if let Kind::Shared(shared) = &mut self.kind {
            return shared.publish_fast(&mut self.core, payload);
        }
        let admitted = self.fast.plain && self.core.backpressure.admits(self.fast.run.sequence());
        if admitted { self.write_new_run(payload) } else { None }
    }

    #[inline(never)]
    fn write_new_run(&mut self, payload: &[u8]) -> Option<u64> {
        if self.extend_run() { self.write_fast(payload) } else { None }
    }

    /// Whether a message of `len` bytes is refused with `Full`, as the last one was. False decides
    /// nothing.
    #[inline(always)]
    pub(crate) fn still_blocked(&self, len: usize) -> bool {
        let Publisher { core, fast, kind } = self;
        matches!(kind, Kind::Inline(_))
            && core.backpressure.still_blocked(&core.memory, fast.run.sequence())
            && core.admit_lengths(len, 0).is_ok()
    }

    /// Opens the fast path, if the next message may be published on it.
    #[inline(never)]
    fn extend_run(&mut self) -> bool {
        match &mut self.kind {
            Kind::Inline(inline) => inline.extend_run(&mut self.fast, &self.core),
            _ => false,
        }
    }

    /// Publishes `payload` and wakes sleeping readers.
    #[inline(never)]
    pub(crate) fn write(&mut self, payload: &[u8], header: &MessageHeader<'_>) -> Result<u64, TryWriteError> {
        let Publisher { core, fast, kind } = self;
        let sequence = match kind {
            Kind::Inline(inline) => inline.publish(fast, core, payload, header),
            Kind::Arena(arena) => arena.publish(core, payload, header),
            Kind::Shared(shared) => shared.publish(core, payload, header),
        }?;
        core.notify();
        Ok(sequence)
    }

    /// Whether an attempt would not be refused with `Full`.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.admit().is_ok() || self.core.is_closed()
    }

    fn admit(&mut self) -> Result<(), TryWriteError> {
        let Publisher { core, fast, kind } = self;
        match kind {
            Kind::Inline(_) => Inline::admit(fast, core),
            Kind::Arena(arena) => arena.admit(core),
            Kind::Shared(shared) => shared.admit(core),
        }
    }
}

/// Claims.
impl Publisher {
    /// Admits a message of `len` bytes, which the caller then fills.
    pub(crate) fn begin_claim(&mut self, len: usize) -> Result<(), TryWriteError> {
        self.core.admit_lengths(len, 0)?;
        self.admit()
    }

    /// The own buffer, if no reader can be copying from it.
    pub(crate) fn exclusive_buffer(&self) -> Result<Option<Payload<'_>>, Corrupt> {
        let own = match &self.kind {
            Kind::Arena(arena) if self.core.exclusive => arena.own(),
            Kind::Shared(shared) if self.core.exclusive => shared.own(),
            _ => return Ok(None),
        };
        Ok(Some(FillingBuffer::begin(&self.core.memory, own)?.payload()))
    }

    /// Publishes `len` bytes that are in the [exclusive buffer](Self::exclusive_buffer), and wakes
    /// sleeping readers.
    pub(crate) fn publish_own(
        &mut self,
        len: usize,
        header: &MessageHeader<'_>,
    ) -> Result<u64, TryWriteError> {
        let Publisher { core, kind, .. } = self;
        core.admit_lengths(len, header.metadata.len())?;
        let sequence = match kind {
            Kind::Inline(_) => return Err(Corrupt { what: "a ring of inline slots has no buffers" }.into()),
            Kind::Arena(arena) => arena.publish_own(core, len, header),
            Kind::Shared(shared) => shared.publish_own(core, len, header),
        }?;
        core.notify();
        Ok(sequence)
    }
}

/// Assigned sequence numbers: queues only, which have many writers.
impl Publisher {
    /// # Panics
    /// If the ring is no queue: [`crate::Writer::assigned`] checked that.
    fn of_a_queue(&mut self) -> (&mut Core, &mut Shared) {
        match &mut self.kind {
            Kind::Shared(shared) => (&mut self.core, shared),
            _ => unreachable!("a queue has many writers"),
        }
    }

    /// Whether message `sequence` may be published now, with these lengths.
    pub(crate) fn admit_at(
        &mut self,
        sequence: u64,
        len: usize,
        meta_len: usize,
    ) -> Result<PublishOutcome, TryWriteError> {
        let (core, shared) = self.of_a_queue();
        shared.admit_at(core, sequence, len, meta_len)
    }

    /// Whether an attempt to publish message `sequence` would not be refused with `Full`.
    pub(crate) fn is_ready_at(&mut self, sequence: u64) -> bool {
        let (core, shared) = self.of_a_queue();
        shared.is_ready_at(core, sequence)
    }

    /// Publishes `payload` as message `sequence`, unless another writer did.
    pub(crate) fn write_at(
        &mut self,
        sequence: u64,
        payload: &[u8],
        header: &MessageHeader<'_>,
    ) -> Result<PublishOutcome, TryWriteError> {
        let (core, shared) = self.of_a_queue();
        shared.write_at(core, sequence, payload, header)
    }

    /// Publishes `len` bytes that are in the own buffer as message `sequence`, unless another
    /// writer did.
    pub(crate) fn publish_own_at(
        &mut self,
        sequence: u64,
        len: usize,
        header: &MessageHeader<'_>,
    ) -> Result<PublishOutcome, TryWriteError> {
        let (core, shared) = self.of_a_queue();
        shared.publish_own_at(core, sequence, len, header)
    }
}
