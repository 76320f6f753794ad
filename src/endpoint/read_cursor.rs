//! The position of a reader, and the reads from it.
//!
//! A read has two paths. The fast path touches only the slot of the next message and the reader's
//! own entry; it needs an open [`SlotRun`]. Every other read is on the slow path,
//! [`ReadCursor::attempt`]:
//!
//! 1. Check the floor: another process may have moved this reader.
//! 2. In a gated arena ring, pin the message.
//! 3. Copy the payload, then validate it: the stamp must be unchanged (a seqlock read).
//! 4. Advance, and store the new position. In a gated ring, wake the writers that wait for it.
//!
//! If a step fails, [`ReadCursor::refused`] returns the error, or repeats the attempt.

mod batch;
mod exact;
mod fast;
mod in_place;
mod refusal;

pub(crate) use fast::NotRead;
use fast::load_next;
pub(crate) use in_place::Shown;
use refusal::Refusal;

use crate::memory::message_header::{HeaderFormat, LoadedHeader};
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::Mismatch;
use crate::memory::{OwnEntry, RacyBytes, SlotRun};
use crate::protocol::attachment::WaitFor;
use crate::protocol::gap;
use crate::protocol::reader_entry::{self, Cursor, ReaderEntry};
use crate::protocol::registry::Registration;
use crate::protocol::seqlock::Refused;
use crate::protocol::slots::{Class, Slots};
use crate::protocol::stream_state::StreamObserver;
use crate::sync::event_count::EventCounts;
use crate::sync::{Pair, Relaxed, release};
use crate::types::config::Delivery;
use crate::types::error::{Corrupt, Lagged, TryReadError};
use crate::types::frame::Frame;
use crate::types::message::{Received, Start};

/// An attempt that fails without an error to return is repeated. Correct peers cause a few repeats
/// at most.
const MAX_TRIES: usize = 1000;
const UNSTABLE: Corrupt = Corrupt { what: "a slot or the state of the stream keeps changing" };

/// The reading state of a reader. It is separate from the reader's `Endpoint`, so that a wait can
/// borrow both.
#[derive(Debug)]
pub(crate) struct ReadCursor {
    slots: Slots,
    /// The next slots. Only in a plain ring is the run ever open.
    run: SlotRun,
    plain: bool,
    entry: OwnEntry,
    event_counts: EventCounts,
    header_format: HeaderFormat,
    /// The ends of the stream that this reader has reported.
    stream: StreamObserver,
    gated: bool,
    /// This reader has reported that the ring is closed for good. Every later read returns
    /// `Closed`.
    finished: bool,
    lost: u64,
    metadata: Box<[u8]>,
    meta_len: usize,
    /// The bytes of a view that is a copy. Kept for the next view, to save an allocation.
    scratch: Vec<u8>,
}

/// The message does not fit into the destination of a copy.
pub(crate) struct TooSmall {
    pub(crate) needed: usize,
}

impl ReadCursor {
    /// Registers a reader in the entry of `registration`.
    pub(crate) fn join(registration: &Registration, start: Start) -> Self {
        let slots = Slots::new(registration.attachment().memory.clone());
        let config = slots.config().clone();
        let gated = config.delivery == Delivery::Gated;
        let awaited = reader_entry::missing_readers(&slots.memory) > 0;
        let mut oldest = reader_entry::register(&slots.memory, registration.index());
        let next = slots.next_sequence().max(oldest);
        if !gated {
            oldest = next.saturating_sub(config.slots as u64).max(config.first_sequence);
        }
        let position = match start {
            Start::Next if !awaited => next,
            Start::Next | Start::Oldest => oldest,
            Start::Newest => next.saturating_sub(1).max(oldest),
            Start::Sequence(sequence) => sequence.clamp(oldest, next),
        };
        // PAIRS(Join): a writer that sees this reader as joined publishes after `next` was loaded.
        registration.entry().joined.store(position, release(Pair::Join));
        if awaited {
            reader_entry::count_joined(&slots.memory);
        }
        let position = Self::at(registration, slots, position);
        position.cursors().advance(position.sequence());
        // Writers may sleep: until here this reader blocked them at the oldest message, and in a
        // ring of any delivery they may wait for readers to register.
        registration.attachment().notify(WaitFor::Room);
        position
    }

