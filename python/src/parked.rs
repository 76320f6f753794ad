//! The class `Parked`: a reader's place, kept for whoever takes it up.

use crate::errors;
use crate::fork::Generation;
use parking_lot::Mutex;
use pyo3::prelude::*;

/// A reader's place, kept for whoever takes it up. Made by `Reader.park`. Without one, the reader ends with this object.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Parked {
    content: Mutex<Option<seqring::Parked>>,
    ticket: seqring::ParkTicket,
    born: Generation,
}

impl Parked {
    pub(crate) fn new(parked: seqring::Parked) -> Self {
        Parked { ticket: parked.ticket(), content: Mutex::new(Some(parked)), born: Generation::now() }
    }
}

#[pymethods]
impl Parked {
    /// What the process needs that takes the reader up.
    #[getter]
    fn ticket(&self) -> (usize, u64) {
        (self.ticket.entry, self.ticket.state)
    }

    /// Ends the reader, unless somebody took it up.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if !self.born.is_now() {
            return Err(errors::forked(py, "parked reader"));
        }
        let parked = self.content.lock().take();
        drop(parked);
        Ok(())
    }

    fn _forget(&self) {
        // The library knows that it is a copy.
        if let Some(mut parked) = self.content.try_lock() {
            parked.take();
        }
    }
}
