//! Memory of ours shown through the buffer protocol.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::frame::Form;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{c_int, c_void};

/// Whether whoever looks may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Refuses who wants only what is not so: that the first extent varies fastest.
pub(crate) fn check_order(flags: c_int, form: &Form) -> PyResult<()> {
    let asked = |flag| flags & flag == flag;
    let wants_it = asked(ffi::PyBUF_F_CONTIGUOUS)
        && !asked(ffi::PyBUF_C_CONTIGUOUS)
        && !asked(ffi::PyBUF_ANY_CONTIGUOUS);
    let matters = form.shape.iter().filter(|extent| **extent > 1).count() > 1 && !form.shape.contains(&0);
    if wants_it && matters {
        return Err(PyBufferError::new_err("the last extent varies fastest here, not the first"));
    }
    Ok(())
}

/// Fills in `buffer` for the `len` bytes at `start`, an array of `form`, as far as `flags` ask for it. It keeps `owner`.
///
/// # Safety
/// - `buffer` is valid for writes;
/// - `start` is valid for `len` bytes until the buffer is released, for writes too if `access` says so;
/// - `form` lies in `owner`, and stays as it is as long as `owner` lives.
pub(crate) unsafe fn fill(
    buffer: *mut ffi::Py_buffer,
    flags: c_int,
    start: *mut u8,
    len: usize,
    access: Access,
    form: &Form,
    owner: Bound<'_, PyAny>,
) {
    let asked = |flag| flags & flag == flag;
    let extents = |flag, extents: &[isize]| {
        if asked(flag) { extents.as_ptr().cast_mut() } else { std::ptr::null_mut() }
    };
    let format =
        if asked(ffi::PyBUF_FORMAT) { form.format.as_ptr().cast_mut() } else { std::ptr::null_mut() };
    // SAFETY: valid for writes, says the caller. Format, shape and strides are those of `form`, which `obj` keeps; nobody
    // writes through them.
    unsafe {
        *buffer = ffi::Py_buffer {
            buf: start.cast::<c_void>(),
            len: len.cast_signed(),
            itemsize: form.item_bytes(),
            readonly: (access == Access::Read).into(),
            ndim: c_int::try_from(form.shape.len()).unwrap_or(0),
            format,
            shape: extents(ffi::PyBUF_ND, &form.shape),
            strides: extents(ffi::PyBUF_STRIDES, &form.strides),
            obj: owner.into_ptr(),
            ..ffi::Py_buffer::new()
        };
    }
}
