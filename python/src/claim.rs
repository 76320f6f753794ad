//! The class `Claim`: a message that is filled where it will lie.
//!
//! Where nobody else may be looking, the array is the memory in the ring. In a lossy ring a reader that fell behind may be
//! looking, and inline slots have stamps between them: there it is private memory, copied once when it is published.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::cell::{Cell, Hold};
use crate::errors;
use crate::exported::{self, Access};
use crate::fork::Generation;
use crate::frame::{self, Form};
use crate::held::Filling;
use crate::source::Source;
use crate::timeout::Deadline;
use crate::writer::{Beside, Outbox, no_room, write};
use parking_lot::Mutex;
use pyo3::exceptions::{PyBufferError, PyImportError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyTuple};
use seqring::{Frame, Ring, TryWriteError};
use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

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
/// The array becomes read-only when the message is published. Arrays made from it must not be written to any more.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Claim {
    form: Form,
    len: usize,
    /// A number of bytes was asked for, not an array.
    plain: bool,
    beside: Beside,
    state: Mutex<State>,
    /// Where the bytes are, for buffers over them that outlive the claim.
    memory: OnceLock<Memory>,
    /// Buffers that are out.
    exports: AtomicUsize,
    /// What `__enter__` gave out, as a weak reference.
    given: Mutex<Option<Py<PyAny>>>,
    born: Generation,
}

enum Memory {
    Ring(Ring),
    Private(Py<PyByteArray>),
}

enum State {
    New,
    InPlace(Filling, Arc<Cell<Outbox>>, Deadline),
    Private(Arc<Cell<Outbox>>, Deadline),
    Done,
}

/// The writer of a claim, and what came of the publication; `None` if there was no room in time.
type Outcome = (seqring::Writer, PyResult<Option<u64>>);

impl Claim {
    /// For an array of that shape, of the ring's frame where nothing else is said; or, with a number, for so many bytes.
    pub(crate) fn new(
        shape: &Bound<'_, PyAny>,
        dtype: Option<Bound<'_, PyAny>>,
        of_ring: Option<&Frame>,
        beside: Beside,
    ) -> PyResult<Self> {
        let plain = dtype.is_none() && shape.extract::<u64>().is_ok();
        let extents = shape.extract::<u64>().map(|extent| vec![extent]);
        let extents = extents.or_else(|_| shape.extract::<Vec<u64>>())?;
        let py = shape.py();
        let dtype = match (dtype, of_ring.and_then(frame::name)) {
            (Some(dtype), _) => dtype,
            (None, Some(name)) if !plain => name.into_pyobject(py)?.into_any(),
            (None, _) => "uint8".into_pyobject(py)?.into_any(),
        };
        let frame = frame::describe(&dtype, &extents)?;
        let len = frame::bytes(&frame).expect("a described frame has a size");
        if let Some(wanted) = of_ring
            && (frame::bytes(wanted) != Some(len) || !(plain || *wanted == frame))
        {
            let text =
                |frame: &Frame| format!("{:?} of {}", frame::shape(frame), frame::name(frame).unwrap_or("?"));
            return Err(errors::frame_mismatch(py, text(wanted), text(&frame)));
        }
        let form = Form::of(Some(&frame), len);
        Ok(Claim {
            form,
            len,
            plain,
            beside,
            state: Mutex::new(State::New),
            memory: OnceLock::new(),
            exports: AtomicUsize::new(0),
            given: Mutex::new(None),
            born: Generation::now(),
        })
    }

    /// Waits for room, where the room is in the ring.
    pub(crate) fn begin(
        self,
        py: Python<'_>,
        cell: &Arc<Cell<Outbox>>,
        in_place: bool,
        deadline: Deadline,
    ) -> PyResult<Self> {
        let (state, memory) = if in_place {
            let (filling, ring) = self.fill(py, cell, deadline)?;
            (State::InPlace(filling, Arc::clone(cell), deadline), Memory::Ring(ring))
        } else {
            let max =
                cell.hold(py, deadline)?.ok_or_else(|| no_room(py, cell))?.get().ring.config().slot_bytes();
            if self.len > max {
                return Err(errors::too_large(py, self.len, max));
            }
            let private = PyByteArray::new_with(py, self.len, |_| Ok(()))?.unbind();
            (State::Private(Arc::clone(cell), deadline), Memory::Private(private))
        };
        *self.state.lock() = state;
        let _ = self.memory.set(memory); // It was empty: a claim begins once.
        Ok(self)
    }

