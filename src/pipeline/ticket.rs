//! What another process needs to take part in a pipeline: a line of text.
//!
//! The rings have no name: they lie in memory that goes with the last process that has it. A ticket says which process
//! hosts the pipeline, and by which descriptor that one has the file of both rings; whoever may look at the host's
//! descriptors, as processes of one user may, opens it through `/proc`.

use super::channels::Workshop;
use super::commander::Commanding;
use super::error::{PipelineError, WorkerError};
use super::host_watchdog::Guard;
use super::producer::Producing;
use super::worker::{Commander, Producer};
use crate::segment::start_time;
use crate::types::error::RegisterError;
use crate::types::open_options::OpenOptions;
use std::fmt;
use std::os::fd::OwnedFd;
use std::str::FromStr;

/// The right to be one worker of a pipeline in another process: text, by [`Display`](fmt::Display) and
/// [`FromStr`], of printable ASCII and no more than some hundred bytes.
///
/// It is good as long as its pipeline lives, in processes of the host's user and pid namespace that descend from the host or
/// not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerTicket {
    pub(crate) host: u32,
    /// When that process started: tells it from a later one of the same number.
    pub(crate) started: u64,
    /// The host's descriptor of the file with both rings,
    pub(crate) descriptor: i32,
    /// and where in it the second one begins.
    pub(crate) results: u64,
    pub(crate) role: WorkerRole,
}

/// What a worker is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerRole {
    /// The one that says what is to be made.
    Commander,
    /// The producer of this index.
    Producer(usize),
}

impl fmt::Display for WorkerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkerRole::Commander => write!(f, "the commander"),
            WorkerRole::Producer(index) => write!(f, "producer {index}"),
        }
    }
}

/// The first word of a ticket: what it is, and of which version.
const KIND: &str = "seqring-worker-1";
const COMMANDER: &str = "commander";

impl fmt::Display for WorkerTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WorkerTicket { host, started, descriptor, results, role } = self;
        write!(f, "{KIND}:{host}:{started}:{descriptor}:{results}:")?;
        match role {
            WorkerRole::Commander => write!(f, "{COMMANDER}"),
            WorkerRole::Producer(index) => write!(f, "{index}"),
        }
    }
}

impl FromStr for WorkerTicket {
    type Err = PipelineError;

    fn from_str(text: &str) -> Result<Self, PipelineError> {
        let parse = || {
            let [kind, host, started, descriptor, results, role] =
                text.split(':').collect::<Vec<_>>().try_into().ok()?;
            let role = match role {
                COMMANDER => WorkerRole::Commander,
                index => WorkerRole::Producer(index.parse().ok()?),
            };
            (kind == KIND).then_some(WorkerTicket {
                host: host.parse().ok()?,
                started: started.parse().ok()?,
                descriptor: descriptor.parse().ok()?,
                results: results.parse().ok()?,
                role,
            })
        };
        parse().ok_or_else(|| PipelineError::ParkTicket {
            ticket: text.into(),
            reason: format!("it does not read {KIND}:HOST:STARTED:DESCRIPTOR:START:WORKER"),
        })
    }
}

impl WorkerTicket {
    /// For a pipeline of this process.
    pub(crate) fn of(workshop: &Workshop, role: WorkerRole) -> Result<Self, PipelineError> {
        Ok(WorkerTicket {
            host: std::process::id(),
            started: start_time(std::process::id()).unwrap_or(0),
            descriptor: workshop.commands.file()?.descriptor(),
            results: OpenOptions::start_of_second(&workshop.commands)?,
            role,
        })
    }

    /// What the worker is to be.
    pub fn role(&self) -> WorkerRole {
        self.role
    }

