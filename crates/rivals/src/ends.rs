//! The ends of a ring that is made with all of them at once, kept until somebody asks for one.

use harness::refusal::EngineError;
use std::sync::{Mutex, PoisonError};

/// Writers and readers that nobody has yet.
pub(crate) struct Ends<W, R> {
    writers: Mutex<Vec<W>>,
    readers: Mutex<Vec<R>>,
}

impl<W, R> Ends<W, R> {
    pub(crate) fn new(writers: Vec<W>, readers: Vec<R>) -> Self {
        Self { writers: Mutex::new(writers), readers: Mutex::new(readers) }
    }

    pub(crate) fn writer(&self) -> Result<W, EngineError> {
        taken(&self.writers, "join as a writer")
    }

    pub(crate) fn reader(&self) -> Result<R, EngineError> {
        taken(&self.readers, "join as a reader")
    }
}

fn taken<T>(ends: &Mutex<Vec<T>>, attempt: &str) -> Result<T, EngineError> {
    let end = ends.lock().unwrap_or_else(PoisonError::into_inner).pop();
    end.ok_or_else(|| EngineError::failed(attempt, "the ring was made for fewer"))
}
