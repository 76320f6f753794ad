//! A pipeline's errors as the exceptions of `seqring.pipeline.errors`.

use crate::errors;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use seqring::ReadError;
use seqring::pipeline::{Activity, PipelineError};

fn make<'py>(
    py: Python<'py>,
    name: &str,
    args: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyErr {
    let module = py.import("seqring.pipeline.errors");
    module.map_or_else(|error| error, |module| errors::make_in(&module, name, args))
}

/// A worker's message, and its traceback.
fn parts(text: &str) -> (&str, &str) {
    text.split_once('\0').unwrap_or((text, ""))
}

/// The exception for an error that ends a pipeline, or takes the place of an item.
pub(crate) fn exception(py: Python<'_>, error: PipelineError) -> PyErr {
    let text = error.to_string();
    match error {
        PipelineError::Config(_) => PyValueError::new_err(text),
        PipelineError::Ring(error) => errors::ring(py, error),
        PipelineError::Register(error) => errors::joining(py, error),
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
        PipelineError::Died { worker, pid, exit, activity } => {
            let number = if let Activity::Item { number, .. } = activity { Some(number) } else { None };
            make(py, "WorkerDied", (worker, format!("(process {pid}) {exit}, {activity}"), number))
        }
        PipelineError::NotJoined { worker, pid, exit, waited } => {
            let how =
                exit.map_or_else(|| format!("did not begin within {waited:?}"), |exit| exit.to_string());
            let message = format!("(process {pid}) {how}, before it began; its own output says why");
            make(py, "WorkerDied", (worker, message))
        }
        PipelineError::Commander { number, message } => {
            let (message, traceback) = parts(&message);
            make(py, "CommanderFailed", (number, message, traceback))
        }
        PipelineError::TimedOut { .. } => errors::timed_out(py, "item", None),
        PipelineError::Stuck { workers } => make(py, "Stuck", (workers.join(", "),)),
        PipelineError::Read(ReadError::Forked) => errors::forked(py, "pipeline"),
        PipelineError::BadTicket { .. }
        | PipelineError::AllHung { .. }
        | PipelineError::AllHeld { .. }
        | PipelineError::Read(_) => make(py, "PipelineError", (text,)),
    }
}