    /// Joins the pipeline, in the worker's process. From now on this process is killed, two seconds after the host has
    /// ended without it, if it has not left by then. A thread of the host's own process may join likewise; it is ended by
    /// nobody.
    ///
    /// # Errors
    /// [`PipelineError::ParkTicket`] if the pipeline is gone or cannot be reached; [`PipelineError::Ring`].
    pub fn join(&self) -> Result<Place, PipelineError> {
        let refuse = |reason: String| PipelineError::ParkTicket { ticket: self.to_string(), reason };
        let gone = || refuse(format!("process {}, which hosts the pipeline, has ended", self.host));
        let path = format!("/proc/{}/fd/{}", self.host, self.descriptor);
        let is_host = self.host == std::process::id();
        let mut guard = if is_host { None } else { Some(Guard::of(self.host).map_err(|_| gone())?) };
        if start_time(self.host) != Some(self.started) {
            return Err(gone());
        }
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path);
        let file = OwnedFd::from(file.map_err(|error| refuse(format!("opening {path}: {error}")))?);
        let open = |start| OpenOptions::new().open_at(&file, start);
        let workshop = Workshop::join(open(0)?, open(self.results)?)
            .ok_or_else(|| refuse("its rings are no pipeline's".into()))?;
        if let WorkerRole::Producer(index) = self.role
            && index >= workshop.plan.producers
        {
            return Err(refuse(format!("the pipeline has {} producers", workshop.plan.producers)));
        }
        if let Some(guard) = &mut guard {
            let failed =
                |source| PipelineError::Spawn { worker: format!("the guard of {}", self.role), source };
            guard.watch(&workshop).map_err(failed)?;
        }
        workshop.arrive(match self.role {
            WorkerRole::Producer(index) => index,
            WorkerRole::Commander => workshop.commander(),
        });
        Ok(Place { role: self.role, workshop, _guard: guard })
    }
}

/// A worker's place in the pipeline of another process: see [`WorkerTicket::join`].
#[derive(Debug)]
pub struct Place {
    role: WorkerRole,
    workshop: Workshop,
    /// Until this process has done its work.
    _guard: Option<Guard>,
}

impl Place {
    /// What this worker is to be.
    pub fn role(&self) -> WorkerRole {
        self.role
    }

    /// Is the commander, until there are no more commands or the pipeline stops.
    ///
    /// # Errors
    /// [`PipelineError::Join`]; [`PipelineError::ParkTicket`] for a ticket of another role.
    pub fn command(self, commander: impl Commander) -> Result<(), PipelineError> {
        match self.role {
            WorkerRole::Commander => unless_stopped(self.workshop.commanding(commander).map(Commanding::run)),
            role @ WorkerRole::Producer(_) => Err(other_role(role, "the commander")),
        }
    }

    /// Is a producer, until the pipeline stops.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub fn produce(self, producer: impl Producer) -> Result<(), PipelineError> {
        match self.role {
            WorkerRole::Producer(index) => {
                unless_stopped(self.workshop.producing(index, producer, None).map(Producing::run))
            }
            role @ WorkerRole::Commander => Err(other_role(role, "a producer")),
        }
    }

    /// Says that this worker could not be made, before it is anything: the consumer gets this as a failed `build`.
    ///
    /// # Errors
    /// [`PipelineError::Join`].
    pub fn refuse(self, error: WorkerError) -> Result<(), PipelineError> {
        match self.role {
            WorkerRole::Commander => self.command(Refused(Some(error))),
            WorkerRole::Producer(_) => self.produce(Refused(Some(error))),
        }
    }
}

/// The pipeline may have stopped before the worker was there.
fn unless_stopped(worked: Result<(), PipelineError>) -> Result<(), PipelineError> {
    match worked {
        Err(PipelineError::Join(RegisterError::Closed)) => Ok(()),
        other => other,
    }
}

fn other_role(role: WorkerRole, what: &str) -> PipelineError {
    PipelineError::Config(format!("the ticket is for {role}, not for {what}"))
}

/// A worker that there is none of.
struct Refused(Option<WorkerError>);

impl Refused {
    fn say(&mut self) -> Result<(), WorkerError> {
        Err(self.0.take().unwrap_or_else(|| "it was refused".into()))
    }
}

impl Commander for Refused {
    fn build(&mut self) -> Result<(), WorkerError> {
        self.say()
    }

    fn next(&mut self, _: &mut Vec<u8>) -> Result<bool, WorkerError> {
        Ok(false)
    }
}

impl Producer for Refused {
    fn build(&mut self) -> Result<(), WorkerError> {
        self.say()
    }

    fn produce(&mut self, _: &[u8], _: &mut super::Filling<'_>) -> Result<(), WorkerError> {
        self.say()
    }
}

#[cfg(test)]
mod tests {
    use super::{WorkerRole, WorkerTicket};

    #[test]
    fn tickets_survive_their_text_and_others_are_refused() {
        for role in [WorkerRole::Commander, WorkerRole::Producer(7)] {
            let ticket = WorkerTicket { host: 12, started: 345, descriptor: 3, results: 4096, role };
            assert_eq!(ticket.to_string().parse::<WorkerTicket>().unwrap(), ticket);
        }
        for other in
            ["", "seqring-worker-1:1:2:3:4", "seqring-worker-2:1:2:3:4:5", "seqring-worker-1:1:2:3:4:x"]
        {
            assert!(other.parse::<WorkerTicket>().unwrap_err().to_string().contains("HOST"), "{other}");
        }
    }
}
