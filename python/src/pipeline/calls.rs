//! A commander or producer whose code is Python's.
#![allow(unsafe_code, reason = "the state of a thread that the interpreter does not know")]

use crate::pipeline::filling::Filling;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use seqring::pipeline::{Commander, Producer, WorkerError};

/// An object of `seqring.pipeline._working` with `build`, and `next` or `make`.
pub(crate) struct Calls {
    role: Py<PyAny>,
    /// From `build` on, in a thread that the interpreter did not start.
    thread: Option<Attached>,
}

impl Calls {
    pub(crate) fn new(role: Py<PyAny>) -> Self {
        Calls { role, thread: None }
    }

    fn build(&mut self) -> Result<(), WorkerError> {
        self.thread = Some(Attached::new());
        self.call(|role| role.call_method0(intern!(role.py(), "build")).map(drop))
    }

    /// Calls, and says what an exception says.
    fn call<R>(&self, call: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<R>) -> Result<R, WorkerError> {
        Python::attach(|py| call(self.role.bind(py)).map_err(|error| describe(py, &error).into()))
    }
}

impl Commander for Calls {
    fn build(&mut self) -> Result<(), WorkerError> {
        Calls::build(self)
    }

    fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, WorkerError> {
        self.call(|role| {
            let message = role.call_method0(intern!(role.py(), "next"))?;
            if message.is_none() {
                return Ok(false);
            }
            command.extend_from_slice(message.cast::<PyBytes>()?.as_bytes());
            Ok(true)
        })
    }
}

impl Producer for Calls {
    fn build(&mut self) -> Result<(), WorkerError> {
        Calls::build(self)
    }

    fn produce(
        &mut self,
        command: &[u8],
        item: &mut seqring::pipeline::Filling<'_>,
    ) -> Result<(), WorkerError> {
        self.call(|role| {
            let py = role.py();
            let filling = Bound::new(py, Filling::new(item))?;
            let made = role.call_method1(intern!(py, "make"), (PyBytes::new(py, command), &filling));
            filling.get().close();
            let made = made?;
            let meta = made.cast::<PyBytes>()?.as_bytes();
            if !meta.is_empty() {
                item.set_metadata(meta);
            }
            Ok(())
        })
    }
}

/// One line, and where it was.
pub(crate) fn describe(py: Python<'_>, error: &PyErr) -> String {
    let describe = || py.import("seqring.pipeline._working")?.getattr("describe")?.call1((error.value(py),));
    describe().and_then(|text| text.extract()).unwrap_or_else(|_| error.to_string())
}

/// This thread's state in the interpreter, kept from one call to the next.
struct Attached {
    state: ffi::PyGILState_STATE,
    thread: *mut ffi::PyThreadState,
}

// SAFETY: made by `build`, in the worker's own thread, which then keeps it until it drops it.
unsafe impl Send for Attached {}

impl Attached {
    fn new() -> Self {
        // SAFETY: the interpreter runs: it made the role. The lock is let go of at once, and the state stays.
        unsafe {
            let state = ffi::PyGILState_Ensure();
            Attached { state, thread: ffi::PyEval_SaveThread() }
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: in the thread of `new`, the two calls undone in reverse. In an interpreter that ends, the first one does not
        // return: nothing holds this thread's locks then.
        unsafe {
            if ffi::Py_IsInitialized() != 0 {
                ffi::PyEval_RestoreThread(self.thread);
                ffi::PyGILState_Release(self.state);
            }
        }
    }
}
