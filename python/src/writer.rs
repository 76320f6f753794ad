//! The class `Writer`.

use crate::array_layout;
use crate::buffer_import::ImportedBytes;
use crate::claim::Claim;
use crate::claim_shape::ClaimShape;
use crate::deadline::Deadline;
use crate::endpoint_cell::{Attempt, EndpointCell, EndpointGuard, Waits};
use crate::errors;
use crate::getters::getters;
use crate::options::named;
use crate::payload::LARGE;
use crate::python_code;
use crate::ring;
use crate::unread::Unread;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList, PyMemoryView, PyString, PyTuple};
use seqring::{Delivery, MessageHeader, Ring, SlotClass, TryWriteError};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

/// A writer and its ring.
pub(crate) struct Outbox {
    pub(crate) writer: seqring::Writer,
    pub(crate) ring: Ring,
}

impl Waits for Outbox {
    fn ready_within(&mut self, timeout: Duration) -> bool {
        self.writer.ready_within(timeout)
    }
}

/// Tag and metadata of a message.
#[derive(Default)]
pub(crate) struct OwnedHeader {
    tag: u64,
    meta: Vec<u8>,
}

impl OwnedHeader {
    pub(crate) fn borrowed(&self) -> MessageHeader<'_> {
        MessageHeader { tag: self.tag, metadata: &self.meta }
    }
}

/// A registered writer. Made by `Ring.writer`; a `with` statement closes it at its end.
///
/// When the last writer leaves, the stream ends: readers get the remaining messages, and then
/// `Closed`. Data are any object with a buffer, of any element type but objects; elements with gaps
/// between them are gathered. Do not change the data during the call. `meta` goes with a message in
/// a ring with `meta_bytes`: bytes, or a value that JSON can represent; `json.loads(reader.meta)`
/// returns it. `tag` is a 64-bit number, in a ring with `tag=True`.
///
/// Calls raise `TooLarge`, `FrameMismatch` for data that are not a frame of the ring, `Closed`
/// after `Ring.shutdown`, `TimedOut`, which names the slowest reader, `Busy` while a claim is open,
/// `Forked`, and `ValueError` once the writer is closed.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Writer {
    cell: Arc<EndpointCell<Outbox>>,
    frame: Option<seqring::Frame>,
    /// A claim can be the memory in the ring: no reader can be reading it.
    claims_in_place: bool,
    has_tags: bool,
    meta_bytes: usize,
    /// The ring, in a text.
    ring: String,
}

impl Writer {
    pub(crate) fn new(writer: seqring::Writer, name: &str, ring: Ring) -> Self {
        Writer {
            ring: ring::text(name, ring.config()),
            frame: ring.config().frame,
            has_tags: ring.config().tag,
            meta_bytes: ring.config().meta_bytes,
            claims_in_place: ring.config().slot_class == SlotClass::Arena
                && ring.config().delivery != Delivery::Lossy
                && !ring.config().observers,
            cell: Arc::new(EndpointCell::new("writer", Outbox { writer, ring })),
        }
    }

    /// The header of a message. `meta` is bytes, or a value that JSON can represent.
    #[inline]
    fn header(&self, py: Python<'_>, meta: Option<&Bound<'_, PyAny>>, tag: u64) -> PyResult<OwnedHeader> {
        if tag != 0 && !self.has_tags {
            return Err(PyValueError::new_err(
                "the messages of this ring have no tags: create it with tag=True",
            ));
        }
        let Some(meta) = meta else { return Ok(OwnedHeader { tag, meta: Vec::new() }) };
        let meta = match meta.cast::<PyBytes>() {
            Ok(bytes) => bytes.as_bytes().to_vec(),
            Err(_) => json(meta)?,
        };
        if meta.len() > self.meta_bytes {
            return Err(errors::too_large(py, meta.len(), self.meta_bytes, "metadata"));
        }
        Ok(OwnedHeader { tag, meta })
    }

    fn with<R>(&self, py: Python<'_>, use_outbox: impl FnOnce(&mut Outbox) -> R) -> PyResult<R> {
        self.cell.with(py, use_outbox)
    }

    /// The bytes of `data`. Raises `FrameMismatch` if they are not a frame of the ring.
    #[inline]
    fn import<'a, 'py>(&self, data: &'a Bound<'py, PyAny>) -> PyResult<ImportedBytes<'a, 'py>> {
        let bytes = ImportedBytes::of(data)?;
        if let Some(frame) = &self.frame {
            array_layout::check(data, frame, &bytes)?;
        }
        Ok(bytes)
    }
}

