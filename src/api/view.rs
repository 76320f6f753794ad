//! A message as plain bytes, for as long as the view lives.
#![allow(unsafe_code, reason = "a slice over frozen bytes of attachment memory")]

mod typed;

use crate::endpoint::read_cursor::{ReadCursor, Shown};
use crate::memory::frozen_bytes;
use crate::types::message::Received;

/// The bytes of one message: in the ring where the protocol freezes them, else a copy.
///
/// Dropping it moves the reader on. While it shows bytes in the ring, they stay as they are, whatever happens to the reader
/// meanwhile. Writers of that gated ring go no further than `slots` messages beyond this one; if others
/// [move](crate::Ring::skip_readers_to_newest) the reader on, the one writer goes further and leaves the shown buffer alone:
/// one at a time, a second such view holds it back.
#[derive(Debug)]
pub struct View<'r> {
    position: &'r mut ReadCursor,
    shown: Shown,
}

// SAFETY: what is not `Send` and `Sync` by itself is the address of the bytes in the ring. They are there and do not change
// as long as this lives, whichever thread looks: see `deref`.
unsafe impl Send for View<'_> {}
// SAFETY: as above; a shared view is only looked at.
unsafe impl Sync for View<'_> {}

impl<'r> View<'r> {
    pub(crate) fn new(position: &'r mut ReadCursor, shown: Shown) -> Self {
        View { position, shown }
    }

    /// The message's number, length and options.
    pub fn received(&self) -> Received {
        match self.shown {
            Shown::InPlace(received, _) | Shown::Copied(received, _) => received,
        }
    }

    /// The metadata of the message; empty if it had none.
    pub fn metadata(&self) -> &[u8] {
        self.position.metadata()
    }

    /// Whether these are the bytes in the ring, not a copy.
    pub fn is_in_place(&self) -> bool {
        matches!(self.shown, Shown::InPlace(..))
    }
}

impl std::ops::Deref for View<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.shown {
            // SAFETY:
            // - valid and aligned: the pointer is a buffer's start, and the length was checked against the
            //   buffer's size when the message was read;
            // - alive: `position` holds the memory, and the slice borrows `self`;
            // - frozen: the message was whole while this reader's cursor was pinned at it, and the cursor stays
            //   pinned until `drop`. No writer publishes over a pinned message ([`crate::protocol::backpressure`]), unless it leaves
            //   the buffer alone until the pin is gone ([`crate::protocol::standby_buffer`]); and a buffer is filled by its owner only, whom
            //   it passes to by being displaced from its slot.
            Shown::InPlace(received, bytes) => unsafe { frozen_bytes(*bytes, received.len) },
            Shown::Copied(_, bytes) => bytes,
        }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        self.position.unshow(&mut self.shown);
    }
}
