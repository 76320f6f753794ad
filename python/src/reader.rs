//! The class `Reader`.

use crate::cell::Cell;
use crate::errors;
use crate::held::Viewing;
use crate::output::Payload;
use crate::parked::Parked;
use crate::receiving::{Endpoint, Inbox, Receiving};
use crate::timeout::Deadline;
use crate::view::{Shown, View};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};
use seqring::{Received, TryReadError};
use std::sync::Arc;
use std::time::Duration;

impl Endpoint for seqring::Reader {
    const WHAT: &'static str = "reader";

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

    fn show(inbox: Inbox<Self>, home: &Arc<Cell<Inbox<Self>>>) -> Result<View, (Inbox<Self>, TryReadError)> {
        let Inbox { endpoint, ring, received, meta } = inbox;
        match Viewing::next(endpoint) {
            Ok(viewing) => Ok(View::new(ReaderShown { viewing, ring, home: Arc::clone(home) })),
            Err((endpoint, error)) => Err((Inbox { endpoint, ring, received, meta }, error)),
        }
    }

    fn ready_within(&mut self, timeout: Duration) -> bool {
        seqring::Reader::ready_within(self, timeout)
    }
}

/// A message that a reader shows.
struct ReaderShown {
    viewing: Viewing,
    ring: seqring::Ring,
    home: Arc<Cell<Inbox<seqring::Reader>>>,
}

impl Shown for ReaderShown {
    fn bytes(&self) -> &[u8] {
        self.viewing.borrow_dependent()
    }

    fn meta(&self) -> &[u8] {
        self.viewing.borrow_dependent().metadata()
    }

    fn received(&self) -> Received {
        self.viewing.borrow_dependent().received()
    }

    fn ring(&self) -> &seqring::Ring {
        &self.ring
    }

    fn is_in_place(&self) -> bool {
        self.viewing.borrow_dependent().is_in_place()
    }

    fn end(self: Box<Self>) {
        let (received, meta) = (Some(self.received()), self.meta().to_vec());
        let ReaderShown { viewing, ring, home } = *self;
        home.give_back(Inbox { endpoint: viewing.end(), ring, received, meta });
    }
}

/// A registered reader: it sees every message from its start on, at its own pace. Made by `Ring.reader`.
///
/// In a gated ring writers wait for it; in a lossy one it is told what it lost. Any thread may use it, one at a time: a
/// `try_` call that finds another thread reading returns `None`. Iterating yields copies, and ends when the stream does.
/// In a `with` statement it leaves at the end.
///
/// Calls that wait let other threads run, and Ctrl-C ends them. They raise `Closed` when every message was read and no
/// writer is left (until one comes), `Lagged` when messages were lost, `TimedOut`, `Busy` while a view is open, `Forked` in
/// a child of the process that made it, and `ValueError` once it is closed.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Reader {
    receiving: Receiving<seqring::Reader>,
}

impl Reader {
    pub(crate) fn new(reader: seqring::Reader, ring: seqring::Ring, skips_lost: bool) -> Self {
        Reader { receiving: Receiving::new(reader, ring, skips_lost) }
    }
}

#[pymethods]
impl Reader {
    /// The next message as a `bytearray`, or `None` if there is none now.
    fn try_read<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        self.receiving.try_read(py)
    }

    /// The next message as a `bytearray`, waiting for it for at most `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn read<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyByteArray>> {
        self.receiving.read(py, timeout)
    }

    /// As `read_into`, without waiting: `None` if there is no message.
    fn try_read_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        self.receiving.try_read_into(py, out)
    }

    /// Copies the next message to the front of `out`, a writable C-contiguous buffer. Returns its bytes.
    ///
    /// Raises `TooSmall` if it does not fit; then it is still there.
    #[pyo3(signature = (out, timeout=None))]
    fn read_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<usize> {
        self.receiving.read_into(py, out, timeout)
    }

    /// What is there, up to `max` messages; an empty list if there is none.
    fn try_read_batch<'py>(&self, py: Python<'py>, max: usize) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
        Ok(self.receiving.try_read_batch(py, max)?.unwrap_or_default())
    }

    /// Waits for a message, for at most `timeout` seconds, and returns it and what else is there, up to `max`.
    ///
    /// If messages were lost in the middle, `Lagged.batch` has those before.
    #[pyo3(signature = (max, timeout=None))]
    fn read_batch<'py>(
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

    /// The next message to be looked at where it lies, waiting for it for at most `timeout` seconds.
    ///
    /// One view at a time: the reader goes on when the view, and every array made from it, is released.
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

    /// Leaves this reader's place to whoever takes it up with the result's `ticket`: `Ring.resume`, in any process.
    ///
    /// In a gated ring writers wait at this place meanwhile, so nothing is lost. This object is closed.
    fn park(&self, py: Python<'_>) -> PyResult<Parked> {
        let hold = self.receiving.cell.hold(py, Deadline::after(None)?)?.expect("no deadline");
        let Inbox { endpoint, ring, .. } = hold.take();
        match endpoint.park() {
            Ok(parked) => Ok(Parked::new(parked, ring)),
            Err(_) => Err(errors::joining(py, seqring::JoinError::NotParked { entry: 0 })),
        }
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

    /// The sequence that is read next.
    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<u64> {
        self.receiving.look(py, |inbox| inbox.endpoint.position())
    }

    /// Messages published and not yet read by this reader.
    #[getter]
    fn lag(&self, py: Python<'_>) -> PyResult<u64> {
        self.receiving.look(py, |inbox| inbox.endpoint.lag())
    }

    /// Messages that this reader lost: the sum of what its `Lagged` said.
    #[getter]
    fn lost(&self, py: Python<'_>) -> PyResult<u64> {
        self.receiving.look(py, |inbox| inbox.endpoint.lost())
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
