//! The methods that the classes `Reader`, `Observer` and `Taker` share.

use crate::buffer_import::ImportedBuffer;
use crate::endpoint_cell::Attempt;
use crate::getters::getters;
use crate::observer::Observer;
use crate::options::named;
use crate::payload::Payload;
use crate::reader::Reader;
use crate::receiver::{Endpoint, Inbox, Message, Receipt};
use crate::taker::Taker;
use crate::view::View;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use seqring::{Received, TryReadError};
use std::borrow::Cow;
use std::time::Duration;

/// For a class with a field `receiver`: the calls that receive copies, under the given names, then
/// waiting, iterating, closing, and the last message. `buffer` makes the output buffer of `$into`.
macro_rules! receiver_methods {
    (
        $class:ident,
        $endpoint:ty,
        $buffer:expr,
        $try_one:ident $one:ident $try_into:ident $into:ident $try_batch:ident $batch:ident
    ) => {
        #[pymethods]
        impl $class {
            /// The next message, or `None` if there is none.
            fn $try_one<'py>(&self, py: Python<'py>) -> Attempt<Message<'py>> {
                self.receiver.try_receive(py)
            }

            /// The next message: a `bytearray`, or in a ring of frames a numpy array of its own.
            /// Waits for at most `timeout` seconds.
            #[pyo3(signature = (timeout=None))]
            fn $one<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Message<'py>> {
                self.receiver.receive(py, timeout)
            }

            /// Copies the next message to the front of `out`, as the call that waits. `None` if
            /// there is no message.
            fn $try_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> Attempt<usize> {
                let mut out = ($buffer)(self, out)?;
                self.receiver.cell.try_once(py, |guard| self.receiver.copy_into(guard, out.bytes_mut()))
            }

            /// Copies the next message to the front of `out`, a writable C-contiguous buffer.
            /// Returns its length in bytes. Waits for at most `timeout` seconds.
            ///
            /// Raises `TooSmall` if `out` is too small: for the message in a reader, for any
            /// message in a taker, since a taken message goes to no other taker. The next call
            /// finds the message.
            #[pyo3(signature = (out, timeout=None))]
            fn $into(&self, py: Python<'_>, out: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<usize> {
                let mut out = ($buffer)(self, out)?;
                self.receiver.wait(py, timeout, |guard| self.receiver.copy_into(guard, out.bytes_mut()))
            }

            /// The messages that are there, up to `max`; an empty list if there is none.
            fn $try_batch<'py>(
                &self,
                py: Python<'py>,
                #[pyo3(from_py_with = named::max)] max: usize,
            ) -> PyResult<Vec<Message<'py>>> {
                self.receiver.check_arrays(py)?;
                let batch = self.receiver.cell.try_once(py, |guard| self.receiver.copy_batch(guard, max));
                batch.map(Option::unwrap_or_default)
            }

            /// Waits for a message for at most `timeout` seconds; returns all that are there, up to
            /// `max`.
            ///
            /// If messages were lost in the middle, `Lagged.batch` holds those before the gap.
            #[pyo3(signature = (max, timeout=None))]
            fn $batch<'py>(
                &self,
                py: Python<'py>,
                #[pyo3(from_py_with = named::max)] max: usize,
                timeout: Option<f64>,
            ) -> PyResult<Vec<Message<'py>>> {
                self.receiver.check_arrays(py)?;
                self.receiver.wait(py, timeout, |guard| self.receiver.copy_batch(guard, max))
            }

            /// Waits until the next read will return a message or raise an error; returns whether
            /// it will. Reads nothing.
            ///
            /// `timeout` is in seconds; `None` waits without a limit.
            #[pyo3(signature = (timeout=None))]
            fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
                self.receiver.cell.wait_ready(py, timeout)
            }

            /// The messages for `async for`, as `read` returns them. Ends when the stream does.
            fn aio<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                $crate::python_code::call(&slf.py().import("seqring._aio")?.getattr("Messages")?, (slf,))
            }

            /// Whether this object is closed.
            #[getter]
            pub(crate) fn closed(&self) -> bool {
                self.receiver.cell.is_closed()
            }

            /// Leaves the ring. A call that waits in another thread raises `ValueError` within 0.1
            /// s.
            ///
            /// While a view is open, leaving is deferred until the view is released.
            fn close(&self, py: Python<'_>) -> PyResult<()> {
                self.receiver.cell.close(py)
            }

            fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
                slf
            }

            fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Message<'py>>> {
                crate::errors::until_closed(py, self.$one(py, None))
            }

            fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
                slf
            }

            #[pyo3(signature = (*_error))]
            fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) -> PyResult<()> {
                self.close(py)
            }

            fn _forget(&self) {
                self.receiver.cell.forget();
            }
        }

        impl $class {
            fn with<R>(
                &self,
                py: Python<'_>,
                use_inbox: impl FnOnce(&mut Inbox<$endpoint>) -> R,
            ) -> PyResult<R> {
                self.receiver.cell.with(py, use_inbox)
            }
        }

        getters! {
            $class;
            /// The metadata of the last message; empty if it had none.
            meta: Cow<'static, [u8]> = |inbox| Cow::Owned(inbox.meta.clone());
            /// The sequence of the last message; `None` before the first. Sequences have no gaps.
            sequence: Option<u64> = |inbox| inbox.received.map(|received| received.sequence);
            /// The tag of the last message; `None` before the first, and in a ring without tags.
            tag: Option<u64> = |inbox| inbox.received.and_then(|received| received.tag);
            /// When the last message was published, in ns of `time.CLOCK_MONOTONIC`; `None` before
            /// the first, and in a ring without timestamps.
            timestamp_ns: Option<u64> = |inbox| inbox.received.and_then(|received| received.timestamp_ns);
        }
    };
}