    /// Continues at the position of the previous reader in the entry of `registration`.
    pub(crate) fn resume(registration: &Registration) -> Self {
        let slots = Slots::new(registration.attachment().memory.clone());
        let entry = registration.entry();
        // Relaxed, all of them: the previous reader released the entry before this one acquired it.
        let cursor = Cursor::from_word(entry.cursor.load(Relaxed)).position().unwrap_or(u64::MAX);
        let next = slots.next_sequence(); // A bound: a peer may have stored any value.
        let mut position = Self::at(registration, slots, cursor.min(next));
        position.finished = entry.floor.load(Relaxed) == u64::MAX;
        position.lost = entry.missed.load(Relaxed);
        position.stream =
            StreamObserver::resume(&registration.attachment().memory, entry.reported.load(Relaxed));
        position
    }

    /// Stores the state that [`Self::resume`] needs and that is not in the entry yet.
    pub(crate) fn park(&self) {
        self.entry.reported.store(self.stream.word(), Relaxed); // Relaxed: see `resume`.
    }

    fn at(registration: &Registration, slots: Slots, position: u64) -> Self {
        let config = slots.config().clone();
        ReadCursor {
            run: SlotRun::new(&slots.memory, position),
            plain: slots.are_plain(),
            entry: slots.memory.own_entry(registration.index()),
            event_counts: registration.attachment().event_counts,
            header_format: HeaderFormat::of(&config),
            stream: StreamObserver::new(&slots.memory),
            gated: config.delivery == Delivery::Gated,
            finished: false,
            lost: 0,
            metadata: vec![0; config.meta_bytes].into(),
            meta_len: 0,
            scratch: Vec::new(),
            slots,
        }
    }

    /// The declared type of each payload.
    pub(crate) fn frame(&self) -> Option<&Frame> {
        self.slots.config().frame.as_ref()
    }

    /// The ends of the stream that this reader has reported.
    pub(crate) fn stream(&self) -> StreamObserver {
        self.stream
    }

