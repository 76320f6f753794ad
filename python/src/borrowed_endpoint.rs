//! An endpoint together with what borrows it: a message being viewed, taken, or filled in place.
//!
//! In the library a view borrows its reader. A Python object cannot borrow, so it owns both, and
//! returns the reader to its cell when the view ends.
#![allow(unsafe_code, reason = "the bytes of a bytearray")]

use crate::endpoint_cell::EndpointCell;
use crate::receiver::Inbox;
use crate::writer::Outbox;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use self_cell::{MutBorrow, self_cell};
use seqring::{Claim, Reader, Received, Taken, Taker, TryReadError, TryWriteError, View};
use std::sync::Arc;

/// The cell that a borrowed endpoint returns to.
pub(crate) type Home<E> = Arc<EndpointCell<Inbox<E>>>;

/// A message, with the endpoint that it borrows.
pub(crate) trait BorrowedMessage: Send + Sync {
    fn bytes(&self) -> &[u8];
    fn meta(&self) -> &[u8];
    fn received(&self) -> Received;
    /// Whether the bytes are those in the ring, not a copy.
    fn is_in_place(&self) -> bool;
    /// Releases the message and returns its endpoint to its cell.
    fn end(self: Box<Self>);
}

/// A copy of a message, which borrows nothing.
pub(crate) struct CopiedMessage {
    pub(crate) bytes: Py<PyByteArray>,
    pub(crate) received: Received,
    pub(crate) meta: Vec<u8>,
}

impl BorrowedMessage for CopiedMessage {
    fn bytes(&self) -> &[u8] {
        // SAFETY: no other code has a reference to the `bytearray`, so it is neither resized nor
        // changed while this value lives.
        Python::attach(|py| unsafe {
            let bytes = self.bytes.bind(py);
            std::slice::from_raw_parts(bytes.data(), bytes.len())
        })
    }

    fn meta(&self) -> &[u8] {
        &self.meta
    }

    fn received(&self) -> Received {
        self.received
    }

    fn is_in_place(&self) -> bool {
        false
    }

    fn end(self: Box<Self>) {}
}

/// An endpoint whose messages can be viewed in the ring.
pub(crate) trait Borrows: Sized {
    /// Borrows the next message; without one, returns the inbox.
    fn borrow_next(
        inbox: Inbox<Self>,
        home: &Home<Self>,
    ) -> Result<Box<dyn BorrowedMessage>, (Inbox<Self>, TryReadError)>;
}

macro_rules! borrowed_message {
    ($name:ident, $endpoint:ident, $message:ident, $receive:ident) => {
        self_cell!(
            struct $name {
                owner: (MutBorrow<Inbox<$endpoint>>, Home<$endpoint>),
                #[covariant]
                dependent: $message,
            }
        );

        impl Borrows for $endpoint {
            fn borrow_next(
                inbox: Inbox<Self>,
                home: &Home<Self>,
            ) -> Result<Box<dyn BorrowedMessage>, (Inbox<Self>, TryReadError)> {
                let owner = (MutBorrow::new(inbox), Arc::clone(home));
                match $name::try_new_or_recover(owner, |owner| owner.0.borrow_mut().endpoint.$receive()) {
                    Ok(message) => Ok(Box::new(message)),
                    Err(((inbox, _), error)) => Err((inbox.into_inner(), error)),
                }
            }
        }

        impl BorrowedMessage for $name {
            fn bytes(&self) -> &[u8] {
                self.borrow_dependent()
            }

            fn meta(&self) -> &[u8] {
                self.borrow_dependent().metadata()
            }

            fn received(&self) -> Received {
                self.borrow_dependent().received()
            }

            fn is_in_place(&self) -> bool {
                true
            }

            fn end(self: Box<Self>) {
                let (received, meta) = (self.received(), self.meta().to_vec());
                let (inbox, home) = self.into_owner();
                let inbox = Inbox { received: Some(received), meta, ..inbox.into_inner() };
                home.give_back(inbox);
            }
        }
    };
}

borrowed_message!(ViewedMessage, Reader, View, try_view);
borrowed_message!(TakenMessage, Taker, Taken, try_take);

/// `None` once it is published.
type OpenClaim<'w> = Option<Claim<'w>>;

self_cell!(
    /// A writer and the message that it fills.
    pub(crate) struct ClaimedWriter {
        owner: MutBorrow<Outbox>,
        #[not_covariant]
        dependent: OpenClaim,
    }
);

impl ClaimedWriter {
    /// Claims room for a message; without room, returns the outbox.
    #[expect(clippy::result_large_err, reason = "the caller gets the writer back")]
    pub(crate) fn claim(outbox: Outbox, len: usize) -> Result<Self, (Outbox, TryWriteError)> {
        let claimed = Self::try_new_or_recover(MutBorrow::new(outbox), |outbox| {
            outbox.borrow_mut().writer.try_claim(len).map(Some)
        });
        claimed.map_err(|(outbox, error)| (outbox.into_inner(), error))
    }

    /// Ends the claim without publishing. The next claim finds the bytes unchanged.
    pub(crate) fn end(self) -> Outbox {
        self.into_owner().into_inner()
    }
}
