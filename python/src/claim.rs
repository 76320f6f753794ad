//! The class `Claim`: a message that is filled in place.
//!
//! Where no reader can be reading, the array is the memory in the ring. In a lossy ring a reader
//! that fell behind may be reading, and inline slots have stamps between the payload words: there
//! the array is private memory, copied once when it is published.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::borrowed_endpoint::ClaimedWriter;
use crate::buffer_export::{self, Access};
use crate::buffer_import::ImportedBytes;
use crate::claim_shape::ClaimShape;
use crate::deadline::Deadline;
use crate::endpoint_cell::{EndpointCell, EndpointGuard};
use crate::errors;
use crate::fork::Generation;
use crate::writer::{Outbox, OwnedHeader, attempt, no_room};
use parking_lot::Mutex;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyMemoryView, PyTuple};
use seqring::{Ring, TryWriteError};
use std::ffi::c_int;
use std::sync::Arc;

/// A message that is filled before it is published. Made by `Writer.claim`.
///
/// >>> import seqring
/// >>> ring = seqring.Ring.create(4, 4096)
/// >>> reader, writer = ring.reader(), ring.writer()
/// >>> with writer.claim(5) as room:
/// ...     room[:] = b"hello"
/// >>> reader.read()
/// bytearray(b'hello')
///
/// The array becomes read-only when the message is published. Do not write to arrays made from it
/// any more. While other buffers over the claim exist, nothing is published: that is a
/// `BufferError`, and the writer is `Busy` until they are released.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Claim {
    shape: ClaimShape,
    header: OwnedHeader,
    cell: Arc<EndpointCell<Outbox>>,
    deadline: Deadline,
    /// Keeps the bytes for buffers that outlive the claim.
    memory: ClaimMemory,
    state: Mutex<ClaimState>,
    /// The result of `__enter__`, as a weak reference.
    given: Mutex<Option<Py<PyAny>>>,
    born: Generation,
}

enum ClaimMemory {
    InRing { ring: Ring },
    Private(Py<PyByteArray>),
}

struct ClaimState {
    phase: Phase,
    /// Buffers over the claim that are not released.
    exports: usize,
}

enum Phase {
    InRing(ClaimedWriter),
    Private,
    /// Abandoned while buffers over the writer's memory exist. The writer's next message would fill
    /// that memory, so the last buffer returns the writer.
    InUse(ClaimedWriter),
    Done,
}

impl Claim {
    /// Starts a claim. In the ring it waits for room.
    pub(crate) fn begin(
        py: Python<'_>,
        shape: ClaimShape,
        header: OwnedHeader,
        cell: &Arc<EndpointCell<Outbox>>,
        in_place: bool,
        deadline: Deadline,
    ) -> PyResult<Self> {
        let len = shape.nbytes();
        let (phase, memory) = if in_place {
            let (claimed, ring) = claim_room(py, cell, len, deadline)?;
            (Phase::InRing(claimed), ClaimMemory::InRing { ring })
        } else {
            let mut guard = cell.hold(py, deadline)?.ok_or_else(|| no_room(py, cell))?;
            let max = guard.get().ring.config().slot_bytes;
            drop(guard);
            if len > max {
                return Err(errors::too_large(py, len, max, "a message"));
            }
            let private = PyByteArray::new_with(py, len, |_| Ok(()))?.unbind();
            (Phase::Private, ClaimMemory::Private(private))
        };
        Ok(Claim {
            shape,
            header,
            cell: Arc::clone(cell),
            deadline,
            memory,
            state: Mutex::new(ClaimState { phase, exports: 0 }),
            given: Mutex::new(None),
            born: Generation::now(),
        })
    }

    /// Makes the array read-only and returns it, if it still exists: its buffer may stay. A
    /// `memoryview` is released instead.
    fn withdraw(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let given = self.given.lock().take();
        let given = given.map(|given| given.call0(py)).transpose()?;
        let Some(given) = given.filter(|given| !given.is_none(py)) else { return Ok(None) };
        if self.shape.plain {
            given.call_method0(py, intern!(py, "release"))?;
            return Ok(None);
        }
        let kwargs = PyDict::new(py);
        kwargs.set_item(intern!(py, "write"), false)?;
        given.call_method(py, intern!(py, "setflags"), (), Some(&kwargs))?;
        Ok(Some(given))
    }

