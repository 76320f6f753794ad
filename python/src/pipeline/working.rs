//! What worker processes call; and how a thread is interrupted.
#![allow(unsafe_code, reason = "an exception for another thread")]

use crate::pipeline::calls::Calls;
use crate::pipeline::failures;
use pyo3::exceptions::PySystemExit;
use pyo3::ffi;
use pyo3::prelude::*;
use seqring::pipeline::{JoinedWorker, PipelineError, WorkerTicket};
use std::ffi::c_long;

/// Joins by a ticket, and works until there is nothing left to do.
fn work(
    py: Python<'_>,
    ticket: &str,
    work: impl FnOnce(JoinedWorker) -> Result<(), PipelineError> + Send,
) -> PyResult<()> {
    let done = py.detach(|| ticket.parse::<WorkerTicket>()?.join().and_then(work));
    done.map_err(|error| failures::raised(py, error))
}

/// Is the commander of that ticket: calls `role.build()` and then `role.next()` until it is `None`.
#[pyfunction]
pub(crate) fn be_commander(py: Python<'_>, ticket: &str, role: Py<PyAny>) -> PyResult<()> {
    work(py, ticket, |worker| worker.run_commander(Calls::new(role)))
}

/// Says that there is no worker for that ticket, and why.
#[pyfunction]
pub(crate) fn refuse(py: Python<'_>, ticket: &str, why: String) -> PyResult<()> {
    work(py, ticket, |worker| worker.fail_build(why.into()))
}

/// Is the producer of that ticket: calls `role.build()` and then `role.make(message, filling)` for each message.
#[pyfunction]
pub(crate) fn be_producer(py: Python<'_>, ticket: &str, role: Py<PyAny>) -> PyResult<()> {
    work(py, ticket, |worker| worker.run_producer(Calls::new(role)))
}

/// Raises `SystemExit` in a thread, when it next runs code of Python's.
#[pyfunction]
pub(crate) fn interrupt(py: Python<'_>, thread: c_long) {
    let exception = py.get_type::<PySystemExit>();
    // SAFETY: the interpreter's lock is held, and the exception a class. An unknown thread is left alone.
    unsafe { ffi::PyThreadState_SetAsyncExc(thread, exception.as_ptr()) };
}
