//! The bytes of an item, for arrays to lie over.
#![allow(unsafe_code, reason = "the buffer protocol")]

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

/// Where they are. Whoever has this keeps them there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: an address and a number. What is done with the bytes is ordered by the interpreter, as with any buffer.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    pub(crate) fn of(bytes: &mut [u8]) -> Self {
        Bytes { len: bytes.len(), start: NonNull::from(bytes).cast() }
    }

    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// Shows the bytes, writable, as a buffer of `object`.
    ///
    /// # Safety
    /// `buffer` is valid for writes. `object` keeps the bytes where they are as long as it lives, and nobody but who has
    /// buffers of it uses them.
    pub(crate) unsafe fn show(
        self,
        object: &Bound<'_, PyAny>,
        buffer: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if buffer.is_null() {
            return Err(PyBufferError::new_err("no buffer to fill in"));
        }
        let start = self.start.as_ptr().cast::<c_void>();
        // SAFETY: the caller's word, and the call keeps `object` for as long as the buffer is out.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(buffer, object.as_ptr(), start, self.len.cast_signed(), 0, flags)
        };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(object.py())) }
    }
}
