//! The ticket: the text by which a process joins a pipeline as one of its workers.
//!
//! The rings have no name: their memory goes with the last process that maps it. A ticket names the
//! process that hosts the pipeline and that process's descriptor of the file with both rings. A
//! process with access to the host's descriptors, as those of the same user have, opens the file
//! through `/proc`.

use super::error::PipelineError;
use std::fmt;
use std::str::FromStr;

/// The right to be one worker of a pipeline in another process: text, by [`Display`](fmt::Display)
/// and [`FromStr`], of at most some hundred bytes of printable ASCII.
///
/// It is valid while its pipeline lives, in any process of the host's user and pid namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerTicket {
    pub(crate) host: u32,
    /// The host's start time: distinguishes it from a later process of the same number.
    pub(crate) started: u64,
    /// The host's descriptor of the file with both rings.
    pub(crate) descriptor: i32,
    /// The offset of the results ring in that file.
    pub(crate) results: u64,
    pub(crate) role: WorkerRole,
}

/// The role of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerRole {
    /// The commander.
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

/// The first word of a ticket: its format and version.
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
        parse().ok_or_else(|| PipelineError::BadTicket {
            ticket: text.into(),
            reason: format!("expected {KIND}:HOST:STARTED:DESCRIPTOR:START:WORKER"),
        })
    }
}

impl WorkerTicket {
    /// The role of the worker.
    pub fn role(&self) -> WorkerRole {
        self.role
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
