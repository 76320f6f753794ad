//! What signals' handlers raise while the library asks Python about workers.

use parking_lot::Mutex;
use pyo3::prelude::*;
use std::sync::Arc;
use std::thread::ThreadId;

/// Kept until the library comes back to the one who called it. The first of several.
#[derive(Clone, Debug, Default)]
pub(crate) struct Raised(Arc<Mutex<Option<(ThreadId, PyErr)>>>);

impl Raised {
    pub(crate) fn keep(&self, error: PyErr) {
        let mut kept = self.0.lock();
        if kept.is_none() {
            *kept = Some((std::thread::current().id(), error));
        }
    }

    /// Whether something is kept that was raised in this thread.
    pub(crate) fn is_here(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|(thread, _)| *thread == std::thread::current().id())
    }

    /// Raises what was raised in this thread.
    pub(crate) fn raise(&self) -> PyResult<()> {
        let this = std::thread::current().id();
        self.0.lock().take_if(|(thread, _)| *thread == this).map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Raises it in the place of another error, which becomes its context.
    pub(crate) fn raise_before(&self, py: Python<'_>, other: PyErr) -> PyErr {
        let Err(error) = self.raise() else { return other };
        // Without it, if that fails.
        let _ = error.value(py).setattr("__context__", other.into_value(py));
        error
    }
}
