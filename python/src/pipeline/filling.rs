//! The class `Filling`: an item that is being made.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::fork::Generation;
use crate::pipeline::memory::Bytes;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The bytes of all arrays of an item, for its producer to fill.
///
/// Arrays that outlive the item's making show its memory, in which another item lies by then: who made them sets them
/// read-only. New ones are refused.
#[pyclass(frozen, module = "seqring")]
pub(crate) struct Filling {
    #[pyo3(get)]
    number: u64,
    #[pyo3(get)]
    tries: u32,
    bytes: Bytes,
    is_open: AtomicBool,
    /// What keeps the bytes mapped.
    _memory: seqring::pipeline::ItemMemory,
    born: Generation,
}

impl Filling {
    pub(crate) fn new(filling: &mut seqring::pipeline::Filling<'_>) -> Self {
        Filling {
            number: filling.number(),
            tries: filling.tries(),
            _memory: filling.memory(),
            bytes: Bytes::of(filling.bytes_mut()),
            is_open: AtomicBool::new(true),
            born: Generation::now(),
        }
    }

    /// The item is made, or will not be.
    pub(crate) fn close(&self) {
        self.is_open.store(false, Relaxed); // Relaxed: the interpreter orders what its objects do.
    }
}

#[pymethods]
impl Filling {
    fn __len__(&self) -> usize {
        self.bytes.len()
    }

    /// # Safety
    /// Called by the interpreter, with a `Py_buffer` to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        // Relaxed: as in `close`.
        if !this.is_open.load(Relaxed) || !this.born.is_now() {
            return Err(PyBufferError::new_err("this item is done, or another process's"));
        }
        // SAFETY: `buffer` is the interpreter's. The memory, which this object keeps, has the bytes, which are the
        // producer's own while the item is being made.
        unsafe { this.bytes.show(slf.as_any(), buffer, flags) }
    }
}
