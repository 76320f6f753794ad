//! The class `View`: a message that is read where it lies.
//!
//! Arrays made from a view hold it through their buffers. `release` permits the message to go; it
//! goes with the last buffer.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::array_layout::ArrayLayout;
use crate::borrowed_endpoint::BorrowedMessage;
use crate::buffer_export::{self, Access};
use crate::dlpack;
use crate::errors;
use crate::fork::Generation;
use parking_lot::Mutex;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyTuple};
use seqring::Frame;
use std::ffi::c_int;

/// A message that is read where it lies: read-only, through the buffer protocol or `DLPack` (from
/// version 1.0 on).
///
/// >>> import numpy, seqring
/// >>> with seqring.Ring.create(4, shape=(2, 3), dtype="int32") as ring:
/// ...     reader, writer = ring.reader(), ring.writer()
/// ...     _ = writer.write(numpy.arange(6, dtype="int32").reshape(2, 3))
/// ...     with reader.view() as view:
/// ...         print(numpy.asarray(view).sum(axis=1))
/// [ 3 12]
///
/// A frame of the ring has its shape and element type; any other message is plain bytes. `release`,
/// or the end of a `with` statement, permits the message to go: it goes with the last array that
/// shows it, and until then the writers of a gated ring wait for it. In lossy rings, and for small
/// messages, the view shows a copy: see `in_place`.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct View {
    state: Mutex<ViewState>,
    pub(crate) layout: ArrayLayout,
    /// Length of the message in bytes.
    #[pyo3(get)]
    nbytes: usize,
    /// The message's sequence.
    #[pyo3(get)]
    sequence: u64,
    /// The message's tag; `None` in a ring without tags.
    #[pyo3(get)]
    tag: Option<u64>,
    /// When the message was published, in ns of `time.CLOCK_MONOTONIC`; `None` in a ring without
    /// timestamps.
    #[pyo3(get)]
    timestamp_ns: Option<u64>,
    /// Whether the view shows the bytes in the ring, not a copy.
    #[pyo3(get)]
    in_place: bool,
    born: Generation,
}

struct ViewState {
    message: Option<Box<dyn BorrowedMessage>>,
    /// Buffers over the message that are not released.
    exports: usize,
    /// `release` was called: the message goes with the last buffer.
    released: bool,
}

impl ViewState {
    fn end_if_unused(&mut self) {
        if self.released
            && self.exports == 0
            && let Some(message) = self.message.take()
        {
            message.end();
        }
    }
}

impl View {
    /// A view of a message in a ring of such frames.
    pub(crate) fn new(message: Box<dyn BorrowedMessage>, frame: Option<&Frame>) -> Self {
        let received = message.received();
        View {
            layout: ArrayLayout::of(frame, received.len),
            nbytes: received.len,
            sequence: received.sequence,
            tag: received.tag,
            timestamp_ns: received.timestamp_ns,
            in_place: message.is_in_place(),
            state: Mutex::new(ViewState { message: Some(message), exports: 0, released: false }),
            born: Generation::now(),
        }
    }

    /// Counts one more buffer and returns the address of the bytes. [`Self::unexport`] must follow.
    pub(crate) fn export(&self, py: Python<'_>) -> PyResult<*mut u8> {
        if !self.born.is_now() {
            return Err(errors::forked(py, "view"));
        }
        let mut state = self.state.lock();
        let message = state.message.as_ref().filter(|_| !state.released);
        let start = message.map(|message| message.bytes().as_ptr().cast_mut()).ok_or_else(released)?;
        state.exports += 1;
        Ok(start)
    }

    pub(crate) fn unexport(&self) {
        if !self.born.is_now() {
            return; // In a forked child the message is the parent's.
        }
        let mut state = self.state.lock();
        state.exports -= 1;
        state.end_if_unused();
    }

    fn with<R>(&self, py: Python<'_>, use_message: impl FnOnce(&dyn BorrowedMessage) -> R) -> PyResult<R> {
        if !self.born.is_now() {
            return Err(errors::forked(py, "view"));
        }
        self.state.lock().message.as_deref().map(use_message).ok_or_else(released)
    }
}

fn released() -> PyErr {
    PyValueError::new_err("this view is released")
}

impl Drop for View {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        if self.born.is_now() {
            // A buffer keeps this object alive, so there is none.
            state.released = true;
            state.end_if_unused();
        } else {
            // A forked copy: its end would move the parent's reader.
            std::mem::forget(state.message.take());
        }
    }
}

#[pymethods]
impl View {
    /// The extents, slowest-varying first.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.layout.shape.iter())
    }

    /// The name of the element type.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.layout.name()
    }

    /// The message's metadata, as bytes.
    #[getter]
    fn meta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.with(py, |message| PyBytes::new(py, message.meta()))
    }

    /// Whether `release` was called.
    #[getter]
    fn released(&self) -> bool {
        self.state.lock().released
    }

    /// Permits the message to go; it goes with the last array that shows it.
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
        self.with(py, |message| PyBytes::new(py, message.bytes()))
    }

    fn __len__(&self) -> usize {
        self.layout.shape.first().map_or(1, |extent| extent.cast_unsigned())
    }

    /// As `numpy.asarray(view)[key]` for a frame, and `memoryview(view)[key]` for bytes. A slice
    /// keeps the message.
    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let layout = &slf.get().layout;
        if layout.is_plain() {
            return PyMemoryView::from(slf.as_any())?.get_item(key);
        }
        buffer_export::array(slf.as_any(), layout)?.get_item(key)
    }

    fn __repr__(&self) -> String {
        let what = match &*self.state.lock() {
            ViewState { released: true, .. } => "released",
            _ if self.in_place => "in the ring",
            _ => "a copy",
        };
        format!(
            "<seqring.View {} of {}, sequence {}: {what}>",
            self.layout.shape_text(),
            self.dtype(),
            self.sequence
        )
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
        buffer_export::check_request(flags, &this.layout)?;
        let start = this.export(slf.py())?;
        // SAFETY:
        // - `buffer` is valid for writes;
        // - `start` is valid for the layout's bytes until `__releasebuffer__`, which the count of
        //   exports waits for;
        // - `layout` belongs to this object, and never changes.
        unsafe { buffer_export::fill(buffer, flags, start, Access::Read, &this.layout, slf.as_any()) };
        Ok(())
    }

    /// # Safety
    /// Called by the interpreter, once for each buffer.
    unsafe fn __releasebuffer__(&self, _buffer: *mut ffi::Py_buffer) {
        self.unexport();
    }

    /// numpy calls this where a buffer is refused: the refusal is raised, or the elements have no
    /// buffer format.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        buffer_export::array_as(slf.as_any(), &slf.get().layout, dtype, copy)
    }

    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        slf: Bound<'py, Self>,
        stream: Option<Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if stream.is_some() || dl_device.is_some_and(|device| device != dlpack::CPU) {
            return Err(PyBufferError::new_err("a view is in the memory of the CPU"));
        }
        dlpack::capsule(slf, max_version, copy == Some(true))
    }

    #[expect(clippy::unused_self, reason = "a method by its protocol")]
    fn __dlpack_device__(&self) -> (i32, i32) {
        dlpack::CPU
    }
}
