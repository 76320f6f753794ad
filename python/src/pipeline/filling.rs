//! The class `Filling`: an item that a producer is making.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::fork::Generation;
use crate::pipeline::item_memory::ItemMemory;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The bytes of all arrays of an item, for its producer to fill.
///
/// When the item is done, its memory is reused for another item. The Python code that made arrays over
/// it sets them read-only; new ones are refused.
#[pyclass(frozen, module = "seqring")]
pub(crate) struct Filling {
    #[pyo3(get)]
    number: u64,
    #[pyo3(get)]
    tries: u32,
    memory: ItemMemory,
    is_open: AtomicBool,
    /// Keeps the bytes mapped.
    _mapping: seqring::pipeline::Mapping,
    born: Generation,
}

impl Filling {
    pub(crate) fn new(filling: &mut seqring::pipeline::Filling<'_>) -> Self {
        Filling {
            number: filling.number(),
            tries: filling.tries(),
            _mapping: filling.mapping(),
            memory: ItemMemory::of(filling.bytes_mut()),
            is_open: AtomicBool::new(true),
            born: Generation::now(),
        }
    }

    /// The item is done, or has failed.
    pub(crate) fn close(&self) {
        self.is_open.store(false, Relaxed); // Relaxed: the interpreter orders calls on its objects.
    }
}

#[pymethods]
impl Filling {
    fn __len__(&self) -> usize {
        self.memory.len
    }

    /// # Safety
    /// Called by the interpreter, with a `Py_buffer` to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        // Relaxed: as in `close`.
        if !this.is_open.load(Relaxed) || !this.born.is_now() {
            return Err(PyBufferError::new_err("this item is done, or another process's"));
        }
        // SAFETY: `buffer` is the interpreter's. This object keeps the mapping, and the bytes belong to
        // the producer while it makes the item.
        unsafe { this.memory.export(slf.as_any(), buffer, flags) }
    }
}
