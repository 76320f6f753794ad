//! Where a reader stands, and how it reads from there.

mod batch;
mod exact;

use crate::memory::message_header::{HeaderFormat, LoadedHeader};
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::{InlineStamp, Mismatch};
use crate::memory::{OwnEntry, RacyBytes, RunPosition, SlotRun};
use crate::protocol::inline_slot::LoadedSlot;
use crate::protocol::reader_entry::{self, Cursor, ReaderEntry};
use crate::protocol::registry::Registration;
use crate::protocol::seqlock::Refused;
use crate::protocol::slots::{Class, Slots};
use crate::protocol::stream_state::{self, Phase, StreamObserver, StreamStatus};
use crate::sync::event_count::EventCounts;
use crate::sync::{Pair, Relaxed, acquire_fence};
use crate::types::config::Delivery;
use crate::types::error::{Corrupt, Lagged, TryReadError};
use crate::types::frame::Frame;
use crate::types::message::{Received, Start};

/// A look that is refused without a reason to tell is repeated: correct peers never cause more than a few.
const TRIES: usize = 1000;
const RESTLESS: Corrupt = Corrupt { what: "a slot or the state of the stream keeps changing" };

/// A reader without its manner of waiting: a wait borrows that and tries with this.
#[derive(Debug)]
pub(crate) struct ReadCursor {
    slots: Slots,
    /// Straight in a plain ring: a slot is all that most reads need.
    lane: SlotRun,
    stamps: InlineStamp,
    plain: bool,
    entry: OwnEntry,
    event_counts: EventCounts,
    plan: HeaderFormat,
    /// What this reader was told of the stream's ends.
    watch: StreamObserver,
    gated: bool,
    /// The end of a ring that is closed for good was reported; nothing is read any more.
    finished: bool,
    lost: u64,
    metadata: Box<[u8]>,
    meta_len: usize,
    /// Where views of this reader copy to, between two of them.
    scratch: Vec<u8>,
}

/// What a copy says about a message that does not fit where it should go.
pub(crate) struct TooSmall {
    pub(crate) needed: usize,
}

impl ReadCursor {
    /// Registers a reader in the entry of `registration`.
    pub(crate) fn join(registration: &Registration, start: Start) -> Self {
        let slots = Slots::new(registration.attachment().memory.clone());
        let config = slots.config().clone();
        let gated = config.delivery == Delivery::Gated;
        let mut oldest = reader_entry::register(&slots.memory, registration.index());
        let next = slots.next_sequence().max(oldest);
        if !gated {
            oldest = next.saturating_sub(config.slots as u64).max(config.first_sequence);
        }
        let position = match start {
            Start::Next => next,
            Start::Oldest => oldest,
            Start::Newest => next.saturating_sub(1).max(oldest),
            Start::Sequence(sequence) => sequence.clamp(oldest, next),
        };
        registration.entry().joined.store(position, Relaxed); // Relaxed: a figure for people.
        let position = Self::at(registration, slots, position);
        // Until here this reader held writers back to the oldest message: one of them may sleep over it.
        position.release();
        position
    }

    /// Goes on where the reader before us in the entry of `registration` stood.
    pub(crate) fn resume(registration: &Registration) -> Self {
        let slots = Slots::new(registration.attachment().memory.clone());
        let entry = registration.entry();
        // Relaxed, all of them: our hold on the entry is ordered behind the one of the reader before us.
        let cursor = Cursor::from_word(entry.cursor.load(Relaxed)).position().unwrap_or(u64::MAX);
        let next = slots.next_sequence(); // Bounded: a peer may have stored anything.
        let mut position = Self::at(registration, slots, cursor.min(next));
        position.finished = entry.floor.load(Relaxed) == u64::MAX;
        position.lost = entry.missed.load(Relaxed);
        position.watch =
            StreamObserver::resume(&registration.attachment().memory, entry.reported.load(Relaxed));
        position
    }

    /// Leaves for [`Self::resume`] what is not in the entry yet.
    pub(crate) fn park(&self) {
        self.entry.reported.store(self.watch.word(), Relaxed); // Relaxed: as there.
    }

    fn at(registration: &Registration, slots: Slots, position: u64) -> Self {
        let config = slots.config().clone();
        ReadCursor {
            lane: SlotRun::new(&slots.memory, position),
            stamps: InlineStamp::new(config.slot_bytes),
            plain: slots.are_plain(),
            entry: slots.memory.own_entry(registration.index()),
            event_counts: registration.attachment().event_counts,
            plan: HeaderFormat::of(&config),
            watch: StreamObserver::new(&slots.memory),
            gated: config.delivery == Delivery::Gated,
            finished: false,
            lost: 0,
            metadata: vec![0; config.meta_bytes].into(),
            meta_len: 0,
            scratch: Vec::new(),
            slots,
        }
    }

