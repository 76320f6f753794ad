//! Worker processes of pipelines: this test binary, run again for its test `child`.
#![allow(dead_code, reason = "each test binary uses its own part")]

use rustix::process::{Pid, Signal, kill_process};
use seqring::pipeline::{Programs, Spawner, WorkerError, WorkerProcess, WorkerRole, WorkerTicket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long an expected event may take before the test fails.
pub(crate) const NEVER: Duration = Duration::from_secs(20);

pub(crate) fn workers(task: &str) -> Programs {
    let arguments = ["child", "--exact", "--ignored", "--nocapture"];
    arguments.into_iter().fold(Programs::new(task), Programs::argument)
}

/// Starts workers and records their processes.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    programs: Programs,
    started: Arc<Mutex<Vec<(WorkerRole, u32)>>>,
}

impl Recorded {
    pub(crate) fn new(task: &str) -> Self {
        Recorded { programs: workers(task), started: Arc::default() }
    }

    /// All processes that were started, in their order.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.started.lock().unwrap().iter().map(|(_, pid)| *pid).collect()
    }

    /// The latest process of that role.
    pub(crate) fn pid(&self, role: WorkerRole) -> u32 {
        self.started.lock().unwrap().iter().rfind(|(other, _)| *other == role).unwrap().1
    }
}

impl Spawner for Recorded {
    fn spawn(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn WorkerProcess>, WorkerError> {
        let worker = self.programs.spawn(ticket)?;
        self.started.lock().unwrap().push((ticket.role(), worker.pid()));
        Ok(worker)
    }
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    // An error means that it has ended.
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal);
}

/// Whether a process exists and is not a zombie.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Polls until the condition holds.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + NEVER;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills this process at once.
pub(crate) fn die() -> ! {
    kill(std::process::id(), Signal::KILL);
    unreachable!("it was killed");
}

/// Never returns.
pub(crate) fn hang() -> ! {
    loop {
        std::thread::park();
    }
}
