//! A message that is filled in place before it is published.
#![allow(unsafe_code, reason = "a slice over a buffer that is the writer's alone")]

use crate::endpoint::publisher::Publisher;
use crate::memory::exclusive_bytes;
use crate::types::cast;
use crate::types::error::TryWriteError;
use crate::types::frame::ShapeError;
use crate::types::message::{MessageHeader, PublishOutcome};
use crate::zerocopy::{FromBytes, IntoBytes, KnownLayout};
use std::fmt;

/// Room for one message, owned by the writer until [`Claim::publish`]. Dropping it abandons it:
/// nothing is published, and no sequence is used up.
///
/// - In a gated ring with arena slots, and in a queue, [`Claim::as_mut_slice`] is the memory in the
///   ring: the message is written once.
/// - In a lossy ring, and in a ring that allows observers, a reader that fell behind may still be
///   copying from that memory, so it must not be a `&mut [u8]`. [`Claim::write_at`] copies in,
///   atomically byte by byte.
/// - Inline slots are filled through private memory, which is copied once when the message is
///   published.
///
/// ```
/// use seqring::{Config, Ring};
/// let mut writer = Ring::heap(&Config::new(4, 1 << 20))?.writer()?;
/// let mut claim = writer.claim(1 << 20)?;
/// claim.as_mut_slice().expect("a gated ring with arena slots").fill(7);
/// assert_eq!(claim.publish()?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a claim that is dropped publishes nothing"]
pub struct Claim<'w> {
    publisher: &'w mut Publisher,
    len: usize,
}

impl<'w> Claim<'w> {
    pub(crate) fn new(publisher: &'w mut Publisher, len: usize) -> Self {
        Claim { publisher, len }
    }

    /// Publishes the message. Returns its sequence.
    ///
    /// # Errors
    /// [`TryWriteError::Closed`] if the ring was closed for good since; in a gated ring of many
    /// writers, and in a queue, [`TryWriteError::Full`] if other writers took the room: the next
    /// claim of the same writer finds the bytes unchanged. [`TryWriteError::Forked`];
    /// [`TryWriteError::Corrupt`].
    pub fn publish(self) -> Result<u64, TryWriteError> {
        self.publish_with(&MessageHeader::default())
    }

    /// Publishes the message with a tag or metadata. Returns its sequence.
    ///
    /// # Errors
    /// As [`Self::publish`]; metadata longer than the ring carries is `TooLarge`, and the claim is
    /// abandoned.
    pub fn publish_with(self, header: &MessageHeader<'_>) -> Result<u64, TryWriteError> {
        self.publisher.publish_claim(self.len, header)
    }

    pub(crate) fn publish_at(
        self,
        sequence: u64,
        header: &MessageHeader<'_>,
    ) -> Result<PublishOutcome, TryWriteError> {
        self.publisher.publish_at(sequence, self.len, header)
    }

    /// Returns the claimed bytes, to be filled in any order; `None` where a reader may be copying
    /// from them. Arena slots hold the bytes of an earlier message, inline slots zeros.
    pub fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        let len = self.len;
        // Twice, because a borrow that may be returned cannot end on the other path.
        if self.publisher.scratch().is_some() {
            return self.publisher.scratch().map(|bytes| &mut bytes[..len]);
        }
        let (payload, exclusive) = self.publisher.claimed().ok()?;
        // SAFETY:
        // - valid: the payload of a buffer holds any length that `try_claim` admits;
        // - alive: `publisher` holds the memory, and the slice borrows `self` mutably;
        // - exclusive: the ring has no observers, and is gated: then a buffer comes to the writer
        //   only when every reader has passed the message that was in it (reads are pinned while
        //   they last; a buffer that a view still shows is not filled,
        //   `crate::protocol::standby_buffer`); or a queue: then a taker that was done with it left
        //   it, and it came by this writer's exchange alone.
        exclusive.then(|| unsafe { exclusive_bytes(payload.as_ptr(), len) }).flatten()
    }

    /// Returns the claimed bytes as a `T`, which may be a slice, to be filled in place.
    ///
    /// # Errors
    /// [`ShapeError::Shared`] where [`Self::as_mut_slice`] returns `None`; [`ShapeError::Length`];
    /// [`ShapeError::Alignment`].
    pub fn value_mut<T>(&mut self) -> Result<&mut T, ShapeError>
    where
        T: FromBytes + IntoBytes + KnownLayout + ?Sized,
    {
        cast::value_mut(self.as_mut_slice().ok_or(ShapeError::Shared)?)
    }

    /// Copies `bytes` in, `offset` bytes behind the start. Works in every ring.
    ///
    /// # Panics
    /// If that is beyond the claimed bytes.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        let (count, len) = (bytes.len(), self.len);
        let fits = offset.checked_add(count).is_some_and(|end| end <= len);
        assert!(fits, "{count} bytes at {offset} exceed {len}");
        if let Some(scratch) = self.publisher.scratch() {
            scratch[offset..offset + count].copy_from_slice(bytes);
        } else if let Ok((payload, _)) = self.publisher.claimed() {
            payload.store_at(offset, bytes);
        }
    }

    /// Makes the message shorter than the claim.
    ///
    /// # Panics
    /// If `len` is longer.
    pub fn truncate(&mut self, len: usize) {
        assert!(len <= self.len, "claimed {} bytes, not {len}", self.len);
        self.len = len;
    }

    /// Bytes claimed.
    #[expect(clippy::len_without_is_empty, reason = "a length, not a container")]
    pub fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("len", &self.len).finish_non_exhaustive()
    }
}
