//! A message that is filled in place before it is published.
#![allow(unsafe_code, reason = "a slice over a buffer that is the writer's alone")]

mod typed;

use crate::endpoint::publisher::Publisher;
use crate::memory::exclusive_bytes;
use crate::types::error::TryWriteError;
use crate::types::message::MessageHeader;
use crate::types::message::PublishOutcome;

/// Room for one message, owned by the writer until [`Claim::publish`]. Dropping it abandons it: nothing is
/// published, and the place in the order is not used up.
///
/// In a gated ring with arena slots, and in a queue, [`Claim::as_mut_slice`] is the memory in the ring: filling it is the
/// only time the bytes are written. In a lossy ring, and in one that allows observers, a reader that fell behind may
/// still be looking at that memory, so it must not be a `&mut [u8]`: there [`Claim::write_at`] copies in, which
/// is atomic byte by byte. Inline slots are filled through private memory, and copied once when published.
#[derive(Debug)]
#[must_use = "a claim that is dropped publishes nothing"]
pub struct Claim<'w> {
    front: &'w mut Publisher,
    len: usize,
}

impl<'w> Claim<'w> {
    pub(crate) fn new(front: &'w mut Publisher, len: usize) -> Self {
        Claim { front, len }
    }

    /// Bytes claimed.
    #[expect(clippy::len_without_is_empty, reason = "a length, not a container")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The claimed bytes, to be filled in any order, with whatever an earlier message left in them, in arena slots; else
    /// zeros. `None` where somebody else may be looking at them.
    pub fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        let len = self.len;
        // Twice, because a borrow that may be returned cannot end on the other path.
        if self.front.scratch().is_some() {
            return self.front.scratch().map(|bytes| &mut bytes[..len]);
        }
        let (payload, exclusive) = self.front.claimed().ok()?;
        // SAFETY:
        // - valid: the payload of a buffer holds any length that `try_claim` admits;
        // - alive: `front` holds the memory, and the slice borrows `self` mutably;
        // - exclusive: the ring has no observers, and is gated: then a buffer comes to the writer only when every reader has
        //   passed the message that was in it (reads are pinned while they last; a buffer that one of them still shows is
        //   not filled, `crate::protocol::standby_buffer`); or a queue: then it was left by a taker that was done with it, and came by this
        //   writer's exchange alone.
        exclusive.then(|| unsafe { exclusive_bytes(payload.as_ptr(), len) }).flatten()
    }

    /// Copies `bytes` in, `offset` bytes behind the start. Works in every ring.
    ///
    /// # Panics
    /// If that is beyond the claimed bytes.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset.checked_add(bytes.len());
        assert!(
            end.is_some_and(|end| end <= self.len),
            "{} bytes at {offset} exceed {}",
            bytes.len(),
            self.len
        );
        if let Some(scratch) = self.front.scratch() {
            scratch[offset..offset + bytes.len()].copy_from_slice(bytes);
        } else if let Ok((payload, _)) = self.front.claimed() {
            payload.store_at(offset, bytes);
        }
    }

    /// Makes the message shorter than it was claimed.
    ///
    /// # Panics
    /// If `len` is longer.
    pub fn truncate(&mut self, len: usize) {
        assert!(len <= self.len, "claimed {} bytes, not {len}", self.len);
        self.len = len;
    }

    /// Publishes the message. Returns its sequence.
    ///
    /// # Errors
    /// [`TryWriteError::Closed`] if the ring was closed for good meanwhile; in a gated ring of many writers, and in a queue,
    /// [`TryWriteError::Full`] if others took the room: the next claim of the same writer then finds the bytes as they are.
    /// [`TryWriteError::Forked`]; [`TryWriteError::Corrupt`].
    pub fn publish(self) -> Result<u64, TryWriteError> {
        self.publish_with(&MessageHeader::default())
    }

    /// Publishes the message with a tag or metadata. Returns its sequence.
    ///
    /// # Errors
    /// As [`Self::publish`]; metadata longer than the ring carries is `TooLarge`, and the claim is gone.
    pub fn publish_with(self, extras: &MessageHeader<'_>) -> Result<u64, TryWriteError> {
        self.front.publish_claim(self.len, extras)
    }

    pub(crate) fn publish_at(
        self,
        sequence: u64,
        extras: &MessageHeader<'_>,
    ) -> Result<PublishOutcome, TryWriteError> {
        self.front.publish_at(sequence, self.len, extras)
    }
}
