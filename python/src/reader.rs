//! The class `Reader`.

use crate::common_methods::{reading_endpoint, reading_methods, receiving_methods};
use crate::errors;
use crate::held::Viewing;
use crate::parked::Parked;
use crate::receiving::{Receiving, Shows};
use crate::timeout::Deadline;
use crate::view::View;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyTuple};

reading_endpoint!(seqring::Reader, "reader");

impl Shows for seqring::Reader {
    type Held = Viewing;
}

/// A registered reader: it sees every message from its start on, at its own pace. Made by `Ring.reader`.
///
/// In a gated ring writers wait for it; in a lossy one it is told what it lost. Any thread may use it, one at a time: a
/// `try_` call that finds another thread reading returns `None`. Iterating yields copies, and ends when the stream does.
/// In a `with` statement it leaves at the end.
///
/// Calls that wait let other threads run, and Ctrl-C ends them. They raise `Closed` when every message was read and no
/// writer is left (until one comes), `Lagged` when messages were lost, `TimedOut`, `Busy` while a view is open, `Forked` in
/// a child of the process that made it, and `ValueError` once it is closed.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Reader {
    pub(crate) receiving: Receiving<seqring::Reader>,
}

impl Reader {
    pub(crate) fn new(reader: seqring::Reader, ring: &seqring::Ring, skips_lost: bool) -> Self {
        let slot_bytes = ring.config().slot_bytes();
        Reader { receiving: Receiving::new(reader, slot_bytes, ring.frame(), skips_lost) }
    }
}

receiving_methods!(Reader);
reading_methods!(Reader);

#[pymethods]
impl Reader {
    /// As `try_read`, but waits while another thread has the reader, unless `is_empty()`.
    fn _read_in_turn<'py>(
        &self,
        py: Python<'py>,
        is_empty: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        self.receiving.read_in_turn(py, is_empty)
    }

    /// As `view`, without waiting: `None` if there is no message.
    fn try_view(&self, py: Python<'_>) -> PyResult<Option<View>> {
        self.receiving.try_view(py)
    }

    /// The next message to be looked at where it lies, waiting for it for at most `timeout` seconds.
    ///
    /// One view at a time: the reader goes on when the view, and every array made from it, is released.
    #[pyo3(signature = (timeout=None))]
    fn view(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<View> {
        self.receiving.view(py, timeout)
    }

    /// Leaves this reader's place to whoever takes it up with the result's `ticket`: `Ring.resume`, in any process.
    ///
    /// In a gated ring writers wait at this place meanwhile, so nothing is lost. This object is closed.
    fn park(&self, py: Python<'_>) -> PyResult<Parked> {
        let hold = self.receiving.cell.hold(py, Deadline::after(None)?)?.expect("no deadline");
        match hold.take().endpoint.park() {
            Ok(parked) => Ok(Parked::new(parked)),
            Err(_) => Err(errors::joining(py, seqring::RegisterError::NotParked { entry: 0 })),
        }
    }
}
