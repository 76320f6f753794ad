//! An exception that a signal handler raised while the library called Python about workers.

use parking_lot::Mutex;
use pyo3::prelude::*;
use std::sync::Arc;
use std::thread::{self, ThreadId};

/// The first such exception, kept until the library returns to its caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingException(Arc<Mutex<Option<(ThreadId, PyErr)>>>);

impl PendingException {
    pub(crate) fn keep(&self, error: PyErr) {
        let mut error = Some((thread::current().id(), error));
        let mut kept = self.0.lock();
        if kept.is_none() {
            std::mem::swap(&mut *kept, &mut error);
        }
        drop(kept); // A second exception goes after unlocking: that can run Python code.
    }

    /// Whether an exception of this thread is pending.
    pub(crate) fn is_here(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|(thread, _)| *thread == thread::current().id())
    }

    /// Raises the pending exception of this thread.
    pub(crate) fn raise(&self) -> PyResult<()> {
        let this = thread::current().id();
        self.0.lock().take_if(|(thread, _)| *thread == this).map_or(Ok(()), |(_, error)| Err(error))
    }

    /// The pending exception of this thread, with `other` as its context; else `other`.
    pub(crate) fn instead_of(&self, py: Python<'_>, other: PyErr) -> PyErr {
        let Err(error) = self.raise() else { return other };
        // If this fails, the exception has no context.
        let _ = error.value(py).setattr("__context__", other.into_value(py));
        error
    }
}
