//! The taking side of a taker, without its endpoint: so that a wait can borrow both.
#![allow(unsafe_code, reason = "a slice over a buffer that is the taker's alone")]

use crate::memory::format::REDELIVERED;
use crate::memory::message_header::{HeaderFormat, LoadedHeader};
use crate::memory::{Memory, frozen_bytes};
use crate::protocol::intent_log::{self, Recovered};
use crate::protocol::registry::Registration;
use crate::protocol::stream_state::{StreamObserver, StreamStatus};
use crate::protocol::take::{TakeCursor, TakeOutcome};
use crate::sync::Relaxed;
use crate::sync::backoff::{Backoff, RetryBudget};
use crate::sync::event_count::EventCounts;
use crate::types::error::{Corrupt, TryReadError};
use crate::types::message::Received;

/// Taking state. Separate from `Endpoint` so that a wait can borrow both.
pub(super) struct Receiver {
    pub(super) memory: Memory,
    pub(super) takes: TakeCursor,
    pub(super) backoff: Backoff,
    pub(super) event_counts: EventCounts,
    pub(super) header_format: HeaderFormat,
    /// Which ends of the stream were reported.
    pub(super) stream: StreamObserver,
    pub(super) metadata: Box<[u8]>,
    /// The message that was taken last. It is here, and not in a `Taken`, so that a take stores it
    /// once.
    pub(super) taken: TakenBuffer,
    pub(super) origin: Origin,
    /// A damaged message was taken, and is not reported yet.
    pub(super) damaged: Option<TryReadError>,
}

/// The result of one attempt, without an error to return.
pub(super) enum TakeNext {
    Taken,
    /// A take returns `Empty`.
    Empty,
    /// [`Receiver::try_take`] finds out.
    Unknown,
}

/// A message that was taken, and where it is.
#[derive(Debug, Default)]
pub(super) struct TakenBuffer {
    sequence: u64,
    pub(super) len: usize,
    pub(super) buffer: usize,
    header: LoadedHeader,
}

/// Where the message that was taken last came from.
#[derive(Debug, Default)]
pub(super) enum Origin {
    /// The queue. Also if there is no such message.
    #[default]
    Queue,
    /// The queue, where its writer marked it as redelivered.
    Marked,
    /// A dead taker, whose entry this taker took over.
    Inherited,
    /// A dead taker, whose entry this is.
    Adopted(Box<Registration>),
}

impl Receiver {
    /// Takes the next message, if there is one and no other taker is first.
    #[inline(always)]
    pub(super) fn take_next(&mut self) -> TakeNext {
        match self.takes.try_take(&self.memory) {
            Ok(TakeOutcome::Taken { sequence, len }) => match self.receive_taken(sequence, len) {
                Ok(()) => TakeNext::Taken,
                Err(error) => {
                    self.damaged = Some(error);
                    TakeNext::Unknown
                }
            },
            Ok(TakeOutcome::Contended) => {
                self.backoff.note_loss(self.takes.next());
                TakeNext::Unknown
            }
            Ok(TakeOutcome::Empty) if !self.stream.has_news(&self.memory) => TakeNext::Empty,
            _ => TakeNext::Unknown,
        }
    }

    /// Message `sequence`, which this taker has taken. A damaged one is finished at once.
    #[inline(always)]
    fn receive_taken(&mut self, sequence: u64, len: u64) -> Result<(), TryReadError> {
        self.event_counts.notify(&self.memory.control().freed);
        self.receive(sequence, len, self.takes.own()).inspect_err(|_| self.takes.acknowledge())
    }

    #[inline(never)]
    pub(super) fn try_take(&mut self) -> Result<(), TryReadError> {
        let mut budget = RetryBudget::default();
        let mut behind = self.backoff.lost_lately(self.takes.next());
        loop {
            match self.takes.try_take(&self.memory)? {
                TakeOutcome::Taken { sequence, len } => return self.receive_taken(sequence, len),
                // Others took since this taker's last message. It lost no exchange, so it does not
                // back off.
                TakeOutcome::Passed if !std::mem::replace(&mut behind, true) => {
                    self.takes.catch_up(&self.memory);
                    continue;
                }
                TakeOutcome::Contended => self.backoff.note_loss(self.takes.next()),
                TakeOutcome::Passed => {}
                TakeOutcome::Empty => self.why_empty()?,
            }
            if !budget.may_retry(self.takes.next(), &mut self.backoff) {
                let what = "the counter of takes stands still, or the slots keep changing";
                return Err(Corrupt { what }.into());
            }
            self.takes.catch_up(&self.memory);
        }
    }

