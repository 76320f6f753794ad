//! A message that is filled in place before it is published.
#![allow(unsafe_code, reason = "a slice over a buffer that is the writer's alone")]

use crate::api::form::{Form, Now, Until};
use crate::api::writer::Writer;
use crate::endpoint::publisher::Publisher;
use crate::memory::exclusive_bytes;
use crate::types::cast;
use crate::types::error::{Corrupt, TryWriteError, WriteError};
use crate::types::frame::ShapeError;
use crate::types::message::{MessageHeader, PublishOutcome};
use crate::zerocopy::{FromBytes, IntoBytes, KnownLayout};
use std::ops::{Deref, DerefMut};
use std::time::Duration;
use std::{fmt, mem};

/// The bytes of one message, to be filled and then [published](Self::publish). Dropping the claim
/// abandons it: nothing is published, and no sequence is used up.
///
/// - In a gated ring with arena slots, and in a queue, the bytes are the memory in the ring
///   ([`Self::is_in_place`]): the message is written once. They hold an earlier message until they
///   are filled.
/// - In other rings they are private memory, zeros at first, which is copied once when the message
///   is published. There a reader that fell behind may still be copying from the memory in the
///   ring, or that memory is a slot.
///
/// ```
/// use seqring::{Config, Ring};
/// let mut writer = Ring::heap(&Config::slots(4).of_bytes(1 << 20))?.writer()?;
/// let mut claim = writer.claim(1 << 20)?;
/// claim[..8].copy_from_slice(b"8 bytes.");
/// claim[8..].fill(7);
/// assert_eq!(claim.publish()?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a claim that is dropped publishes nothing"]
pub struct Claim<'w> {
    writer: &'w mut Writer,
    bytes: Claimed<'w>,
}

enum Claimed<'w> {
    InPlace(&'w mut [u8]),
    /// Kept by the writer after a publication, to save an allocation.
    Private(Vec<u8>),
}

impl<'w> Claim<'w> {
    /// A claim of `len` bytes. The writer has admitted a message of that length.
    pub(crate) fn new(writer: &'w mut Writer, len: usize) -> Result<Self, Corrupt> {
        let in_place = writer.publisher.exclusive_buffer()?.and_then(|payload| {
            // SAFETY:
            // - valid: the payload of a buffer holds any length that a claim admits;
            // - alive: for 'w nothing but the claim uses the writer, which holds the memory;
            // - exclusive: the ring has no observers, and is gated: then a buffer comes to the
            //   writer only when every reader has passed the message that was in it (reads are
            //   pinned while they last; a buffer that a view still shows is not filled,
            //   `crate::protocol::standby_buffer`); or a queue: then a taker that was done with it
            //   left it, and it came by this writer's exchange alone. The publisher stores to it
            //   only when the claim is published, which ends the use of the slice.
            unsafe { exclusive_bytes(payload.as_ptr(), len) }
        });
        let bytes = if let Some(bytes) = in_place {
            Claimed::InPlace(bytes)
        } else {
            let mut private = mem::take(&mut writer.private);
            private.clear();
            private.resize(len, 0);
            Claimed::Private(private)
        };
        Ok(Claim { writer, bytes })
    }

    /// Publishes the message. Returns its sequence.
    ///
    /// In a gated ring of many writers, and in a queue, it waits for room if other writers took the
    /// room that was there when this writer claimed. In other rings it never waits.
    ///
    /// # Errors
    /// [`WriteError::Closed`] if the ring was closed for good since; [`WriteError::Forked`];
    /// [`WriteError::Corrupt`].
    pub fn publish(self) -> Result<u64, WriteError> {
        self.publish_with(&MessageHeader::default())
    }

    /// Publishes the message with a tag or metadata, as [`Self::publish`]. Returns its sequence.
    ///
    /// # Errors
    /// As [`Self::publish`]; metadata longer than the ring carries is `TooLarge`, and the claim is
    /// abandoned.
    pub fn publish_with(mut self, header: &MessageHeader<'_>) -> Result<u64, WriteError> {
        self.publish_in(Until::FOREVER, header)
    }

