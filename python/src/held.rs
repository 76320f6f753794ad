//! An endpoint together with what borrows it: a message that is shown, taken, or filled in place.
//!
//! In the library a view borrows its reader. A Python object has no such tie, so it holds both, and gives the reader
//! back when the view is gone.

use self_cell::{MutBorrow, self_cell};
use seqring::{Claim, Reader, Received, Taken, Taker, TryReadError, TryWriteError, View, Writer};

self_cell!(
    /// A reader and its view of a message.
    pub(crate) struct Viewing {
        owner: MutBorrow<Reader>,
        #[covariant]
        dependent: View,
    }
);

self_cell!(
    /// A taker and the message that it took.
    pub(crate) struct Taking {
        owner: MutBorrow<Taker>,
        #[covariant]
        dependent: Taken,
    }
);

/// `None` once it is published.
type Claimed<'w> = Option<Claim<'w>>;

self_cell!(
    /// A writer and the message that it fills.
    pub(crate) struct Filling {
        owner: MutBorrow<Writer>,
        #[not_covariant]
        dependent: Claimed,
    }
);

/// A message together with the endpoint `E` that has it.
pub(crate) trait Held<E>: Send + Sync + Sized + 'static {
    /// The next message; without one, the endpoint back.
    fn next(endpoint: E) -> Result<Self, (E, TryReadError)>;

    fn bytes(&self) -> &[u8];

    fn meta(&self) -> &[u8];

    fn received(&self) -> Received;

    /// Whether the bytes are those in the ring.
    fn is_in_place(&self) -> bool;

    /// The message is done with.
    fn end(self) -> E;
}

impl Held<Reader> for Viewing {
    fn next(reader: Reader) -> Result<Self, (Reader, TryReadError)> {
        let viewing =
            Self::try_new_or_recover(MutBorrow::new(reader), |reader| reader.borrow_mut().try_view());
        viewing.map_err(|(reader, error)| (reader.into_inner(), error))
    }

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
        self.borrow_dependent().is_in_place()
    }

    fn end(self) -> Reader {
        self.into_owner().into_inner()
    }
}

impl Held<Taker> for Taking {
    fn next(taker: Taker) -> Result<Self, (Taker, TryReadError)> {
        let taking = Self::try_new_or_recover(MutBorrow::new(taker), |taker| taker.borrow_mut().try_take());
        taking.map_err(|(taker, error)| (taker.into_inner(), error))
    }

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

    fn end(self) -> Taker {
        self.into_owner().into_inner()
    }
}

impl Filling {
    /// Room for a message; without any, the writer back.
    #[expect(clippy::result_large_err, reason = "the caller gets the writer back")]
    pub(crate) fn next(writer: Writer, len: usize) -> Result<Self, (Writer, TryWriteError)> {
        let filling = Self::try_new_or_recover(MutBorrow::new(writer), |writer| {
            writer.borrow_mut().try_claim(len).map(Some)
        });
        filling.map_err(|(writer, error)| (writer.into_inner(), error))
    }

    /// Ends the claim, with nothing published. The bytes stay as they are for the next claim.
    pub(crate) fn end(self) -> Writer {
        self.into_owner().into_inner()
    }
}
