//! The class `View`: a message to be looked at where it lies.
//!
//! Arrays over it hold it by their buffers. Its release is the user's word that it may go; it goes with the last buffer.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::dlpack;
use crate::errors;
use crate::exported::{self, Access};
use crate::fork::Generation;
use crate::frame::Form;
use parking_lot::Mutex;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use seqring::{Frame, Received};
use std::ffi::c_int;

/// A message in the hands of whoever shows it.
pub(crate) trait Shown: Send + Sync {
    fn bytes(&self) -> &[u8];
    fn meta(&self) -> &[u8];
    fn received(&self) -> Received;
    fn is_in_place(&self) -> bool;
    /// The message may go, and its endpoint goes back to where it came from.
    fn end(self: Box<Self>);
}

/// A message to be looked at where it lies: read-only, with the buffer protocol and `DLPack` (from version 1.0 on).
///
/// >>> import numpy, seqring
/// >>> with seqring.Ring.create(4, shape=(2, 3), dtype="int32") as ring:
/// ...     reader, writer = ring.reader(), ring.writer()
/// ...     _ = writer.write(numpy.arange(6, dtype="int32").reshape(2, 3))
/// ...     with reader.view() as view:
/// ...         print(numpy.asarray(view).sum(axis=1))
/// [ 3 12]
///
/// A frame of the ring has its shape and element type, anything else is plain bytes. Releasing the view, at the end of a
/// `with` statement or by `release`, is the word that it may go: it goes with the last array that shows it, and until then
/// writers of a gated ring wait for it. In lossy rings, and for small messages, it shows a copy: see `in_place`.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct View {
    state: Mutex<State>,
    form: Form,
    received: Received,
    in_place: bool,
    born: Generation,
}

struct State {
    shown: Option<Box<dyn Shown>>,
    /// Buffers that are out.
    exports: usize,
    /// The user is done with it: it goes with the last buffer.
    released: bool,
}

impl State {
    fn end_if_unused(&mut self) {
        if self.released
            && self.exports == 0
            && let Some(shown) = self.shown.take()
        {
            shown.end();
        }
    }
}

impl View {
    /// Of a message in a ring of such frames, if it says so.
    pub(crate) fn new(shown: impl Shown + 'static, frame: Option<&Frame>) -> Self {
        View {
            form: Form::of(frame, shown.bytes().len()),
            received: shown.received(),
            in_place: shown.is_in_place(),
            state: Mutex::new(State { shown: Some(Box::new(shown)), exports: 0, released: false }),
            born: Generation::now(),
        }
    }

    pub(crate) fn form(&self) -> &Form {
        &self.form
    }

    /// Counts one more user of the bytes, and says where they are. [`Self::unexport`] must follow.
    pub(crate) fn export(&self, py: Python<'_>) -> PyResult<*const u8> {
        if !self.born.is_now() {
            return Err(errors::forked(py, "view"));
        }
        let mut state = self.state.lock();
        match &state.shown {
            Some(shown) if !state.released => {
                let start = shown.bytes().as_ptr();
                state.exports += 1;
                Ok(start)
            }
            _ => Err(PyValueError::new_err("this view is released")),
        }
    }

    pub(crate) fn unexport(&self) {
        if !self.born.is_now() {
            return; // In a fork's child nothing may end in the parent's name.
        }
        let mut state = self.state.lock();
        state.exports -= 1;
        state.end_if_unused();
    }

    fn with<R>(&self, py: Python<'_>, look: impl FnOnce(&dyn Shown) -> R) -> PyResult<R> {
        if !self.born.is_now() {
            return Err(errors::forked(py, "view"));
        }
        let state = self.state.lock();
        state.shown.as_deref().map(look).ok_or_else(|| PyValueError::new_err("this view is released"))
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        if self.born.is_now() {
            // Buffers keep the object, so none is out any more.
            state.released = true;
            state.end_if_unused();
        } else {
            // A fork's copy: its end would move the parent's reader.
            std::mem::forget(state.shown.take());
        }
    }
}

#[pymethods]
impl View {
    /// Bytes of the message.
    #[getter]
    fn nbytes(&self) -> usize {
        self.received.len
    }

    /// The message's number.
    #[getter]
    fn sequence(&self) -> u64 {
        self.received.sequence
    }

    /// The message's tag.
    #[getter]
    fn tag(&self) -> u64 {
        self.received.tag
    }

    /// When it was published, in ns of `time.CLOCK_MONOTONIC`; 0 in a ring without.
    #[getter]
    fn timestamp_ns(&self) -> u64 {
        self.received.timestamp_ns
    }

    /// The extents, slowest-varying first.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.form.shape.iter())
    }

    /// Whether these are the bytes in the ring, not a copy.
    #[getter]
    fn in_place(&self) -> bool {
        self.in_place
    }

    /// The message's metadata, as bytes.
    #[getter]
    fn meta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.with(py, |shown| PyBytes::new(py, shown.meta()))
    }

    /// Whether `release` was called.
    #[getter]
    fn released(&self) -> bool {
        let state = self.state.lock();
        state.released
    }

    /// Says that the message is done with; it goes with the last array that shows it.
    fn release(&self) {
        if !self.born.is_now() {
            return;
        }
        let mut state = self.state.lock();
        state.released = true;
        state.end_if_unused();
    }

    /// A copy, as bytes.
    fn tobytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.with(py, |shown| PyBytes::new(py, shown.bytes()))
    }

    fn __len__(&self) -> usize {
        self.form.shape.first().map_or(1, |extent| extent.cast_unsigned())
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, _error: &Bound<'_, PyTuple>) {
        self.release();
    }

    /// # Safety
    /// Called by the interpreter, with a `Py_buffer` to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
            return Err(PyBufferError::new_err("a view is read-only: other readers see the same bytes"));
        }
        let this = slf.get();
        exported::check_order(flags, &this.form)?;
        let start = this.export(slf.py())?;
        let (start, len) = (start.cast_mut(), this.received.len);
        // SAFETY:
        // - `buffer` is valid for writes;
        // - `start` is valid for `nbytes` until `__releasebuffer__`, which the count of exports waits for;
        // - `form` is this object's, and never changes.
        unsafe {
            exported::fill(buffer, flags, start, len, Access::Read, &this.form, slf.clone().into_any());
        };
        Ok(())
    }

    /// # Safety
    /// Called by the interpreter, once for each buffer.
    unsafe fn __releasebuffer__(&self, _buffer: *mut ffi::Py_buffer) {
        self.unexport();
    }

    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        slf: Bound<'py, Self>,
        stream: Option<Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if stream.is_some() || dl_device.is_some_and(|device| device != dlpack::CPU) || copy == Some(true) {
            return Err(PyBufferError::new_err("a view is in the memory of the CPU, and is not copied"));
        }
        dlpack::capsule(slf, max_version)
    }

    #[expect(clippy::unused_self, reason = "a method by its protocol")]
    fn __dlpack_device__(&self) -> (i32, i32) {
        dlpack::CPU
    }
}
