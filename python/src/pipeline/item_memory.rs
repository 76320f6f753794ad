//! The bytes of an item, for arrays over them.
#![allow(unsafe_code, reason = "the buffer protocol")]

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

/// The address of the bytes. The owner of this value keeps them in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemMemory {
    start: NonNull<u8>,
    pub(crate) len: usize,
}

// SAFETY: an address and a number. The interpreter orders accesses, as for any buffer.
unsafe impl Send for ItemMemory {}
// SAFETY: as above.
unsafe impl Sync for ItemMemory {}

impl ItemMemory {
    pub(crate) fn of(bytes: &mut [u8]) -> Self {
        ItemMemory { len: bytes.len(), start: NonNull::from(bytes).cast() }
    }

    /// Exports the bytes as a writable buffer of `owner`.
    ///
    /// # Safety
    /// `buffer` is valid for writes. `owner` keeps the bytes in place while it lives, and only
    /// consumers of its buffers access them.
    pub(crate) unsafe fn export(
        self,
        owner: &Bound<'_, PyAny>,
        buffer: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if buffer.is_null() {
            return Err(PyBufferError::new_err("no buffer to fill in"));
        }
        let start = self.start.as_ptr().cast::<c_void>();
        // SAFETY: by the caller's contract, and the call makes the buffer keep `owner`.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(buffer, owner.as_ptr(), start, self.len.cast_signed(), 0, flags)
        };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(owner.py())) }
    }
}
