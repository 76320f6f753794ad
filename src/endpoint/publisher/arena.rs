//! One writer, arena slots: it fills its own buffer, and exchanges it for the one in the slot.

use super::core::{Core, SequenceHint};
use crate::memory::Memory;
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::ArenaStamp;
use crate::protocol::arena_slot;
use crate::protocol::registry::Registration;
use crate::protocol::standby_buffer::StandbyBuffer;
use crate::sync::SMALL_IS_LARGE;
use crate::types::error::{Corrupt, RegisterError, TryWriteError};
use crate::types::message::MessageHeader;

/// From this buffer size on, reusing a cached buffer pays for a look at all readers.
const HOT_BYTES: usize = if SMALL_IS_LARGE { 128 } else { 32 << 10 };

/// A buffer is filled again after readers have read this many bytes beyond its message. That is
/// more than a core's own caches hold: a line that lies in a reader's cache has to be fetched from
/// there one by one. It is less than the cache that all cores share.
const HOT_DISTANCE: usize = if SMALL_IS_LARGE { 0 } else { 2 << 20 };

#[derive(Debug)]
pub(super) struct Arena {
    stamp: ArenaStamp,
    next: SlotIndex,
    hint: SequenceHint,
    /// The buffer that this writer fills.
    own: usize,
    /// The writer's second buffer, in a gated ring.
    standby: Option<StandbyBuffer>,
    /// The buffer that is filled next is that of the message this far before the newest one that
    /// all readers have read. `None`: the buffer that the last exchange displaced is filled next.
    hot: Option<u64>,
}

impl Arena {
    pub(super) fn new(
        core: &Core,
        registration: &Registration,
        stamp: ArenaStamp,
        next: u64,
    ) -> Result<Self, RegisterError> {
        let attachment = registration.attachment();
        let (own, standby) = match arena_slot::missing_buffers(&core.memory, stamp)?[..] {
            [own] => (own, None),
            [one, other] => {
                let (own, standby) = StandbyBuffer::divide(attachment, [one, other])?;
                (own, Some(standby))
            }
            _ => {
                unreachable!("the layout has one or two buffers more than slots, which name each buffer once")
            }
        };
        Ok(Arena {
            stamp,
            next: SlotIndex::new(next, core.memory.layout().config.slots),
            hint: SequenceHint::new(next),
            own,
            hot: standby.as_ref().and_then(|_| hot_distance(&core.memory)),
            standby,
        })
    }

    pub(super) fn sequence(&self) -> u64 {
        self.next.sequence
    }

    /// Continues at `next`, which the caller has stored as the shared counter.
    pub(super) fn seek(&mut self, next: u64) {
        self.next.seek(next);
        self.hint = SequenceHint::new(next);
    }

    pub(super) fn own(&self) -> usize {
        self.own
    }

    /// Admits the next message if no reader blocks it.
    pub(super) fn admit(&mut self, core: &mut Core) -> Result<(), TryWriteError> {
        core.pass_backpressure(self.next.sequence, self.standby.as_mut())
    }

    /// Publishes `payload`. The caller then notifies.
    pub(super) fn publish(
        &mut self,
        core: &mut Core,
        payload: &[u8],
        header: &MessageHeader<'_>,
    ) -> Result<u64, TryWriteError> {
        core.admit_lengths(payload.len(), header.metadata.len())?;
        self.admit(core)?;
        core.fill(self.own, payload, header)?;
        self.exchange(core)
    }

    /// Publishes `len` bytes that are in the own buffer. The caller then notifies.
    pub(super) fn publish_own(
        &mut self,
        core: &mut Core,
        len: usize,
        header: &MessageHeader<'_>,
    ) -> Result<u64, TryWriteError> {
        core.complete(self.own, len, header)?;
        self.exchange(core)
    }

    /// Publishes the own buffer, whose message is complete, and takes the buffer that it displaces.
    fn exchange(&mut self, core: &mut Core) -> Result<u64, TryWriteError> {
        let (memory, sequence) = (&core.memory, self.next.sequence);
        let displaces_pinned = core.backpressure.displaces_pinned(memory, sequence);
        let mut standby = self.standby.as_mut().filter(|_| displaces_pinned);
        let displaced = arena_slot::publish(memory, self.stamp, &self.next, self.own, |displaced| {
            if let Some(standby) = &standby {
                standby.announce(displaced);
            }
        })?;
        self.own = standby.as_mut().map_or(displaced, |standby| standby.replace(displaced));
        self.next.advance();
        self.hint.update(memory, self.next.sequence);
        if let Some(distance) = self.hot {
            self.take_hot_buffer(core, distance)?;
        }
        Ok(sequence)
    }

    /// Makes a buffer that is still cached the own one: that of a message `distance` before the
    /// newest one that all readers have read.
    fn take_hot_buffer(&mut self, core: &mut Core, distance: u64) -> Result<(), Corrupt> {
        let (memory, next) = (&core.memory, self.next.sequence);
        let slots = memory.layout().config.slots;
        core.backpressure.refresh(memory, next, self.standby.as_mut());
        let read = core.backpressure.read_by_all();
        let read = read.and_then(|read| read.min(next).checked_sub(1 + distance));
        if let Some(read) = read.filter(|read| read + slots as u64 >= next) {
            let hot = arena_slot::withdraw(memory, self.stamp, &SlotIndex::new(read, slots), self.own)?;
            self.own = hot.unwrap_or(self.own);
        }
        Ok(())
    }
}

/// See [`Arena::hot`]. `None` for small messages, and for a ring so short that the displaced buffer
/// is as warm as any.
fn hot_distance(memory: &Memory) -> Option<u64> {
    let layout = memory.layout();
    let distance = HOT_DISTANCE / layout.buffer_stride;
    (layout.buffer_stride >= HOT_BYTES && (SMALL_IS_LARGE || distance + 1 < layout.config.slots))
        .then_some(distance as u64)
}
