//! The class `Words`: the application's own 64-bit words in a ring's segment.
#![allow(unsafe_code, reason = "half a word as a futex")]

use crate::ring::Ring;
use crate::source::Source;
use crate::timeout::Deadline;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use rustix::thread::{Timespec, futex};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// A ring's words: 64-bit numbers in its segment for its user's own purposes, 0 at first. Made by `Ring.words`.
///
/// >>> import seqring
/// >>> words = seqring.Ring.create(1, 8, words=2).words
/// >>> words.add(0, 5), words.load(0), words.exchange(0, 5, 7), words.exchange(0, 5, 9)
/// (0, 5, True, False)
///
/// Each access is atomic, and all are in one order for everybody.
#[pyclass(frozen, module = "seqring")]
pub(crate) struct Words {
    /// By the Python object, which opens the ring anew after a fork.
    ring: Py<Ring>,
}

impl Words {
    pub(crate) fn new(ring: Py<Ring>) -> Self {
        Words { ring }
    }

    /// Does something with `count` words from `index` on. Every access is sequentially consistent: Python has no words
    /// for less.
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
}

#[pymethods]
impl Words {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.ring.get().with(py, |ring| ring.user_words().len())
    }

    /// The word of that number.
    fn load(&self, py: Python<'_>, index: usize) -> PyResult<u64> {
        self.with(py, index, 1, |words| words[0].load(SeqCst))
    }

    /// Stores a word.
    fn store(&self, py: Python<'_>, index: usize, value: u64) -> PyResult<()> {
        self.with(py, index, 1, |words| words[0].store(value, SeqCst))
    }

    /// Adds, and returns what was there before. Wraps around.
    fn add(&self, py: Python<'_>, index: usize, value: i64) -> PyResult<u64> {
        self.with(py, index, 1, |words| words[0].fetch_add(value.cast_unsigned(), SeqCst))
    }

    /// Stores `new` if the word is `old`, and says whether it was.
    fn exchange(&self, py: Python<'_>, index: usize, old: u64, new: u64) -> PyResult<bool> {
        self.with(py, index, 1, |words| words[0].compare_exchange(old, new, SeqCst, SeqCst).is_ok())
    }

    /// How often `notify` was called for this word, modulo 2³².
    ///
    /// A word is used either this way, with `notify` and `wait`, or as a number.
    fn notified(&self, py: Python<'_>, index: usize) -> PyResult<u32> {
        self.with(py, index, 1, |words| bell(&words[0]).load(SeqCst))
    }

    /// Wakes all who `wait` for this word, in all processes.
    fn notify(&self, py: Python<'_>, index: usize) -> PyResult<()> {
        self.with(py, index, 1, |words| {
            bell(&words[0]).fetch_add(1, SeqCst);
            let _ = futex::wake(bell(&words[0]), futex::Flags::empty(), u32::MAX >> 1); // It is a mapped, aligned word.
        })
    }

    /// Waits for at most `timeout` seconds until `notified` is not `seen`; says whether that is so.
    ///
    /// First `seen`, then a look at what one waits for, then this: so no `notify` is missed. Lets other threads run, and Ctrl-C
    /// ends it.
    #[pyo3(signature = (index, seen, timeout=None))]
    fn wait(&self, py: Python<'_>, index: usize, seen: u32, timeout: Option<f64>) -> PyResult<bool> {
        let deadline = Deadline::after(timeout)?;
        while self.notified(py, index)? == seen {
            let Some(slice) = deadline.slice() else { return Ok(false) };
            let ring = self.ring.get().ring(py)?;
            let slice = Timespec { tv_sec: 0, tv_nsec: slice.subsec_nanos().into() }; // It is a part of a second.
            py.detach(|| {
                let word = bell(&ring.user_words()[index]);
                // Woken, late, or changed before: the caller of this looks again.
                let _ = futex::wait(word, futex::Flags::empty(), seen, Some(&slice));
            });
            py.check_signals()?;
        }
        Ok(true)
    }

    /// The first `nbytes` bytes of the words from `index` on, each read by itself.
    fn read<'py>(&self, py: Python<'py>, index: usize, nbytes: usize) -> PyResult<Bound<'py, PyByteArray>> {
        let bytes = self.with(py, index, nbytes.div_ceil(8), |words| {
            words.iter().flat_map(|word| word.load(SeqCst).to_ne_bytes()).take(nbytes).collect::<Vec<_>>()
        })?;
        Ok(PyByteArray::new(py, &bytes))
    }

    /// Stores the bytes of `data` in the words from `index` on, each by itself; the last one is filled up with zeros.
    fn write(&self, py: Python<'_>, index: usize, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let source = Source::of(data)?;
        let bytes = source.bytes();
        self.with(py, index, bytes.len().div_ceil(8), |words| {
            for (word, bytes) in words.iter().zip(bytes.chunks(8)) {
                let mut filled = [0; 8];
                filled[..bytes.len()].copy_from_slice(bytes);
                word.store(u64::from_ne_bytes(filled), SeqCst);
            }
        })
    }
}

/// The half of a word that the kernel can wait on.
fn bell(word: &AtomicU64) -> &AtomicU32 {
    // SAFETY: valid and aligned for four bytes, as half of the eight that `word` borrows, and accessed atomically by all. The
    // user uses a word in one way only; who does not gets numbers that nobody stored, from the same bytes.
    unsafe { AtomicU32::from_ptr(word.as_ptr().cast::<u32>()) }
}
