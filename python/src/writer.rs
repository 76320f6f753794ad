//! The class `Writer`.

use crate::cell::{Cell, Hold};
use crate::claim::Claim;
use crate::errors;
use crate::frame;
use crate::output::LARGE;
use crate::source::Source;
use crate::timeout::Deadline;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use seqring::{Delivery, MessageHeader, Ring, Role, SlotClass, TryWriteError};
use std::sync::Arc;
use std::time::Duration;

/// A writer and its ring.
pub(crate) struct Outbox {
    pub(crate) writer: seqring::Writer,
    pub(crate) ring: Ring,
}

/// What goes with a payload, as Python gives it.
pub(crate) struct Beside {
    pub(crate) tag: u64,
    pub(crate) meta: Vec<u8>,
}

impl Beside {
    /// `meta` is bytes, or anything that JSON can say.
    #[inline]
    pub(crate) fn of(meta: Option<&Bound<'_, PyAny>>, tag: u64) -> PyResult<Self> {
        let meta = match meta {
            None => Vec::new(),
            Some(meta) => match meta.cast::<PyBytes>() {
                Ok(bytes) => bytes.as_bytes().to_vec(),
                Err(_) => Self::json(meta)?,
            },
        };
        Ok(Beside { tag, meta })
    }

    fn json(meta: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        let text = meta.py().import("seqring._meta")?.getattr("encode")?.call1((meta,))?;
        text.extract()
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.tag == 0 && self.meta.is_empty()
    }

    pub(crate) fn extras(&self) -> MessageHeader<'_> {
        MessageHeader { tag: self.tag, metadata: &self.meta }
    }
}

/// A registered writer. Made by `Ring.writer`; at the end of a `with` statement it leaves.
///
/// When the last writer leaves, the stream ends: readers get what is there, and then `Closed`. Data are any object with a
/// buffer, of any element type but objects; elements with gaps between them are gathered. They must not be changed
/// meanwhile. `meta` goes with a message in a ring with `meta_bytes`: bytes, or what JSON can say, which
/// `json.loads(reader.meta)` gives back. `tag` is a number of 64 bits, in a ring with `tag=True`.
///
/// Calls raise `TooLarge`, `FrameMismatch` for what is no frame of a ring that has some, `Closed` after `Ring.shutdown`,
/// `TimedOut`, which names the slowest reader, `Busy` while a claim is open, `Forked`, and `ValueError` once it is closed.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Writer {
    cell: Arc<Cell<Outbox>>,
    frame: Option<seqring::Frame>,
    /// A claim is the memory in the ring: nobody else may be looking at it.
    claims_in_place: bool,
}

impl Writer {
    pub(crate) fn new(writer: seqring::Writer, ring: Ring) -> Self {
        Writer {
            frame: ring.frame(),
            claims_in_place: ring.slot_class() == SlotClass::Arena
                && ring.delivery() != Delivery::Lossy
                && !ring.config().allows_observers(),
            cell: Arc::new(Cell::new("writer", Outbox { writer, ring })),
        }
    }

    #[inline]
    fn check_frame(&self, py: Python<'_>, source: &Source<'_, '_>) -> PyResult<()> {
        match &self.frame {
            Some(frame) => frame::check(py, frame, source),
            None => Ok(()),
        }
    }
}

/// One try; `None` if the ring is full.
#[inline]
fn attempt(
    py: Python<'_>,
    hold: &mut Hold<'_, Outbox>,
    payload: &[u8],
    beside: &Beside,
) -> PyResult<Option<u64>> {
    let writer = &mut hold.get().writer;
    let result = if payload.len() >= LARGE {
        py.detach(|| writer.try_write_with(payload, &beside.extras()))
    } else if beside.is_empty() {
        writer.try_write(payload)
    } else {
        writer.try_write_with(payload, &beside.extras())
    };
    match result {
        Ok(sequence) => Ok(Some(sequence)),
        Err(TryWriteError::Full) => Ok(None),
        Err(error) => Err(errors::writing(py, error)),
    }
}

/// Writes, waiting for room.
pub(crate) fn write(
    py: Python<'_>,
    cell: &Cell<Outbox>,
    payload: &[u8],
    beside: &Beside,
    deadline: Deadline,
) -> PyResult<u64> {
    let try_once = |hold: &mut Hold<'_, Outbox>| attempt(py, hold, payload, beside);
    let written = cell.wait(py, deadline, try_once, |outbox, slice| outbox.writer.ready_within(slice))?;
    written.ok_or_else(|| no_room(py, cell))
}

/// The error of a wait for room, which names the participant that is farthest behind.
pub(crate) fn no_room(py: Python<'_>, cell: &Cell<Outbox>) -> PyErr {
    let Ok(Some(mut hold)) = cell.try_hold(py) else { return errors::timed_out(py, "room", None) };
    let participants = hold.get().ring.participants();
    drop(hold);
    let slowest = participants.iter().filter(|one| one.role != Role::Writer).max_by_key(|one| one.lag);
    errors::timed_out(py, "room", slowest.map(|one| (crate::ring::role_word(one.role), one.pid, one.lag)))
}