    /// Ends the claim and returns its last phase; `None` if buffers exist over its bytes, other
    /// than that of the `withdrawn` array.
    fn finish(&self, py: Python<'_>, withdrawn: Option<&Py<PyAny>>) -> PyResult<Option<Phase>> {
        if !self.born.is_now() {
            return Err(errors::forked(py, "claim"));
        }
        let mut state = self.state.lock();
        let is_in_use = state.exports > usize::from(withdrawn.is_some());
        let (next, result) = match std::mem::replace(&mut state.phase, Phase::Done) {
            Phase::InRing(claimed) if is_in_use => (Phase::InUse(claimed), Ok(None)),
            Phase::Private if is_in_use => (Phase::Done, Ok(None)),
            phase @ (Phase::InRing(_) | Phase::Private) => (Phase::Done, Ok(Some(phase))),
            phase => (phase, Err(PyValueError::new_err("this claim is published or abandoned"))),
        };
        state.phase = next;
        result
    }

    /// Returns the writer to its cell, if the claim had it.
    fn give_back(&self, phase: Phase) {
        if let Phase::InRing(claimed) | Phase::InUse(claimed) = phase {
            self.cell.give_back(claimed.end());
        }
    }

    /// Publishes, waiting if other writers took the room; `None` if the deadline passed. The writer
    /// stays lent during the wait: the bytes are in its only buffer, and a message of another
    /// thread would overwrite them.
    fn publish_claimed(
        &self,
        py: Python<'_>,
        claimed: &mut ClaimedWriter,
        deadline: Deadline,
    ) -> PyResult<Option<u64>> {
        loop {
            let published = claimed.with_dependent_mut(|_, claim| {
                let unpublished = match claim.take()?.try_publish_with(&self.header.borrowed()) {
                    Ok(sequence) => return Some(Ok(sequence)),
                    Err(unpublished) => unpublished,
                };
                *claim = Some(unpublished.claim);
                Some(Err(unpublished.error))
            });
            match published.expect("a claim is published once") {
                Ok(sequence) => return Ok(Some(sequence)),
                Err(TryWriteError::Full) => {}
                Err(error) => return Err(errors::writing(py, error)),
            }
            let Some(slice) = deadline.slice() else { return Ok(None) };
            py.detach(|| {
                claimed.with_dependent_mut(|_, claim| claim.as_mut().map(|claim| claim.ready_within(slice)))
            });
            py.check_signals()?;
            if self.cell.is_closed() {
                return Err(errors::closed_object(py, "writer"));
            }
        }
    }
}

fn weak(given: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    given.py().import("weakref")?.getattr("ref")?.call1((given,)).map(Bound::unbind)
}

/// Claims room in the ring, waiting until `deadline`.
fn claim_room(
    py: Python<'_>,
    cell: &EndpointCell<Outbox>,
    len: usize,
    deadline: Deadline,
) -> PyResult<(ClaimedWriter, Ring)> {
    let claim = |guard: &mut EndpointGuard<'_, '_, Outbox>| {
        let outbox = guard.lend();
        let ring = outbox.ring.clone();
        match ClaimedWriter::claim(outbox, len) {
            Ok(claimed) => Ok(Some((claimed, ring))),
            Err((outbox, error)) => {
                guard.put_back(outbox);
                if error == TryWriteError::Full { Ok(None) } else { Err(errors::writing(py, error)) }
            }
        }
    };
    cell.wait(py, deadline, claim)?.ok_or_else(|| no_room(py, cell))
}

#[pymethods]
impl Claim {
    /// Number of claimed bytes.
    #[getter]
    fn nbytes(&self) -> usize {
        self.shape.nbytes()
    }

