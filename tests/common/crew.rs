//! Worker processes of pipelines: this very test binary, run again for its one test `child`.
#![allow(dead_code, reason = "each test binary uses its own part")]

use rustix::process::{Pid, Signal, kill_process};
use seqring::pipeline::{Launch, Programs, Worker, WorkerError, WorkerRole, WorkerTicket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long what must happen may take before the test says that it does not.
pub(crate) const NEVER: Duration = Duration::from_secs(20);

pub(crate) fn workers(task: &str) -> Programs {
    let arguments = ["child", "--exact", "--ignored", "--nocapture"];
    arguments.into_iter().fold(Programs::new(task), Programs::argument)
}

/// Starts workers and remembers which processes they are.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    programs: Programs,
    started: Arc<Mutex<Vec<(WorkerRole, u32)>>>,
}

impl Recorded {
    pub(crate) fn new(task: &str) -> Self {
        Recorded { programs: workers(task), started: Arc::default() }
    }

    /// All that were ever started.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.started.lock().unwrap().iter().map(|(_, pid)| *pid).collect()
    }

    /// The process that has that role now.
    pub(crate) fn pid(&self, role: WorkerRole) -> u32 {
        self.started.lock().unwrap().iter().rfind(|(of, _)| *of == role).unwrap().1
    }
}

impl Launch for Recorded {
    fn start(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn Worker>, WorkerError> {
        let worker = self.programs.start(ticket)?;
        self.started.lock().unwrap().push((ticket.role(), worker.pid()));
        Ok(worker)
    }
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    // It may have ended: then there is nothing to kill.
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal);
}

/// Whether a process is there and no zombie.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Looks again and again until it is so.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + NEVER;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Ends this process at once, as if somebody else had.
pub(crate) fn die() -> ! {
    kill(std::process::id(), Signal::KILL);
    unreachable!("it was killed");
}

/// Is not done with anything any more.
pub(crate) fn hang() -> ! {
    loop {
        std::thread::park();
    }
}
