//! The class `Lease`: an item that the consumer holds.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::fork::Generation;
use crate::pipeline::item_memory::ItemMemory;
use parking_lot::Mutex;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use seqring::pipeline::Item;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The bytes of all arrays of an item, which the consumer may change and keep. The arrays keep this
/// object; when it goes, its memory is reused.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Lease {
    #[pyo3(get)]
    number: u64,
    meta: Box<[u8]>,
    memory: ItemMemory,
    /// Keeps the bytes; taken by drop.
    content: Mutex<Option<LeaseContent>>,
    born: Generation,
}

#[expect(clippy::large_enum_variant, reason = "nearly all are in place")]
enum LeaseContent {
    /// In the producer's memory, with the count of such leases.
    InPlace(Item, Arc<AtomicUsize>),
    Copied {
        _bytes: Box<[u8]>,
    },
}

impl Lease {
    /// The item in the producer's memory, counted in `held`.
    pub(crate) fn in_place(mut item: Item, held: &Arc<AtomicUsize>) -> Self {
        held.fetch_add(1, Relaxed); // Relaxed: a count, orders nothing.
        let (number, meta) = (item.number(), item.metadata().into());
        let memory = ItemMemory::of(item.bytes_mut());
        Self::new(number, meta, memory, LeaseContent::InPlace(item, Arc::clone(held)))
    }

    /// A copy of the item.
    pub(crate) fn copied(mut item: Item) -> Self {
        let (number, meta) = (item.number(), item.metadata().into());
        let mut copy: Box<[u8]> = (*item.bytes_mut()).into();
        let memory = ItemMemory::of(&mut copy);
        Self::new(number, meta, memory, LeaseContent::Copied { _bytes: copy })
    }

    fn new(number: u64, meta: Box<[u8]>, memory: ItemMemory, content: LeaseContent) -> Self {
        Lease { number, meta, memory, content: Mutex::new(Some(content)), born: Generation::now() }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.content.get_mut().take() {
            Some(content) if !self.born.is_now() => std::mem::forget(content), // A forked copy.
            Some(LeaseContent::InPlace(item, held)) => {
                drop(item);
                held.fetch_sub(1, Relaxed); // Relaxed: as above.
            }
            Some(LeaseContent::Copied { .. }) | None => {}
        }
    }
}

#[pymethods]
impl Lease {
    /// The item's metadata.
    #[getter]
    fn meta<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.meta)
    }

    /// # Safety
    /// Called by the interpreter, with a `Py_buffer` to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: `buffer` is the interpreter's. The content, which this object keeps, holds the bytes:
        // an item that belongs to the consumer, or a copy.
        unsafe { slf.get().memory.export(slf.as_any(), buffer, flags) }
    }
}