    /// The extents of the array.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.shape.layout.shape.iter())
    }

    /// The name of the element type.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.shape.layout.name()
    }

    fn __repr__(&self) -> String {
        let state = match self.state.lock().phase {
            Phase::InRing(_) => "open, in the ring",
            Phase::Private => "open, in private memory",
            Phase::InUse(_) | Phase::Done => "published or abandoned",
        };
        let layout = &self.shape.layout;
        format!("<seqring.Claim {} of {}: {state}>", layout.shape_text(), layout.name())
    }

    /// Publishes the message. Returns its sequence.
    ///
    /// If other writers took the room meanwhile, it waits for at most `timeout` seconds; without
    /// it, for the rest of the time that `Writer.claim` had. After `TimedOut` the claim is still
    /// open, and its array read-only.
    #[pyo3(signature = (timeout=None))]
    fn publish(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<u64> {
        let deadline = if timeout.is_some() { Deadline::after(timeout)? } else { self.deadline };
        let withdrawn = match self.withdraw(py) {
            Ok(withdrawn) => withdrawn,
            Err(error) => {
                self.abandon(py)?;
                return Err(error);
            }
        };
        let Some(mut phase) = self.finish(py, withdrawn.as_ref())? else {
            return Err(PyBufferError::new_err("the claimed bytes are still in use: nothing was published"));
        };
        let published = match (&mut phase, &self.memory) {
            (Phase::InRing(claimed), _) => self.publish_claimed(py, claimed, deadline),
            (_, ClaimMemory::Private(bytes)) => {
                let data = ImportedBytes::of(bytes.bind(py).as_any())?;
                self.cell.wait(py, deadline, |guard| attempt(guard, data.bytes(), &self.header))
            }
            (_, ClaimMemory::InRing { .. }) => unreachable!("`finish` returns only these phases"),
        };
        let Ok(None) = published else {
            self.give_back(phase);
            return published.map(|sequence| sequence.expect("the message is published"));
        };
        self.state.lock().phase = phase;
        *self.given.lock() = withdrawn.map(|array| weak(array.bind(py))).transpose()?;
        Err(match &self.memory {
            ClaimMemory::InRing { ring } => errors::no_room(py, ring),
            ClaimMemory::Private(_) => no_room(py, &self.cell),
        })
    }

    /// Gives up the room. Nothing is published.
    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        if !self.born.is_now() {
            return Ok(()); // The room is the parent's.
        }
        let withdrawn = self.withdraw(py).unwrap_or(None); // An error means that it is still in use.
        if let Some(phase) = self.finish(py, withdrawn.as_ref())? {
            self.give_back(phase);
        }
        Ok(())
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        let this = slf.get();
        let given = if this.shape.plain {
            PyMemoryView::from(slf.as_any())?.into_any()
        } else {
            buffer_export::array(slf.as_any(), &this.shape.layout)?
        };
        *this.given.lock() = Some(weak(&given)?);
        Ok(given)
    }

    /// As `View.__array__`.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        buffer_export::array_as(slf.as_any(), &slf.get().shape.layout, dtype, copy)
    }

    #[pyo3(signature = (error_type, *_error))]
    fn __exit__(
        &self,
        py: Python<'_>,
        error_type: Bound<'_, PyAny>,
        _error: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        if !self.born.is_now() || matches!(self.state.lock().phase, Phase::InUse(_) | Phase::Done) {
            return Ok(()); // A forked copy, or published or abandoned inside the block.
        }
        if !error_type.is_none() {
            return self.abandon(py);
        }
        let published = self.publish(py, None);
        if published.is_err() {
            let _ = self.abandon(py); // It is over, except after `TimedOut`.
        }
        published.map(drop)
    }

    /// # Safety
    /// Called by the interpreter, with a `Py_buffer` to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        buffer_export::check_request(flags, &this.shape.layout)?;
        let mut state = this.state.lock();
        let start = match (&mut state.phase, &this.memory) {
            _ if !this.born.is_now() => None,
            (Phase::InRing(claimed), _) => {
                claimed.with_dependent_mut(|_, claim| claim.as_mut().map(|claim| claim.as_mut_ptr()))
            }
            (Phase::Private, ClaimMemory::Private(bytes)) => Some(bytes.bind(slf.py()).data().cast()),
            _ => None,
        };
        let Some(start) = start else {
            return Err(PyBufferError::new_err("this claim is published, abandoned, or another process's"));
        };
        state.exports += 1;
        drop(state);
        // SAFETY:
        // - `buffer` is valid for writes;
        // - `start` is valid for the layout's bytes while this object lives, which the buffer
        //   ensures: `memory` keeps the ring mapped; the private `bytearray`, known to no other
        //   code, is never resized;
        // - the layout belongs to this object, and never changes.
        unsafe { buffer_export::fill(buffer, flags, start, Access::Write, &this.shape.layout, slf.as_any()) };
        Ok(())
    }

    /// # Safety
    /// Called by the interpreter, once for each buffer.
    unsafe fn __releasebuffer__(&self, _buffer: *mut ffi::Py_buffer) {
        if !self.born.is_now() {
            return; // In a forked child the claim is the parent's.
        }
        let mut state = self.state.lock();
        state.exports -= 1;
        if state.exports == 0 && matches!(state.phase, Phase::InUse(_)) {
            let phase = std::mem::replace(&mut state.phase, Phase::Done);
            drop(state);
            self.give_back(phase);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let phase = std::mem::replace(&mut self.state.get_mut().phase, Phase::Done);
        if self.born.is_now() {
            self.give_back(phase);
        } else {
            std::mem::forget(phase); // A forked copy.
        }
    }
}
