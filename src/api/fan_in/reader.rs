//! Reading all rings of a set.

use super::FanIn;
use super::lanes::Lanes;
use crate::api::batch::Batch;
use crate::api::form::{Form, Now, forms};
use crate::api::reader::Reader;
use crate::api::view::View;
use crate::types::error::{ReadError, TryReadError};
use crate::types::message::Received;
use crate::types::waiting::WaitStrategy;
use std::fmt;

/// A reader of all rings of a [`FanIn`]. Dropping it leaves them.
///
/// The verbs are those of [`Reader`], each in three forms. After a call, [`ring`](Self::ring) is
/// the number of the ring whose message or error it returned; `sequence` counts in that ring.
///
/// # Order and fairness
/// Messages of one ring come in its order. The ring that had the last message is looked at first.
/// While others have some, too, it returns at most 64 messages in a row, or one batch.
///
/// # Cost
/// A read of the ring that had the last message costs a call of [`Reader`], and some comparisons. A
/// search costs such a call for each ring. A sleep is that of a
/// [`WaitSet`](crate::wait::WaitSet).
pub struct FanInReader {
    pub(super) lanes: Lanes<Reader>,
    /// Behind the readers, so that the rings close in their order.
    pub(super) set: FanIn,
}

impl FanInReader {
    forms! {
        /// Copies the next message to the front of `out`, waiting for it.
        ///
        /// # Errors
        /// As [`Reader::read`]: [`ReadError::Lagged`] and [`ReadError::WriterDied`] of one ring, by
        /// [its number](Self::ring); read on. [`ReadError::Closed`] if no ring has a writer, and
        /// everything was read.
        #[inline]
        pub fn read, try_read, read_timeout(&mut self)(out: &mut [u8])
            -> Result<Received, ReadError, TryReadError::Empty>
            = |form| self.lanes.call(form, |_| 1, |reader| reader.try_read(out))
    }

    forms! {
        /// Returns the next message as bytes that stay while the view lives, waiting for it.
        ///
        /// # Errors
        /// As [`Self::read`], without `TooSmall`.
        pub fn view, try_view, view_timeout(&mut self)()
            -> Result<View<'_>, ReadError, TryReadError::Empty> = |form| self.show(form)
    }

    forms! {
        /// Copies the next messages of one ring, which have `message_bytes` bytes each, end to end
        /// to `out`, waiting for the first only. Returns how many. The next call begins with
        /// another ring if this one had no more, or after 64 messages.
        ///
        /// # Errors
        /// As [`Reader::read_batch`].
        ///
        /// # Panics
        /// If `message_bytes` is 0.
        #[inline]
        pub fn read_batch, try_read_batch, read_batch_timeout(&mut self)(message_bytes: usize, out: &mut [u8])
            -> Result<usize, ReadError, TryReadError::Empty> = |form| {
                let room = out.len() / message_bytes.max(1);
                let turns = |read: &usize| if *read < room { usize::MAX } else { *read };
                self.lanes.call(form, turns, |reader| reader.try_read_batch(message_bytes, out))
            }
    }

    forms! {
        /// Copies the next messages of one ring, of any lengths and with their headers, to `batch`,
        /// waiting for the first only. The next call begins with another ring.
        ///
        /// # Errors
        /// As [`Reader::read_each`].
        pub fn read_each, try_read_each, read_each_timeout(&mut self)(batch: &mut Batch)
            -> Result<(), ReadError, TryReadError::Empty>
            = |form| self.lanes.call(form, |()| usize::MAX, |reader| reader.try_read_each(batch))
    }

    /// Returns an iterator over the messages from here on, each copied and with the number of its
    /// ring, which waits for the next. It ends as [`Reader::messages`] does.
    pub fn messages(&mut self) -> impl Iterator<Item = (usize, Result<Vec<u8>, ReadError>)> + '_ {
        let mut done = false;
        std::iter::from_fn(move || {
            if done {
                return None;
            }
            let item = self.view().map(|view| view.to_vec());
            done = matches!(item, Err(ReadError::Closed | ReadError::Forked | ReadError::Corrupt(_)));
            (item != Err(ReadError::Closed)).then(|| (self.ring(), item))
        })
    }

    /// The number of the ring that the last message or error came from.
    pub fn ring(&self) -> usize {
        self.lanes.at()
    }

    /// The metadata of the message read last; empty if it had none.
    pub fn metadata(&self) -> &[u8] {
        self.lanes.endpoint(self.lanes.at()).metadata()
    }

    /// Messages published in all rings and not yet read by this reader.
    pub fn lag(&self) -> u64 {
        self.lanes.endpoints().map(Reader::lag).sum()
    }

    /// Messages of all rings that this reader lost since it joined.
    pub fn lost(&self) -> u64 {
        self.lanes.endpoints().map(Reader::lost).sum()
    }

    /// Sets how this reader waits.
    pub fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.lanes.set_wait_strategy(strategy);
    }

    fn show<F: Form>(&mut self, form: F) -> Result<View<'_>, F::ReadError> {
        let shown = self.lanes.call(form, |_| 1, |reader| reader.shown(Now))?;
        let at = self.lanes.at();
        Ok(View::new(&mut self.lanes.endpoint_mut(at).cursor, shown))
    }
}

impl fmt::Debug for FanInReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FanInReader({:?})", self.set)
    }
}
