//! The class `ItemBuffer`: the bytes of an item, for arrays over them.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::array_layout::ArrayLayout;
use crate::fork::Generation;
use parking_lot::Mutex;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PyTuple};
use seqring::pipeline::{Filling, Item, ItemMemory};
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The bytes of all arrays of an item.
///
/// A producer fills them until the item is done; then the memory is reused for another item, and
/// new arrays are refused. (Python sets the old ones read-only.) The consumer may change and keep
/// them: its arrays keep this object, and when it goes, the memory is reused.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct ItemBuffer {
    #[pyo3(get)]
    number: u64,
    /// For a producer, from 1 on; for the consumer 0.
    #[pyo3(get)]
    tries: u32,
    meta: Box<[u8]>,
    start: NonNull<u8>,
    len: usize,
    is_open: AtomicBool,
    /// Taken by drop.
    keeper: Mutex<Option<Keeper>>,
    born: Generation,
}

/// Keeps the bytes in place.
#[expect(clippy::large_enum_variant, reason = "nearly all are items in place")]
enum Keeper {
    Filling {
        _memory: ItemMemory,
    },
    /// In the producer's memory, with the count of such items.
    InPlace(Item, Arc<AtomicUsize>),
    Copied {
        _bytes: Box<[u8]>,
    },
}

// SAFETY: only the address is not `Send`. The interpreter orders accesses, as for any buffer.
unsafe impl Send for ItemBuffer {}
// SAFETY: as above.
unsafe impl Sync for ItemBuffer {}

impl ItemBuffer {
    /// An item that a producer fills.
    pub(crate) fn filling(filling: &mut Filling<'_>) -> Self {
        let (number, tries) = (filling.number(), filling.tries());
        let keeper = Keeper::Filling { _memory: filling.memory() };
        Self::new(number, tries, [].into(), filling.bytes_mut().into(), keeper)
    }

    /// An item of the consumer in the producer's memory, counted in `held`.
    pub(crate) fn in_place(mut item: Item, held: &Arc<AtomicUsize>) -> Self {
        held.fetch_add(1, Relaxed); // Relaxed: a count, orders nothing.
        let (number, meta, bytes) = (item.number(), item.metadata().into(), item.bytes_mut().into());
        Self::new(number, 0, meta, bytes, Keeper::InPlace(item, Arc::clone(held)))
    }

    /// A copy of an item, for the consumer.
    pub(crate) fn copied(mut item: Item) -> Self {
        let mut copy: Box<[u8]> = (*item.bytes_mut()).into();
        let bytes = (&mut *copy).into();
        Self::new(item.number(), 0, item.metadata().into(), bytes, Keeper::Copied { _bytes: copy })
    }

    fn new(number: u64, tries: u32, meta: Box<[u8]>, bytes: NonNull<[u8]>, keeper: Keeper) -> Self {
        let (start, len) = (bytes.cast(), bytes.len());
        let (is_open, keeper) = (AtomicBool::new(true), Mutex::new(Some(keeper)));
        ItemBuffer { number, tries, meta, start, len, is_open, keeper, born: Generation::now() }
    }

    /// The producer's item is done, or has failed.
    pub(crate) fn close(&self) {
        self.is_open.store(false, Relaxed); // Relaxed: the interpreter orders calls on its objects.
    }
}

impl Drop for ItemBuffer {
    fn drop(&mut self) {
        match self.keeper.get_mut().take() {
            // A forked copy of an item belongs to the parent.
            Some(keeper @ (Keeper::InPlace(..) | Keeper::Copied { .. })) if !self.born.is_now() => {
                std::mem::forget(keeper);
            }
            Some(Keeper::InPlace(item, held)) => {
                drop(item);
                held.fetch_sub(1, Relaxed); // Relaxed: as above.
            }
            Some(Keeper::Filling { .. } | Keeper::Copied { .. }) | None => {}
        }
    }
}

#[pymethods]
impl ItemBuffer {
    /// The item's metadata.
    #[getter]
    fn meta<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.meta)
    }

    fn __len__(&self) -> usize {
        self.len
    }

    /// Raises what the buffer raises, where numpy would ignore it.
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        _arguments: &Bound<'py, PyTuple>,
        _keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        ArrayLayout::of(None, slf.get().len).array(PyMemoryView::from(slf.as_any())?.as_any())
    }

    /// # Safety
    /// Called by the interpreter, with a `Py_buffer` to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        let is_filling = this.tries > 0;
        // Relaxed: as in `close`.
        if buffer.is_null() || !this.is_open.load(Relaxed) || (is_filling && !this.born.is_now()) {
            return Err(PyBufferError::new_err("this item is done, or another process's"));
        }
        let (start, len) = (this.start.as_ptr().cast::<c_void>(), this.len.cast_signed());
        // SAFETY: `buffer` is the interpreter's, and keeps this object. The keeper keeps the bytes,
        // which belong to the producer while it fills them, or to the consumer.
        let filled = unsafe { ffi::PyBuffer_FillInfo(buffer, slf.as_ptr(), start, len, 0, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
