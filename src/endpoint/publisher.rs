//! Where a writer stands, and how it publishes from there.

mod assigned;
mod batch;

pub(crate) use batch::{EndToEnd, Messages};

use crate::memory::message_header::HeaderFormat;
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::{ArenaStamp, InlineStamp};
use crate::memory::{Memory, OwnEntry, Payload, SlotRun};
use crate::protocol::arena_slot;
use crate::protocol::backpressure::{self, Backpressure};
use crate::protocol::inline_slot;
use crate::protocol::multi_writer::{self, Aim, Look, Room, SharedPublisher};
use crate::protocol::registry::Registration;
use crate::protocol::slots::{Class, Slots};
use crate::protocol::standby_buffer::StandbyBuffer;
use crate::protocol::stream_state::{self, Phase};
use crate::sync::backoff::{Backoff, RetryBudget};
use crate::sync::event_count::EventCounts;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{Relaxed, SMALL_IS_LARGE};
use crate::types::config::{Delivery, Writers};
use crate::types::error::{Corrupt, RegisterError, TryWriteError};
use crate::types::message::MessageHeader;
use crate::types::participant;

/// How often the writer stores the counter of the next sequence. It is a hint, which whoever uses it makes exact
/// by looking at the slots; and where a message is three stores, a fourth one to another line is dear.
const COUNTED_EVERY: u64 = 64;

/// The lane is made straight for so many bytes of slots at a time, if they hold several messages.
const STRETCH_BYTES: usize = 2048;

/// From this size on a message in a cache is worth a look at all readers.
const HOT_BYTES: usize = if SMALL_IS_LARGE { 128 } else { 32 << 10 };

/// So many bytes are read after a message before its buffer is filled again: more than a core's own caches hold, for what
/// lies in a reader's has to be fetched from there line by line; and less than the cache that all cores share.
const HOT_DISTANCE: usize = if SMALL_IS_LARGE { 0 } else { 2 << 20 };

/// The one writer's buffers: the one to be filled, and in a gated ring another.
fn own_buffers(
    registration: &Registration,
    words: ArenaStamp,
) -> Result<(usize, Option<StandbyBuffer>), RegisterError> {
    match arena_slot::missing_buffers(&registration.attachment().memory, words)?[..] {
        [own] => Ok((own, None)),
        [one, other] => StandbyBuffer::of(registration.attachment(), [one, other])
            .map(|(own, standby)| (own, Some(standby))),
        _ => unreachable!("the layout has one or two buffers more than slots, which name each buffer once"),
    }
}

/// See [`Publisher::hot`]: none for small messages, and none in a ring so short that what lay longest is no colder.
fn hot_distance(memory: &Memory) -> Option<u64> {
    let layout = memory.layout();
    let behind = HOT_DISTANCE / layout.buffer_stride;
    (layout.buffer_stride >= HOT_BYTES && (SMALL_IS_LARGE || behind + 1 < layout.config.slots))
        .then_some(behind as u64)
}

/// A writer without its manner of waiting: a wait borrows that and tries with this.
#[derive(Debug)]
pub(crate) struct Publisher {
    slots: Slots,
    /// Straight while all that a message needs is a slot: in a plain ring, below the gate's limit, until the next store
    /// of the shared counter.
    lane: SlotRun,
    stamps: InlineStamp,
    plain: bool,
    /// What the shared counter says.
    counted: u64,
    /// The lane is made straight for at most so many messages at a time.
    stretch: u64,
    /// Whether slots are marked where the lane is straight.
    marked: bool,
    gate: Backpressure,
    event_counts: EventCounts,
    plan: HeaderFormat,
    slot_bytes: usize,
    meta_bytes: usize,
    /// The arena buffer that is this writer's; meaningless in inline rings.
    own: usize,
    /// The second one, in a gated ring.
    standby: Option<StandbyBuffer>,
    /// How many messages before the newest that all readers have read the one lies whose buffer is filled next; `None` to
    /// fill the one that lay longest.
    hot: Option<u64>,
    /// In a ring of many writers.
    peer: Option<SharedPublisher>,
    standoff: Backoff,
    /// No reader looks at `own` while it is filled.
    exclusive: bool,
    /// Where claims of inline rings are filled.
    scratch: Vec<u8>,
    entry: OwnEntry,
    refused: u64,
}

