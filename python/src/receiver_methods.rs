//! The methods that the classes `Reader`, `Observer` and `Taker` share.

use crate::buffer_import::ImportedBuffer;
use crate::observer::Observer;
use crate::payload::Payload;
use crate::reader::Reader;
use crate::receiver::{Endpoint, Message};
use crate::taker::Taker;
use crate::view::View;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use seqring::{Received, TryReadError};
use std::time::Duration;

/// For a class with a field `receiver`: the calls that receive a copy, under the given names, and
/// `buffer`, which makes an output buffer; then waiting, iterating, closing, and the last message.
macro_rules! receiver_methods {
    (
        $class:ident, $buffer:expr,
        $(#[$try_one_doc:meta])* $try_one:ident,
        $(#[$one_doc:meta])* $one:ident,
        $(#[$try_into_doc:meta])* $try_into:ident,
        $(#[$into_doc:meta])* $into:ident,
        $(#[$try_batch_doc:meta])* $try_batch:ident,
        $(#[$batch_doc:meta])* $batch:ident,
    ) => {
        #[pymethods]
        impl $class {
            $(#[$try_one_doc])*
            fn $try_one<'py>(&self, py: Python<'py>) -> PyResult<Option<Message<'py>>> {
                self.receiver.try_once(py, |guard| self.receiver.copy(py, guard))
            }

            $(#[$one_doc])*
            #[pyo3(signature = (timeout=None))]
            fn $one<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Message<'py>> {
                self.receiver.wait(py, timeout, |guard| self.receiver.copy(py, guard))
            }

            $(#[$try_into_doc])*
            fn $try_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
                let mut out = ($buffer)(self, out)?;
                self.receiver.try_once(py, |guard| self.receiver.copy_into(py, guard, &mut out))
            }

            $(#[$into_doc])*
            #[pyo3(signature = (out, timeout=None))]
            fn $into(&self, py: Python<'_>, out: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<usize> {
                let mut out = ($buffer)(self, out)?;
                self.receiver.wait(py, timeout, |guard| self.receiver.copy_into(py, guard, &mut out))
            }

            $(#[$try_batch_doc])*
            fn $try_batch<'py>(&self, py: Python<'py>, max: usize) -> PyResult<Vec<Message<'py>>> {
                let batch = self.receiver.try_once(py, |guard| self.receiver.copy_batch(py, guard, max));
                batch.map(Option::unwrap_or_default)
            }

            $(#[$batch_doc])*
            #[pyo3(signature = (max, timeout=None))]
            fn $batch<'py>(
                &self,
                py: Python<'py>,
                max: usize,
                timeout: Option<f64>,
            ) -> PyResult<Vec<Message<'py>>> {
                self.receiver.wait(py, timeout, |guard| self.receiver.copy_batch(py, guard, max))
            }

            /// Waits until the next read will return a message or raise an error; returns whether it
            /// will. Reads nothing.
            ///
            /// `timeout` is in seconds; `None` waits without a limit.
            #[pyo3(signature = (timeout=None))]
            fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
                self.receiver.cell.wait_ready(py, timeout)
            }

            /// The messages for `async for`. Ends when the stream does.
            fn aio<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                slf.py().import("seqring._aio")?.getattr("Messages")?.call1((slf,))
            }

            /// The metadata of the last message, as bytes; empty if it had none.
            #[getter]
            fn meta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
                self.receiver.cell.with(py, |inbox| PyBytes::new(py, &inbox.meta))
            }

            /// The sequence of the last message; `None` before the first. Sequences have no gaps.
            #[getter]
            fn sequence(&self, py: Python<'_>) -> PyResult<Option<u64>> {
                self.receiver.cell.with(py, |inbox| inbox.received.map(|received| received.sequence))
            }

            /// The tag of the last message; `None` before the first.
            #[getter]
            fn tag(&self, py: Python<'_>) -> PyResult<Option<u64>> {
                self.receiver.cell.with(py, |inbox| inbox.received.map(|received| received.tag))
            }

            /// When the last message was published, in ns of `time.CLOCK_MONOTONIC`; 0 in a ring
            /// without timestamps, `None` before the first message.
            #[getter]
            fn timestamp_ns(&self, py: Python<'_>) -> PyResult<Option<u64>> {
                self.receiver.cell.with(py, |inbox| inbox.received.map(|received| received.timestamp_ns))
            }

            /// Whether this object is closed.
            #[getter]
            pub(crate) fn closed(&self) -> bool {
                self.receiver.cell.is_closed()
            }

            /// Leaves the ring. A call that waits in another thread raises `ValueError` within 0.1 s.
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
    };
}

/// For a class whose endpoint leaves each message in the ring for other readers.
macro_rules! reading_methods {
    ($class:ident, $endpoint:ty, $kind:literal) => {
        receiver_methods!(
            $class,
            |_: &Self, out| ImportedBuffer::writable(out),
            /// The next message as a `bytearray`, or `None` if there is none.
            try_read,
            /// The next message as a `bytearray`. Waits for at most `timeout` seconds.
            read,
            /// As `read_into`, without waiting: `None` if there is no message.
            try_read_into,
            /// Copies the next message to the front of `out`, a writable C-contiguous buffer. Returns
            /// its length in bytes.
            ///
            /// Raises `TooSmall` if the message does not fit; the next call finds it again.
            read_into,
            /// The messages that are there, up to `max`; an empty list if there is none.
            try_read_batch,
            /// Waits for a message for at most `timeout` seconds; returns all that are there, up to
            /// `max`.
            ///
            /// If messages were lost in the middle, `Lagged.batch` holds those before the gap.
            read_batch,
        );

        #[pymethods]
        impl $class {
            /// Skips to the newest message, which is read next. Returns how many messages were
            /// skipped; `lost` does not count them. For a display that shows only the latest frame.
            fn skip_to_latest(&self, py: Python<'_>) -> PyResult<u64> {
                self.receiver.cell.with(py, |inbox| inbox.endpoint.skip_to_newest())
            }

            /// The sequence that is read next.
            #[getter]
            fn position(&self, py: Python<'_>) -> PyResult<u64> {
                self.receiver.cell.with(py, |inbox| inbox.endpoint.position())
            }

            /// How many published messages this object has not read yet.
            #[getter]
            fn lag(&self, py: Python<'_>) -> PyResult<u64> {
                self.receiver.cell.with(py, |inbox| inbox.endpoint.lag())
            }

            /// How many messages were lost: the sum of all `Lagged.missed`.
            #[getter]
            fn lost(&self, py: Python<'_>) -> PyResult<u64> {
                self.receiver.cell.with(py, |inbox| inbox.endpoint.lost())
            }
        }

        impl Endpoint for $endpoint {
            const KIND: &'static str = $kind;

            #[inline]
            fn receive<R>(
                &mut self,
                meta: &mut Vec<u8>,
                mut copy: impl FnMut(Payload<'_>) -> R,
            ) -> Result<(Received, R), TryReadError> {
                let received = self.try_read_with(|bytes| copy(Payload::Racy(bytes)))?;
                meta.clear();
                meta.extend_from_slice(self.metadata());
                Ok(received)
            }

            fn receive_into(&mut self, meta: &mut Vec<u8>, out: &mut [u8]) -> Result<Received, TryReadError> {
                let received = self.try_read(out)?;
                meta.clear();
                meta.extend_from_slice(self.metadata());
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
    |taker: &Self, out| taker.receiver.buffer_for_any(out),
    /// Takes the next message as a `bytearray`; returns `None` if there is none.
    try_take,
    /// Takes the next message as a `bytearray`. Waits for at most `timeout` seconds.
    take,
    /// As `take_into`, without waiting: `None` if there is no message.
    try_take_into,
    /// Takes the next message to the front of `out`, a writable C-contiguous buffer. Returns its
    /// length in bytes.
    ///
    /// Raises `TooSmall` unless `out` has room for any message: a taken message goes to no other
    /// taker.
    take_into,
    /// Takes the messages that are there, up to `max`; an empty list if there is none.
    try_take_batch,
    /// Waits for a message for at most `timeout` seconds; takes all that are there, up to `max`.
    take_batch,
);

impl Endpoint for seqring::Taker {
    const KIND: &'static str = "taker";

    fn receive<R>(
        &mut self,
        meta: &mut Vec<u8>,
        mut copy: impl FnMut(Payload<'_>) -> R,
    ) -> Result<(Received, R), TryReadError> {
        let taken = self.try_take()?;
        meta.clear();
        meta.extend_from_slice(taken.metadata());
        Ok((taken.received(), copy(Payload::Own(&taken))))
    }

    /// `out` has room for any message: see `buffer_for_any`.
    fn receive_into(&mut self, meta: &mut Vec<u8>, out: &mut [u8]) -> Result<Received, TryReadError> {
        let copy = |payload: Payload<'_>| match payload {
            Payload::Own(bytes) => out[..bytes.len()].copy_from_slice(bytes),
            Payload::Racy(_) => unreachable!("a taken message belongs to the taker"),
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
            fn try_view(&self, py: Python<'_>) -> PyResult<Option<View>> {
                self.receiver.try_once(py, |guard| self.receiver.view(py, guard))
            }

            $(#[$view_doc])*
            #[pyo3(signature = (timeout=None))]
            fn view(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<View> {
                self.receiver.wait(py, timeout, |guard| self.receiver.view(py, guard))
            }

            /// Receives without waiting for a message, but waits while another thread uses this
            /// object, until `is_empty()` returns true.
            fn $in_turn<'py>(
                &self,
                py: Python<'py>,
                is_empty: &Bound<'_, PyAny>,
            ) -> PyResult<Option<Message<'py>>> {
                self.receiver.copy_in_turn(py, is_empty)
            }
        }
    };
}

viewing_methods!(
    Reader,
    _read_in_turn,
    /// Views the next message in the ring. Waits for at most `timeout` seconds.
    ///
    /// One view at a time: the reader continues when the view and every array made from it are
    /// released.
);
viewing_methods!(
    Taker,
    _take_in_turn,
    /// Takes the next message and views it in the ring. The message is done when the view is
    /// released.
    ///
    /// One view at a time. If the process dies before the release, the message is not done.
);
