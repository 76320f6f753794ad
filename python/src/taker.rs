//! The class `Taker`.

use crate::cell::Cell;
use crate::errors;
use crate::held::Taking;
use crate::output::Payload;
use crate::receiving::{Endpoint, Inbox, Receiving};
use crate::source::Buffer;
use crate::view::{Shown, View};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};
use seqring::{Received, TryReadError};
use std::sync::Arc;
use std::time::Duration;

impl Endpoint for seqring::Taker {
    const WHAT: &'static str = "taker";

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

    /// The caller made sure that `out` has room for any message.
    fn receive_into(&mut self, meta: &mut Vec<u8>, out: &mut [u8]) -> Result<Received, TryReadError> {
        let copy = |payload: Payload<'_>| match payload {
            Payload::Own(bytes) => out[..bytes.len()].copy_from_slice(bytes),
            Payload::Racy(_) => unreachable!("what is taken is the taker's own"),
        };
        self.receive(meta, copy).map(|(received, ())| received)
    }

    fn show(inbox: Inbox<Self>, home: &Arc<Cell<Inbox<Self>>>) -> Result<View, (Inbox<Self>, TryReadError)> {
        let Inbox { endpoint, ring, received, meta } = inbox;
        match Taking::next(endpoint) {
            Ok(taking) => Ok(View::new(TakerShown { taking, ring, home: Arc::clone(home) })),
            Err((endpoint, error)) => Err((Inbox { endpoint, ring, received, meta }, error)),
        }
    }

    fn ready_within(&mut self, timeout: Duration) -> bool {
        seqring::Taker::ready_within(self, timeout)
    }
}

/// A message that a taker took.
struct TakerShown {
    taking: Taking,
    ring: seqring::Ring,
    home: Arc<Cell<Inbox<seqring::Taker>>>,
}

impl Shown for TakerShown {
    fn bytes(&self) -> &[u8] {
        self.taking.borrow_dependent()
    }

    fn meta(&self) -> &[u8] {
        self.taking.borrow_dependent().metadata()
    }

    fn received(&self) -> Received {
        self.taking.borrow_dependent().received()
    }

    fn ring(&self) -> &seqring::Ring {
        &self.ring
    }

    fn is_in_place(&self) -> bool {
        true
    }

    fn end(self: Box<Self>) {
        let (received, meta) = (Some(self.received()), self.meta().to_vec());
        let TakerShown { taking, ring, home } = *self;
        home.give_back(Inbox { endpoint: taking.end(), ring, received, meta });
    }
}

/// A registered taker of a queue: each message goes to exactly one. Made by `Ring.taker`.
///
/// Any thread may use it, one at a time. Iterating yields copies, and ends when the stream does. Errors are those of
/// `Reader`, without `Lagged`.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Taker {
    receiving: Receiving<seqring::Taker>,
    slot_bytes: usize,
}

impl Taker {
    pub(crate) fn new(taker: seqring::Taker, ring: seqring::Ring) -> Self {
        let slot_bytes = ring.config().slot_bytes();
        Taker { receiving: Receiving::new(taker, ring, false), slot_bytes }
    }

    /// What is taken and does not fit would be lost: so a buffer must have room for any message.
    fn check_room(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<()> {
        if Buffer::writable(out)?.bytes_mut().len() >= self.slot_bytes {
            return Ok(());
        }
        Err(errors::reading(py, TryReadError::TooSmall { needed: self.slot_bytes }))
    }
}

#[pymethods]
impl Taker {
    /// The next message as a `bytearray`, or `None` if there is none now.
    fn try_take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        self.receiving.try_read(py)
    }

    /// The next message as a `bytearray`, waiting for it for at most `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn take<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyByteArray>> {
        self.receiving.read(py, timeout)
    }

    /// As `take_into`, without waiting: `None` if there is no message.
    fn try_take_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        self.check_room(py, out)?;
        self.receiving.try_read_into(py, out)
    }

    /// Takes the next message to the front of `out`, a writable C-contiguous buffer. Returns its bytes.
    ///
    /// `out` must have room for any message, else `TooSmall`: what is taken nobody else gets.
    #[pyo3(signature = (out, timeout=None))]
    fn take_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<usize> {
        self.check_room(py, out)?;
        self.receiving.read_into(py, out, timeout)
    }

    /// What is there, up to `max` messages; an empty list if there is none.
    fn try_take_batch<'py>(&self, py: Python<'py>, max: usize) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
        Ok(self.receiving.try_read_batch(py, max)?.unwrap_or_default())
    }

    /// Waits for a message, for at most `timeout` seconds, and returns it and what else is there, up to `max`.
    #[pyo3(signature = (max, timeout=None))]
    fn take_batch<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: Option<f64>,
    ) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
        self.receiving.read_batch(py, max, timeout)
    }

    /// As `view`, without waiting: `None` if there is no message.
    fn try_view(&self, py: Python<'_>) -> PyResult<Option<View>> {
        self.receiving.try_view(py)
    }

    /// The next message, taken, to be looked at where it lies. It is done with when the view is released.
    ///
    /// One at a time. If the process dies before, it counts as not done.
    #[pyo3(signature = (timeout=None))]
    fn view(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<View> {
        self.receiving.view(py, timeout)
    }

    /// Waits until there is a message, or why there will be none; says whether that is so. Reads nothing.
    ///
    /// `timeout` is in seconds, `None` for ever.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.receiving.ready(py, timeout)
    }

    /// The messages for `async for`. Ends when the stream does.
    fn aio<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("seqring._aio")?.getattr("Messages")?.call1((slf,))
    }

    /// The metadata of the message that came last, as bytes; empty if it had none.
    #[getter]
    fn meta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.receiving.meta(py)
    }

    /// The number of the message that came last: messages are numbered without gaps. `None` before the first.
    #[getter]
    fn sequence(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.receiving.look(py, |inbox| inbox.received.map(|received| received.sequence))
    }

    /// The tag of the message that came last.
    #[getter]
    fn tag(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.receiving.look(py, |inbox| inbox.received.map(|received| received.tag))
    }

    /// When the message that came last was published, in ns of `time.CLOCK_MONOTONIC`; 0 in a ring without.
    #[getter]
    fn timestamp_ns(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.receiving.look(py, |inbox| inbox.received.map(|received| received.timestamp_ns))
    }

    /// Whether this was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.receiving.cell.is_closed()
    }

    /// Leaves the ring. Whoever waits in another thread is told with a `ValueError`, within 0.1 s.
    ///
    /// With a view that is still open, it leaves when that one is released.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.receiving.cell.close(py)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        errors::until_closed(py, self.receiving.read(py, None))
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn _forget(&self) {
        self.receiving.cell.forget();
    }
}
