//! A message as plain bytes, for as long as the view lives.
#![allow(unsafe_code, reason = "a slice over frozen bytes of shared memory")]

use crate::endpoint::read_cursor::{ReadCursor, Shown};
use crate::memory::frozen_bytes;
use crate::types::cast;
use crate::types::frame::{Element, ShapeError};
use crate::types::message::Received;
use crate::zerocopy::{FromBytes, Immutable, KnownLayout};
use std::{fmt, ops};

/// The bytes of one message: in the ring where the protocol freezes them, otherwise a copy.
///
/// Dropping it moves the reader on. Bytes shown in the ring do not change while the view lives,
/// whatever happens to the reader meanwhile. The writers of that gated ring stop `slots` messages
/// after this one. If another process [moves](crate::Ring::skip_readers_to_newest) the reader on,
/// the only writer continues and leaves the shown buffer alone; a second view shown that way holds
/// it back.
///
/// ```
/// use seqring::{Config, Ring, Start};
/// let ring = Ring::heap(&Config::slots(8).of_bytes(4096))?;
/// let mut reader = ring.reader(Start::Next)?;
/// ring.writer()?.typed::<[f32]>()?.write(&[1.5, 2.5])?;
/// let view = reader.view()?;
/// assert_eq!(view.len(), 8);
/// assert_eq!(view.value::<[f32]>()?, &[1.5, 2.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct View<'r> {
    cursor: &'r mut ReadCursor,
    shown: Shown,
}

// SAFETY: what is not `Send` and `Sync` by itself is the address of the bytes in the ring. They are
// there and do not change as long as this lives, whichever thread reads them: see `deref`.
unsafe impl Send for View<'_> {}
// SAFETY: as above; a shared view is only read.
unsafe impl Sync for View<'_> {}

impl<'r> View<'r> {
    pub(crate) fn new(cursor: &'r mut ReadCursor, shown: Shown) -> Self {
        View { cursor, shown }
    }

    /// The message's sequence, length, tag and time.
    pub fn received(&self) -> Received {
        match self.shown {
            Shown::InPlace(received, _) | Shown::Copied(received, _) => received,
        }
    }

    /// The metadata of the message; empty if it had none.
    pub fn metadata(&self) -> &[u8] {
        self.cursor.metadata()
    }

    /// Whether these are the bytes in the ring, not a copy.
    pub fn is_in_place(&self) -> bool {
        matches!(self.shown, Shown::InPlace(..))
    }

    /// Returns the message as a `T`, which may be a slice, without a copy.
    ///
    /// # Errors
    /// [`ShapeError::Length`]; [`ShapeError::Alignment`] for a `T` with a larger alignment than the
    /// view's: 64 bytes in place, the allocator's for a copy.
    pub fn value<T: FromBytes + KnownLayout + Immutable + ?Sized>(&self) -> Result<&T, ShapeError> {
        cast::value(self)
    }

    /// Returns the message as the frame that the ring describes: its elements, and the extents of
    /// the array, slowest-varying first.
    ///
    /// # Errors
    /// [`ShapeError::Element`] and [`ShapeError::FrameLength`] if it is another frame;
    /// [`ShapeError::Undescribed`] if the ring describes none; [`ShapeError::Alignment`] as for
    /// [`Self::value`].
    pub fn frame<T: Element>(&self) -> Result<(&[T], &[u64]), ShapeError> {
        let frame = self.cursor.frame();
        frame.check::<T>(self.len())?;
        Ok((self.value()?, frame.extents()))
    }
}

impl ops::Deref for View<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.shown {
            // SAFETY:
            // - valid and aligned: the pointer is a buffer's start, and the length was checked
            //   against the buffer's size when the message was read;
            // - alive: `cursor` holds the memory, and the slice borrows `self`;
            // - frozen: the message was whole while this reader's cursor was pinned at it, and the
            //   cursor stays pinned until `drop`. No writer publishes over a pinned message
            //   ([`crate::protocol::backpressure`]), unless it leaves the buffer alone until the
            //   pin is gone ([`crate::protocol::standby_buffer`]); and a buffer is filled by its
            //   owner only, which gets it when the buffer is displaced from its slot.
            Shown::InPlace(received, bytes) => unsafe { frozen_bytes(*bytes, received.len) },
            Shown::Copied(_, bytes) => bytes,
        }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        self.cursor.unshow(&mut self.shown);
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let received = self.received();
        f.debug_struct("View").field("received", &received).field("in_place", &self.is_in_place()).finish()
    }
}