#[pymethods]
impl Writer {
    /// Publishes a message, without waiting. Returns its sequence, or `None` if the ring is full.
    #[pyo3(signature = (data, *, meta=None, tag=0))]
    pub(crate) fn try_write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        meta: Option<&Bound<'_, PyAny>>,
        tag: u64,
    ) -> PyResult<Option<u64>> {
        let source = Source::of(data)?;
        self.check_frame(py, &source)?;
        let beside = Beside::of(meta, tag)?;
        match self.cell.try_hold(py)? {
            Some(mut hold) => attempt(py, &mut hold, source.bytes(), &beside),
            None => Ok(None),
        }
    }

    /// As `try_write`, but waits while another thread has the writer, unless `is_full()`.
    fn _write_in_turn(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        is_full: &Bound<'_, PyAny>,
    ) -> PyResult<Option<u64>> {
        let source = Source::of(data)?;
        self.check_frame(py, &source)?;
        match self.cell.hold_unless(py, is_full)? {
            Some(mut hold) => attempt(py, &mut hold, source.bytes(), &Beside::of(None, 0)?),
            None => Ok(None),
        }
    }

    /// Publishes a message, waiting for room for at most `timeout` seconds. Returns its sequence.
    #[pyo3(signature = (data, *, meta=None, tag=0, timeout=None))]
    fn write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        meta: Option<&Bound<'_, PyAny>>,
        tag: u64,
        timeout: Option<f64>,
    ) -> PyResult<u64> {
        let source = Source::of(data)?;
        self.check_frame(py, &source)?;
        let beside = Beside::of(meta, tag)?;
        write(py, &self.cell, source.bytes(), &beside, Deadline::after(timeout)?)
    }

    /// Publishes messages in their order, waiting for room. Returns how many it published: fewer than all only if
    /// `timeout` seconds passed. What has no buffer, or is no frame, is found before.
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
        let messages = messages.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        let sources = messages.iter().map(Source::of).collect::<PyResult<Vec<_>>>()?;
        sources.iter().try_for_each(|source| self.check_frame(py, source))?;
        let none = Beside { tag: 0, meta: Vec::new() };
        let mut written = 0;
        let try_rest = |hold: &mut Hold<'_, Outbox>| {
            while let Some(source) = sources.get(written) {
                if attempt(py, hold, source.bytes(), &none)?.is_none() {
                    return Ok(None);
                }
                written += 1;
            }
            Ok(Some(()))
        };
        self.cell.wait(py, deadline, try_rest, |outbox, slice| outbox.writer.ready_within(slice))?;
        Ok(written)
    }

    /// Room for a message, to be filled in place: a context that gives a numpy array, published at its end.
    ///
    /// `claim(shape, dtype)` gives an array, of the ring's frame without `dtype`; `claim(nbytes)` a `memoryview`. Waits for room
    /// for at most `timeout` seconds, which also bound the wait at the end, if others took the room meanwhile. After an
    /// exception nothing is published. In lossy rings and observed ones,
    /// where others may be looking, and for small messages, the array is private memory, which is copied once.
    #[pyo3(signature = (shape, dtype=None, *, meta=None, tag=0, timeout=None))]
    fn claim(
        &self,
        py: Python<'_>,
        shape: &Bound<'_, PyAny>,
        dtype: Option<Bound<'_, PyAny>>,
        meta: Option<&Bound<'_, PyAny>>,
        tag: u64,
        timeout: Option<f64>,
    ) -> PyResult<Claim> {
        let beside = Beside::of(meta, tag)?;
        Claim::new(shape, dtype, self.frame.as_ref(), beside)?.begin(
            py,
            &self.cell,
            self.claims_in_place,
            Deadline::after(timeout)?,
        )
    }

    /// Waits until there is room, for at most `timeout` seconds; says whether there is.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let look =
            |hold: &mut Hold<'_, Outbox>| Ok(hold.get().writer.ready_within(Duration::ZERO).then_some(()));
        let ready = |outbox: &mut Outbox, slice| outbox.writer.ready_within(slice);
        let waited = self.cell.wait(py, Deadline::after(timeout)?, look, ready)?;
        Ok(waited.is_some())
    }

    /// The sequence that is published next.
    #[getter]
    fn next_sequence(&self, py: Python<'_>) -> PyResult<u64> {
        let hold = self.cell.hold(py, Deadline::after(None)?)?;
        Ok(hold.expect("no deadline").get().writer.next_sequence())
    }

    /// How many calls found the ring full, whether or not they then waited.
    #[getter]
    fn refused(&self, py: Python<'_>) -> PyResult<u64> {
        let hold = self.cell.hold(py, Deadline::after(None)?)?;
        Ok(hold.expect("no deadline").get().writer.refused())
    }

    /// Whether this was closed.
    #[getter]
    pub(crate) fn closed(&self) -> bool {
        self.cell.is_closed()
    }

    /// Leaves the ring. With a claim that is still open, when that one ends.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.cell.close(py)
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
