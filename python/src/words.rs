//! The class `Words`: the application's own 64-bit words in a ring's segment.

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use seqring::Ring;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

/// See the stubs. Every access is sequentially consistent: Python has no words for less.
#[pyclass(frozen, module = "seqring")]
pub(crate) struct Words {
    ring: Ring,
}

impl Words {
    pub(crate) fn new(ring: Ring) -> Self {
        Words { ring }
    }

    fn word(&self, index: usize) -> PyResult<&AtomicU64> {
        let words = self.ring.user_words();
        let error = || {
            PyIndexError::new_err(format!(
                "the ring has {} words of its user's, no number {index}",
                words.len()
            ))
        };
        words.get(index).ok_or_else(error)
    }
}

#[pymethods]
impl Words {
    fn __len__(&self) -> usize {
        self.ring.user_words().len()
    }

    fn load(&self, index: usize) -> PyResult<u64> {
        Ok(self.word(index)?.load(SeqCst))
    }

    fn store(&self, index: usize, value: u64) -> PyResult<()> {
        self.word(index)?.store(value, SeqCst);
        Ok(())
    }

    /// Adds, and returns what was there before. Wraps around.
    fn add(&self, index: usize, value: i64) -> PyResult<u64> {
        Ok(self.word(index)?.fetch_add(value.cast_unsigned(), SeqCst))
    }

    /// Stores `new` if the word is `old`, and says whether it was.
    fn exchange(&self, index: usize, old: u64, new: u64) -> PyResult<bool> {
        Ok(self.word(index)?.compare_exchange(old, new, SeqCst, SeqCst).is_ok())
    }
}