impl Publisher {
    /// Takes up a writer's place in the entry of `registration`: where its predecessor got to.
    pub(crate) fn join(registration: &Registration) -> Result<Self, RegisterError> {
        let slots = Slots::new(registration.attachment().memory.clone());
        let config = slots.config().clone();
        let gated = config.delivery == Delivery::Gated;
        let next = slots.next_sequence();
        let peer = match (slots.class, config.writers) {
            (Class::Arena(words), Writers::Many) => Some(multi_writer::join(registration, words)?),
            _ => None,
        };
        let (own, standby) = match slots.class {
            Class::Arena(words) if peer.is_none() => own_buffers(registration, words)?,
            _ => (0, None),
        };
        if peer.is_none() {
            slots.memory.control().next.store(next, Relaxed); // Relaxed: see `Publisher::count`.
        }
        registration.entry().joined.store(next, Relaxed); // Relaxed: a figure for people.
        if !stream_state::open(&slots.memory) {
            return Err(RegisterError::Closed);
        }
        failpoint::at(Failpoint::StreamOpened);
        Ok(Publisher {
            lane: SlotRun::at(&slots.memory, next),
            stamps: InlineStamp::new(config.slot_bytes),
            plain: slots.are_plain(),
            counted: next,
            stretch: (STRETCH_BYTES / slots.memory.layout().slot_stride).clamp(1, 64) as u64,
            marked: true,
            gate: if gated { Backpressure::closed(&slots.memory) } else { Backpressure::open() },
            event_counts: registration.attachment().event_counts,
            plan: HeaderFormat::of(&config),
            slot_bytes: config.slot_bytes,
            meta_bytes: config.meta_bytes,
            own,
            hot: standby.as_ref().and_then(|_| hot_distance(&slots.memory)),
            standby,
            peer,
            standoff: Backoff::default(),
            exclusive: config.delivery != Delivery::Lossy && !config.observers,
            scratch: Vec::new(),
            entry: slots.memory.own_entry(registration.index()),
            refused: 0,
            slots,
        })
    }

    /// The sequence that is published next.
    pub(crate) fn sequence(&self) -> u64 {
        match self.peer {
            None => self.lane.sequence(),
            Some(_) => multi_writer::next(&self.slots.memory),
        }
    }

    /// How often the ring was found full.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Publishes `payload` if that needs nothing but a slot: so do most small messages. What is not published this way,
    /// [`Self::write`] publishes.
    #[inline(always)]
    pub(crate) fn write_fast(&mut self, payload: &[u8]) -> Option<u64> {
        if !(self.lane.is_open() || self.plain && self.extend_run()) {
            return None;
        }
        let (here, slot) = self.lane.ahead()?;
        if payload.len() > slot.payload.bytes() || stream_state::is_closed(&self.slots.memory) {
            return None;
        }
        let sequence = here.sequence;
        inline_slot::publish(&slot, self.stamps.of(sequence), payload, self.marked, |_| ());
        let straight = self.lane.pass(here);
        self.event_counts.ring(&self.slots.memory.control().published);
        if !straight {
            self.extend_run(); // While nobody waits for it.
        }
        Some(sequence)
    }

    /// Goes on to where the lane is straight again, if it is from here.
    #[inline(never)]
    fn extend_run(&mut self) -> bool {
        let next = self.lane.sequence();
        if !self.plain || !self.gate.admits(next) {
            return false;
        }
        self.count(next);
        self.marked = self.gate.marks(next);
        self.lane.bound(self.gate.same_until(next).min(next + self.stretch));
        self.lane.fetch_for_writing();
        true
    }

