//! Worker processes that run a program: this program again, or another one.

use super::commander::Commander;
use super::error::{PipelineError, ProcessExit, WorkerError};
use super::producer::Producer;
use super::ticket::{WorkerRole, WorkerTicket};
use super::worker_processes::{Spawner, WorkerProcess};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The environment variable that makes a program a worker: the ticket, a space, the task. A worker
/// that runs other programs which may start pipelines removes it from their environment.
pub const WORKER_VARIABLE: &str = "SEQRING_WORKER";

/// Starts workers by running a program: this one again, unless [another](Self::program) is named.
/// The program becomes the worker where it calls [`worker_main`].
///
/// A worker's standard input is empty; it inherits standard output and standard error.
#[derive(Clone, Debug)]
pub struct Programs {
    task: String,
    program: Option<OsString>,
    arguments: Vec<OsString>,
}

impl Programs {
    /// Workers for `task`, the name that is also given to [`worker_main`]. A program may have
    /// several.
    pub fn new(task: impl Into<String>) -> Self {
        Programs { task: task.into(), program: None, arguments: Vec::new() }
    }

    /// Sets the program to run, in place of this one.
    #[must_use]
    pub fn program(mut self, program: impl Into<OsString>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Adds an argument of the program; the default is none.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }
}

impl Spawner for Programs {
    fn spawn(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn WorkerProcess>, WorkerError> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.into(),
        };
        let child = Command::new(&program)
            .args(&self.arguments)
            .env(WORKER_VARIABLE, format!("{ticket} {}", self.task))
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        Ok(Box::new(ChildProcess::new(child)?))
    }
}

#[derive(Debug)]
struct ChildProcess {
    child: Child,
    /// Readable when it has ended.
    ended: OwnedFd,
}

impl ChildProcess {
    fn new(mut child: Child) -> io::Result<Self> {
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(ended) => Ok(ChildProcess { child, ended }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.into())
            }
        }
    }
}

impl WorkerProcess for ChildProcess {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<Option<ProcessExit>> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(exit(status)));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            // An error, such as an interrupt, leads to another round.
            let _ = poll(&mut [PollFd::new(&self.ended, PollFlags::IN)], Some(&left));
        }
    }

    fn kill(&mut self) {
        // By the descriptor: if other code reaped the child, its number may be another process's.
        // An error means that it has ended.
        let _ = pidfd_send_signal(&self.ended, Signal::KILL);
    }
}

fn exit(status: ExitStatus) -> ProcessExit {
    match (status.code(), status.signal()) {
        (Some(code), _) => ProcessExit::Code(code),
        (None, Some(signal)) => ProcessExit::Signal(signal),
        (None, None) => ProcessExit::Unknown,
    }
}

/// This process has reached its [`worker_main`].
static IS_WORKER: AtomicBool = AtomicBool::new(false);

/// In a process that [`Programs`] started for `task`: runs the worker, and ends the process. In any
/// other process: returns at once.
///
/// Call it at the beginning of `main`, before any pipeline is started, once for each task.
///
/// ```no_run
/// use seqring::pipeline::{self, Commands, Filling, Pipeline, Programs, WorkerError};
///
/// fn double(command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
///     item.array(0)[0] = 2 * command[0];
///     Ok(())
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     pipeline::worker_main("double", || Commands((0..100u8).map(|n| [n])), |_index| double);
///     let items = Pipeline::new().bytes(1).producers(4).start_with(Programs::new("double"))?;
///     for item in items {
///         println!("{}", item?.array(0)[0]);
///     }
///     Ok(())
/// }
/// ```
pub fn worker_main<C: Commander, P: Producer>(
    task: &str,
    commander: impl FnOnce() -> C,
    producer: impl FnOnce(usize) -> P,
) {
    let Some((ticket, assigned)) = assignment() else { return };
    if assigned != task {
        return;
    }
    IS_WORKER.store(true, Relaxed); // Relaxed: a flag, orders nothing.
    let work = || {
        let worker = ticket.parse::<WorkerTicket>()?.join()?;
        match worker.role() {
            WorkerRole::Commander => worker.run_commander(commander()),
            WorkerRole::Producer(index) => worker.run_producer(producer(index)),
        }
    };
    let outcome: Result<(), PipelineError> = work();
    if let Err(error) = &outcome {
        eprintln!("seqring worker {}: {error}", std::process::id());
    }
    std::process::exit(outcome.is_err().into());
}

/// Refuses to start a pipeline in a worker process that did not reach its [`worker_main`]: it would
/// start itself again without end.
pub(crate) fn refuse_lost_worker() -> Result<(), PipelineError> {
    match assignment() {
        Some((_, task)) if !IS_WORKER.load(Relaxed) => Err(PipelineError::Config(format!(
            "this process was started as a worker of the task {task:?}, but starts a pipeline: call \
             pipeline::worker_main({task:?}, …) at the beginning of main"
        ))),
        _ => Ok(()),
    }
}

/// The ticket and the task of this process, if it was started as a worker.
fn assignment() -> Option<(String, String)> {
    let value = std::env::var(WORKER_VARIABLE).ok()?;
    let (ticket, task) = value.split_once(' ')?;
    Some((ticket.into(), task.into()))
}
