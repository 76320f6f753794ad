//! The entry points of workers, and the interruption of threads.
#![allow(unsafe_code, reason = "an exception for another thread")]

use crate::pipeline::errors;
use crate::pipeline::python_role::PythonRole;
use pyo3::exceptions::PySystemExit;
use pyo3::ffi;
use pyo3::prelude::*;
use seqring::pipeline::{JoinedWorker, PipelineError, WorkerTicket};
use std::ffi::c_long;

/// Joins a pipeline by a ticket and works until there is nothing left to do.
fn join(
    py: Python<'_>,
    ticket: &str,
    work: impl FnOnce(JoinedWorker) -> Result<(), PipelineError> + Send,
) -> PyResult<()> {
    let done = py.detach(|| ticket.parse::<WorkerTicket>()?.join().and_then(work));
    done.map_err(|error| errors::exception(py, error))
}

/// Runs the commander of that ticket: calls `role.build()`, and `role.next()` until it returns
/// `None`.
#[pyfunction]
pub(crate) fn run_commander(py: Python<'_>, ticket: &str, role: Py<PyAny>) -> PyResult<()> {
    join(py, ticket, |worker| worker.run_commander(PythonRole::new(role)))
}

/// Runs the producer of that ticket: calls `role.build()`, and `role.make(message, filling)` for
/// each message.
#[pyfunction]
pub(crate) fn run_producer(py: Python<'_>, ticket: &str, role: Py<PyAny>) -> PyResult<()> {
    join(py, ticket, |worker| worker.run_producer(PythonRole::new(role)))
}

/// Reports that the worker of that ticket could not start, and why.
#[pyfunction]
pub(crate) fn refuse_start(py: Python<'_>, ticket: &str, reason: String) -> PyResult<()> {
    join(py, ticket, |worker| worker.fail_build(reason.into()))
}

/// Raises `SystemExit` in a thread when it next runs Python code.
#[pyfunction]
pub(crate) fn interrupt_thread(py: Python<'_>, thread: c_long) {
    let exception = py.get_type::<PySystemExit>();
    // SAFETY: the interpreter's lock is held, and the exception is a class. An unknown thread is
    // ignored.
    unsafe { ffi::PyThreadState_SetAsyncExc(thread, exception.as_ptr()) };
}
