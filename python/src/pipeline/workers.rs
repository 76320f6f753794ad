//! Processes of multiprocessing as workers of a pipeline.
#![allow(unsafe_code, reason = "one look at a descriptor")]

use crate::pipeline::calls::describe;
use pyo3::intern;
use pyo3::prelude::*;
use seqring::pipeline::{Exit, Launch, Worker, WorkerError, WorkerRole, WorkerTicket};
use std::ffi::c_int;
use std::time::Duration;

/// An object of `seqring.pipeline._starting`, whose `start(index, ticket)` starts a worker; without an index the commander.
#[derive(Debug)]
pub(crate) struct Workers(pub(crate) Py<PyAny>);

impl Launch for Workers {
    fn start(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn Worker>, WorkerError> {
        Python::attach(|py| {
            let index = match ticket.role() {
                WorkerRole::Commander => None,
                WorkerRole::Producer(index) => Some(index),
            };
            let started = self.0.call_method1(py, intern!(py, "start"), (index, ticket.to_string()));
            let start = || {
                let process = started?;
                let pid = process.getattr(py, intern!(py, "pid"))?.extract(py)?;
                let sentinel = process.getattr(py, intern!(py, "sentinel"))?.extract(py)?;
                Ok(Box::new(Started { process, pid, sentinel, looks: 0 }) as Box<dyn Worker>)
            };
            start().map_err(|error: PyErr| describe(py, &error).into())
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
}

/// So many looks at a descriptor for each that asks the system: children of the worker's may keep the other end open.
const LOOKS: u32 = 16;

impl Started {
    /// Whether it lives, as far as a look can tell that needs no interpreter.
    fn seems_alive(&mut self) -> bool {
        self.looks = (self.looks + 1) % LOOKS;
        let Some(fd) = self.sentinel.filter(|_| self.looks != 0) else { return false };
        let mut look = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure, valid for the call. The descriptor is open as long as `process` is there.
        unsafe { libc::poll(&raw mut look, 1, 0) == 0 }
    }
}

impl Worker for Started {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn wait(&mut self, timeout: Duration) -> std::io::Result<Option<Exit>> {
        if timeout.is_zero() && self.seems_alive() {
            return Ok(None);
        }
        Python::attach(|py| {
            let ended = self.process.call_method1(py, intern!(py, "wait"), (timeout.as_secs_f64(),));
            let code: Option<i32> =
                ended.and_then(|ended| ended.extract(py)).map_err(std::io::Error::other)?;
            Ok(code.map(|code| if code < 0 { Exit::Signal(-code) } else { Exit::Code(code) }))
        })
    }

    fn kill(&mut self) {
        // One that has ended already needs no killing.
        let _ = Python::attach(|py| self.process.call_method0(py, intern!(py, "kill")));
    }
}
