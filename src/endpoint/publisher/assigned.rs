//! What a writer does to publish under a number that was assigned beforehand.

use super::Publisher;
use crate::protocol::arena_slot;
use crate::protocol::multi_writer::{Look, Room};
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
            Room::Full => Err(TryWriteError::Full),
            Room::Free => Ok(PublishOutcome::Published),
            Room::Gone => Ok(PublishOutcome::Already),
        }
    }

    /// Whether there is something to tell of message `sequence`: room for it, or no use in waiting for room.
    pub(crate) fn is_ready_at(&mut self, sequence: u64) -> bool {
        self.room_at(sequence) != Room::Full || stream_state::is_closed(&self.slots.memory)
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
        arena_slot::begin_filling();
        self.own_buffer()?.store(payload);
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
        self.complete_own_buffer(len, extras)?;
        let memory = &self.slots.memory;
        let peer = self.peer.as_mut().expect("a queue has many writers");
        match peer.look(memory, sequence)? {
            Look::Free(aim) if peer.exchange(memory, &aim) => {
                self.event_counts.notify(&memory.control().published);
                Ok(PublishOutcome::Published)
            }
            Look::Free(_) | Look::Gone => Ok(PublishOutcome::Already),
            Look::Full => Err(TryWriteError::Full),
        }
    }

    fn room_at(&mut self, sequence: u64) -> Room {
        let memory = &self.slots.memory;
        self.peer.as_mut().map_or(Room::Full, |peer| peer.room_at(memory, sequence))
    }
}
