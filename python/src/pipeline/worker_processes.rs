//! Workers of a pipeline that Python starts: processes of multiprocessing, or threads.
#![allow(unsafe_code, reason = "polls a descriptor and a child")]

use crate::pipeline::pending_exception::PendingException;
use crate::pipeline::python_role::describe;
use pyo3::exceptions::{PyException, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use seqring::pipeline::{ProcessExit, Spawner, WorkerError, WorkerProcess, WorkerRole, WorkerTicket};
use std::ffi::c_int;
use std::time::{Duration, Instant};

/// A spawner of `seqring.pipeline._spawner`, whose `start(index, ticket)` starts a producer, or
/// without an index the commander.
///
/// The reference is weak: the spawner leads to the user's commander and producer, which can lead
/// back to the pipeline, and the garbage collector does not see a cycle through this object.
#[derive(Debug)]
pub(crate) struct PythonSpawner {
    spawner: Py<PyWeakrefReference>,
    pending: PendingException,
}

impl PythonSpawner {
    /// The caller keeps `spawner` alive.
    pub(crate) fn new(spawner: &Bound<'_, PyAny>, pending: PendingException) -> PyResult<Self> {
        Ok(PythonSpawner { spawner: PyWeakrefReference::new(spawner)?.unbind(), pending })
    }

    fn start<'py>(&self, py: Python<'py>, ticket: &WorkerTicket) -> PyResult<Bound<'py, PyAny>> {
        let index = match ticket.role() {
            WorkerRole::Commander => None,
            WorkerRole::Producer(index) => Some(index),
        };
        let spawner = self.spawner.bind(py).upgrade();
        let spawner = spawner.ok_or_else(|| PyRuntimeError::new_err("the pipeline is gone"))?;
        spawner.call_method1(intern!(py, "start"), (index, ticket.to_string()))
    }
}

impl Spawner for PythonSpawner {
    fn spawn(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn WorkerProcess>, WorkerError> {
        Python::attach(|py| {
            let start = || {
                let process = PythonSpawner::start(self, py, ticket)?;
                let pid = process.getattr(intern!(py, "pid"))?.extract()?;
                let sentinel = process.getattr(intern!(py, "sentinel"))?.extract()?;
                let (process, pending) = (process.unbind(), self.pending.clone());
                Ok(Box::new(PythonWorker { process, pid, sentinel, polls: 0, pending })
                    as Box<dyn WorkerProcess>)
            };
            start().map_err(|error: PyErr| {
                let description = describe(py, &error);
                // Not an `Exception`: an interrupt, to be raised to the caller.
                if !error.is_instance_of::<PyException>(py) {
                    self.pending.keep(error);
                }
                description.into()
            })
        })
    }
}

/// A started worker: `wait(seconds)` returns its exit code, `kill()` ends it.
#[derive(Debug)]
struct PythonWorker {
    process: Py<PyAny>,
    pid: u32,
    /// A descriptor that becomes readable when the worker has ended.
    sentinel: Option<c_int>,
    polls: u32,
    pending: PendingException,
}

/// How often a call is tried that exceptions of signal handlers end; each signal ends one call.
const TRIES: u32 = 8;
/// All tries ended with exceptions, which are kept.
struct NoAnswer;

/// One poll in so many asks Python: a child of the worker can keep the sentinel's other end open.
const POLLS: u32 = 16;

impl PythonWorker {
    /// Whether the worker is alive, as far as its sentinel shows. Needs no interpreter.
    fn seems_alive(&mut self) -> bool {
        self.polls = (self.polls + 1) % POLLS;
        let Some(fd) = self.sentinel.filter(|_| self.polls != 0) else { return false };
        !is_readable(fd)
    }

    /// Whether the worker ended and other code consumed its exit status: the program ignores
    /// `SIGCHLD`, or waits for any child.
    fn is_reaped(&self) -> bool {
        self.sentinel.is_some_and(is_readable) && !is_child(self.pid)
    }

    /// The exit code, from Python.
    fn ask(&self, timeout: Duration) -> Result<Option<ProcessExit>, NoAnswer> {
        let deadline = Instant::now() + timeout;
        let code: Option<i32> = self.insist(|py| {
            let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64();
            self.process.call_method1(py, intern!(py, "wait"), (left,))?.extract(py)
        })?;
        Ok(code.map(|code| if code < 0 { ProcessExit::Signal(-code) } else { ProcessExit::Code(code) }))
    }

    /// Calls Python, again if that raises: in the main thread signal handlers run, and their
    /// exceptions are kept for the caller of the library.
    fn insist<R>(&self, call: impl Fn(Python<'_>) -> PyResult<R>) -> Result<R, NoAnswer> {
        let mut tries =
            (0..TRIES).filter_map(|_| Python::attach(&call).map_err(|error| self.pending.keep(error)).ok());
        tries.next().ok_or(NoAnswer)
    }
}

fn is_readable(fd: c_int) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one structure, valid for the call. The process object keeps the descriptor open.
    unsafe { libc::poll(&raw mut poll, 1, 0) != 0 }
}

/// Whether this process has a child with that pid, alive or not yet reaped.
fn is_child(pid: u32) -> bool {
    // SAFETY: zero is a valid `siginfo_t`, which is valid for the call; `WNOWAIT` leaves the child
    // as it is.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_PID, pid, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) == 0
    }
}

impl WorkerProcess for PythonWorker {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn wait(&mut self, timeout: Duration) -> std::io::Result<Option<ProcessExit>> {
        if timeout.is_zero() && self.seems_alive() {
            return Ok(None);
        }
        let Ok(exit) = self.ask(timeout) else { return Ok(None) };
        if exit.is_some() || !self.is_reaped() {
            return Ok(exit);
        }
        // A child of the fork server can have ended since the first question.
        Ok(self.ask(Duration::ZERO).ok().map(|exit| exit.unwrap_or(ProcessExit::Unknown)))
    }

    fn kill(&mut self) {
        let _ = self.insist(|py| self.process.call_method0(py, intern!(py, "kill")));
    }
}
