//! Worker processes that are programs: this very program run again, or another one.

use super::error::{PipelineError, WorkerError};
use super::exit::Exit;
use super::spawner::{Launch, Worker};
use super::ticket::{WorkerRole, WorkerTicket};
use super::worker::{Commander, Producer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The environment variable by which a program learns that it is to be a worker: the ticket, a space, the task. A worker
/// that runs programs of its own, which may start pipelines, takes it from their environment.
pub const WORKER_VARIABLE: &str = "SEQRING_WORKER";

/// Starts workers by running a program: this one again, unless [another](Self::program) is named. It gets to
/// [`worker_main`] and there is the worker.
///
/// Standard input of a worker is empty; its other two are this process's.
#[derive(Clone, Debug)]
pub struct Programs {
    task: String,
    program: Option<OsString>,
    arguments: Vec<OsString>,
}

impl Programs {
    /// Workers for `task`, the name that [`worker_main`] knows, too: a program may have several.
    pub fn new(task: impl Into<String>) -> Self {
        Programs { task: task.into(), program: None, arguments: Vec::new() }
    }

    /// The program to run, in place of this one.
    #[must_use]
    pub fn program(mut self, program: impl Into<OsString>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// One more argument for the program; there are none unless given so.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }
}

impl Launch for Programs {
    fn start(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn Worker>, WorkerError> {
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
        Ok(Box::new(Process::new(child)?))
    }
}

/// A program that runs.
#[derive(Debug)]
struct Process {
    child: Child,
    /// Readable when it has ended.
    ended: OwnedFd,
}

impl Process {
    fn new(mut child: Child) -> io::Result<Self> {
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(ended) => Ok(Process { child, ended }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.into())
            }
        }
    }
}

impl Worker for Process {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<Option<Exit>> {
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
            // Interrupted or not: looked at again.
            let _ = poll(&mut [PollFd::new(&self.ended, PollFlags::IN)], Some(&left));
        }
    }

    fn kill(&mut self) {
        // By the descriptor: somebody else may have waited for it, and its number be another's. It ended by itself.
        let _ = pidfd_send_signal(&self.ended, Signal::KILL);
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// This process got to its entry.
static IS_WORKER: AtomicBool = AtomicBool::new(false);

/// In a process that [`Programs`] started for `task`: is the worker, and ends the process. In any other: returns at once.
///
/// Call it at the beginning of `main`, before anything that starts a pipeline, once for each task.
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
    let Some((ticket, of)) = order() else { return };
    if of != task {
        return;
    }
    IS_WORKER.store(true, Relaxed); // Relaxed: a flag, orders nothing.
    let work = || {
        let place = ticket.parse::<WorkerTicket>()?.join()?;
        match place.role() {
            WorkerRole::Commander => place.command(commander()),
            WorkerRole::Producer(index) => place.produce(producer(index)),
        }
    };
    let worked: Result<(), PipelineError> = work();
    if let Err(error) = &worked {
        eprintln!("seqring worker {}: {error}", std::process::id());
    }
    std::process::exit(worked.is_err().into());
}

/// Refuses to start pipelines in a process that was to be a worker: it would start itself again and again.
pub(crate) fn refuse_lost_worker() -> Result<(), PipelineError> {
    match order() {
        Some((_, task)) if !IS_WORKER.load(Relaxed) => Err(PipelineError::Config(format!(
            "this process was started as a worker of the task {task:?}, and got to where a pipeline is started: call \
             pipeline::worker_main({task:?}, …) at the beginning of main"
        ))),
        _ => Ok(()),
    }
}

/// The ticket and the task of this process.
fn order() -> Option<(String, String)> {
    let order = std::env::var(WORKER_VARIABLE).ok()?;
    let (ticket, task) = order.split_once(' ')?;
    Some((ticket.into(), task.into()))
}