    /// Decides why there is nothing to take; `Ok` to try again.
    #[cold]
    pub(super) fn why_empty(&mut self) -> Result<(), TryReadError> {
        let status = self.stream.status(&self.memory);
        // The stream has ended: what was published before its end is visible now.
        if status != StreamStatus::Live && self.takes.is_ready(&self.memory) {
            return Ok(());
        }
        Err(match status {
            StreamStatus::Live => TryReadError::Empty,
            StreamStatus::Died(death) => {
                self.stream.set_reported(death);
                TryReadError::WriterDied { pid: death.pid }
            }
            StreamStatus::Ended | StreamStatus::Closed => TryReadError::Closed,
            StreamStatus::Forked => TryReadError::Forked,
        })
    }

    /// The message that a dead taker left in the entry that this taker adopted.
    pub(super) fn receive_adopted(
        &mut self,
        registration: Registration,
        recovered: Recovered,
    ) -> Result<(), TryReadError> {
        let index = registration.index();
        self.receive_recovered(recovered, index, Origin::Adopted(Box::new(registration)))
    }

    /// The message that a dead taker left in entry `index`. A damaged one is finished at once.
    pub(super) fn receive_recovered(
        &mut self,
        recovered: Recovered,
        index: usize,
        origin: Origin,
    ) -> Result<(), TryReadError> {
        let Recovered { buffer, redelivery } = recovered;
        let (header, _) = self.memory.buffer(buffer)?;
        // The dead taker may have exchanged the buffer, and done nothing more.
        intent_log::record_owner(header, index);
        intent_log::record_taken(self.memory.entry(index), buffer);
        let len = header.len.load(Relaxed); // Relaxed: the lock of the entry orders it.
        let received = self.receive(redelivery.unwrap_or_default(), len, buffer);
        received.inspect_err(|_| intent_log::record_idle(self.memory.entry(index), buffer))?;
        self.origin = origin;
        Ok(())
    }

    /// Keeps where message `sequence` is, and its header: in `buffer`, which this taker owns, and
    /// which claims `len` bytes.
    #[inline(always)]
    fn receive(&mut self, sequence: u64, len: u64, buffer: usize) -> Result<(), TryReadError> {
        let mut len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > self.memory.slot_bytes() {
            len = self.unmarked(len)?;
        }
        (self.taken.sequence, self.taken.len, self.taken.buffer) = (sequence, len, buffer);
        if self.header_format.is_any() {
            let words = self.memory.message_header(buffer);
            self.taken.header = self.header_format.load(words, &mut self.metadata);
        }
        Ok(())
    }

    /// The length of a message that is marked as redelivered.
    #[cold]
    fn unmarked(&mut self, len: usize) -> Result<usize, TryReadError> {
        let unmarked = len & !(REDELIVERED as usize);
        if unmarked == len || unmarked > self.memory.slot_bytes() {
            return Err(Corrupt { what: "a buffer claims more bytes than it has" }.into());
        }
        self.origin = Origin::Marked;
        Ok(unmarked)
    }

    /// Whether the message that was taken last, and is not finished, was taken before.
    #[inline(always)]
    pub(super) fn is_redelivered(&self) -> bool {
        !matches!(self.origin, Origin::Queue)
    }

    /// What came with the message that was taken last.
    pub(super) fn received(&self) -> Received {
        let TakenBuffer { sequence, len, ref header, .. } = self.taken;
        Received { sequence, len, tag: header.tag, timestamp_ns: header.timestamp_ns }
    }

    /// The bytes of the message that was taken last, and is not finished.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        let Ok((_, payload)) = self.memory.buffer(self.taken.buffer) else { return &[] };
        // SAFETY:
        // - valid and aligned: the start of a buffer, and the length was checked against it when
        //   the message was taken;
        // - alive: `self` holds the memory, and the slice borrows `self`;
        // - frozen: this taker owns the buffer, by its exchange or by the entry that it took over,
        //   until its next exchange, which needs the taker that `Taken` borrows or `Held` owns. Or
        //   the buffer belongs to the dead taker's entry, which `origin` holds. The writer gave it
        //   up by its own exchange; no other process has its index.
        unsafe { frozen_bytes(payload.as_ptr(), self.taken.len) }
    }

    /// Finishes the message that was taken last. If it was adopted, this taker has none of its own.
    #[inline(always)]
    pub(super) fn finish(&mut self) {
        self.takes.acknowledge();
        if self.is_redelivered() {
            self.finish_redelivered();
        }
    }

    #[cold]
    fn finish_redelivered(&mut self) {
        if let Origin::Adopted(registration) = std::mem::take(&mut self.origin) {
            intent_log::record_idle(registration.entry(), self.taken.buffer);
        }
    }

    pub(super) fn metadata(&self) -> &[u8] {
        &self.metadata[..self.taken.header.meta_len]
    }

    pub(super) fn is_ready(&mut self) -> bool {
        self.takes.is_ready(&self.memory) || self.stream.must_report(&self.memory)
    }
}
