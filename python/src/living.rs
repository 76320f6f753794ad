//! The objects that are closed when the process ends, and forgotten in a forked child.
//!
//! A daemon thread that the end of the interpreter stops in Python code below Rust code aborts the
//! process (before Python 3.14). So registering an object runs no Python code, except for the first
//! one of a process.

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyClass, PyClassInitializer};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Locked by a thread that holds the interpreter's lock meanwhile.
static LIVING: Mutex<Vec<Py<PyWeakrefReference>>> = Mutex::new(Vec::new());
/// The process that has registered for its end.
static REGISTERED_IN: AtomicU32 = AtomicU32::new(0);

/// Makes an object, and registers it.
pub(crate) fn registered<T>(py: Python<'_>, object: T) -> PyResult<Bound<'_, T>>
where
    T: PyClass + Into<PyClassInitializer<T>>,
{
    let object = Bound::new(py, object)?;
    register(object.as_any())?;
    Ok(object)
}

/// Closes `thing` when the process ends. In a forked child, drops the copy at once.
///
/// A copy would keep the parent's locks, which mark the parent as alive.
#[pyfunction]
pub(crate) fn register(thing: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = thing.py();
    let reference = PyWeakrefReference::new(thing)?.unbind();
    let mut living = LIVING.lock();
    if living.len() == living.capacity() {
        living.retain(|reference| reference.bind(py).upgrade().is_some());
        let len = living.len();
        living.reserve(len + 16);
    }
    living.push(reference);
    drop(living);
    // Relaxed: the interpreter's lock orders it.
    if REGISTERED_IN.swap(process::id(), Relaxed) != process::id() {
        py.import(intern!(py, "seqring._lifetime"))?.call_method0(intern!(py, "register_exit"))?;
    }
    Ok(())
}

/// The registered objects that live.
#[pyfunction]
pub(crate) fn living(py: Python<'_>) -> Vec<Bound<'_, PyAny>> {
    LIVING.lock().iter().filter_map(|reference| reference.bind(py).upgrade()).collect()
}
