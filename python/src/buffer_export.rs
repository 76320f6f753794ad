//! Exports memory of the library through the buffer protocol.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::array_layout::ArrayLayout;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMemoryView};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

/// Whether the consumer of a buffer may write to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Refuses a request for Fortran order only: here the last extent varies fastest. Refuses a request
/// for elements that have no format: the consumer would take them for others.
pub(crate) fn check_request(flags: c_int, layout: &ArrayLayout) -> PyResult<()> {
    let asked = |flag| flags & flag == flag;
    if layout.format.is_none() && (asked(ffi::PyBUF_FORMAT) || asked(ffi::PyBUF_ND)) {
        let text = "a buffer cannot name elements of this type; use numpy.asarray, or plain bytes";
        return Err(PyBufferError::new_err(text));
    }
    let wants_fortran = asked(ffi::PyBUF_F_CONTIGUOUS)
        && !asked(ffi::PyBUF_C_CONTIGUOUS)
        && !asked(ffi::PyBUF_ANY_CONTIGUOUS);
    let matters = layout.shape.iter().filter(|extent| **extent > 1).count() > 1 && !layout.shape.contains(&0);
    if wants_fortran && matters {
        return Err(PyBufferError::new_err("the last extent varies fastest here, not the first"));
    }
    Ok(())
}

/// Fills in `buffer` for an array of `layout` at `start`, as far as `flags` request. The buffer
/// keeps `owner` alive.
///
/// # Safety
/// - `buffer` is valid for writes;
/// - `start` is valid for the layout's bytes until the buffer is released, for writes if `access`
///   says so;
/// - `layout` belongs to `owner`, and does not change while `owner` lives.
pub(crate) unsafe fn fill(
    buffer: *mut ffi::Py_buffer,
    flags: c_int,
    start: *mut u8,
    access: Access,
    layout: &ArrayLayout,
    owner: &Bound<'_, PyAny>,
) {
    let asked = |flag| flags & flag == flag;
    let extents =
        |flag, extents: &[isize]| if asked(flag) { extents.as_ptr().cast_mut() } else { null_mut() };
    // SAFETY: valid for writes, says the caller. Format, shape and strides are those of `layout`,
    // which `obj` keeps alive; consumers do not write through them.
    unsafe {
        *buffer = ffi::Py_buffer {
            buf: start.cast::<c_void>(),
            len: layout.nbytes,
            itemsize: layout.item_bytes(),
            readonly: (access == Access::Read).into(),
            ndim: c_int::try_from(layout.shape.len()).unwrap_or(0),
            format: layout
                .format
                .filter(|_| asked(ffi::PyBUF_FORMAT))
                .map_or(null_mut(), |format| format.as_ptr().cast_mut()),
            shape: extents(ffi::PyBUF_ND, &layout.shape),
            strides: extents(ffi::PyBUF_STRIDES, &layout.strides),
            obj: owner.clone().into_ptr(),
            ..ffi::Py_buffer::new()
        };
    }
}

/// The bytes of a view or claim, without its shape and element type: its buffers are those of the
/// owner.
#[pyclass(frozen, module = "seqring")]
struct PlainBytes {
    owner: Py<PyAny>,
}

#[pymethods]
impl PlainBytes {
    /// # Safety
    /// Called by the interpreter, with a `Py_buffer` to fill in.
    unsafe fn __getbuffer__(
        &self,
        py: Python<'_>,
        buffer: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let plain = flags & ffi::PyBUF_WRITABLE;
        // SAFETY: `buffer` is valid for writes, says the caller. The owner fills it in, keeps the
        // bytes, and is the object that releases it. Without shape and format the elements are
        // single bytes.
        unsafe {
            if ffi::PyObject_GetBuffer(self.owner.as_ptr(), buffer, plain) != 0 {
                return Err(PyErr::fetch(py));
            }
            (*buffer).itemsize = 1;
            (*buffer).ndim = 1;
        }
        Ok(())
    }
}

/// A numpy array over the bytes of `owner`. Raises what its buffer raises, where numpy would ignore
/// it.
pub(crate) fn array<'py>(owner: &Bound<'py, PyAny>, layout: &ArrayLayout) -> PyResult<Bound<'py, PyAny>> {
    let plain = Bound::new(owner.py(), PlainBytes { owner: owner.clone().unbind() })?;
    layout.array(PyMemoryView::from(plain.as_any())?.as_any())
}

/// The same for `__array__`, which numpy calls after a buffer was refused.
pub(crate) fn array_as<'py>(
    owner: &Bound<'py, PyAny>,
    layout: &ArrayLayout,
    dtype: Option<Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, array) = (owner.py(), array(owner, layout)?);
    let options = PyDict::new(py);
    options.set_item("dtype", dtype)?;
    options.set_item("copy", copy)?;
    py.import("numpy")?.getattr("array")?.call((array,), Some(&options))
}
