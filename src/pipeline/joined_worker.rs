//! A worker in a process of its own: joins by its ticket, works, and ends when its host ends.

use super::channels::Channels;
use super::commander::{Commander, CommanderLoop};
use super::error::{PipelineError, WorkerError};
use super::host_watchdog::HostWatchdog;
use super::item::Filling;
use super::producer::{Producer, ProducerLoop};
use super::ticket::{WorkerRole, WorkerTicket};
use crate::segment::start_time;
use crate::types::error::RegisterError;
use crate::types::open_options::OpenOptions;
use std::os::fd::OwnedFd;

impl WorkerTicket {
    /// A ticket for a pipeline that this process hosts.
    pub(crate) fn of(channels: &Channels, role: WorkerRole) -> Result<Self, PipelineError> {
        Ok(WorkerTicket {
            host: std::process::id(),
            started: start_time(std::process::id()).unwrap_or(0),
            descriptor: channels.commands.file()?.descriptor(),
            results: OpenOptions::start_of_second(&channels.commands)?,
            role,
        })
    }

    /// Joins the pipeline, in the worker's process. From now on, if the host ends and this process
    /// does not leave within two seconds, it is killed. A thread of the host's own process may join
    /// likewise; it is not killed.
    ///
    /// # Errors
    /// [`PipelineError::BadTicket`] if the pipeline is gone or cannot be reached;
    /// [`PipelineError::Ring`].
    pub fn join(&self) -> Result<JoinedWorker, PipelineError> {
        let refuse = |reason: String| PipelineError::BadTicket { ticket: self.to_string(), reason };
        let gone = || refuse(format!("process {}, which hosts the pipeline, has ended", self.host));
        let path = format!("/proc/{}/fd/{}", self.host, self.descriptor);
        let is_host = self.host == std::process::id();
        let mut watchdog =
            if is_host { None } else { Some(HostWatchdog::of(self.host).map_err(|_| gone())?) };
        if start_time(self.host) != Some(self.started) {
            return Err(gone());
        }
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path);
        let file = OwnedFd::from(file.map_err(|error| refuse(format!("opening {path}: {error}")))?);
        let open = |start| OpenOptions::new().open_at(&file, start);
        let channels = Channels::join(open(0)?, open(self.results)?)
            .ok_or_else(|| refuse("its rings are not a pipeline's".into()))?;
        let worker = match self.role {
            WorkerRole::Commander => channels.commander(),
            WorkerRole::Producer(index) if index < channels.plan.producers => index,
            WorkerRole::Producer(_) => {
                return Err(refuse(format!("the pipeline has {} producers", channels.plan.producers)));
            }
        };
        if let Some(watchdog) = &mut watchdog {
            let failed = |source| PipelineError::Spawn {
                worker: format!("the host watchdog of {}", self.role),
                source,
            };
            watchdog.start(&channels).map_err(failed)?;
        }
        channels.mark_joined(worker);
        Ok(JoinedWorker { role: self.role, channels, _watchdog: watchdog })
    }
}

/// A worker that has joined the pipeline of another process: see [`WorkerTicket::join`].
#[derive(Debug)]
pub struct JoinedWorker {
    role: WorkerRole,
    channels: Channels,
    /// Runs until this worker is dropped.
    _watchdog: Option<HostWatchdog>,
}

impl JoinedWorker {
    /// The role of this worker.
    pub fn role(&self) -> WorkerRole {
        self.role
    }

    /// Runs the commander, until there are no more commands or the pipeline stops.
    ///
    /// # Errors
    /// [`PipelineError::Register`]; [`PipelineError::Config`] for a ticket of another role.
    pub fn run_commander(self, commander: impl Commander) -> Result<(), PipelineError> {
        match self.role {
            WorkerRole::Commander => {
                unless_closed(self.channels.commander_loop(commander).map(CommanderLoop::run))
            }
            role @ WorkerRole::Producer(_) => Err(wrong_role(role, "the commander")),
        }
    }

    /// Runs a producer, until the pipeline stops.
    ///
    /// # Errors
    /// As [`Self::run_commander`].
    pub fn run_producer(self, producer: impl Producer) -> Result<(), PipelineError> {
        match self.role {
            WorkerRole::Producer(index) => {
                unless_closed(self.channels.producer_loop(index, producer, None).map(ProducerLoop::run))
            }
            role @ WorkerRole::Commander => Err(wrong_role(role, "a producer")),
        }
    }

    /// Reports that this worker could not be made. The consumer gets `error` as that of its
    /// `build`.
    ///
    /// # Errors
    /// [`PipelineError::Register`].
    pub fn fail_build(self, error: WorkerError) -> Result<(), PipelineError> {
        match self.role {
            WorkerRole::Commander => self.run_commander(FailedBuild(Some(error))),
            WorkerRole::Producer(_) => self.run_producer(FailedBuild(Some(error))),
        }
    }
}

/// The pipeline may have stopped before the worker was registered: that is no error.
fn unless_closed(outcome: Result<(), PipelineError>) -> Result<(), PipelineError> {
    match outcome {
        Err(PipelineError::Register(RegisterError::Closed)) => Ok(()),
        other => other,
    }
}

fn wrong_role(role: WorkerRole, what: &str) -> PipelineError {
    PipelineError::Config(format!("the ticket is for {role}, not for {what}"))
}

/// A worker whose `build` fails with this error.
struct FailedBuild(Option<WorkerError>);

impl FailedBuild {
    fn fail(&mut self) -> Result<(), WorkerError> {
        Err(self.0.take().unwrap_or_else(|| "it was refused".into()))
    }
}

impl Commander for FailedBuild {
    fn build(&mut self) -> Result<(), WorkerError> {
        self.fail()
    }

    fn next(&mut self, _: &mut Vec<u8>) -> Result<bool, WorkerError> {
        Ok(false)
    }
}

impl Producer for FailedBuild {
    fn build(&mut self) -> Result<(), WorkerError> {
        self.fail()
    }

    fn produce(&mut self, _: &[u8], _: &mut Filling<'_>) -> Result<(), WorkerError> {
        self.fail()
    }
}
