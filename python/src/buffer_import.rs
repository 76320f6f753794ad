//! Imports data through the buffer protocol: objects of any format, also with gaps between
//! elements.
#![allow(unsafe_code, reason = "buffers of other objects")]

use crate::python_code;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use pyo3::{ffi, intern};
use std::ffi::{CStr, c_int};

/// The bytes of an object, which stay in place while this value lives.
pub(crate) enum ImportedBytes<'a, 'py> {
    /// A `bytes` object, which is immutable and needs no buffer.
    Bytes(&'a [u8]),
    Buffer(ImportedBuffer<'py>),
    /// Gathered from a buffer with gaps.
    Gathered(Vec<u8>, ImportedBuffer<'py>),
}

impl<'a, 'py> ImportedBytes<'a, 'py> {
    pub(crate) fn of(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(ImportedBytes::Bytes(bytes.as_bytes()));
        }
        let buffer = ImportedBuffer::of(object, ffi::PyBUF_INDIRECT)?;
        if buffer.is_contiguous() {
            return Ok(ImportedBytes::Buffer(buffer));
        }
        Ok(ImportedBytes::Gathered(buffer.gather()?, buffer))
    }

    /// The bytes, in the order of the elements.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            ImportedBytes::Bytes(bytes) => bytes,
            ImportedBytes::Buffer(buffer) => buffer.bytes(),
            ImportedBytes::Gathered(bytes, _) => bytes,
        }
    }

    /// The buffer, unless the object is a `bytes`.
    pub(crate) fn buffer(&self) -> Option<&ImportedBuffer<'py>> {
        match self {
            ImportedBytes::Bytes(_) => None,
            ImportedBytes::Buffer(buffer) | ImportedBytes::Gathered(_, buffer) => Some(buffer),
        }
    }
}

/// A buffer of an object, released on drop.
pub(crate) struct ImportedBuffer<'py> {
    view: Box<ffi::Py_buffer>,
    py: Python<'py>,
}

impl<'py> ImportedBuffer<'py> {
    /// Refuses elements that are Python objects: their bytes are addresses.
    fn of(object: &Bound<'py, PyAny>, flags: c_int) -> PyResult<Self> {
        let refused =
            || PyTypeError::new_err("a message is plain memory: its elements cannot be Python objects");
        match Self::get(object, flags | ffi::PyBUF_FORMAT) {
            Ok(buffer) if buffer.has_objects() => Err(refused()),
            Ok(buffer) => Ok(buffer),
            Err(error) if error.is_instance_of::<PyTypeError>(object.py()) => Err(error),
            // The elements have no format, such as numpy's dates. The dtype says if they are
            // objects.
            Err(error) => match Self::dtype_has_objects(object)? {
                Some(false) => Self::get(object, flags),
                Some(true) => Err(refused()),
                // A view whose elements have no format is an array too.
                None => match object.getattr_opt(intern!(object.py(), "__array__"))? {
                    Some(array) => Self::of(&python_code::call(&array, PyTuple::empty(object.py()))?, flags),
                    None => Err(error),
                },
            },
        }
    }

    fn get(object: &Bound<'py, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: the object is alive, `view` is valid for writes, and does not move until its
        // release.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) } != 0 {
            return Err(Self::refusal(object));
        }
        Ok(ImportedBuffer { view, py: object.py() })
    }

    /// A contiguous buffer for writing.
    pub(crate) fn writable(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Self::of(object, ffi::PyBUF_WRITABLE | ffi::PyBUF_C_CONTIGUOUS)
    }

    /// Whether a numpy array holds Python objects; `None` for an object that is no array.
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

    /// The error that is set. For an object without a buffer, an error that names what is accepted.
    fn refusal(object: &Bound<'py, PyAny>) -> PyErr {
        let py = object.py();
        let error = PyErr::fetch(py);
        if !error.is_instance_of::<PyTypeError>(py) {
            return error;
        }
        let name = object.get_type().getattr(intern!(py, "__name__")).and_then(|name| name.extract());
        let name: String = name.unwrap_or_else(|_| "object".into());
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
            return &[]; // The address may be null.
        }
        // SAFETY: valid and alive: contiguous, `len` bytes long, and kept by its object until the
        // view is released. Not changed meanwhile: the caller's obligation, as for all code that
        // releases the interpreter's lock while it reads a buffer; a violation gives a mixed
        // message.
        unsafe { std::slice::from_raw_parts(self.view.buf.cast(), self.len()) }
    }

    /// The bytes of a [`Self::writable`] buffer.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        if self.len() == 0 {
            return &mut [];
        }
        debug_assert!(self.view.readonly == 0);
        // SAFETY: as above, and writable. Not used elsewhere meanwhile: the caller's obligation.
        unsafe { std::slice::from_raw_parts_mut(self.view.buf.cast(), self.len()) }
    }

    /// The extents, slowest-varying first.
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

    /// The format of the elements, if they have one.
    pub(crate) fn format(&self) -> Option<&CStr> {
        // SAFETY: a format is a string that lives as long as the view.
        (!self.view.format.is_null()).then(|| unsafe { CStr::from_ptr(self.view.format) })
    }
}

impl Drop for ImportedBuffer<'_> {
    fn drop(&mut self) {
        // SAFETY: filled in by `PyObject_GetBuffer` and released once, with the interpreter
        // attached.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.view) };
    }
}
