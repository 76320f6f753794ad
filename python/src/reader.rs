//! The class `Reader`.

use crate::deadline::Deadline;
use crate::errors;
use crate::parked::Parked;
use crate::receiver::Receiver;
use pyo3::prelude::*;

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
    pub(crate) fn new(reader: seqring::Reader, ring: &seqring::Ring, skips_lost: bool) -> Self {
        Reader { receiver: Receiver::new(reader, ring.config(), skips_lost) }
    }
}

#[pymethods]
impl Reader {
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
