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
use pyo3::exceptions::{PyBufferError, PyImportError, PyOverflowError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyTuple};
use seqring::{Frame, Ring, TryWriteError};
use std::ffi::c_int;
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
/// The array becomes read-only when the message is published. Arrays made from it must not be written to any more. While other
/// buffers over the claim are out, nothing is published: that is a `BufferError`, and the writer is `Busy` until they are gone.
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
    /// What `__enter__` gave out, as a weak reference.
    given: Mutex<Option<Py<PyAny>>>,
    born: Generation,
}

enum Memory {
    Ring(Ring),
    Private(Py<PyByteArray>),
}

struct State {
    phase: Phase,
    /// Buffers that are out.
    exports: usize,
}

enum Phase {
    New,
    InPlace(Filling, Arc<Cell<Outbox>>, Deadline),
    Private(Arc<Cell<Outbox>>, Deadline),
    /// Abandoned, with buffers out over the memory of the writer, which its next message would fill: so the last of them
    /// gives it back.
    InUse(Filling, Arc<Cell<Outbox>>),
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
        let py = shape.py();
        let (is_number, extents) = extents(shape)?;
        let plain = dtype.is_none() && is_number;
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
            state: Mutex::new(State { phase: Phase::New, exports: 0 }),
            memory: OnceLock::new(),
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
        let (phase, memory) = if in_place {
            let (filling, ring) = self.fill(py, cell, deadline)?;
            (Phase::InPlace(filling, Arc::clone(cell), deadline), Memory::Ring(ring))
        } else {
            let max =
                cell.hold(py, deadline)?.ok_or_else(|| no_room(py, cell))?.get().ring.config().slot_bytes();
            if self.len > max {
                return Err(errors::too_large(py, self.len, max));
            }
            let private = PyByteArray::new_with(py, self.len, |_| Ok(()))?.unbind();
            (Phase::Private(Arc::clone(cell), deadline), Memory::Private(private))
        };
        self.state.lock().phase = phase;
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

    /// Takes the claimed memory back from whoever was given it. Returns the array that was, which is read-only now: it has the
    /// one buffer that may stay.
    fn withdraw(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let given = self.given.lock().take();
        let given = given.map(|given| given.call0(py)).transpose()?;
        let Some(given) = given.filter(|given| !given.is_none(py)) else { return Ok(None) };
        if self.plain {
            given.call_method0(py, intern!(py, "release"))?;
            return Ok(None);
        }
        let kwargs = PyDict::new(py);
        kwargs.set_item(intern!(py, "write"), false)?;
        given.call_method(py, intern!(py, "setflags"), (), Some(&kwargs))?;
        Ok(Some(given))
    }

    /// Ends the claim. `None` if buffers are out over its bytes, other than the one of what was `withdrawn`.
    fn finish(&self, py: Python<'_>, withdrawn: Option<&Py<PyAny>>) -> PyResult<Option<(Phase, &Memory)>> {
        if !self.born.is_now() {
            return Err(errors::forked(py, "claim"));
        }
        let mut state = self.state.lock();
        let is_in_use = state.exports > usize::from(withdrawn.is_some());
        let (next, result) = match (std::mem::replace(&mut state.phase, Phase::Done), self.memory.get()) {
            (Phase::InPlace(filling, cell, _), Some(_)) if is_in_use => {
                (Phase::InUse(filling, cell), Ok(None))
            }
            (Phase::Private(..), Some(_)) if is_in_use => (Phase::Done, Ok(None)),
            (phase @ (Phase::InPlace(..) | Phase::Private(..)), Some(memory)) => {
                (Phase::Done, Ok(Some((phase, memory))))
            }
            (phase, _) => (phase, Err(PyValueError::new_err("this claim is published or abandoned"))),
        };
        state.phase = next;
        result
    }

    /// Gives the writer back, if the claim had it.
    fn give_back(&self, phase: Phase) {
        if let (Phase::InPlace(filling, cell, _) | Phase::InUse(filling, cell), Some(Memory::Ring(ring))) =
            (phase, self.memory.get())
        {
            cell.give_back(Outbox { writer: filling.end(), ring: ring.clone() });
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

/// The extents of a shape, or a number of elements; and whether it was that.
fn extents(shape: &Bound<'_, PyAny>) -> PyResult<(bool, Vec<u64>)> {
    let refused = || PyValueError::new_err(format!("a claim has extents from 0 on that fit, not {shape}"));
    let number = shape.extract::<i64>();
    let is_number = number.is_ok();
    let extents = number.map(|number| vec![number]).or_else(|error| {
        if error.is_instance_of::<PyOverflowError>(shape.py()) {
            Err(error)
        } else {
            shape.extract::<Vec<i64>>()
        }
    });
    let extents = extents.map_err(|error| {
        if error.is_instance_of::<PyOverflowError>(shape.py()) { refused() } else { error }
    })?;
    let extents = extents.into_iter().map(u64::try_from).collect::<Result<_, _>>();
    extents.map(|extents| (is_number, extents)).map_err(|_| refused())
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
        let withdrawn = match self.withdraw(py) {
            Ok(withdrawn) => withdrawn,
            Err(error) => {
                self.abandon(py)?;
                return Err(error);
            }
        };
        match self.finish(py, withdrawn.as_ref())? {
            None => Err(PyBufferError::new_err("the claimed bytes are still in use: nothing was published")),
            Some((Phase::InPlace(filling, cell, deadline), Memory::Ring(ring))) => {
                self.publish_in_place(py, filling, &cell, ring, deadline)
            }
            Some((Phase::Private(cell, deadline), Memory::Private(bytes))) => {
                let source = Source::of(bytes.bind(py).as_any())?;
                write(py, &cell, source.bytes(), &self.beside, deadline)
            }
            _ => unreachable!("`begin` makes such pairs, and `finish` refuses the rest"),
        }
    }

    /// Gives the room up: nothing is published.
    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        let withdrawn = self.withdraw(py).unwrap_or(None); // What could not be is still in use.
        if let Some((phase, _)) = self.finish(py, withdrawn.as_ref())? {
            self.give_back(phase);
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
        if matches!(self.state.lock().phase, Phase::InUse(..) | Phase::Done) {
            return Ok(()); // Published or abandoned inside the block.
        }
        if error_type.is_none() { self.publish(py).map(drop) } else { self.abandon(py) }
    }

    /// # Safety
    /// Called by the interpreter, with a `Py_buffer` to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        exported::check_order(flags, &this.form)?;
        let mut state = this.state.lock();
        let start = match (&mut state.phase, this.memory.get()) {
            _ if !this.born.is_now() => None,
            (Phase::InPlace(filling, ..), _) => filling.with_dependent_mut(|_, claim| {
                claim.as_mut().and_then(|claim| claim.as_mut_slice().map(<[u8]>::as_mut_ptr))
            }),
            (Phase::Private(..), Some(Memory::Private(bytes))) => Some(bytes.bind(slf.py()).data().cast()),
            _ => None,
        };
        let Some(start) = start else {
            return Err(PyBufferError::new_err("this claim is published, abandoned, or another process's"));
        };
        state.exports += 1;
        drop(state);
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
        if !self.born.is_now() {
            return; // In a fork's child nothing may end in the parent's name.
        }
        let mut state = self.state.lock();
        state.exports -= 1;
        if state.exports == 0 && matches!(state.phase, Phase::InUse(..)) {
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
            std::mem::forget(phase); // A fork's copy.
        }
    }
}