fn replace(meta: &mut Vec<u8>, new: &[u8]) {
    meta.clear();
    meta.extend_from_slice(new);
}

/// For a class whose endpoint leaves each message in the ring for other readers.
macro_rules! reading_methods {
    ($class:ident, $endpoint:ty, $kind:literal) => {
        receiver_methods!(
            $class,
            $endpoint,
            |_: &Self, out| ImportedBuffer::writable(out),
            try_read read try_read_into read_into try_read_batch read_batch
        );

        #[pymethods]
        impl $class {
            /// Skips to the newest message, which is read next. Returns how many messages were
            /// skipped; `lost` does not count them. For a display that shows only the latest frame.
            fn skip_to_latest(&self, py: Python<'_>) -> PyResult<u64> {
                self.with(py, |inbox| inbox.endpoint.skip_to_newest())
            }
        }

        getters! {
            $class;
            /// The sequence that is read next.
            position: u64 = |inbox| inbox.endpoint.position();
            /// How many published messages this object has not read yet.
            lag: u64 = |inbox| inbox.endpoint.lag();
            /// How many messages were lost: the sum of all `Lagged.lost`.
            lost: u64 = |inbox| inbox.endpoint.lost();
        }

        impl Endpoint for $endpoint {
            const KIND: &'static str = $kind;

            #[inline]
            fn receive<R>(&mut self, meta: &mut Vec<u8>, mut copy: impl FnMut(Payload<'_>) -> R) -> Receipt<R> {
                let received = self.try_read_in_place(|bytes| copy(Payload::RacyBytes(bytes)))?;
                replace(meta, self.metadata());
                Ok(received)
            }

            fn receive_into(&mut self, meta: &mut Vec<u8>, out: &mut [u8]) -> Result<Received, TryReadError> {
                let received = self.try_read(out)?;
                replace(meta, self.metadata());
                Ok(received)
            }

            fn ready_within(&mut self, timeout: Duration) -> bool {
                <$endpoint>::ready_within(self, timeout)
            }
        }
    };
}

reading_methods!(Reader, seqring::Reader, "reader");
reading_methods!(Observer, seqring::Observer, "observer");

receiver_methods!(
    Taker,
    seqring::Taker,
    |taker: &Self, out| taker.receiver.buffer_for_any(out),
    try_take take try_take_into take_into try_take_batch take_batch
);

impl Endpoint for seqring::Taker {
    const KIND: &'static str = "taker";

    fn receive<R>(&mut self, meta: &mut Vec<u8>, mut copy: impl FnMut(Payload<'_>) -> R) -> Receipt<R> {
        let taken = self.try_take()?;
        replace(meta, taken.metadata());
        Ok((taken.received(), copy(Payload::Own(&taken))))
    }

    /// `out` has room for any message: see `buffer_for_any`.
    fn receive_into(&mut self, meta: &mut Vec<u8>, out: &mut [u8]) -> Result<Received, TryReadError> {
        let copy = |payload: Payload<'_>| match payload {
            Payload::Own(bytes) => out[..bytes.len()].copy_from_slice(bytes),
            Payload::RacyBytes(_) => unreachable!("a taken message belongs to the taker"),
        };
        self.receive(meta, copy).map(|(received, ())| received)
    }

    fn ready_within(&mut self, timeout: Duration) -> bool {
        seqring::Taker::ready_within(self, timeout)
    }
}

/// For a class whose messages can be viewed in the ring.
macro_rules! viewing_methods {
    ($class:ident, $in_turn:ident, $(#[$view_doc:meta])*) => {
        #[pymethods]
        impl $class {
            /// As `view`, without waiting: `None` if there is no message.
            fn try_view(&self, py: Python<'_>) -> Attempt<View> {
                self.receiver.cell.try_once(py, |guard| self.receiver.view(guard))
            }

            $(#[$view_doc])*
            #[pyo3(signature = (timeout=None))]
            fn view(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<View> {
                self.receiver.wait(py, timeout, |guard| self.receiver.view(guard))
            }

            /// The views of all messages, for `for` and `async for`, until the stream ends. Each is
            /// released when the next one is asked for.
            fn views<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                slf.py().import("seqring._aio")?.getattr("Views")?.call1((slf,))
            }

            /// Receives without waiting for a message, but waits while another thread uses this
            /// object, until `is_empty()` returns true.
            fn $in_turn<'py>(&self, py: Python<'py>, is_empty: &Bound<'_, PyAny>) -> Attempt<Message<'py>> {
                self.receiver.cell.once_in_turn(py, is_empty, |guard| self.receiver.copy(guard))
            }
        }
    };
}

viewing_methods!(
    Reader,
    _read_in_turn,
    /// Views the next message in the ring. Waits for at most `timeout` seconds.
    ///
    /// In the ring, one view at a time: the reader continues when the view and every array made
    /// from it are released. A view that is a copy keeps nothing: see `View.in_place`.
);
viewing_methods!(
    Taker,
    _take_in_turn,
    /// Takes the next message and views it in the ring. The message is done when the view is
    /// released.
    ///
    /// One view at a time. If the process dies before the release, the message is not done.
);
