//! The class `Lease`: an item in the consumer's hands.
#![allow(unsafe_code, reason = "the buffer protocol")]

use crate::fork::Generation;
use crate::pipeline::memory::Bytes;
use parking_lot::Mutex;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use seqring::pipeline::Item;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The bytes of all arrays of an item, to be changed and kept at will. Its memory is used again when this object is gone,
/// which the arrays over it keep.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Lease {
    #[pyo3(get)]
    number: u64,
    meta: Box<[u8]>,
    bytes: Bytes,
    /// What keeps the bytes; nobody looks at it. Emptied by drop.
    content: Mutex<Option<Content>>,
    born: Generation,
}

#[expect(clippy::large_enum_variant, reason = "nearly all are in place")]
enum Content {
    /// Where its producer made it. Counted among those that are held.
    InPlace(Item, Arc<AtomicUsize>),
    Copied {
        _bytes: Box<[u8]>,
    },
}

impl Lease {
    /// The item where it is, as one of `held`.
    pub(crate) fn in_place(mut item: Item, held: &Arc<AtomicUsize>) -> Self {
        held.fetch_add(1, Relaxed); // Relaxed: a count, orders nothing.
        let (number, meta) = (item.number(), item.metadata().into());
        let bytes = Bytes::of(item.bytes_mut());
        let content = Mutex::new(Some(Content::InPlace(item, Arc::clone(held))));
        Lease { number, meta, bytes, content, born: Generation::now() }
    }

    /// A copy, without the item.
    pub(crate) fn copied(mut item: Item) -> Self {
        let (number, meta) = (item.number(), item.metadata().into());
        let mut copy: Box<[u8]> = (*item.bytes_mut()).into();
        let bytes = Bytes::of(&mut copy);
        let content = Mutex::new(Some(Content::Copied { _bytes: copy }));
        Lease { number, meta, bytes, content, born: Generation::now() }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.content.get_mut().take() {
            Some(content) if !self.born.is_now() => std::mem::forget(content), // A fork's copy.
            Some(Content::InPlace(item, held)) => {
                drop(item);
                held.fetch_sub(1, Relaxed); // Relaxed: as above.
            }
            Some(Content::Copied { .. }) | None => {}
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
        let bytes = slf.get().bytes;
        // SAFETY: `buffer` is the interpreter's. The content, which this object keeps, has the bytes: an item in place, which
        // is this taker's alone, or a copy.
        unsafe { bytes.show(slf.as_any(), buffer, flags) }
    }
}
