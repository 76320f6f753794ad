//! The end of the process: it leaves every ring that it has open, also those that its threads still
//! use.
//!
//! Python closes the objects that it can. A view, a claim or a wait in a daemon thread keeps its
//! ring open beyond that. [`leave`] ends the use of those rings, at the end of the interpreter,
//! and in a child of multiprocessing, which ends without one, at the end of its work.
#![allow(unsafe_code, reason = "a lock across a fork, and a function at the interpreter's end")]

use crate::python_code;
use parking_lot::Mutex;
use pyo3::exceptions::PySystemExit;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use seqring::RingError;
use seqring::process::WeakRing;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// The rings that this process has opened. A thread that holds it takes no other lock.
static RINGS: Mutex<Vec<WeakRing>> = Mutex::new(Vec::new());
/// [`leave`] was called: daemon threads join no more.
static ENDED: AtomicBool = AtomicBool::new(false);
/// [`end_daemon_threads`] was called.
static ENDING: AtomicBool = AtomicBool::new(false);
/// Threads that are opening or joining a ring.
static JOINING: AtomicUsize = AtomicUsize::new(0);

/// How long the end of the process waits for these threads.
const LONGEST_JOIN: Duration = Duration::from_secs(5);

/// Leaves all rings when the interpreter ends.
pub(crate) fn watch() {
    extern "C" fn at_end() {
        leave();
    }
    // SAFETY: `at_end` uses no interpreter, and stays loaded while the process lives. With all
    // places for such functions taken, `leave` runs at the process's end instead.
    unsafe {
        if ffi::Py_AtExit(Some(at_end)) != 0 {
            libc::atexit(at_end);
        }
    }
}

/// Before a fork: no thread holds the lock at that moment.
pub(crate) fn before_fork() {
    std::mem::forget(RINGS.lock());
}

pub(crate) fn after_fork() {
    // SAFETY: this thread locked it in `before_fork`.
    unsafe { RINGS.force_unlock() };
}

/// A forked child starts its own life, with one thread.
pub(crate) fn after_fork_in_child() {
    after_fork();
    ENDED.store(false, SeqCst);
    ENDING.store(false, SeqCst);
    JOINING.store(0, SeqCst);
}

/// Opens a ring, which the process leaves at its end at the latest.
pub(crate) fn open(
    open: impl FnOnce() -> Result<seqring::Ring, RingError>,
) -> Result<seqring::Ring, RingError> {
    let ring = open()?;
    let mut rings = RINGS.lock();
    rings.retain(WeakRing::is_open);
    rings.push(ring.downgrade());
    drop(rings);
    Ok(ring)
}

/// Opens or joins a ring without the interpreter's lock. At the end of the process it refuses
/// daemon threads, which have no moment to leave what they join.
pub(crate) fn joining<R: Send>(py: Python<'_>, join: impl FnOnce() -> R + Send) -> PyResult<R> {
    let mut join = Some(join);
    loop {
        let has_ended = ENDED.load(SeqCst);
        let may_join = has_ended && !is_daemon(py)?;
        let joined = py.detach(|| {
            // `leave` stores `ENDED` and then waits for the count. So either it sees what is joined
            // here, or this thread sees `ENDED`.
            JOINING.fetch_add(1, SeqCst);
            let joined = join.take_if(|_| may_join || !ENDED.load(SeqCst)).map(|join| join());
            JOINING.fetch_sub(1, SeqCst);
            joined
        });
        match joined {
            Some(joined) => return Ok(joined),
            None if has_ended => break,
            None => {} // It has ended just now.
        }
    }
    Err(PySystemExit::new_err("this process is ending: its daemon threads join no more rings"))
}

/// In a process that is about to end: an error of a call in a daemon thread becomes `SystemExit`,
/// which ends the thread without a traceback. Its rings are closed while it uses them.
#[pyfunction]
pub(crate) fn end_daemon_threads() {
    ENDING.store(true, SeqCst);
}

/// What a call raises instead of an error, in a daemon thread of a process that is about to end.
pub(crate) fn instead_of_errors(py: Python<'_>) -> Option<PyErr> {
    let ends = ENDING.load(SeqCst) && is_daemon(py).unwrap_or(false);
    ends.then(|| PySystemExit::new_err("this process is ending"))
}

fn is_daemon(py: Python<'_>) -> PyResult<bool> {
    python_code::call(&py.import("seqring._lifetime")?.getattr("is_daemon")?, PyTuple::empty(py))?.is_truthy()
}

/// Leaves all rings, for a process that is about to end.
fn leave() {
    ENDED.store(true, SeqCst);
    let deadline = Instant::now() + LONGEST_JOIN;
    while JOINING.load(SeqCst) > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    let rings = RINGS.lock().clone();
    rings.iter().for_each(WeakRing::leave_at_exit);
}

/// Leaves all rings, in a process that is about to end.
#[pyfunction]
pub(crate) fn leave_rings(py: Python<'_>) {
    py.detach(leave);
}