    /// The sequence that is read next.
    pub(crate) fn sequence(&self) -> u64 {
        self.run.sequence()
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

    /// Copies the next message to the front of `out`.
    #[inline(always)]
    pub(crate) fn read_into(&mut self, out: &mut [u8]) -> Result<Received, TryReadError> {
        let received = self.read_slow(|message| match out.get_mut(..message.len()) {
            Some(out) => {
                message.copy_to_slice(out);
                Ok(())
            }
            None => Err(TooSmall { needed: message.len() }),
        });
        Ok(received?.0)
    }

    /// Reads the next message with `read`, validates it, and advances.
    #[inline(always)]
    pub(crate) fn read_with<T>(
        &mut self,
        mut read: impl FnMut(RacyBytes<'_>) -> T,
    ) -> Result<(Received, T), TryReadError> {
        let open = self.open_run().is_some();
        let cursors = ReaderEntry(&self.entry);
        if open
            && let Some((here, loaded)) = load_next(&self.run, cursors)
            && let Ok(message) = loaded.message()
        {
            let len = message.message.len();
            let result = read(message.message);
            if message.validate() {
                self.run.advance(here);
                cursors.advance(here.sequence + 1);
                return Ok((self.finish_fast(here, len), result));
            }
        }
        self.read_slow(|message| Ok(read(message)))
    }

    /// Reads the next message with `copy`, validates it, and advances; or returns why not.
    #[inline(always)]
    fn read_slow<T>(
        &mut self,
        mut copy: impl FnMut(RacyBytes<'_>) -> Result<T, TooSmall>,
    ) -> Result<(Received, T), TryReadError> {
        for _ in 0..MAX_TRIES {
            match self.attempt(&mut copy) {
                Ok(read) => {
                    self.pass();
                    return Ok(read);
                }
                Err(refusal) => self.refused(refusal)?,
            }
        }
        Err(UNSTABLE.into())
    }

    /// Makes one attempt to read the next message. In a ring that pins, a success leaves the
    /// message pinned, and [`Self::pass`] releases it.
    #[inline(always)]
    fn attempt<T>(
        &mut self,
        copy: &mut impl FnMut(RacyBytes<'_>) -> Result<T, TooSmall>,
    ) -> Result<(Received, T), Refusal> {
        let sequence = self.run.sequence();
        self.meta_len = 0; // None until the read succeeds: the loaded bytes may be another message's.
        if let Some(floor) = self.cursors().moved_beyond(sequence) {
            return Err(Refusal::Moved { floor });
        }
        if self.pins() {
            // Check the slot first: a message that is not published is not pinned.
            let buffer = self.slots.buffer_of(&self.slot_index());
            let buffer = buffer.map_err(|seen| Refusal::Slot(Refused::Mismatch(seen)))?;
            self.cursors().pin(sequence, buffer).map_err(|floor| Refusal::Moved { floor })?;
        }
        if !self.pins() {
            return self.copy(copy);
        }
        // `copy` may be the caller's code, and panic.
        let unpin = ReleaseOnDrop(self);
        let read = unpin.0.copy(copy);
        if read.is_ok() {
            std::mem::forget(unpin);
        }
        read
    }

    /// Copies and validates the next message.
    #[inline(always)]
    fn copy<T>(
        &mut self,
        copy: &mut impl FnMut(RacyBytes<'_>) -> Result<T, TooSmall>,
    ) -> Result<(Received, T), Refusal> {
        let index = self.slot_index();
        let sequence = index.sequence;
        let read = self.slots.optimistic_read(&index).map_err(Refusal::Slot)?;
        let LoadedHeader { tag, timestamp_ns, meta_len } =
            self.header_format.load(read.header, &mut self.metadata);
        let copied = copy(read.message);
        if !read.validate() {
            return Err(Refusal::Slot(Refused::Torn));
        }
        let copied = copied.map_err(Refusal::TooSmall)?;
        self.meta_len = meta_len;
        Ok((Received { sequence, len: read.message.len(), tag, timestamp_ns }, copied))
    }

    /// Advances to the next message, and releases the slot of this one to the writers.
    #[inline(always)]
    pub(crate) fn pass(&mut self) {
        self.run.advance_slow();
        self.release();
    }

    /// Stores this reader's position, unpinned, and wakes the writers that wait for it.
    #[inline(always)]
    fn release(&self) {
        self.cursors().advance(self.run.sequence());
        self.notify();
    }

    #[inline(always)]
    fn notify(&self) {
        if self.gated {
            self.event_counts.notify(&self.slots.memory.control().freed);
        }
    }

    /// Whether a read pins its message: in a gated arena ring, so that no writer fills the buffer
    /// meanwhile. A read that copies pins, too: a claim is filled through a plain reference, which
    /// must not race even with a copy that is discarded. In the other rings the stamps detect the
    /// race.
    fn pins(&self) -> bool {
        self.gated && matches!(self.slots.class, Class::Arena(_))
    }

    fn slot_index(&self) -> SlotIndex {
        self.run.slot_index()
    }

    #[inline(always)]
    fn cursors(&self) -> ReaderEntry<'_> {
        ReaderEntry(&self.entry)
    }

    /// Whether a read would return a message or an error other than `Empty`.
    pub(crate) fn is_ready(&mut self) -> bool {
        // Notes a writer that joined: that is news, and nothing to report.
        self.stream.must_report(&self.slots.memory);
        self.gap_end();
        is_ready(&self.slots, &self.slot_index(), self.cursors(), &self.stream)
    }

    /// The end of a gap in the stream, if this reader is below it. The state of the stream then
    /// stays news to it: it has to come back to this check.
    fn gap_end(&mut self) -> Option<u64> {
        let end = gap::end(&self.slots.memory);
        (end > self.run.sequence()).then(|| {
            self.stream.expect_news();
            end
        })
    }

    /// Skips to the newest message. Returns how many messages it skips.
    pub(crate) fn skip_to_newest(&mut self) -> u64 {
        let newest = self.slots.next_sequence().saturating_sub(1);
        let skipped = newest.saturating_sub(self.run.sequence());
        if skipped > 0 {
            self.jump(newest);
        }
        skipped
    }

    fn skip_to(&mut self, sequence: u64) -> Lagged {
        let lost = sequence - self.run.sequence();
        self.jump(sequence);
        self.lost = self.lost.saturating_add(lost); // A resumed count may be any value.
        self.entry.missed.store(self.lost, Relaxed); // Relaxed: a count, orders nothing.
        Lagged { lost }
    }

    fn jump(&mut self, sequence: u64) {
        self.run = SlotRun::new(&self.slots.memory, sequence);
        self.release();
    }
}

/// Releases a pinned message that is not read.
struct ReleaseOnDrop<'a>(&'a mut ReadCursor);

impl Drop for ReleaseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// Whether a read of message `index`, by the reader with these cursors and these reported ends of
/// the stream, would return a message or an error other than `Empty`.
pub(crate) fn is_ready(
    slots: &Slots,
    index: &SlotIndex,
    cursors: ReaderEntry<'_>,
    stream: &StreamObserver,
) -> bool {
    slots.check(index) != Err(Mismatch::NotYet)
        || cursors.moved_beyond(index.sequence).is_some()
        || stream.has_news(&slots.memory)
}