/// Metadata that are no `bytes`: other bytes, or a value as JSON.
///
/// Runs no Python code, if Python has an encoder in C: see [`crate::living`].
fn json(meta: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let py = meta.py();
    if meta.cast::<PyByteArray>().is_ok() || meta.cast::<PyMemoryView>().is_ok() {
        return Ok(PyByteArray::from(meta)?.to_vec());
    }
    let module = py.import(intern!(py, "seqring._meta"))?;
    let make_encoder = module.getattr(intern!(py, "make_encoder"))?;
    if make_encoder.is_none() {
        return python_code::call(&module.getattr(intern!(py, "encode"))?, (meta,))?.extract();
    }
    let settings = module.getattr(intern!(py, "SETTINGS"))?.cast_into::<PyTuple>()?;
    let arguments = PyList::new(py, settings.iter())?;
    arguments.insert(0, PyDict::new(py))?; // For references in circles.
    // A list or a tuple of texts, by the version of Python.
    let encoder = make_encoder.call1(arguments.to_tuple())?;
    let chunks = python_code::call(&encoder, (meta, 0))?;
    chunks.try_iter()?.try_fold(Vec::new(), |mut json, chunk| {
        json.extend_from_slice(chunk?.cast::<PyString>()?.to_cow()?.as_bytes());
        Ok(json)
    })
}

/// One attempt; `None` if the ring is full.
#[inline]
pub(crate) fn attempt(
    guard: &mut EndpointGuard<'_, '_, Outbox>,
    payload: &[u8],
    header: &OwnedHeader,
) -> Attempt<u64> {
    let py = guard.py;
    let writer = &mut guard.get().writer;
    let result = if payload.len() >= LARGE {
        py.detach(|| writer.try_write_with(payload, &header.borrowed()))
    } else if header.tag == 0 && header.meta.is_empty() {
        writer.try_write(payload)
    } else {
        writer.try_write_with(payload, &header.borrowed())
    };
    match result {
        Ok(sequence) => Ok(Some(sequence)),
        Err(TryWriteError::Full) => Ok(None),
        Err(error) => Err(errors::writing(py, error)),
    }
}

/// Writes, waiting for room.
fn write(
    py: Python<'_>,
    cell: &EndpointCell<Outbox>,
    payload: &[u8],
    header: &OwnedHeader,
    deadline: Deadline,
) -> PyResult<u64> {
    let written = cell.wait(py, deadline, |guard| attempt(guard, payload, header))?;
    written.ok_or_else(|| no_room(py, cell))
}

/// The error of a wait for room.
pub(crate) fn no_room(py: Python<'_>, cell: &EndpointCell<Outbox>) -> PyErr {
    let Ok(Some(mut guard)) = cell.try_hold(py) else { return errors::timed_out(py, "room", None) };
    let ring = guard.get().ring.clone();
    drop(guard);
    errors::no_room(py, &ring)
}

