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

/// A registered reader: it sees every message, at its own pace. See the stubs.
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
    fn try_read<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        self.receiving.try_read(py)
    }

    #[pyo3(signature = (timeout=None))]
    fn read<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyByteArray>> {
        self.receiving.read(py, timeout)
    }

    fn try_read_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        self.receiving.try_read_into(py, out)
    }

    #[pyo3(signature = (out, timeout=None))]
    fn read_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<usize> {
        self.receiving.read_into(py, out, timeout)
    }

    fn try_read_batch<'py>(&self, py: Python<'py>, max: usize) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
        Ok(self.receiving.try_read_batch(py, max)?.unwrap_or_default())
    }

    #[pyo3(signature = (max, timeout=None))]
    fn read_batch<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: Option<f64>,
    ) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
        self.receiving.read_batch(py, max, timeout)
    }

    fn try_view(&self, py: Python<'_>) -> PyResult<Option<View>> {
        self.receiving.try_view(py)
    }

    #[pyo3(signature = (timeout=None))]
    fn view(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<View> {
        self.receiving.view(py, timeout)
    }

    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.receiving.ready(py, timeout)
    }

    fn aio<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("seqring._aio")?.getattr("Messages")?.call1((slf,))
    }

    fn park(&self, py: Python<'_>) -> PyResult<Parked> {
        let hold = self.receiving.cell.hold(py, Deadline::after(None)?)?.expect("no deadline");
        let Inbox { endpoint, ring, .. } = hold.take();
        match endpoint.park() {
            Ok(parked) => Ok(Parked::new(parked, ring)),
            Err(_) => Err(errors::joining(py, seqring::JoinError::NotParked { entry: 0 })),
        }
    }

    #[getter]
    fn meta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.receiving.meta(py)
    }

    #[getter]
    fn sequence(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.receiving.look(py, |inbox| inbox.received.map(|received| received.sequence))
    }

    #[getter]
    fn tag(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.receiving.look(py, |inbox| inbox.received.map(|received| received.tag))
    }

    #[getter]
    fn timestamp_ns(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.receiving.look(py, |inbox| inbox.received.map(|received| received.timestamp_ns))
    }

    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<u64> {
        self.receiving.look(py, |inbox| inbox.endpoint.position())
    }

    #[getter]
    fn lag(&self, py: Python<'_>) -> PyResult<u64> {
        self.receiving.look(py, |inbox| inbox.endpoint.lag())
    }

    #[getter]
    fn lost(&self, py: Python<'_>) -> PyResult<u64> {
        self.receiving.look(py, |inbox| inbox.endpoint.lost())
    }

    #[getter]
    fn closed(&self) -> bool {
        self.receiving.cell.is_closed()
    }

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