    /// Stores the shared counter now and then: everything below `next` is published.
    fn count(&mut self, next: u64) {
        if next - self.counted >= COUNTED_EVERY {
            self.counted = next;
            // Relaxed: a hint where the newest message is; who uses it looks at the slots, which order the rest.
            self.slots.memory.control().next.store(next, Relaxed);
        }
    }

    #[inline(never)]
    pub(crate) fn write(&mut self, payload: &[u8], extras: &MessageHeader<'_>) -> Result<u64, TryWriteError> {
        let sequence = self.publish(payload, extras)?;
        self.ring();
        Ok(sequence)
    }

    /// Wakes who sleeps for messages, after a publication.
    fn ring(&self) {
        self.event_counts.ring(&self.slots.memory.control().published);
    }

    /// Publishes `payload`; the caller then wakes who sleeps for it.
    fn publish(&mut self, payload: &[u8], extras: &MessageHeader<'_>) -> Result<u64, TryWriteError> {
        if self.peer.is_some() {
            return self.publish_shared(payload, extras);
        }
        self.admit(payload.len(), extras.metadata.len())?;
        match self.slots.class {
            Class::Inline(stamps) => {
                let place = self.lane.place();
                let slot = self.slots.memory.inline_slot(&place);
                let store_extras = |words: &_| self.plan.store(words, extras);
                let marked = self.gate.marks(place.sequence);
                inline_slot::publish(&slot, stamps.of(place.sequence), payload, marked, store_extras);
                Ok(self.published())
            }
            Class::Arena(words) => {
                arena_slot::begin_filling();
                self.own_buffer()?.store(payload);
                self.exchange(words, payload.len(), extras)
            }
        }
    }

    /// After the one writer's publication off the straight lane: goes on.
    fn published(&mut self) -> u64 {
        let sequence = self.lane.sequence();
        self.lane.step();
        self.count(sequence + 1);
        sequence
    }

