//! A commander or producer that is written in Python.
#![allow(unsafe_code, reason = "the state of a foreign thread")]

use crate::pipeline::item_buffer::ItemBuffer;
use crate::python_code;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use seqring::pipeline::{Commander, Producer, WorkerError};

/// A task of `seqring.pipeline._worker`, with `build`, and `next` or `make`.
pub(crate) struct PythonRole {
    role: Py<PyAny>,
    /// Set by `build`, in a thread that the interpreter did not start.
    thread: Option<Attached>,
}

impl PythonRole {
    pub(crate) fn new(role: Py<PyAny>) -> Self {
        PythonRole { role, thread: None }
    }

    fn build(&mut self) -> Result<(), WorkerError> {
        self.thread = Some(Attached::new());
        self.call(|role| {
            python_code::call_method(role, intern!(role.py(), "build"), PyTuple::empty(role.py())).map(drop)
        })
    }

    /// Runs `call` with the interpreter attached, and describes an exception.
    fn call<R>(&self, call: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<R>) -> Result<R, WorkerError> {
        Python::attach(|py| call(self.role.bind(py)).map_err(|error| describe(py, &error).into()))
    }
}

impl Commander for PythonRole {
    fn build(&mut self) -> Result<(), WorkerError> {
        PythonRole::build(self)
    }

    fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, WorkerError> {
        self.call(|role| {
            let message =
                python_code::call_method(role, intern!(role.py(), "next"), PyTuple::empty(role.py()))?;
            if message.is_none() {
                return Ok(false);
            }
            command.extend_from_slice(message.cast::<PyBytes>()?.as_bytes());
            Ok(true)
        })
    }
}

impl Producer for PythonRole {
    fn build(&mut self) -> Result<(), WorkerError> {
        PythonRole::build(self)
    }

    fn produce(
        &mut self,
        command: &[u8],
        item: &mut seqring::pipeline::Filling<'_>,
    ) -> Result<(), WorkerError> {
        self.call(|role| {
            let py = role.py();
            let filling = Bound::new(py, ItemBuffer::filling(item))?;
            let made =
                python_code::call_method(role, intern!(py, "make"), (PyBytes::new(py, command), &filling));
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

/// The message of an exception and, after a zero, its traceback.
pub(crate) fn describe(py: Python<'_>, error: &PyErr) -> String {
    let describe = || {
        python_code::call(&py.import("seqring.pipeline._worker")?.getattr("describe")?, (error.value(py),))
    };
    describe().and_then(|text| text.extract()).unwrap_or_else(|_| error.to_string())
}

/// This thread's state in the interpreter, kept between calls.
struct Attached {
    state: ffi::PyGILState_STATE,
    thread: *mut ffi::PyThreadState,
}

// SAFETY: made by `build` in the worker's own thread, which keeps it until its drop.
unsafe impl Send for Attached {}

impl Attached {
    fn new() -> Self {
        // SAFETY: the interpreter runs, since it made the role. The lock is released at once; the
        // state stays.
        unsafe {
            let state = ffi::PyGILState_Ensure();
            Attached { state, thread: ffi::PyEval_SaveThread() }
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: in the thread of `new`, the two calls undone in reverse. In an interpreter that
        // is ending the first one does not return; this thread then holds no locks.
        unsafe {
            if ffi::Py_IsInitialized() != 0 {
                ffi::PyEval_RestoreThread(self.thread);
                ffi::PyGILState_Release(self.state);
            }
        }
    }
}
