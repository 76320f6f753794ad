//! The class `Taker`.

use crate::receiver::{Copies, Receiver};
use pyo3::prelude::*;
use std::os::fd::AsRawFd;

/// A registered taker of a queue: each message goes to exactly one taker. Made by `Ring.taker`.
///
/// Any thread may use it, one at a time. Iterating yields copies, as `take`
/// returns them, and ends with the stream. Errors
/// are those of `Reader`, without `Lagged`.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Taker {
    pub(crate) receiver: Receiver<seqring::Taker>,
}

impl Taker {
    pub(crate) fn new(taker: seqring::Taker, name: &str, ring: &seqring::Ring, as_bytes: bool) -> Self {
        let how = Copies { as_bytes, ..Copies::default() };
        Taker { receiver: Receiver::new(taker, name, ring.config(), how) }
    }
}

#[pymethods]
impl Taker {
    /// A descriptor that becomes readable when there is a message, as `Reader.fileno`. Another
    /// taker may take the message first.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        let descriptor = self.receiver.cell.with(py, |inbox| inbox.endpoint.notifier());
        Ok(descriptor??.as_raw_fd())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.receiver.repr(py, "Taker", |_| "open".into())
    }
}
