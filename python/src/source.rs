//! What a message is written from: any object with a buffer, of any format, also one with gaps between its elements.
#![allow(unsafe_code, reason = "buffers of other objects")]

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{ffi, intern};
use std::ffi::{CStr, c_int};

/// The bytes of an object, kept where they are as long as this lives.
pub(crate) enum Source<'a, 'py> {
    /// Immutable: nothing needs to be asked for.
    Bytes(&'a [u8]),
    Buffer(Buffer<'py>),
    /// Gathered from a buffer with gaps.
    Gathered(Vec<u8>, Buffer<'py>),
}

impl<'a, 'py> Source<'a, 'py> {
    pub(crate) fn of(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Source::Bytes(bytes.as_bytes()));
        }
        let buffer = Buffer::of(object, ffi::PyBUF_INDIRECT)?;
        if buffer.is_contiguous() {
            return Ok(Source::Buffer(buffer));
        }
        Ok(Source::Gathered(buffer.gather()?, buffer))
    }

    /// The bytes, in the order of the elements.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Source::Bytes(bytes) => bytes,
            Source::Buffer(buffer) => buffer.bytes(),
            Source::Gathered(bytes, _) => bytes,
        }
    }

    /// The buffer, if the object is more than plain bytes.
    pub(crate) fn buffer(&self) -> Option<&Buffer<'py>> {
        match self {
            Source::Bytes(_) => None,
            Source::Buffer(buffer) | Source::Gathered(_, buffer) => Some(buffer),
        }
    }
}

/// An object's buffer, held until drop.
pub(crate) struct Buffer<'py> {
    view: Box<ffi::Py_buffer>,
    py: Python<'py>,
}

impl<'py> Buffer<'py> {
    /// Refuses elements that are Python objects: addresses are no message, and must not be written over.
    fn of(object: &Bound<'py, PyAny>, flags: c_int) -> PyResult<Self> {
        let refused =
            || PyTypeError::new_err("a message is plain memory: its elements cannot be Python objects");
        match Self::get(object, flags | ffi::PyBUF_FORMAT) {
            Ok(buffer) if buffer.has_objects() => Err(refused()),
            Ok(buffer) => Ok(buffer),
            Err(error) if error.is_instance_of::<PyTypeError>(object.py()) => Err(error),
            // What its elements are cannot be said, such as numpy's dates. Where they lie can, and that they are no objects.
            Err(error) => match Self::dtype_has_objects(object)? {
                Some(false) => Self::get(object, flags),
                Some(true) => Err(refused()),
                None => Err(error),
            },
        }
    }

    fn get(object: &Bound<'py, PyAny>, flags: c_int) -> PyResult<Self> {
        let py = object.py();
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: the object is alive, `view` is valid for writes, and does not move until it is released.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) } != 0 {
            return Err(Self::refusal(object));
        }
        Ok(Buffer { view, py })
    }

    /// A buffer that is written to: contiguous and not read-only.
    pub(crate) fn writable(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Self::of(object, ffi::PyBUF_WRITABLE | ffi::PyBUF_C_CONTIGUOUS)
    }

    /// What numpy says of an array whose elements have no format; `None` of what is no array.
    fn dtype_has_objects(object: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
        let py = object.py();
        let Some(dtype) = object.getattr_opt(intern!(py, "dtype"))? else { return Ok(None) };
        let has = dtype.getattr_opt(intern!(py, "hasobject"))?;
        has.map(|has| has.is_truthy()).transpose()
    }

    fn has_objects(&self) -> bool {
        let format = self.format().map_or(&[][..], CStr::to_bytes);
        // The names of fields stand between colons.
        format.contains(&b'O')
            && format.split(|byte| *byte == b':').step_by(2).any(|part| part.contains(&b'O'))
    }

    /// The error that is set; for an object without any buffer one that says what would do.
    fn refusal(object: &Bound<'py, PyAny>) -> PyErr {
        let py = object.py();
        let error = PyErr::fetch(py);
        if !error.is_instance_of::<PyTypeError>(py) {
            return error;
        }
        let name =
            object.get_type().getattr(intern!(py, "__name__")).and_then(|name| name.extract::<String>());
        let name = name.unwrap_or_else(|_| "object".into());
        PyTypeError::new_err(format!("a message is bytes or another object with a buffer, not {name}"))
    }

    fn is_contiguous(&self) -> bool {
        // SAFETY: the view is filled in; `C` is one of the orders.
        unsafe { ffi::PyBuffer_IsContiguous(&raw const *self.view, b'C'.cast_signed()) == 1 }
    }

    fn gather(&self) -> PyResult<Vec<u8>> {
        let mut bytes = vec![0; self.len()];
        // SAFETY: the view is filled in, and `bytes` has room for all its elements.
        let result = unsafe {
            let from = &raw const *self.view;
            ffi::PyBuffer_ToContiguous(bytes.as_mut_ptr().cast(), from, self.view.len, b'C'.cast_signed())
        };
        if result == 0 { Ok(bytes) } else { Err(PyErr::fetch(self.py)) }
    }

    fn len(&self) -> usize {
        self.view.len.cast_unsigned()
    }

    fn bytes(&self) -> &[u8] {
        if self.len() == 0 {
            return &[]; // Then there may be no address.
        }
        // SAFETY: valid and alive: contiguous, `len` bytes long, and kept by its object until the view is released. Not
        // changed meanwhile: that is the caller's part, as with all who let go of the interpreter while they read a
        // buffer; one who does change it gets a message with bytes of both.
        unsafe { std::slice::from_raw_parts(self.view.buf.cast(), self.len()) }
    }

    /// The bytes to be written to, of a [`Self::writable`].
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        if self.len() == 0 {
            return &mut [];
        }
        debug_assert!(self.view.readonly == 0);
        // SAFETY: as above, and writable. Nobody else uses them meanwhile: the caller's part, as above.
        unsafe { std::slice::from_raw_parts_mut(self.view.buf.cast(), self.len()) }
    }

    /// Extents, slowest-varying first.
    pub(crate) fn shape(&self) -> Vec<u64> {
        let dimensions = self.view.ndim.cast_unsigned() as usize;
        if dimensions == 0 {
            return Vec::new(); // A single element.
        }
        if self.view.shape.is_null() {
            return vec![(self.len() / self.item_bytes()) as u64];
        }
        // SAFETY: a shape has `ndim` extents, and lives as long as the view.
        let shape = unsafe { std::slice::from_raw_parts(self.view.shape, dimensions) };
        shape.iter().map(|extent| extent.cast_unsigned() as u64).collect()
    }

    pub(crate) fn item_bytes(&self) -> usize {
        self.view.itemsize.max(1).cast_unsigned()
    }

    /// What the elements are, if that can be said.
    pub(crate) fn format(&self) -> Option<&CStr> {
        if self.view.format.is_null() {
            return None;
        }
        // SAFETY: a format is a string that lives as long as the view.
        Some(unsafe { CStr::from_ptr(self.view.format) })
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        // SAFETY: filled in by `PyObject_GetBuffer`, released once, and `py` says that we may.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.view) };
    }
}
