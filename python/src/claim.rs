//! The class `Claim`: a message that is filled in place.
//!
//! Where no reader can be reading, the array is the memory in the ring. In a lossy ring a reader
//! that fell behind may be reading, and inline slots have stamps between the payload words: there
//! the array is private memory, copied once when it is published.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::array_layout::{self, ArrayLayout};
use crate::borrowed_endpoint::ClaimedWriter;
use crate::buffer_export::{self, Access};
use crate::buffer_import::ImportedBytes;
use crate::deadline::Deadline;
use crate::endpoint_cell::{EndpointCell, EndpointGuard};
use crate::errors;
use crate::fork::Generation;
use crate::writer::{Outbox, OwnedHeader, no_room, write};
use parking_lot::Mutex;
use pyo3::exceptions::{PyBufferError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyMemoryView, PyTuple};
use seqring::{Frame, Ring, TryWriteError};
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

/// The requested array, or number of bytes.
pub(crate) struct ClaimShape {
    layout: ArrayLayout,
    /// A number of bytes was requested, not an array.
    plain: bool,
}

enum ClaimMemory {
    InRing { _ring: Ring },
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

impl ClaimShape {
    /// An array of that shape, of the ring's frame if there is no `dtype`; a number alone is so
    /// many bytes.
    pub(crate) fn of(
        py: Python<'_>,
        shape: Option<&Bound<'_, PyAny>>,
        dtype: Option<Bound<'_, PyAny>>,
        of_ring: Option<&Frame>,
    ) -> PyResult<Self> {
        let (is_number, extents) = match (shape, of_ring) {
            (Some(shape), _) => extents(shape)?,
            (None, Some(frame)) => (false, array_layout::shape(frame).to_vec()),
            (None, None) => {
                let text = "shape: this ring has no frames; pass a number of bytes, or a shape and a dtype";
                return Err(PyTypeError::new_err(text));
            }
        };
        let plain = dtype.is_none() && is_number;
        let dtype = match (dtype, of_ring.and_then(array_layout::element_name)) {
            (Some(dtype), _) => dtype,
            (None, Some(name)) if !plain => name.into_pyobject(py)?.into_any(),
            (None, _) => "uint8".into_pyobject(py)?.into_any(),
        };
        let frame = array_layout::frame_of(&dtype, &extents)?;
        let len = array_layout::bytes(&frame).expect("`frame_of` checked the size");
        if let Some(wanted) = of_ring
            && (array_layout::bytes(wanted) != Some(len) || !(plain || *wanted == frame))
        {
            return Err(errors::frame_mismatch(
                py,
                "shape and dtype",
                array_layout::text(wanted),
                array_layout::text(&frame),
            ));
        }
        Ok(ClaimShape { layout: ArrayLayout::of(Some(&frame), len), plain })
    }

    fn nbytes(&self) -> usize {
        self.layout.nbytes.cast_unsigned()
    }
}

/// The extents of a shape or the number of elements, and whether `shape` is a number.
pub(crate) fn extents(shape: &Bound<'_, PyAny>) -> PyResult<(bool, Vec<u64>)> {
    let refusal =
        || PyValueError::new_err(format!("shape must have extents from 0 on that fit, not {shape}"));
    let is_overflow = |error: &PyErr| error.is_instance_of::<PyOverflowError>(shape.py());
    let number = shape.extract::<i64>();
    let is_number = number.is_ok();
    let extents = match number {
        Ok(number) => Ok(vec![number]),
        Err(error) if is_overflow(&error) => Err(error),
        Err(_) => shape.extract::<Vec<i64>>(),
    };
    let not_a_shape = || PyTypeError::new_err(format!("shape must be a number or several, not {shape}"));
    let extents = extents.map_err(|error| if is_overflow(&error) { refusal() } else { not_a_shape() })?;
    let extents = extents.into_iter().map(u64::try_from).collect::<Result<_, _>>();
    extents.map(|extents| (is_number, extents)).map_err(|_| refusal())
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
            (Phase::InRing(claimed), ClaimMemory::InRing { _ring: ring })
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
    fn publish_claimed(&self, py: Python<'_>, mut claimed: ClaimedWriter) -> (Outbox, PyResult<Option<u64>>) {
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
                Ok(sequence) => return (claimed.end(), Ok(Some(sequence))),
                Err(TryWriteError::Full) => {}
                Err(error) => return (claimed.end(), Err(errors::writing(py, error))),
            }
            let Some(slice) = self.deadline.slice() else { return (claimed.end(), Ok(None)) };
            py.detach(|| {
                claimed.with_dependent_mut(|_, claim| claim.as_mut().map(|claim| claim.ready_within(slice)))
            });
            if let Err(error) = py.check_signals() {
                return (claimed.end(), Err(error));
            }
            if self.cell.is_closed() {
                return (claimed.end(), Err(errors::closed_object("writer")));
            }
        }
    }
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
    fn publish(&self, py: Python<'_>) -> PyResult<u64> {
        let withdrawn = match self.withdraw(py) {
            Ok(withdrawn) => withdrawn,
            Err(error) => {
                self.abandon(py)?;
                return Err(error);
            }
        };
        match (self.finish(py, withdrawn.as_ref())?, &self.memory) {
            (Some(Phase::InRing(claimed)), _) => {
                let (outbox, published) = self.publish_claimed(py, claimed);
                self.cell.give_back(outbox);
                published?.ok_or_else(|| no_room(py, &self.cell))
            }
            (Some(_), ClaimMemory::Private(bytes)) => {
                let data = ImportedBytes::of(bytes.bind(py).as_any())?;
                write(py, &self.cell, data.bytes(), &self.header, self.deadline)
            }
            (Some(_), ClaimMemory::InRing { .. }) => unreachable!("`finish` returns only these phases"),
            (None, _) => {
                Err(PyBufferError::new_err("the claimed bytes are still in use: nothing was published"))
            }
        }
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
        let py = slf.py();
        let this = slf.get();
        let given = if this.shape.plain {
            PyMemoryView::from(slf.as_any())?.into_any()
        } else {
            buffer_export::array(slf.as_any(), &this.shape.layout)?
        };
        let weak = py.import("weakref")?.getattr("ref")?.call1((&given,))?;
        *this.given.lock() = Some(weak.unbind());
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
        if error_type.is_none() { self.publish(py).map(drop) } else { self.abandon(py) }
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