#[pymethods]
impl Writer {
    /// Publishes a message without waiting. Returns its sequence, or `None` if the ring is full.
    #[pyo3(signature = (data, *, meta=None, tag=0))]
    pub(crate) fn try_write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        meta: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = named::tag)] tag: u64,
    ) -> Attempt<u64> {
        let data = self.import(data)?;
        let header = self.header(py, meta, tag)?;
        self.cell.try_once(py, |guard| attempt(guard, data.bytes(), &header))
    }

    /// As `try_write`, but waits while another thread uses the writer, until `is_full()` returns
    /// true.
    fn _write_in_turn(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        is_full: &Bound<'_, PyAny>,
    ) -> Attempt<u64> {
        let data = self.import(data)?;
        let header = OwnedHeader::default();
        self.cell.once_in_turn(py, is_full, |guard| attempt(guard, data.bytes(), &header))
    }

    /// Publishes a message, waiting for room for at most `timeout` seconds. Returns its sequence.
    #[pyo3(signature = (data, *, meta=None, tag=0, timeout=None))]
    fn write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        meta: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = named::tag)] tag: u64,
        timeout: Option<f64>,
    ) -> PyResult<u64> {
        let data = self.import(data)?;
        let header = self.header(py, meta, tag)?;
        write(py, &self.cell, data.bytes(), &header, Deadline::after(timeout)?)
    }

    /// Publishes messages in their order, waiting for room. Returns how many it published: fewer
    /// than all only if `timeout` seconds passed. Data without a buffer, or that are no frame, are
    /// refused before anything is published.
    #[pyo3(signature = (messages, *, timeout=None))]
    fn write_batch(
        &self,
        py: Python<'_>,
        messages: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        if messages.cast::<PyBytes>().is_ok() {
            return Err(PyTypeError::new_err("a batch is a sequence of messages, not one"));
        }
        let deadline = Deadline::after(timeout)?;
        // An iterator may be of Python code.
        let messages = python_code::call(py.get_type::<PyTuple>().as_any(), (messages,))?;
        let messages = messages.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        let messages = messages.iter().map(|data| self.import(data)).collect::<PyResult<Vec<_>>>()?;
        let mut written = 0;
        self.cell.wait(py, deadline, |guard| {
            while let Some(data) = messages.get(written) {
                if attempt(guard, data.bytes(), &OwnedHeader::default())?.is_none() {
                    return Ok(None);
                }
                written += 1;
            }
            Ok(Some(()))
        })?;
        Ok(written)
    }

    /// Claims room for a message that is filled in place: a context that gives a numpy array and
    /// publishes it at the end.
    ///
    /// `claim(shape, dtype)` gives an array; in a ring of frames both may be missing.
    /// `claim(nbytes)` gives a `memoryview`. `timeout` limits the wait for room, in seconds; and
    /// the wait at the end, if other writers took the room meanwhile. After an exception nothing is
    /// published. In lossy or observed rings, where a reader may be reading, and for small
    /// messages, the array is private memory, which is copied once.
    #[pyo3(signature = (shape=None, dtype=None, *, meta=None, tag=0, timeout=None))]
    fn claim(
        &self,
        py: Python<'_>,
        shape: Option<&Bound<'_, PyAny>>,
        dtype: Option<Bound<'_, PyAny>>,
        meta: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = named::tag)] tag: u64,
        timeout: Option<f64>,
    ) -> PyResult<Claim> {
        let header = self.header(py, meta, tag)?;
        let shape = ClaimShape::of(py, shape, dtype, self.frame.as_ref())?;
        Claim::begin(py, shape, header, &self.cell, self.claims_in_place, Deadline::after(timeout)?)
    }

    /// A descriptor that becomes readable when there is room for a message, as `Reader.fileno`: it
    /// stays so until a call finds no room.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        let descriptor = self.with(py, |outbox| outbox.writer.notifier())?;
        Ok(descriptor?.as_raw_fd())
    }

    /// Waits until there is room, for at most `timeout` seconds; returns whether there is.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.cell.wait_ready(py, timeout)
    }

    /// Waits for at most `timeout` seconds until so many readers are registered, in a queue so many
    /// takers; returns whether they are. Then readers get every message that is written from now
    /// on.
    #[pyo3(signature = (readers, timeout=None))]
    fn wait_for_readers(&self, py: Python<'_>, readers: usize, timeout: Option<f64>) -> PyResult<bool> {
        let deadline = Deadline::after(timeout)?;
        while let Some(mut guard) = self.cell.hold(py, deadline)? {
            let (outbox, slice) = (guard.get(), deadline.slice());
            if py.detach(|| outbox.writer.wait_for_readers(readers, slice.unwrap_or_default())) {
                return Ok(true);
            }
            drop(guard);
            if slice.is_none() {
                break;
            }
            py.check_signals()?;
        }
        Ok(false)
    }

    /// Whether this object is closed.
    #[getter]
    pub(crate) fn closed(&self) -> bool {
        self.cell.is_closed()
    }

    /// Leaves the ring. While a claim is open, leaving is deferred until the claim ends. Warns as
    /// `Ring.close`.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = self.cell.take(py)?;
        let unread = closed.as_ref().and_then(|outbox| Unread::of(&outbox.ring));
        py.detach(|| drop(closed));
        unread.map_or(Ok(()), |unread| unread.warn_if_gone(py))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let state = match self.cell.try_hold(py) {
            Ok(Some(mut guard)) => format!("next is {}", guard.get().writer.next_sequence()),
            _ if self.cell.is_closed() => "closed".into(),
            _ => "in use".into(),
        };
        format!("<seqring.Writer of {}: {state}>", self.ring)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn _forget(&self) {
        self.cell.forget();
    }
}

getters! {
    Writer;
    /// The sequence of the next message.
    next_sequence: u64 = |outbox| outbox.writer.next_sequence();
    /// How many calls found the ring full, whether or not they then waited.
    refused: u64 = |outbox| outbox.writer.refused();
}
