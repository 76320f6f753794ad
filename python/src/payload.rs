//! Copies of messages: a new `bytearray`, filled without the interpreter's lock if it is large.
#![allow(unsafe_code, reason = "a bytearray that is filled once, and a copy without the lock")]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use seqring::RacyBytes;

/// From this size on a copy takes longer than releasing and reacquiring the interpreter's lock.
pub(crate) const LARGE: usize = 64 << 10;

/// From this size on a `bytearray` is fresh pages of the kernel, with a fault for each page.
const HUGE: usize = 4 << 20;

/// The bytes of a message.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// In the ring, where a writer may overwrite them during the copy.
    RacyBytes(RacyBytes<'a>),
    /// Owned by the taker.
    Own(&'a [u8]),
}

// SAFETY: the only part that is not `Send` by itself is the address in a `RacyBytes`; its memory is
// alive for `'a` on every thread, and accessed atomically.
unsafe impl Send for Payload<'_> {}

impl Payload<'_> {
    #[inline]
    pub(crate) fn len(self) -> usize {
        match self {
            Payload::RacyBytes(bytes) => bytes.len(),
            Payload::Own(bytes) => bytes.len(),
        }
    }

    /// Copies all bytes to `out`, which has the same length.
    #[inline]
    fn copy_to(self, py: Python<'_>, out: &mut [u8]) {
        if out.len() >= LARGE {
            py.detach(move || self.copy(out));
        } else {
            self.copy(out);
        }
    }

    #[inline]
    fn copy(self, out: &mut [u8]) {
        match self {
            Payload::RacyBytes(bytes) => bytes.copy_to_slice(out),
            Payload::Own(bytes) => out.copy_from_slice(bytes),
        }
    }

    /// A copy as a `bytearray`.
    #[inline]
    pub(crate) fn to_bytearray(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let len = isize::try_from(self.len())?;
        // SAFETY:
        // - a null source requests a new `bytearray` of that length with uninitialized bytes;
        // - the result is an object of that type, or null with an error set.
        let array = unsafe {
            let array = ffi::PyByteArray_FromStringAndSize(std::ptr::null(), len);
            Bound::from_owned_ptr_or_err(py, array)?.cast_into_unchecked::<PyByteArray>()
        };
        if self.len() >= HUGE {
            prefer_huge_pages(&array);
        }
        if len > 0 {
            // SAFETY: the `bytearray` has that length, and no other code has a reference to it yet.
            let out = unsafe { std::slice::from_raw_parts_mut(array.data(), self.len()) };
            self.copy_to(py, out);
        }
        Ok(array.into_any())
    }
}

/// Requests huge pages for a large, unwritten `bytearray`: 100 MB are 24,000 small pages, whose
/// faults take several times as long as the copy.
fn prefer_huge_pages(array: &Bound<'_, PyByteArray>) {
    const PAGE: usize = 4096;
    let start = array.data().addr();
    let inside = start.next_multiple_of(PAGE)..(start + array.len()) / PAGE * PAGE;
    // SAFETY: these pages belong to the array, and the advice changes no contents. A refusal is
    // harmless.
    let _ = unsafe { libc::madvise(inside.start as *mut libc::c_void, inside.len(), libc::MADV_HUGEPAGE) };
}
