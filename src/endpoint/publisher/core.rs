//! What the three publishers have in common: limits, backpressure, the message header, and
//! notification.

use crate::memory::message_header::HeaderFormat;
use crate::memory::{Memory, OwnEntry};
use crate::protocol::arena_slot::FillingBuffer;
use crate::protocol::backpressure::Backpressure;
use crate::protocol::registry::Registration;
use crate::protocol::standby_buffer::StandbyBuffer;
use crate::protocol::stream_state::{self, Phase};
use crate::sync::Relaxed;
use crate::sync::event_count::EventCounts;
use crate::types::config::Delivery;
use crate::types::error::{Corrupt, TryWriteError};
use crate::types::message::MessageHeader;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) memory: Memory,
    pub(super) backpressure: Backpressure,
    pub(super) event_counts: EventCounts,
    pub(super) header_format: HeaderFormat,
    slot_bytes: usize,
    meta_bytes: usize,
    /// No reader copies from a buffer while this writer fills it.
    pub(super) exclusive: bool,
    entry: OwnEntry,
    refused: u64,
}

impl Core {
    pub(super) fn new(registration: &Registration) -> Self {
        let memory = registration.attachment().memory.clone();
        let config = &memory.layout().config;
        let gated = config.delivery == Delivery::Gated;
        Core {
            backpressure: if gated { Backpressure::gated(&memory) } else { Backpressure::lossy() },
            event_counts: registration.attachment().event_counts,
            header_format: HeaderFormat::of(config),
            slot_bytes: config.slot_bytes,
            meta_bytes: config.meta_bytes,
            exclusive: config.delivery != Delivery::Lossy && !config.observers,
            entry: memory.own_entry(registration.index()),
            refused: 0,
            memory,
        }
    }

    /// Wakes the participants that sleep until a message is published.
    #[inline(always)]
    pub(super) fn notify(&self) {
        self.event_counts.notify(&self.memory.control().published);
    }

    #[inline(always)]
    pub(super) fn is_closed(&self) -> bool {
        stream_state::is_closed(self.memory.control())
    }

    /// Refuses lengths that the ring does not carry, and everything once the ring is closed.
    #[inline(always)]
    pub(super) fn admit_lengths(&self, len: usize, meta_len: usize) -> Result<(), TryWriteError> {
        if len > self.slot_bytes || meta_len > self.meta_bytes {
            return Err(self.too_large(len, meta_len));
        }
        if self.is_closed() {
            return Err(self.closed());
        }
        Ok(())
    }

    /// Admits message `next` if no reader blocks it.
    #[inline(always)]
    pub(super) fn pass_backpressure(
        &mut self,
        next: u64,
        standby: Option<&mut StandbyBuffer>,
    ) -> Result<(), TryWriteError> {
        if self.backpressure.admits(next) || self.backpressure.refresh(&self.memory, next, standby) {
            return Ok(());
        }
        Err(TryWriteError::Full)
    }

    #[cold]
    pub(super) fn closed(&self) -> TryWriteError {
        match stream_state::phase(&self.memory) {
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

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    pub(super) fn count_refusal(&mut self) {
        self.refused += 1;
        self.entry.missed.store(self.refused, Relaxed); // Relaxed: a count, orders nothing.
    }

    /// Fills `own`, a buffer that this writer owns, with a whole message.
    #[inline(always)]
    pub(super) fn fill(&self, own: usize, payload: &[u8], header: &MessageHeader<'_>) -> Result<(), Corrupt> {
        let filling = FillingBuffer::begin(&self.memory, own)?;
        filling.payload().store(payload);
        self.finish(filling, own, payload.len(), header);
        Ok(())
    }

    /// Stores header and length of a message whose `len` bytes are in `own` already.
    #[inline(always)]
    pub(super) fn complete(&self, own: usize, len: usize, header: &MessageHeader<'_>) -> Result<(), Corrupt> {
        self.finish(FillingBuffer::begin(&self.memory, own)?, own, len, header);
        Ok(())
    }

    #[inline(always)]
    fn finish(&self, filling: FillingBuffer<'_>, own: usize, len: usize, header: &MessageHeader<'_>) {
        let mut mark = 0;
        if self.header_format.is_any() {
            self.header_format.store(self.memory.message_header(own), header);
            mark = self.header_format.mark();
        }
        filling.finish(len, mark);
    }
}

/// How many messages the one writer publishes between two stores of the shared counter. The counter
/// is a hint: a reader of it looks at the slots for the exact value. Where a message is three
/// stores, a fourth to another line is expensive.
const HINT_EVERY: u64 = 64;

/// The one writer's copy of the shared counter.
#[derive(Debug)]
pub(super) struct SequenceHint(u64);

impl SequenceHint {
    pub(super) fn new(next: u64) -> Self {
        SequenceHint(next)
    }

    /// Stores the shared counter now and then. Everything below `next` is published.
    pub(super) fn update(&mut self, memory: &Memory, next: u64) {
        if next - self.0 >= HINT_EVERY {
            self.0 = next;
            // Relaxed: a hint; its users look at the slots, which order the rest.
            memory.control().next.store(next, Relaxed);
        }
    }
}
