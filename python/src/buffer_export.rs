//! Exports memory of the library through the buffer protocol.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::array_layout::ArrayLayout;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

/// Whether the consumer of a buffer may write to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Refuses a request for Fortran order only: here the last extent varies fastest.
pub(crate) fn check_order(flags: c_int, layout: &ArrayLayout) -> PyResult<()> {
    let asked = |flag| flags & flag == flag;
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
            format: if asked(ffi::PyBUF_FORMAT) { layout.format.as_ptr().cast_mut() } else { null_mut() },
            shape: extents(ffi::PyBUF_ND, &layout.shape),
            strides: extents(ffi::PyBUF_STRIDES, &layout.strides),
            obj: owner.clone().into_ptr(),
            ..ffi::Py_buffer::new()
        };
    }
}