    /// Publishes the message without waiting, or returns the claim.
    ///
    /// # Errors
    /// [`Unpublished`], with the claim and the error: [`TryWriteError::Full`] if other writers took
    /// the room, or an error of [`Self::publish`].
    pub fn try_publish(self) -> Result<u64, Unpublished<'w>> {
        self.try_publish_with(&MessageHeader::default())
    }

    /// As [`Self::publish_with`], without waiting.
    ///
    /// # Errors
    /// As [`Self::try_publish`].
    pub fn try_publish_with(self, header: &MessageHeader<'_>) -> Result<u64, Unpublished<'w>> {
        self.publish_or_return(Now, header)
    }

    /// Publishes the message, waiting for at most `timeout`, or returns the claim.
    ///
    /// # Errors
    /// [`Unpublished`], with the claim and the error: [`WriteError::TimedOut`], or an error of
    /// [`Self::publish`].
    pub fn publish_timeout(self, timeout: Duration) -> Result<u64, Unpublished<'w, WriteError>> {
        self.publish_with_timeout(&MessageHeader::default(), timeout)
    }

    /// As [`Self::publish_with`], waiting for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::publish_timeout`].
    pub fn publish_with_timeout(
        self,
        header: &MessageHeader<'_>,
        timeout: Duration,
    ) -> Result<u64, Unpublished<'w, WriteError>> {
        self.publish_or_return(Until::within(timeout), header)
    }

    fn publish_or_return<F: Form>(
        mut self,
        form: F,
        header: &MessageHeader<'_>,
    ) -> Result<u64, Unpublished<'w, F::WriteError>> {
        self.publish_in(form, header).map_err(|error| Unpublished { error, claim: self })
    }

    fn publish_in<F: Form>(&mut self, form: F, header: &MessageHeader<'_>) -> Result<u64, F::WriteError> {
        let Claim { writer, bytes } = self;
        let published = writer.call(form, |publisher| match bytes {
            Claimed::InPlace(filled) => publisher.publish_own(filled.len(), header),
            Claimed::Private(filled) => publisher.write(filled, header),
        });
        // Not in `Drop`: a claim that was refused would borrow the writer to the end of its scope.
        if let (Ok(_), Claimed::Private(filled)) = (&published, bytes) {
            writer.private = mem::take(filled);
        }
        published
    }

    pub(crate) fn publish_at(
        mut self,
        sequence: u64,
        header: &MessageHeader<'_>,
    ) -> Result<PublishOutcome, WriteError> {
        let Claim { writer, bytes } = &mut self;
        let ready = |publisher: &mut Publisher| publisher.is_ready_at(sequence);
        writer.call_when(ready, Until::FOREVER, |publisher| match bytes {
            Claimed::InPlace(filled) => publisher.publish_own_at(sequence, filled.len(), header),
            Claimed::Private(filled) => publisher.write_at(sequence, filled, header),
        })
    }

    /// Waits for at most `timeout` until there is room for the message. Returns whether there is.
    /// Another writer may still take it.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        self.writer.ready_within(timeout)
    }

    /// Whether the bytes are the memory in the ring.
    pub fn is_in_place(&self) -> bool {
        matches!(self.bytes, Claimed::InPlace(_))
    }

    /// The bytes as a `T`, which may be a slice.
    ///
    /// # Errors
    /// [`ShapeError::Length`]; [`ShapeError::Alignment`].
    pub fn value_mut<T>(&mut self) -> Result<&mut T, ShapeError>
    where
        T: FromBytes + IntoBytes + KnownLayout + ?Sized,
    {
        cast::value_mut(self)
    }

    /// Makes the message shorter.
    ///
    /// # Panics
    /// If `len` is longer.
    pub fn truncate(&mut self, len: usize) {
        assert!(len <= self.len(), "claimed {} bytes, not {len}", self.len());
        match &mut self.bytes {
            Claimed::InPlace(bytes) => *bytes = &mut mem::take(bytes)[..len],
            Claimed::Private(bytes) => bytes.truncate(len),
        }
    }
}

impl Deref for Claim<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Claimed::InPlace(bytes) => bytes,
            Claimed::Private(bytes) => bytes,
        }
    }
}

impl DerefMut for Claim<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.bytes {
            Claimed::InPlace(bytes) => bytes,
            Claimed::Private(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.is_in_place() { "in the ring" } else { "in private memory" };
        write!(f, "Claim({} bytes {place})", self.len())
    }
}

/// A claim that was not published.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct Unpublished<'w, E = TryWriteError> {
    /// Why.
    pub error: E,
    /// The claim, with its bytes.
    pub claim: Claim<'w>,
}
