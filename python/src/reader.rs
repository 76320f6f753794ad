//! The class `Reader`.

use crate::deadline::Deadline;
use crate::errors;
use crate::parked::Parked;
use crate::receiver::{Copies, Receiver};
use pyo3::prelude::*;
use std::os::fd::AsRawFd;

/// A registered reader: it sees every message from its start on, at its own pace. Made by
/// `Ring.reader`.
///
/// In a gated ring the writers wait for it. In a lossy ring `Lagged` reports what it lost. Any
/// thread may use it, one at a time: a `try_` call returns `None` while another thread reads.
/// Iterating yields copies and ends with the stream. A `with` statement closes the reader at its
/// end.
///
/// Calls that wait let other threads run, and Ctrl-C ends them. They raise `Closed` when every
/// message was read and no writer is registered (if a writer joins later, reads succeed again),
/// `Lagged` when messages were lost, `TimedOut`, `Busy` while a view is open, `Forked` in a child
/// of the process that made the reader, and `ValueError` once it is closed.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Reader {
    pub(crate) receiver: Receiver<seqring::Reader>,
}

impl Reader {
    pub(crate) fn new(reader: seqring::Reader, name: &str, ring: &seqring::Ring, how: Copies) -> Self {
        Reader { receiver: Receiver::new(reader, name, ring.config(), how) }
    }
}

#[pymethods]
impl Reader {
    /// A descriptor that becomes readable when there is a message, for `selectors` and
    /// `loop.add_reader`.
    ///
    /// It is readable at first, and stays so until a call finds no message: call `try_read` at each
    /// event, once or until it returns `None`. At the end of the stream it is readable, and reads
    /// raise `Closed`. The process has one thread for the descriptors of up to 127 readers, takers
    /// and writers, which ends with the last of them. Unregister the descriptor before `close`.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        let descriptor = self.receiver.cell.with(py, |inbox| inbox.endpoint.notifier());
        Ok(descriptor??.as_raw_fd())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.receiver
            .repr(py, "Reader", |reader| format!("next is {}, {} behind", reader.position(), reader.lag()))
    }

    /// Parks this reader: `Ring.resume` with the result's `ticket`, in any process, continues where
    /// it stopped.
    ///
    /// In a gated ring the writers wait at its position meanwhile, so nothing is lost. This object
    /// is closed.
    fn park(&self, py: Python<'_>) -> PyResult<Parked> {
        let guard = self.receiver.cell.hold(py, Deadline::NEVER)?.expect("no deadline");
        let parked = guard.take().endpoint.park();
        parked
            .map(Parked::new)
            .map_err(|_| errors::joining(py, seqring::RegisterError::NotParked { entry: 0 }))
    }
}