    /// Whether there is room for a message, or no use in waiting for it.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.admit_next().is_ok() || stream_state::is_closed(&self.slots.memory)
    }

    /// Whether a message of these lengths may be published now.
    fn admit(&mut self, len: usize, meta_len: usize) -> Result<(), TryWriteError> {
        self.admit_lengths(len, meta_len)?;
        self.admit_next().map(drop)
    }

    /// Whether a message of these lengths may be published when there is room.
    #[inline(always)]
    fn admit_lengths(&self, len: usize, meta_len: usize) -> Result<(), TryWriteError> {
        if len > self.slot_bytes || meta_len > self.meta_bytes {
            return Err(self.too_large(len, meta_len));
        }
        if stream_state::is_closed(&self.slots.memory) {
            return Err(self.closed());
        }
        Ok(())
    }

    /// The sequence that may be published next, if the gate lets it through.
    fn admit_next(&mut self) -> Result<u64, TryWriteError> {
        let next = self.sequence();
        let memory = &self.slots.memory;
        let full = self.peer.as_mut().is_some_and(|peer| peer.room_at(memory, next) == Room::Full);
        if full { Err(TryWriteError::Full) } else { self.pass_gate(next) }
    }

    /// `next`, if the gate lets it through.
    #[inline(always)]
    fn pass_gate(&mut self, next: u64) -> Result<u64, TryWriteError> {
        if self.gate.admits(next) || self.gate.look(&self.slots.memory, next, self.standby.as_mut()) {
            return Ok(next);
        }
        Err(TryWriteError::Full)
    }

    /// Why nothing may be published where [`stream_state::is_closed`].
    #[cold]
    fn closed(&self) -> TryWriteError {
        match stream_state::phase(&self.slots.memory) {
            Phase::Forked => TryWriteError::Forked,
            _ => TryWriteError::Closed,
        }
    }

    #[cold]
    fn too_large(&self, len: usize, meta_len: usize) -> TryWriteError {
        if len > self.slot_bytes {
            TryWriteError::TooLarge { len, max: self.slot_bytes }
        } else {
            TryWriteError::TooLarge { len: meta_len, max: self.meta_bytes }
        }
    }

    /// Counts a call that found the ring full.
    #[cold]
    pub(crate) fn count_refusal(&mut self) {
        self.refused += 1;
        self.entry.missed.store(self.refused, Relaxed); // Relaxed: a count, orders nothing.
    }

    fn own_buffer(&self) -> Result<Payload<'_>, Corrupt> {
        Ok(self.slots.memory.buffer(self.own_index())?.1)
    }

    /// What goes with the own buffer, which holds `len` bytes.
    #[inline(always)]
    fn complete_own_buffer(&self, len: usize, extras: &MessageHeader<'_>) -> Result<(), Corrupt> {
        let own = self.own_index();
        self.plan.store(self.slots.memory.buffer_extras(own), extras);
        arena_slot::set_len(&self.slots.memory, own, len)
    }

    fn own_index(&self) -> usize {
        self.peer.as_ref().map_or(self.own, SharedPublisher::own)
    }

    /// Publishes the own buffer of an arena ring, which holds `len` bytes, and takes the one that it displaces. The
    /// caller then wakes who sleeps for it.
    fn exchange(
        &mut self,
        words: ArenaStamp,
        len: usize,
        extras: &MessageHeader<'_>,
    ) -> Result<u64, TryWriteError> {
        self.complete_own_buffer(len, extras)?;
        if self.peer.is_some() {
            let aim = self.aim()?;
            return self.exchange_shared(aim);
        }
        let memory = &self.slots.memory;
        let place = self.lane.place();
        let mut standby =
            self.standby.as_mut().filter(|_| self.gate.displaces_pinned(memory, place.sequence));
        let displaced = arena_slot::publish(memory, words, &place, self.own, |displaced| {
            if let Some(standby) = &standby {
                standby.announce(displaced);
            }
        })?;
        self.own = standby.as_mut().map_or(displaced, |standby| standby.keep(displaced));
        let sequence = self.published();
        if let Some(behind) = self.hot {
            self.take_a_hot_buffer(words, behind)?;
        }
        Ok(sequence)
    }

    /// Makes the buffer of a message that all readers have read the own one, if there is such a message: of the one that is
    /// `behind` before the newest.
    fn take_a_hot_buffer(&mut self, words: ArenaStamp, behind: u64) -> Result<(), Corrupt> {
        let (memory, next) = (&self.slots.memory, self.lane.sequence());
        let slots = memory.layout().config.slots;
        self.gate.look(memory, next, self.standby.as_mut());
        let read = self.gate.read_by_all().and_then(|read| read.min(next).checked_sub(1 + behind));
        if let Some(read) = read.filter(|read| read + slots as u64 >= next) {
            let hot = arena_slot::withdraw(memory, words, &SlotIndex::of(read, slots), self.own)?;
            self.own = hot.unwrap_or(self.own);
        }
        Ok(())
    }

    pub(crate) fn slowest(&self) -> Option<participant::Peer> {
        backpressure::slowest_peer(&self.slots.memory, self.sequence())
    }
}

/// One of many writers.
impl Publisher {
    #[inline(always)]
    fn publish_shared(&mut self, payload: &[u8], extras: &MessageHeader<'_>) -> Result<u64, TryWriteError> {
        self.admit_lengths(payload.len(), extras.metadata.len())?;
        // Before the look, so that the lines of the buffer and those of counter and slot are fetched at the same time. But
        // where there was no room lately, there may be none now: then nothing is copied for nothing.
        let cautious = self.peer.as_mut().is_some_and(SharedPublisher::is_cautious);
        let aim = if cautious { Some(self.aim()?) } else { None };
        arena_slot::begin_filling();
        self.own_buffer()?.store(payload);
        self.complete_own_buffer(payload.len(), extras)?;
        let aim = aim.map_or_else(|| self.aim(), Ok)?;
        self.exchange_shared(aim)
    }

