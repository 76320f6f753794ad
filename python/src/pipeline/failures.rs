//! A pipeline's errors as the exceptions of `seqring.pipeline.errors`.

use crate::errors::{self, make_in};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use seqring::ReadError;
use seqring::pipeline::{Doing, PipelineError};

fn make<'py, A>(py: Python<'py>, name: &str, args: A) -> PyErr
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
{
    make_in(py, "seqring.pipeline.errors", name, args)
}

/// A worker's message, and its traceback.
fn parts(said: &str) -> (&str, &str) {
    said.split_once('\0').unwrap_or((said, ""))
}

/// The exception for what ended a pipeline, or is in the place of an item.
pub(crate) fn raised(py: Python<'_>, error: PipelineError) -> PyErr {
    let text = error.to_string();
    match error {
        PipelineError::Config(_) => PyValueError::new_err(text),
        PipelineError::Ring(error) => errors::ring(py, error),
        PipelineError::Join(error) => errors::joining(py, error),
        PipelineError::Spawn { worker, source } => {
            let source = source.to_string();
            let (message, traceback) = parts(&source);
            let text = format!("{worker} could not be started: {message}\n\n{traceback}");
            make(py, "PipelineError", (text.trim_end(),))
        }
        PipelineError::Build { worker, message } => {
            let (message, traceback) = parts(&message);
            make(py, "BuildFailed", (worker, message, traceback))
        }
        PipelineError::Failed { number, producer, tries, message } => {
            let (message, traceback) = parts(&message);
            make(py, "ItemFailed", (number, producer, tries, message, traceback))
        }
        PipelineError::Hung { number, producer, tries, timeout } => {
            let message = format!("it was not done after {timeout:?}");
            make(py, "ItemTimedOut", (number, producer, tries, message))
        }
        PipelineError::Died { worker, pid, exit, doing } => {
            let number = if let Doing::Item { number, .. } = doing { Some(number) } else { None };
            make(py, "WorkerDied", (worker, format!("(process {pid}) {exit}, {doing}"), number))
        }
        PipelineError::NotJoined { worker, pid, exit, waited } => {
            let how =
                exit.map_or_else(|| format!("did not begin within {waited:?}"), |exit| exit.to_string());
            let message = format!("(process {pid}) {how}, before it began; what it printed says why");
            make(py, "WorkerDied", (worker, message))
        }
        PipelineError::Commander { number, message } => {
            let (message, traceback) = parts(&message);
            make(py, "CommanderFailed", (number, message, traceback))
        }
        PipelineError::TimedOut { .. } => errors::timed_out(py, "item", None),
        PipelineError::Stuck { workers } => make(py, "Stuck", (workers.join(", "),)),
        PipelineError::Read(ReadError::Forked) => errors::forked(py, "pipeline"),
        PipelineError::ParkTicket { .. }
        | PipelineError::Deserted { .. }
        | PipelineError::AllHeld { .. }
        | PipelineError::Read(_) => make(py, "PipelineError", (text,)),
    }
}
