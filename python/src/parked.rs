//! The class `Parked`: the position of a parked reader.

use crate::fork::Generation;
use parking_lot::Mutex;
use pyo3::prelude::*;

/// The position of a parked reader, kept until `Ring.resume`. Made by `Reader.park`. If it is not
/// resumed, the reader ends with this object.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Parked {
    content: Mutex<Option<seqring::process::Parked>>,
    ticket: seqring::process::ParkTicket,
    born: Generation,
}

impl Parked {
    pub(crate) fn new(parked: seqring::process::Parked) -> Self {
        Parked { ticket: parked.ticket(), content: Mutex::new(Some(parked)), born: Generation::now() }
    }
}

#[pymethods]
impl Parked {
    /// The argument of `Ring.resume`.
    #[getter]
    fn ticket(&self) -> (usize, u64) {
        (self.ticket.entry, self.ticket.state)
    }

    /// Ends the reader, unless it was resumed. In a forked child the reader is the parent's.
    fn close(&self) {
        if self.born.is_now() {
            let parked = self.content.lock().take();
            drop(parked);
        }
    }

    fn _forget(&self) {
        // The library recognizes a copy of the parent's.
        if let Some(mut parked) = self.content.try_lock() {
            parked.take();
        }
    }
}
