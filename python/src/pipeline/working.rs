//! What worker processes call.

use crate::pipeline::calls::Calls;
use crate::pipeline::failures;
use pyo3::prelude::*;
use seqring::pipeline::{PipelineError, Place, WorkerTicket};

/// Joins by a ticket, and works until there is nothing left to do.
fn work(
    py: Python<'_>,
    ticket: &str,
    work: impl FnOnce(Place) -> Result<(), PipelineError> + Send,
) -> PyResult<()> {
    let done = py.detach(|| ticket.parse::<WorkerTicket>()?.join().and_then(work));
    done.map_err(|error| failures::raised(py, error))
}

/// Is the commander of that ticket: calls `role.build()` and then `role.next()` until it is `None`.
#[pyfunction]
pub(crate) fn be_commander(py: Python<'_>, ticket: &str, role: Py<PyAny>) -> PyResult<()> {
    work(py, ticket, |place| place.command(Calls::new(role)))
}

/// Is the producer of that ticket: calls `role.build()` and then `role.make(message, filling)` for each message.
#[pyfunction]
pub(crate) fn be_producer(py: Python<'_>, ticket: &str, role: Py<PyAny>) -> PyResult<()> {
    work(py, ticket, |place| place.produce(Calls::new(role)))
}