    /// Publishes the own buffer as the message of `aim`, or a later one if others are first.
    #[inline(always)]
    fn exchange_shared(&mut self, aim: Aim) -> Result<u64, TryWriteError> {
        let peer = self.peer.as_mut().expect("there are many");
        if peer.exchange(&self.slots.memory, &aim) { Ok(aim.sequence()) } else { self.exchange_again() }
    }

    #[inline(never)]
    fn exchange_again(&mut self) -> Result<u64, TryWriteError> {
        let mut patience = RetryBudget::default();
        loop {
            let aim = self.aim_again(&mut patience)?;
            let peer = self.peer.as_mut().expect("there are many");
            if peer.exchange(&self.slots.memory, &aim) {
                return Ok(aim.sequence());
            }
        }
    }

    /// Where the next message is to go, if there is room for it.
    #[inline(always)]
    fn aim(&mut self) -> Result<Aim, TryWriteError> {
        match self.look()? {
            Some(aim) => Ok(aim),
            None => self.aim_again(&mut RetryBudget::default()),
        }
    }

    /// As [`Self::aim`], after others were first.
    #[inline(never)]
    fn aim_again(&mut self, patience: &mut RetryBudget) -> Result<Aim, TryWriteError> {
        while patience.lasts(self.sequence(), &mut self.standoff) {
            if let Some(aim) = self.look()? {
                return Ok(aim);
            }
        }
        Err(Corrupt { what: "the counter of messages stands still, or the slots keep changing" }.into())
    }

    /// As [`Self::aim`]; `None` if others are first.
    #[inline(always)]
    fn look(&mut self) -> Result<Option<Aim>, TryWriteError> {
        let next = multi_writer::next(&self.slots.memory);
        let passed = self.pass_gate(next);
        let peer = self.peer.as_mut().expect("there are many");
        let look = match passed {
            Ok(_) => peer.look(&self.slots.memory, next)?,
            Err(_) => Look::Full,
        };
        match look {
            Look::Free(aim) => Ok(Some(aim)),
            Look::Full => {
                peer.found_no_room();
                Err(TryWriteError::Full)
            }
            Look::Gone => Ok(None),
        }
    }
}

/// What a [`Claim`] does with the writer.
impl Publisher {
    pub(crate) fn begin_claim(&mut self, len: usize) -> Result<(), TryWriteError> {
        self.admit(len, 0)?;
        match self.slots.class {
            Class::Inline(_) => {
                self.scratch.clear();
                self.scratch.resize(len, 0);
            }
            Class::Arena(_) => arena_slot::begin_filling(),
        }
        Ok(())
    }

    /// The claimed bytes of an inline ring, private until published.
    pub(crate) fn scratch(&mut self) -> Option<&mut Vec<u8>> {
        match self.slots.class {
            Class::Inline(_) => Some(&mut self.scratch),
            Class::Arena(_) => None,
        }
    }

    /// The claimed bytes of an arena ring, and whether nobody else can be looking at them.
    pub(crate) fn claimed(&self) -> Result<(Payload<'_>, bool), Corrupt> {
        Ok((self.own_buffer()?, self.exclusive))
    }

    pub(crate) fn publish_claim(
        &mut self,
        len: usize,
        extras: &MessageHeader<'_>,
    ) -> Result<u64, TryWriteError> {
        if extras.metadata.len() > self.meta_bytes {
            return Err(self.too_large(len, extras.metadata.len()));
        }
        if let Class::Arena(words) = self.slots.class {
            if stream_state::is_closed(&self.slots.memory) {
                return Err(self.closed());
            }
            let sequence = self.exchange(words, len, extras)?;
            self.ring();
            return Ok(sequence);
        }
        let scratch = std::mem::take(&mut self.scratch);
        let published = self.write(&scratch[..len], extras);
        self.scratch = scratch;
        published
    }
}
