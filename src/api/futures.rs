//! Reads, takes and writes as futures, and messages as streams, for any executor.
//!
//! A future that finds nothing leaves its task with the process's watcher
//! ([`crate::endpoint::watcher`]), and is pending.

use crate::api::form::Now;
use crate::api::reader::Reader;
use crate::api::taker::{Taken, Taker};
use crate::api::writer::Writer;
use crate::endpoint::wait::Endpoint;
use crate::types::error::{ReadError, TryReadError, TryWriteError, WriteError};
use crate::types::message::Received;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Polls an endpoint: calls `attempt`, which returns `None` if it finds nothing.
fn poll<E, T>(
    endpoint: &mut E,
    context: &Context<'_>,
    watch: fn(&mut E) -> &mut Endpoint,
    mut attempt: impl FnMut(&mut E) -> Option<T>,
) -> Poll<T> {
    if let Some(done) = attempt(endpoint) {
        return Poll::Ready(done);
    }
    if !watch(endpoint).set_task(context.waker()) {
        context.waker().wake_by_ref();
        return Poll::Pending;
    }
    // The first attempt may have armed the watch for another task, and that one may be woken now.
    attempt(endpoint).map_or(Poll::Pending, Poll::Ready)
}

/// The result of an attempt to read; `None` if there is no message.
fn read<T>(attempt: Result<T, TryReadError>) -> Option<Result<T, ReadError>> {
    match attempt {
        Err(TryReadError::Empty) => None,
        other => Some(other.map_err(ReadError::from_try)),
    }
}

/// Futures. Of the crate's feature `async`.
impl Reader {
    /// As [`Self::read`], as a future for any executor.
    ///
    /// # Cancellation
    /// A future that is dropped has read nothing: the message is still the next one.
    ///
    /// # Errors
    /// As [`Self::read`].
    ///
    /// # Cost
    /// If a message is there, that of [`Self::try_read`]. If not, see [`Self::notifier`]: the
    /// thread wakes the task, without a descriptor. Where the system refuses that thread, the
    /// future polls all the time.
    pub async fn read_async(&mut self, out: &mut [u8]) -> Result<Received, ReadError> {
        poll_fn(|context| {
            poll(self, context, |reader| &mut reader.endpoint, |reader| read(reader.try_read(out)))
        })
        .await
    }

    /// The messages from here on, each copied, as a [`Stream`](futures_core::Stream). Its items are
    /// those of [`Self::messages`]. A stream that is dropped, and a `next` that is dropped, has
    /// read nothing that it did not return.
    pub fn stream(&mut self) -> MessageStream<'_, Self> {
        MessageStream { endpoint: self, done: false }
    }
}

/// Futures. Of the crate's feature `async`.
impl Taker {
    /// As [`Self::take`], as a future for any executor. See [`Reader::read_async`]: a future that
    /// is dropped has taken nothing.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub async fn take_async(&mut self) -> Result<Taken<'_>, ReadError> {
        let attempt = |taker: &mut Self| read(taker.call(Now));
        poll_fn(|context| poll(self, context, |taker| &mut taker.endpoint, attempt)).await?;
        Ok(self.holding())
    }

    /// The messages that this taker takes, each copied and finished, as a
    /// [`Stream`](futures_core::Stream). See [`Reader::stream`].
    pub fn stream(&mut self) -> MessageStream<'_, Self> {
        MessageStream { endpoint: self, done: false }
    }
}

/// Futures. Of the crate's feature `async`.
impl Writer {
    /// As [`Self::write`], as a future for any executor. See [`Reader::read_async`]: a future that
    /// is dropped has written nothing.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_async(&mut self, payload: &[u8]) -> Result<u64, WriteError> {
        let attempt = |writer: &mut Self| match writer.try_write(payload) {
            Err(TryWriteError::Full) => None,
            other => Some(other.map_err(WriteError::from_try)),
        };
        poll_fn(|context| poll(self, context, |writer| &mut writer.endpoint, attempt)).await
    }
}

/// Messages as a stream: see [`Reader::stream`] and [`Taker::stream`].
pub struct MessageStream<'e, E> {
    endpoint: &'e mut E,
    /// The last item was the end, or an error that every later call would return.
    done: bool,
}

impl<E> MessageStream<'_, E> {
    fn item(&mut self, result: Poll<Result<Vec<u8>, ReadError>>) -> Poll<Option<Result<Vec<u8>, ReadError>>> {
        result.map(|result| match result {
            Err(ReadError::Closed) => None,
            other => {
                self.done = matches!(other, Err(ReadError::Forked | ReadError::Corrupt(_)));
                Some(other)
            }
        })
    }
}

impl futures_core::Stream for MessageStream<'_, Reader> {
    type Item = Result<Vec<u8>, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        let attempt = |reader: &mut Reader| read(reader.try_view().map(|view| view.to_vec()));
        let polled = poll(&mut *self.endpoint, context, |reader| &mut reader.endpoint, attempt);
        self.item(polled)
    }
}

impl futures_core::Stream for MessageStream<'_, Taker> {
    type Item = Result<Vec<u8>, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        let attempt = |taker: &mut Taker| read(taker.try_take().map(|taken| taken.to_vec()));
        let polled = poll(&mut *self.endpoint, context, |taker| &mut taker.endpoint, attempt);
        self.item(polled)
    }
}

impl<E: fmt::Debug> fmt::Debug for MessageStream<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageStream({:?})", self.endpoint)
    }
}