    /// What every payload is, if the ring says so.
    pub(crate) fn frame(&self) -> &Frame {
        &self.slots.config().frame
    }

    /// What this reader knows of the stream.
    pub(crate) fn stream(&self) -> StreamObserver {
        self.watch
    }

    /// The sequence that is read next.
    pub(crate) fn sequence(&self) -> u64 {
        self.lane.sequence()
    }

    /// Messages published and not yet read.
    pub(crate) fn lag(&self) -> u64 {
        self.slots.next_sequence().saturating_sub(self.sequence())
    }

    /// Messages lost since this reader joined.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    pub(crate) fn metadata(&self) -> &[u8] {
        &self.metadata[..self.meta_len]
    }

    /// Copies the next message to the front of `out` if that needs nothing but a look at its slot: so do most reads of
    /// small messages. What is not read this way, [`Self::read_into`] reads.
    #[inline(always)]
    pub(crate) fn read_fast(&mut self, out: &mut [u8]) -> Option<Received> {
        let (here, glance) = self.glance()?;
        let len = if let Some(read) = glance.message_of(out.len()) {
            read.message.copy_to_slice(out);
            read.validate().then_some(out.len())?
        } else {
            let before = glance.stamp();
            self.copy_shorter(before, out)?
        };
        Some(self.glanced(here, len))
    }

    /// Copies the next message, which may be shorter than `out`, after a glance that saw `before`. Returns its length.
    #[inline(never)]
    fn copy_shorter(&self, before: u64, out: &mut [u8]) -> Option<usize> {
        let (here, slot) = self.lane.next_slot()?;
        let read = LoadedSlot::with_stamp(before, slot, self.stamps.of(here.sequence)).message().ok()?;
        let out = out.get_mut(..read.message.len())?;
        read.message.copy_to_slice(out);
        read.validate().then_some(out.len())
    }

    /// Copies the next message to the front of `out`.
    #[inline(always)]
    pub(crate) fn read_into(&mut self, out: &mut [u8]) -> Result<Received, TryReadError> {
        let received = self.read_thoroughly(|message| match out.get_mut(..message.len()) {
            Some(out) => {
                message.copy_to_slice(out);
                Ok(())
            }
            None => Err(TooSmall { needed: message.len() }),
        });
        Ok(received?.0)
    }

    /// Reads the next message by `read`, validated, and moves on.
    #[inline(always)]
    pub(crate) fn read_with<T>(
        &mut self,
        mut read: impl FnMut(RacyBytes<'_>) -> T,
    ) -> Result<(Received, T), TryReadError> {
        if let Some((here, glance)) = self.glance()
            && let Ok(message) = glance.message()
        {
            let len = message.message.len();
            let result = read(message.message);
            if message.validate() {
                return Ok((self.glanced(here, len), result));
            }
        }
        self.read_thoroughly(|message| Ok(read(message)))
    }

    /// A look at the next message's slot where the lane is straight. That is all there is to most reads; whatever else
    /// there may be is kept out of their way, in [`Self::read_thoroughly`].
    #[inline(always)]
    fn glance(&mut self) -> Option<(RunPosition, LoadedSlot<'_>)> {
        if !(self.lane.is_open() || self.plain && self.extend_run()) {
            return None;
        }
        let (here, slot) = self.lane.next_slot()?;
        if self.cursors().moved_beyond(here.sequence).is_some() {
            return None;
        }
        let stamp = self.stamps.of(here.sequence);
        Some((here, LoadedSlot::load(slot, stamp)))
    }

    /// Makes the lane straight again, if it can be.
    #[inline(never)]
    fn extend_run(&mut self) -> bool {
        if self.plain {
            self.lane.extend_to(u64::MAX);
        }
        self.plain
    }

    /// The message that a validated [`Self::glance`] saw; goes on to the next.
    #[inline(always)]
    fn glanced(&mut self, here: RunPosition, len: usize) -> Received {
        let sequence = here.sequence;
        self.lane.advance(here);
        self.release();
        Received { sequence, len, tag: 0, timestamp_ns: 0 }
    }

    /// Reads the next message by `copy`, validated, and moves on; or says why not.
    #[inline(always)]
    fn read_thoroughly<T>(
        &mut self,
        mut copy: impl FnMut(RacyBytes<'_>) -> Result<T, TooSmall>,
    ) -> Result<(Received, T), TryReadError> {
        for _ in 0..TRIES {
            match self.attempt(&mut copy) {
                Ok(read) => {
                    self.pass();
                    return Ok(read);
                }
                Err(refusal) => self.refused(refusal)?,
            }
        }
        Err(RESTLESS.into())
    }

    /// One validated look at the next message. Where the ring pins, success leaves it pinned, for [`Self::pass`]
    /// to release.
    #[inline(always)]
    fn attempt<T>(
        &mut self,
        copy: &mut impl FnMut(RacyBytes<'_>) -> Result<T, TooSmall>,
    ) -> Result<(Received, T), Refusal> {
        let sequence = self.lane.sequence();
        self.meta_len = 0; // Until this read succeeds there is none, or what is loaded may be another message's.
        if let Some(floor) = self.cursors().moved_beyond(sequence) {
            return Err(Refusal::Moved { floor });
        }
        if self.pins() {
            // A look first: nobody is told of a pin for a message that is not there.
            let buffer = self.slots.buffer_of(&self.place());
            let buffer = buffer.map_err(|seen| Refusal::Slot(Refused::Mismatch(seen)))?;
            self.cursors().pin(sequence, buffer).map_err(|floor| Refusal::Moved { floor })?;
        }
        let read = self.copy(copy);
        if self.pins() && read.is_err() {
            self.release();
        }
        read
    }

    /// The message of this place, copied and validated.
    #[inline(always)]
    fn copy<T>(
        &mut self,
        copy: &mut impl FnMut(RacyBytes<'_>) -> Result<T, TooSmall>,
    ) -> Result<(Received, T), Refusal> {
        let place = self.place();
        let sequence = place.sequence;
        let read = self.slots.optimistic_read(&place).map_err(Refusal::Slot)?;
        let LoadedHeader { tag, timestamp_ns, meta_len } = self.plan.load(read.header, &mut self.metadata);
        let copied = copy(read.message);
        if !read.validate() {
            return Err(Refusal::Slot(Refused::Torn));
        }
        let copied = copied.map_err(Refusal::TooSmall)?;
        self.meta_len = meta_len;
        Ok((Received { sequence, len: read.message.len(), tag, timestamp_ns }, copied))
    }

    /// Goes on to the next message, and lets writers have this one's slot.
    #[inline(always)]
    pub(crate) fn pass(&mut self) {
        self.lane.advance_slow();
        self.release();
    }

    /// Publishes where this reader stands, unpinned.
    #[inline(always)]
    fn release(&self) {
        self.cursors().advance(self.lane.sequence());
        if self.gated {
            self.event_counts.notify(&self.slots.memory.control().freed);
        }
    }

    /// Gated arena: a read pins its message, so that nobody fills the buffer meanwhile. A copy, too: a claim is filled
    /// through a plain reference, which must not race even with bytes that are thrown away. Elsewhere the stamps alone
    /// tell.
    fn pins(&self) -> bool {
        self.gated && matches!(self.slots.class, Class::Arena(_))
    }

    fn place(&self) -> SlotIndex {
        self.lane.slot_index()
    }

    #[inline(always)]
    fn cursors(&self) -> ReaderEntry<'_> {
        ReaderEntry(&self.entry)
    }

    /// Whether a read has something to tell: a message, or why there will be none.
    pub(crate) fn is_ready(&self) -> bool {
        is_ready(&self.slots, &self.place(), self.cursors(), &self.watch)
    }

    /// What to tell the caller when a message could not be read; `Ok` to try again.
    #[cold]
    #[expect(clippy::needless_pass_by_value, reason = "it is used up here")]
    fn refused(&mut self, refusal: Refusal) -> Result<(), TryReadError> {
        match refusal {
            Refusal::TooSmall(TooSmall { needed }) => Err(TryReadError::TooSmall { needed }),
            Refusal::Moved { floor } => self.moved(floor),
            Refusal::Slot(Refused::Corrupt(corrupt)) => Err(corrupt.into()),
            // Only a reader that others moved is overtaken in a gated ring. What was torn is seen as overtaken now.
            Refusal::Slot(Refused::Torn) if self.gated => Ok(()),
            Refusal::Slot(Refused::Mismatch(Mismatch::Overtaken { .. })) if self.gated => {
                match self.cursors().moved_beyond(self.lane.sequence()) {
                    Some(floor) => self.moved(floor),
                    None => {
                        Err(Corrupt { what: "a message was overwritten before its reader had it" }.into())
                    }
                }
            }
            Refusal::Slot(Refused::Torn | Refused::Mismatch(Mismatch::Overtaken { .. })) => self.lagged(),
            Refusal::Slot(Refused::Mismatch(Mismatch::NotYet)) => self.nothing(),
        }
    }

    /// There is nothing to read: is there still somebody to wait for?
    fn nothing(&mut self) -> Result<(), TryReadError> {
        let verdict = self.watch.status(&self.slots.memory);
        if verdict == StreamStatus::Live {
            return Err(TryReadError::Empty);
        }
        // The end is established; what was published before it is visible now. Only what is not there now will
        // not come.
        if self.slots.check(&self.place()) != Err(Mismatch::NotYet) {
            return Ok(());
        }
        Err(match verdict {
            StreamStatus::Died(death) => {
                self.watch.set_reported(death);
                TryReadError::WriterDied { pid: death.pid }
            }
            StreamStatus::Forked => TryReadError::Forked,
            StreamStatus::Live | StreamStatus::Ended => TryReadError::Closed,
            StreamStatus::Closed => {
                // A write that raced `close` may still land, but this reader has reported the end. The floor is
                // where each read looks first.
                self.finished = true;
                self.entry.floor.store(u64::MAX, Relaxed); // Relaxed: for ourselves.
                TryReadError::Closed
            }
        })
    }

    /// The message was overwritten. Goes on a little above the oldest that is left: at the oldest itself the
    /// writer would be there again at once.
    fn lagged(&mut self) -> Result<(), TryReadError> {
        let slots = self.slots.config().slots as u64;
        let resume = (self.slots.next_sequence() + slots / 4).saturating_sub(slots);
        Err(self.skip_to(resume.max(self.lane.sequence() + 1)).into())
    }

    /// Somebody moved this reader.
    fn moved(&mut self, floor: u64) -> Result<(), TryReadError> {
        if stream_state::phase(&self.slots.memory) == Phase::Forked {
            return Err(TryReadError::Forked);
        }
        if self.finished {
            return Err(TryReadError::Closed);
        }
        // PAIRS(Floor): whoever moved us saw the messages below published, and so do we from here on.
        acquire_fence(Pair::Floor);
        if floor > self.slots.next_sequence() {
            return Err(Corrupt { what: "a reader was moved beyond the newest message" }.into());
        }
        Err(self.skip_to(floor).into())
    }

    /// Goes on with the newest message. Returns how many it passes over.
    pub(crate) fn skip_to_newest(&mut self) -> u64 {
        let newest = self.slots.next_sequence().saturating_sub(1);
        let passed = newest.saturating_sub(self.lane.sequence());
        if passed > 0 {
            self.jump(newest);
        }
        passed
    }

    fn skip_to(&mut self, sequence: u64) -> Lagged {
        let missed = sequence - self.lane.sequence();
        self.jump(sequence);
        self.lost = self.lost.saturating_add(missed); // What is resumed may be anything.
        self.entry.missed.store(self.lost, Relaxed); // Relaxed: a count, orders nothing.
        Lagged { missed }
    }

    fn jump(&mut self, sequence: u64) {
        self.lane = SlotRun::new(&self.slots.memory, sequence);
        self.release();
    }
}

/// Whether a read of the message of `place`, by the reader of these cursors, has something to tell.
pub(crate) fn is_ready(
    slots: &Slots,
    place: &SlotIndex,
    cursors: ReaderEntry<'_>,
    watch: &StreamObserver,
) -> bool {
    slots.check(place) != Err(Mismatch::NotYet)
        || cursors.moved_beyond(place.sequence).is_some()
        || watch.has_news(&slots.memory)
}

/// Why a look at the next message returned nothing.
enum Refusal {
    Slot(Refused),
    Moved { floor: u64 },
    TooSmall(TooSmall),
}

/// What a view shows.
#[derive(Debug)]
pub(crate) enum Shown {
    /// Pinned bytes in the ring.
    InPlace(Received, *const u8),
    /// A copy; the reader has moved on.
    Copied(Received, Vec<u8>),
}

impl ReadCursor {
    /// Takes back what a view showed.
    pub(crate) fn unshow(&mut self, shown: &mut Shown) {
        match shown {
            Shown::InPlace(..) => self.pass(),
            Shown::Copied(_, bytes) => self.scratch = std::mem::take(bytes),
        }
    }

    /// The next message for a view: pinned where the protocol can freeze it, else copied.
    pub(crate) fn show(&mut self) -> Result<Shown, TryReadError> {
        if !self.pins() {
            let mut bytes = std::mem::take(&mut self.scratch);
            let read = self.read_with(|message| {
                bytes.resize(message.len(), 0);
                message.copy_to_slice(&mut bytes);
            });
            return match read {
                Ok((received, ())) => Ok(Shown::Copied(received, bytes)),
                Err(error) => {
                    self.scratch = bytes;
                    Err(error)
                }
            };
        }
        for _ in 0..TRIES {
            match self.attempt(&mut |message| Ok(message.as_ptr())) {
                Ok((received, bytes)) => return Ok(Shown::InPlace(received, bytes)),
                Err(refusal) => self.refused(refusal)?,
            }
        }
        Err(RESTLESS.into())
    }
}