    fn fill(&self, py: Python<'_>, cell: &Cell<Outbox>, deadline: Deadline) -> PyResult<(Filling, Ring)> {
        let try_once = |hold: &mut Hold<'_, Outbox>| {
            let Outbox { writer, ring } = hold.lend();
            match Filling::next(writer, self.len) {
                Ok(filling) => Ok(Some((filling, ring))),
                Err((writer, error)) => {
                    hold.put_back(Outbox { writer, ring });
                    match error {
                        TryWriteError::Full => Ok(None),
                        error => Err(errors::writing(py, error)),
                    }
                }
            }
        };
        let filling = cell.wait(py, deadline, try_once, |outbox, slice| outbox.writer.ready_within(slice))?;
        filling.ok_or_else(|| no_room(py, cell))
    }

    /// Takes the claimed memory back from whoever was given it. Fails if a plain buffer over it is still in use.
    fn withdraw(&self, py: Python<'_>) -> PyResult<()> {
        let given = self.given.lock().take();
        let given = given.map(|given| given.call0(py)).transpose()?;
        if let Some(given) = given.filter(|given| !given.is_none(py)) {
            if self.plain {
                given.call_method0(py, intern!(py, "release"))?;
            } else {
                let kwargs = PyDict::new(py);
                kwargs.set_item(intern!(py, "write"), false)?;
                given.call_method(py, intern!(py, "setflags"), (), Some(&kwargs))?;
            }
        }
        // Relaxed: the interpreter orders what its objects do.
        if self.plain && self.exports.load(Relaxed) > 0 {
            return Err(PyBufferError::new_err("the claimed bytes are still in use: nothing was published"));
        }
        Ok(())
    }

    fn finish(&self, py: Python<'_>) -> PyResult<(State, &Memory)> {
        if !self.born.is_now() {
            return Err(errors::forked(py, "claim"));
        }
        let state = std::mem::replace(&mut *self.state.lock(), State::Done);
        match (state, self.memory.get()) {
            (State::Done | State::New, _) | (_, None) => {
                Err(PyValueError::new_err("this claim is published or abandoned"))
            }
            (state, Some(memory)) => Ok((state, memory)),
        }
    }

    fn publish_in_place(
        &self,
        py: Python<'_>,
        filling: Filling,
        cell: &Cell<Outbox>,
        ring: &Ring,
        deadline: Deadline,
    ) -> PyResult<u64> {
        let (writer, published) = self.publish_lent(py, filling, cell, deadline);
        cell.give_back(Outbox { writer, ring: ring.clone() });
        published?.ok_or_else(|| no_room(py, cell))
    }

    /// Publishes, waiting if others took the room; `None` if there was none in time. The writer stays lent meanwhile: the
    /// bytes are in its one buffer, which another thread's message would fill anew.
    fn publish_lent(
        &self,
        py: Python<'_>,
        mut filling: Filling,
        cell: &Cell<Outbox>,
        deadline: Deadline,
    ) -> Outcome {
        loop {
            let published = filling.with_dependent_mut(|_, claim| {
                let published = claim.take().map(|claim| claim.publish_with(&self.beside.extras()));
                published.expect("a claim is published once")
            });
            let writer = filling.end();
            match published {
                Ok(sequence) => return (writer, Ok(Some(sequence))),
                Err(TryWriteError::Full) => {}
                Err(error) => return (writer, Err(errors::writing(py, error))),
            }
            filling = match self.fill_again(py, writer, cell, deadline) {
                Ok(filling) => filling,
                Err(outcome) => return outcome,
            };
        }
    }

    /// The claim anew, once there is room, with the bytes that it had.
    #[expect(clippy::result_large_err, reason = "the caller gets the writer back")]
    fn fill_again(
        &self,
        py: Python<'_>,
        mut writer: seqring::Writer,
        cell: &Cell<Outbox>,
        deadline: Deadline,
    ) -> Result<Filling, Outcome> {
        loop {
            let error;
            (writer, error) = match Filling::next(writer, self.len) {
                Ok(filling) => return Ok(filling),
                Err(refused) => refused,
            };
            if error != TryWriteError::Full {
                return Err((writer, Err(errors::writing(py, error))));
            }
            let Some(slice) = deadline.slice() else { return Err((writer, Ok(None))) };
            py.detach(|| writer.ready_within(slice));
            if let Err(error) = py.check_signals() {
                return Err((writer, Err(error)));
            }
            if cell.is_closed() {
                return Err((writer, Err(errors::shut("writer"))));
            }
        }
    }
}

