//! Calls of Python code, which the end of the interpreter may stop.
//!
//! Before Python 3.14 that end stops a daemon thread inside Python code by unwinding its stack.
//! `PyO3` catches what unwinds, which aborts the process. So a thread that is stopped in a call of
//! this module sleeps until the process ends, as each such thread does from Python 3.14 on. The
//! process [leaves](crate::membership) what the thread uses.
#![allow(unsafe_code, reason = "a call that may unwind")]

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use std::hint::black_box;
use std::mem::transmute;
use std::ptr::null_mut;

/// `PyObject_Call`, which may unwind.
type Call = unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;

/// Calls an object that may run Python code.
pub(crate) fn call<'py, A>(callable: &Bound<'py, PyAny>, arguments: A) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>>,
    PyErr: From<A::Error>,
{
    let py = callable.py();
    let arguments = arguments.into_pyobject(py)?;
    // SAFETY: both are objects, and the interpreter is attached. The result is owned, or null with
    // an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, call_or_sleep(callable.as_ptr(), arguments.as_ptr())) }
}

/// Calls a method that may run Python code.
pub(crate) fn call_method<'py, A>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    arguments: A,
) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>>,
    PyErr: From<A::Error>,
{
    call(&object.getattr(name)?, arguments)
}

/// The innermost Rust code: a frame below it would drop objects without the interpreter's lock.
///
/// # Safety
/// As `PyObject_Call`.
#[inline(never)]
unsafe fn call_or_sleep(callable: *mut PyObject, arguments: *mut PyObject) -> *mut ffi::PyObject {
    struct SleepsIfUnwound;

    impl Drop for SleepsIfUnwound {
        fn drop(&mut self) {
            loop {
                std::thread::park();
            }
        }
    }

    // Through a pointer that the compiler knows nothing about: `pyo3` declares that the function
    // never unwinds, and the optimiser would drop the guard.
    let declared: unsafe extern "C" fn(_, _, _) -> _ = black_box(ffi::PyObject_Call);
    // SAFETY: two types of pointers to one function. This one promises less.
    let call = unsafe { transmute::<unsafe extern "C" fn(_, _, _) -> _, Call>(declared) };
    let guard = SleepsIfUnwound;
    // SAFETY: says the caller.
    let result = unsafe { call(callable, arguments, null_mut()) };
    std::mem::forget(guard);
    result
}
