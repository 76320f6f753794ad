//! What a message is read into: a new `bytearray`, filled with the interpreter let go if it is large.
#![allow(unsafe_code, reason = "a bytearray that is filled once, and a copy without the interpreter")]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use seqring::RacyBytes;

/// From here on a copy takes longer than letting go of the interpreter and getting it back.
pub(crate) const LARGE: usize = 64 << 10;

/// From here on memory comes fresh from the kernel, with a fault a page: as with numpy's arrays, in huge pages if it may.
const HUGE: usize = 4 << 20;

/// The bytes of a message: such as may be overwritten at this moment, or a taker's own.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    RacyBytes(RacyBytes<'a>),
    Own(&'a [u8]),
}

// SAFETY: the one thing that is not `Send` by itself is the address in a `RacyBytes`: of memory that is alive for `'a` on
// every thread, and accessed atomically.
unsafe impl Send for Payload<'_> {}

impl Payload<'_> {
    #[inline]
    pub(crate) fn len(self) -> usize {
        match self {
            Payload::RacyBytes(bytes) => bytes.len(),
            Payload::Own(bytes) => bytes.len(),
        }
    }

    /// Copies all of it to `out`, which is as long.
    #[inline]
    pub(crate) fn copy_to(self, py: Python<'_>, out: &mut [u8]) {
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
    pub(crate) fn to_bytearray(self, py: Python<'_>) -> PyResult<Bound<'_, PyByteArray>> {
        let len = isize::try_from(self.len())?;
        // SAFETY:
        // - a null source asks for a new `bytearray` of that length with whatever bytes its memory has;
        // - it is an object of that type, or null with an error set.
        let array = unsafe {
            let array = ffi::PyByteArray_FromStringAndSize(std::ptr::null(), len);
            Bound::from_owned_ptr_or_err(py, array)?.cast_into_unchecked::<PyByteArray>()
        };
        if self.len() >= HUGE {
            prefer_huge_pages(&array);
        }
        if len > 0 {
            // SAFETY: the memory of a `bytearray` has that length, and nobody else knows this one yet.
            let out = unsafe { std::slice::from_raw_parts_mut(array.data(), self.len()) };
            self.copy_to(py, out);
        }
        Ok(array)
    }
}

/// Asks for huge pages behind a large `bytearray` that nobody has written to: 100 MB have 24,000 others, whose faults take
/// several times as long as the copy.
fn prefer_huge_pages(array: &Bound<'_, PyByteArray>) {
    const PAGE: usize = 4096;
    let start = array.data().addr();
    let inside = start.next_multiple_of(PAGE)..(start + array.len()) / PAGE * PAGE;
    // SAFETY: these pages are all the array's, and the advice changes no contents. Where it is refused, it was of no use.
    let _ = unsafe { libc::madvise(inside.start as *mut libc::c_void, inside.len(), libc::MADV_HUGEPAGE) };
}
