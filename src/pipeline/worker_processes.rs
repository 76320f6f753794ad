//! Worker processes: the traits by which the host starts and ends them, and the set of those that
//! run.

#[cfg(target_os = "linux")]
use super::channels::Channels;
use super::error::{PipelineError, ProcessExit, WorkerError};
use super::status::{Status, WorkerState};
#[cfg(target_os = "linux")]
use super::ticket::WorkerRole;
use super::ticket::WorkerTicket;
use std::fmt;
use std::time::{Duration, Instant};

/// Starts worker processes: see [`Pipeline::start_with`](super::Pipeline::start_with).
///
/// [`Programs`](super::Programs) runs programs. Implement this trait for another way to start
/// processes, as a language or a framework has it.
pub trait Spawner: Send + fmt::Debug {
    /// Starts a process that does the work of `ticket`: it gets the ticket as text, by its
    /// environment, an argument, or any other way, and calls [`WorkerTicket::join`].
    ///
    /// Called once for each worker when the pipeline starts, and again for each producer that is
    /// replaced, by the thread that waits for the next item.
    ///
    /// # Errors
    /// Any error ends the pipeline, or keeps it from starting.
    fn spawn(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn WorkerProcess>, WorkerError>;
}

/// A worker process, as its [`Spawner`] sees it.
pub trait WorkerProcess: Send + fmt::Debug {
    /// Its process id.
    fn pid(&self) -> u32;

    /// Waits for at most `timeout` until the process has ended, and returns how; `None` if it runs.
    /// With a timeout of zero it must not block: the consumer calls it so some 40 times a second
    /// while it waits for an item.
    ///
    /// # Errors
    /// The system's, if it does not report the state. The process is then killed and the call
    /// repeated; after a second error it counts as ended.
    fn wait(&mut self, timeout: Duration) -> std::io::Result<Option<ProcessExit>>;

    /// Ends the process at any instruction (`SIGKILL`). It must not affect another process if this
    /// one has ended. It is called again while the process has not ended.
    fn kill(&mut self);
}

/// How long workers may take to return from the user's code when the pipeline stops, before they
/// are killed.
const STOP_WITHIN: Duration = Duration::from_millis(1500);
/// How long a killed process may take to end.
const END_WITHIN: Duration = Duration::from_millis(400);

/// All worker processes: the producers, then the commander.
#[derive(Debug)]
pub(crate) struct WorkerProcesses {
    spawner: Box<dyn Spawner>,
    status: Status,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    ticket: WorkerTicket,
    /// `None` when it has ended.
    process: Option<Box<dyn WorkerProcess>>,
    /// It was killed for exceeding a time limit.
    hung: bool,
}

/// A worker whose process has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExitedWorker {
    pub(crate) worker: usize,
    pub(crate) pid: u32,
    pub(crate) exit: ProcessExit,
    /// It was killed for exceeding a time limit.
    pub(crate) hung: bool,
}

impl WorkerProcesses {
    /// Without any process yet.
    #[cfg(target_os = "linux")]
    pub(crate) fn new(spawner: Box<dyn Spawner>, channels: &Channels) -> Result<Self, PipelineError> {
        let producers = (0..channels.plan.producers).map(WorkerRole::Producer);
        let member = |role| {
            let ticket = WorkerTicket::of(channels, role)?;
            Ok(Member { ticket, process: None, hung: false })
        };
        let members = producers.chain([WorkerRole::Commander]).map(member);
        let members = members.collect::<Result<_, PipelineError>>()?;
        Ok(WorkerProcesses { spawner, status: channels.status.clone(), members })
    }

    pub(crate) fn start_all(&mut self) -> Result<(), PipelineError> {
        (0..self.members.len()).try_for_each(|worker| self.start_one(worker))
    }

    /// Starts a worker, for the first time or in place of one that has ended.
    pub(crate) fn start_one(&mut self, worker: usize) -> Result<(), PipelineError> {
        self.status.line(worker).set_state(WorkerState::Absent);
        let member = &mut self.members[worker];
        let spawned = self.spawner.spawn(&member.ticket);
        member.process = Some(spawned.map_err(|error| PipelineError::Spawn {
            worker: member.ticket.role.to_string(),
            source: std::io::Error::other(error),
        })?);
        Ok(())
    }

    /// The workers that have ended since the last call. A process that was killed and still runs is
    /// killed again.
    ///
    /// # Cost
    /// A system call for each process that runs.
    pub(crate) fn take_exited(&mut self) -> Vec<ExitedWorker> {
        let mut exited = Vec::new();
        for (worker, member) in self.members.iter_mut().enumerate() {
            let Some(process) = &mut member.process else { continue };
            if let Some(exit) = exit_by(process.as_mut(), Instant::now()) {
                exited.push(ExitedWorker { worker, pid: process.pid(), exit, hung: member.hung });
                (member.process, member.hung) = (None, false);
            } else if member.hung {
                process.kill();
            }
        }
        exited
    }

    /// The process id of a worker; 0 if it has ended.
    pub(crate) fn pid(&self, worker: usize) -> u32 {
        self.members[worker].process.as_ref().map_or(0, |process| process.pid())
    }

    /// Kills a worker that exceeded its time limit. [`Self::take_exited`] then returns it.
    pub(crate) fn kill_hung(&mut self, worker: usize) {
        let member = &mut self.members[worker];
        member.hung = true;
        if let Some(process) = &mut member.process {
            process.kill();
        }
    }

    pub(crate) fn name(&self, worker: usize) -> String {
        self.members[worker].ticket.role.to_string()
    }

    /// Waits until all have ended, which the closed rings allow, and kills those that do not.
    pub(crate) fn end(&mut self) -> Result<(), PipelineError> {
        let deadline = Instant::now() + STOP_WITHIN;
        self.members.retain_mut(|member| !member.has_ended_by(deadline));
        for process in self.members.iter_mut().filter_map(|member| member.process.as_mut()) {
            process.kill();
        }
        let deadline = Instant::now() + END_WITHIN;
        self.members.retain_mut(|member| !member.has_ended_by(deadline));
        if self.members.is_empty() {
            return Ok(());
        }
        let names = self.members.iter().map(|member| member.ticket.role.to_string());
        Err(PipelineError::Stuck { workers: names.collect() })
    }
}

impl Member {
    fn has_ended_by(&mut self, deadline: Instant) -> bool {
        self.process.as_mut().is_none_or(|process| exit_by(process.as_mut(), deadline).is_some())
    }
}

/// Waits until the process has ended. If the system does not report its state, it is killed and
/// asked for again; after a second error it counts as ended.
fn exit_by(process: &mut dyn WorkerProcess, deadline: Instant) -> Option<ProcessExit> {
    let left = || deadline.saturating_duration_since(Instant::now());
    let exit = process.wait(left()).or_else(|_| {
        process.kill();
        process.wait(left())
    });
    exit.unwrap_or(Some(ProcessExit::Unknown))
}
