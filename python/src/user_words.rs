//! The class `Words`: the application's own 64-bit words in a ring's segment.
#![allow(unsafe_code, reason = "half a word as a futex")]

use crate::buffer_import::ImportedBytes;
use crate::deadline::Deadline;
use crate::options::named;
use crate::ring::Ring;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use rustix::thread::{Timespec, futex};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// A ring's words: 64-bit numbers in its segment for the application's own use, initially 0. Made
/// by `Ring.words`.
///
/// >>> import seqring
/// >>> words = seqring.Ring.create(1, 8, words=2).words
/// >>> words.add(0, 5), words.load(0), words.exchange(0, 5, 7), words.exchange(0, 5, 9)
/// (0, 5, True, False)
///
/// Each access is atomic and sequentially consistent.
#[pyclass(frozen, module = "seqring")]
pub(crate) struct Words {
    /// The Python object, which reopens the ring after a fork.
    ring: Py<Ring>,
}

impl Words {
    pub(crate) fn new(ring: Py<Ring>) -> Self {
        Words { ring }
    }

    /// Calls `use_words` with `count` words from `index` on. All accesses are `SeqCst`: the Python
    /// API has no weaker order.
    fn with<R>(
        &self,
        py: Python<'_>,
        index: usize,
        count: usize,
        use_words: impl FnOnce(&[AtomicU64]) -> R,
    ) -> PyResult<R> {
        let result = self.ring.get().with(py, |ring| {
            let words = ring.user_words();
            let wanted = index.checked_add(count).and_then(|end| words.get(index..end));
            wanted.map(use_words).ok_or(words.len())
        });
        result?.map_err(|words| {
            PyIndexError::new_err(format!("the ring has {words} words, no {count} from {index} on"))
        })
    }

    fn word<R>(&self, py: Python<'_>, index: usize, use_word: impl FnOnce(&AtomicU64) -> R) -> PyResult<R> {
        self.with(py, index, 1, |words| use_word(&words[0]))
    }
}

#[pymethods]
impl Words {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.ring.get().with(py, |ring| ring.user_words().len())
    }

    /// The value of a word.
    fn load(&self, py: Python<'_>, #[pyo3(from_py_with = named::index)] index: usize) -> PyResult<u64> {
        self.word(py, index, |word| word.load(SeqCst))
    }

    /// Stores a value in a word.
    fn store(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = named::index)] index: usize,
        #[pyo3(from_py_with = named::value)] value: u64,
    ) -> PyResult<()> {
        self.word(py, index, |word| word.store(value, SeqCst))
    }

    /// Adds to a word and returns its previous value. Wraps around.
    fn add(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = named::index)] index: usize,
        value: i64,
    ) -> PyResult<u64> {
        self.word(py, index, |word| word.fetch_add(value.cast_unsigned(), SeqCst))
    }

    /// Stores `new` if the word is `old`; returns whether it was.
    fn exchange(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = named::index)] index: usize,
        old: u64,
        new: u64,
    ) -> PyResult<bool> {
        self.word(py, index, |word| word.compare_exchange(old, new, SeqCst, SeqCst).is_ok())
    }

    /// How often `notify` was called for this word, modulo 2³².
    ///
    /// Use a word either with `notify` and `wait` or as a number.
    fn notified(&self, py: Python<'_>, #[pyo3(from_py_with = named::index)] index: usize) -> PyResult<u32> {
        self.word(py, index, |word| futex_word(word).load(SeqCst))
    }

    /// Wakes all threads that `wait` for this word, in all processes.
    fn notify(&self, py: Python<'_>, #[pyo3(from_py_with = named::index)] index: usize) -> PyResult<()> {
        self.word(py, index, |word| {
            futex_word(word).fetch_add(1, SeqCst);
            // It cannot fail: the word is mapped and aligned.
            let _ = futex::wake(futex_word(word), futex::Flags::empty(), u32::MAX >> 1);
        })
    }

    /// Waits for at most `timeout` seconds until `notified` differs from `seen`; returns whether it
    /// does.
    ///
    /// Read `notified` first, then check the condition, then wait: no `notify` is missed. Lets
    /// other threads run, and Ctrl-C ends it.
    #[pyo3(signature = (index, seen, timeout=None))]
    fn wait(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = named::index)] index: usize,
        #[pyo3(from_py_with = named::seen)] seen: u32,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        let deadline = Deadline::after(timeout)?;
        while self.notified(py, index)? == seen {
            let Some(slice) = deadline.slice() else { return Ok(false) };
            let ring = self.ring.get().ring(py)?;
            // A slice is less than a second.
            let slice = Timespec { tv_sec: 0, tv_nsec: slice.subsec_nanos().into() };
            py.detach(|| {
                let word = futex_word(&ring.user_words()[index]);
                // Woken, timed out, or changed before the call: the loop checks again.
                let _ = futex::wait(word, futex::Flags::empty(), seen, Some(&slice));
            });
            py.check_signals()?;
        }
        Ok(true)
    }

    /// The first `nbytes` bytes of the words from `index` on. Each word is read atomically.
    fn read<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = named::index)] index: usize,
        #[pyo3(from_py_with = named::nbytes)] nbytes: usize,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let bytes = self.with(py, index, nbytes.div_ceil(8), |words| {
            words.iter().flat_map(|word| word.load(SeqCst).to_ne_bytes()).take(nbytes).collect::<Vec<_>>()
        })?;
        Ok(PyByteArray::new(py, &bytes))
    }

    /// Stores the bytes of `data` in the words from `index` on. Each word is stored atomically; the
    /// last one is padded with zeros.
    fn write(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = named::index)] index: usize,
        data: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let data = ImportedBytes::of(data)?;
        let bytes = data.bytes();
        self.with(py, index, bytes.len().div_ceil(8), |words| {
            for (word, bytes) in words.iter().zip(bytes.chunks(8)) {
                let mut padded = [0; 8];
                padded[..bytes.len()].copy_from_slice(bytes);
                word.store(u64::from_ne_bytes(padded), SeqCst);
            }
        })
    }
}

/// The half of a word that the kernel can wait on.
fn futex_word(word: &AtomicU64) -> &AtomicU32 {
    // SAFETY: valid and aligned for four bytes, as half of the eight that `word` borrows, and
    // accessed atomically by all. A user that mixes both uses of a word reads numbers that were
    // never stored.
    unsafe { AtomicU32::from_ptr(word.as_ptr().cast::<u32>()) }
}
