//! Processes of multiprocessing as workers of a pipeline.
#![allow(unsafe_code, reason = "looks at a descriptor and a child")]

use crate::pipeline::calls::describe;
use crate::pipeline::raised::Raised;
use pyo3::exceptions::{PyException, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use seqring::pipeline::{ProcessExit, Spawner, WorkerError, WorkerProcess, WorkerRole, WorkerTicket};
use std::ffi::c_int;
use std::time::{Duration, Instant};

/// An object of `seqring.pipeline._starting`, whose `start(index, ticket)` starts a worker; without an index the commander.
///
/// A weak reference: it leads to the user's commander and producer, and these perhaps back to the pipeline. The collector
/// could not see a circle through here.
#[derive(Debug)]
pub(crate) struct Workers {
    workers: Py<PyWeakrefReference>,
    raised: Raised,
}

impl Workers {
    /// Whoever made `workers` keeps it.
    pub(crate) fn new(workers: &Bound<'_, PyAny>, raised: Raised) -> PyResult<Self> {
        Ok(Workers { workers: PyWeakrefReference::new(workers)?.unbind(), raised })
    }

    fn start<'py>(&self, py: Python<'py>, ticket: &WorkerTicket) -> PyResult<Bound<'py, PyAny>> {
        let index = match ticket.role() {
            WorkerRole::Commander => None,
            WorkerRole::Producer(index) => Some(index),
        };
        let workers = self.workers.bind(py).upgrade();
        let workers = workers.ok_or_else(|| PyRuntimeError::new_err("the pipeline is gone"))?;
        workers.call_method1(intern!(py, "start"), (index, ticket.to_string()))
    }
}

impl Spawner for Workers {
    fn spawn(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn WorkerProcess>, WorkerError> {
        Python::attach(|py| {
            let start = || {
                let process = Workers::start(self, py, ticket)?;
                let pid = process.getattr(intern!(py, "pid"))?.extract()?;
                let sentinel = process.getattr(intern!(py, "sentinel"))?.extract()?;
                let (process, raised) = (process.unbind(), self.raised.clone());
                Ok(Box::new(Started { process, pid, sentinel, looks: 0, raised }) as Box<dyn WorkerProcess>)
            };
            start().map_err(|error: PyErr| {
                let description = describe(py, &error);
                // An interrupt; others are what the start failed with.
                if !error.is_instance_of::<PyException>(py) {
                    self.raised.keep(error);
                }
                description.into()
            })
        })
    }
}

/// A worker that was started: `wait(seconds)` gives its exit code, `kill()` ends it.
#[derive(Debug)]
struct Started {
    process: Py<PyAny>,
    pid: u32,
    /// A descriptor that becomes readable when it has ended.
    sentinel: Option<c_int>,
    looks: u32,
    raised: Raised,
}

/// So often a call is tried that exceptions end: those of signals' handlers, each of which comes once.
const TRIES: u32 = 8;
/// All tries ended with exceptions, which are kept.
struct Unsaid;

/// So many looks at a descriptor for each that asks the system: children of the worker's may keep the other end open.
const LOOKS: u32 = 16;

impl Started {
    /// Whether it lives, as far as a look can tell that needs no interpreter.
    fn seems_alive(&mut self) -> bool {
        self.looks = (self.looks + 1) % LOOKS;
        let Some(fd) = self.sentinel.filter(|_| self.looks != 0) else { return false };
        !is_readable(fd)
    }

    /// Whether it ended and somebody else was told how: who ignores `SIGCHLD`, or waits for any child.
    fn is_reaped(&self) -> bool {
        self.sentinel.is_some_and(is_readable) && !is_child(self.pid)
    }

    /// Its exit code, asked of Python. An error if Python does not say.
    fn ask(&self, timeout: Duration) -> Result<Option<ProcessExit>, Unsaid> {
        let deadline = Instant::now() + timeout;
        let code: Option<i32> = self.insist(|py| {
            let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64();
            self.process.call_method1(py, intern!(py, "wait"), (left,))?.extract(py)
        })?;
        Ok(code.map(|code| if code < 0 { ProcessExit::Signal(-code) } else { ProcessExit::Code(code) }))
    }

    /// Calls Python, again if that raises: this may be the main thread, where the handlers of signals run, and what they
    /// raise is not the library's. It is kept for whoever called that.
    fn insist<R>(&self, call: impl Fn(Python<'_>) -> PyResult<R>) -> Result<R, Unsaid> {
        let mut tries =
            (0..TRIES).filter_map(|_| Python::attach(&call).map_err(|error| self.raised.keep(error)).ok());
        tries.next().ok_or(Unsaid)
    }
}

fn is_readable(fd: c_int) -> bool {
    let mut look = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one structure, valid for the call. The descriptor is open as long as its process's object is there.
    unsafe { libc::poll(&raw mut look, 1, 0) != 0 }
}

/// Whether this process has a child of that number, alive or not waited for yet.
fn is_child(pid: u32) -> bool {
    // SAFETY: `siginfo_t` is numbers and addresses, for which zero is a value; it is valid for the call, which leaves the
    // child as it is.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_PID, pid, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) == 0
    }
}

impl WorkerProcess for Started {
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
        // One that is no child of ours, but a server's, may have ended since it was asked for.
        Ok(self.ask(Duration::ZERO).ok().map(|exit| exit.unwrap_or(ProcessExit::Unknown)))
    }

    fn kill(&mut self) {
        let _ = self.insist(|py| self.process.call_method0(py, intern!(py, "kill")));
    }
}
