//! What a writer does to publish under a number that was assigned beforehand.

use super::Publisher;
use crate::protocol::multi_writer::Vacancy;
use crate::protocol::stream_state;
use crate::types::error::TryWriteError;
use crate::types::message::MessageHeader;
use crate::types::message::PublishOutcome;

impl Publisher {
    /// Whether message `sequence` may be published now, with these lengths.
    pub(crate) fn admit_at(
        &mut self,
        sequence: u64,
        len: usize,
        meta_len: usize,
    ) -> Result<PublishOutcome, TryWriteError> {
        if len > self.slot_bytes || meta_len > self.meta_bytes {
            return Err(self.too_large(len, meta_len));
        }
        if stream_state::is_closed(&self.slots.memory) {
            return Err(self.closed());
        }
        match self.room_at(sequence) {
            Vacancy::Full => Err(TryWriteError::Full),
            Vacancy::Free(()) => Ok(PublishOutcome::Published),
            Vacancy::Published => Ok(PublishOutcome::Already),
        }
    }

    /// Whether there is something to tell of message `sequence`: room for it, or no use in waiting for room.
    pub(crate) fn is_ready_at(&mut self, sequence: u64) -> bool {
        self.room_at(sequence) != Vacancy::Full || stream_state::is_closed(&self.slots.memory)
    }

    /// Publishes a payload as message `sequence`, unless somebody did.
    pub(crate) fn write_at(
        &mut self,
        sequence: u64,
        payload: &[u8],
        extras: &MessageHeader<'_>,
    ) -> Result<PublishOutcome, TryWriteError> {
        if self.admit_at(sequence, payload.len(), extras.metadata.len())? == PublishOutcome::Already {
            return Ok(PublishOutcome::Already);
        }
        self.fill()?.payload().store(payload);
        self.publish_at(sequence, payload.len(), extras)
    }

    /// Publishes the own buffer, which holds `len` bytes, as message `sequence`, unless somebody did: then it stays own.
    pub(crate) fn publish_at(
        &mut self,
        sequence: u64,
        len: usize,
        extras: &MessageHeader<'_>,
    ) -> Result<PublishOutcome, TryWriteError> {
        if self.admit_at(sequence, len, extras.metadata.len())? == PublishOutcome::Already {
            return Ok(PublishOutcome::Already);
        }
        self.fill()?.finish(len, |header| self.plan.store(header, extras));
        let memory = &self.slots.memory;
        let peer = self.peer.as_mut().expect("a queue has many writers");
        match peer.find_target(memory, sequence)? {
            Vacancy::Free(aim) if peer.exchange(memory, &aim) => {
                self.event_counts.ring(&memory.control().published);
                Ok(PublishOutcome::Published)
            }
            Vacancy::Free(_) | Vacancy::Published => Ok(PublishOutcome::Already),
            Vacancy::Full => Err(TryWriteError::Full),
        }
    }

    fn room_at(&mut self, sequence: u64) -> Vacancy {
        let memory = &self.slots.memory;
        self.peer.as_mut().map_or(Vacancy::Full, |peer| peer.vacancy(memory, sequence))
    }
}
