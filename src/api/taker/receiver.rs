//! The taking side of a taker, without its endpoint: so that a wait can borrow both.
#![allow(unsafe_code, reason = "a slice over a buffer that is the taker's alone")]

use crate::memory::message_header::HeaderFormat;
use crate::memory::{Memory, frozen_bytes};
use crate::protocol::intent_log::{self, Recovered};
use crate::protocol::registry::Registration;
use crate::protocol::stream_state::{StreamObserver, StreamStatus};
use crate::protocol::take::{TakeCursor, TakeOutcome};
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
    pub(super) meta_len: usize,
}

/// A message that was taken, and where it is.
#[derive(Debug)]
pub(super) struct TakenBuffer {
    pub(super) received: Received,
    pub(super) buffer: usize,
    /// Another taker took the message first, and died.
    pub(super) redelivered: bool,
    /// The entry of the dead taker, unless this taker took it over.
    pub(super) adopted: Option<Box<Registration>>,
}

impl Receiver {
    /// The next message, if there is one and no other taker is first. `None` decides nothing.
    #[inline(always)]
    pub(super) fn take_next(&mut self) -> Option<Result<TakenBuffer, TryReadError>> {
        match self.takes.try_take(&self.memory) {
            Ok(TakeOutcome::Taken(sequence)) => Some(self.receive_taken(sequence)),
            Ok(TakeOutcome::Contended) => {
                self.backoff.note_loss(self.takes.next());
                None
            }
            _ => None,
        }
    }

    /// Message `sequence`, which this taker has taken. A damaged one is finished at once.
    #[inline(always)]
    pub(super) fn receive_taken(&mut self, sequence: u64) -> Result<TakenBuffer, TryReadError> {
        self.event_counts.notify(&self.memory.control().freed);
        let buffer = self.takes.own();
        let received = self.receive(sequence, buffer).inspect_err(|_| self.takes.acknowledge())?;
        Ok(TakenBuffer { received, buffer, redelivered: false, adopted: None })
    }

    #[inline(never)]
    pub(super) fn try_take(&mut self) -> Result<TakenBuffer, TryReadError> {
        let mut budget = RetryBudget::default();
        let mut behind = self.backoff.lost_lately(self.takes.next());
        loop {
            match self.takes.try_take(&self.memory)? {
                TakeOutcome::Taken(sequence) => return self.receive_taken(sequence),
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
    ) -> Result<TakenBuffer, TryReadError> {
        self.receive_recovered(recovered, registration.index(), Some(Box::new(registration)))
    }

    /// The message that a dead taker left in entry `index`. A damaged one is finished at once.
    pub(super) fn receive_recovered(
        &mut self,
        recovered: Recovered,
        index: usize,
        adopted: Option<Box<Registration>>,
    ) -> Result<TakenBuffer, TryReadError> {
        let Recovered { buffer, redelivery } = recovered;
        // The dead taker may have exchanged the buffer, and done nothing more.
        intent_log::record_owner(self.memory.buffer(buffer)?.0, index);
        intent_log::record_taken(self.memory.entry(index), buffer);
        let received = self.receive(redelivery.unwrap_or_default(), buffer);
        let received = received.inspect_err(|_| intent_log::record_idle(self.memory.entry(index), buffer))?;
        Ok(TakenBuffer { received, buffer, redelivered: true, adopted })
    }

    /// Length and header of the message in a buffer that this taker owns.
    #[inline(always)]
    pub(super) fn receive(&mut self, sequence: u64, buffer: usize) -> Result<Received, TryReadError> {
        let (header, payload) = self.memory.buffer(buffer)?;
        // Relaxed: this taker owns the buffer since its exchange.
        let len = usize::try_from(header.len.load(crate::sync::Relaxed)).unwrap_or(usize::MAX);
        if len > payload.bytes() {
            return Err(Corrupt { what: "a buffer claims more bytes than it has" }.into());
        }
        if !self.header_format.is_any() {
            return Ok(Received { sequence, len, tag: None, timestamp_ns: None });
        }
        let loaded = self.header_format.load(self.memory.message_header(buffer), &mut self.metadata);
        self.meta_len = loaded.meta_len;
        Ok(Received { sequence, len, tag: loaded.tag, timestamp_ns: loaded.timestamp_ns })
    }

    /// The bytes of a message that this taker took last and has not finished, or adopted.
    pub(super) fn bytes(&self, taken: &TakenBuffer) -> &[u8] {
        let Ok((_, payload)) = self.memory.buffer(taken.buffer) else { return &[] };
        // SAFETY:
        // - valid and aligned: the start of a buffer, and the length was checked against it when
        //   the message was taken;
        // - alive: `self` holds the memory, and the slice borrows `self`;
        // - frozen: this taker owns the buffer, by its exchange or by the entry that it took over,
        //   until its next exchange, which needs the taker that `Taken` borrows or `Held` owns. Or
        //   the buffer belongs to the dead taker's entry, which `taken` holds. The writer gave it
        //   up by its own exchange; no other process has its index.
        unsafe { frozen_bytes(payload.as_ptr(), taken.received.len) }
    }

    /// Finishes the message.
    pub(super) fn finish(&self, taken: &TakenBuffer) {
        match &taken.adopted {
            None => self.takes.acknowledge(),
            Some(registration) => intent_log::record_idle(registration.entry(), taken.buffer),
        }
    }

    pub(super) fn metadata(&self) -> &[u8] {
        &self.metadata[..self.meta_len]
    }

    pub(super) fn is_ready(&mut self) -> bool {
        self.takes.is_ready(&self.memory) || self.stream.must_report(&self.memory)
    }
}