#[pymethods]
impl Claim {
    /// Bytes claimed.
    #[getter]
    fn nbytes(&self) -> usize {
        self.len
    }

    /// Publishes the message.
    fn publish(&self, py: Python<'_>) -> PyResult<u64> {
        if let Err(error) = self.withdraw(py) {
            self.abandon(py)?;
            return Err(error);
        }
        match self.finish(py)? {
            (State::InPlace(filling, cell, deadline), Memory::Ring(ring)) => {
                self.publish_in_place(py, filling, &cell, ring, deadline)
            }
            (State::Private(cell, deadline), Memory::Private(bytes)) => {
                let source = Source::of(bytes.bind(py).as_any())?;
                write(py, &cell, source.bytes(), &self.beside, deadline)
            }
            _ => unreachable!("`begin` makes such pairs, and `finish` refuses the rest"),
        }
    }

    /// Gives the room up: nothing is published.
    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        drop(self.withdraw(py)); // What is in use stays readable; it is nobody's message.
        if let (State::InPlace(filling, cell, _), Memory::Ring(ring)) = self.finish(py)? {
            cell.give_back(Outbox { writer: filling.end(), ring: ring.clone() });
        }
        Ok(())
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        let buffer = py.import("builtins")?.getattr("memoryview")?.call1((&slf,))?;
        let given = if this.plain {
            buffer
        } else {
            let numpy = py.import("numpy").map_err(|_| {
                PyImportError::new_err(
                    "arrays need numpy; claim a number of bytes for a memoryview without it",
                )
            })?;
            numpy.getattr("asarray")?.call1((buffer,))?
        };
        let weak = py.import("weakref")?.getattr("ref")?.call1((&given,))?;
        *this.given.lock() = Some(weak.unbind());
        Ok(given)
    }

    #[pyo3(signature = (error_type, *_error))]
    fn __exit__(
        &self,
        py: Python<'_>,
        error_type: Bound<'_, PyAny>,
        _error: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        if matches!(*self.state.lock(), State::Done) {
            return Ok(()); // Published or abandoned inside the block.
        }
        if error_type.is_none() { self.publish(py).map(drop) } else { self.abandon(py) }
    }

    /// # Safety
    /// Called by the interpreter, with a `Py_buffer` to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        let mut state = this.state.lock();
        let start = match (&mut *state, this.memory.get()) {
            _ if !this.born.is_now() => None,
            (State::InPlace(filling, ..), _) => filling.with_dependent_mut(|_, claim| {
                claim.as_mut().and_then(|claim| claim.as_mut_slice().map(<[u8]>::as_mut_ptr))
            }),
            (State::Private(..), Some(Memory::Private(bytes))) => Some(bytes.bind(slf.py()).data().cast()),
            _ => None,
        };
        drop(state);
        let Some(start) = start else {
            return Err(PyBufferError::new_err("this claim is published, abandoned, or another process's"));
        };
        this.exports.fetch_add(1, Relaxed); // Relaxed: as in `withdraw`.
        // SAFETY:
        // - `buffer` is valid for writes;
        // - `start` is valid for `len` bytes as long as this object lives, which the buffer keeps: the ring's memory stays
        //   while `memory` holds the ring, and the private `bytearray`, which nobody else knows, is never resized;
        // - `form` is this object's, and never changes.
        unsafe {
            exported::fill(buffer, flags, start, this.len, Access::Write, &this.form, slf.clone().into_any());
        };
        Ok(())
    }

    /// # Safety
    /// Called by the interpreter, once for each buffer.
    unsafe fn __releasebuffer__(&self, _buffer: *mut ffi::Py_buffer) {
        self.exports.fetch_sub(1, Relaxed); // Relaxed: as in `withdraw`.
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let state = std::mem::replace(self.state.get_mut(), State::Done);
        let (State::InPlace(filling, cell, _), Some(Memory::Ring(ring))) = (state, self.memory.get()) else {
            return;
        };
        if self.born.is_now() {
            cell.give_back(Outbox { writer: filling.end(), ring: ring.clone() });
        } else {
            std::mem::forget(filling); // A fork's copy.
        }
    }
}
