//! Every way a pipeline can fail.

use super::exit::{Doing, Exit};
use crate::types::error::{ReadError, RegisterError, RingError};
use std::any::Any;
use std::time::Duration;

/// What a commander or producer fails with: anything with a message.
pub type WorkerError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no next item.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The pipeline asks for something that cannot be.
    #[error("bad pipeline: {0}")]
    Config(String),
    /// Its rings could not be created.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// Somebody could not join its rings.
    #[error(transparent)]
    Join(#[from] RegisterError),
    /// A worker could not be started.
    #[error("{worker} could not be started: {source}")]
    Spawn {
        /// Which one.
        worker: String,
        /// The system's word on it.
        source: std::io::Error,
    },
    /// `build` of a worker failed, or did not end in time.
    #[error("{worker} was not built: {message}")]
    Build {
        /// Which one.
        worker: String,
        /// What it said.
        message: String,
    },
    /// A producer failed at an item.
    #[error("item {number}: producer {producer} failed, at try {tries}: {message}")]
    Failed {
        /// The number of the command.
        number: u64,
        /// Which producer, counted from 0.
        producer: usize,
        /// How often the command was tried.
        tries: u32,
        /// What it said.
        message: String,
    },
    /// A producer was not done with an item in time.
    #[error("item {number}: producer {producer} was not done after {timeout:?}, at try {tries}")]
    Hung {
        /// The number of the command.
        number: u64,
        /// Which producer, counted from 0.
        producer: usize,
        /// How often the command was tried.
        tries: u32,
        /// The time it had.
        timeout: Duration,
    },
    /// A worker process died, or ended by itself.
    #[error("{worker} (process {pid}) {exit}, {doing}")]
    Died {
        /// Which one.
        worker: String,
        /// Its process.
        pid: u32,
        /// How it ended.
        exit: Exit,
        /// What it was doing.
        doing: Doing,
    },
    /// A process that was started to be a worker did not get to be one.
    #[error(
        "{worker} (process {pid}) {}; it never got to `pipeline::worker_main`, or to where it joins with its ticket: is \
         that at the beginning of its main?",
        exit.map_or_else(|| format!("did not join within {waited:?}"), |exit| exit.to_string())
    )]
    NotJoined {
        /// Which one.
        worker: String,
        /// Its process.
        pid: u32,
        /// How it ended, if it did.
        exit: Option<Exit>,
        /// The time it had.
        waited: Duration,
    },
    /// A ticket leads nowhere.
    #[error("no way into a pipeline by the ticket {ticket:?}: {reason}")]
    ParkTicket {
        /// The ticket.
        ticket: String,
        /// Why not.
        reason: String,
    },
    /// All producers were given up, and none came back.
    #[error(
        "none of the {producers} producers came back for {timeout:?} after it was given up; nobody is left to work"
    )]
    Deserted {
        /// How many there are.
        producers: usize,
        /// The time that each had.
        timeout: Duration,
    },
    /// The commander failed.
    #[error("the commander failed at command {number}: {message}")]
    Commander {
        /// The number that the command would have had.
        number: u64,
        /// What it said.
        message: String,
    },
    /// All items that may be held at a time are. Drop one, and call again.
    #[error("{max} items are held and no more may be; drop one, or allow for more with `held_items`")]
    AllHeld {
        /// How many that is.
        max: usize,
    },
    /// No item came within the time that the caller gave. The next call goes on waiting.
    #[error("no item within the timeout; {in_flight} commands are at work")]
    TimedOut {
        /// Commands issued whose items were not yet delivered.
        in_flight: u64,
    },
    /// Workers did not end in time after the pipeline was stopped: threads that are still in the user's code, or processes
    /// that could not even be killed.
    #[error("stopped, but for {}: still in the user's code", workers.join(", "))]
    Stuck {
        /// Which ones.
        workers: Vec<String>,
    },
    /// The results could not be read.
    #[error(transparent)]
    Read(ReadError),
}

/// What was said by a call of the user's code that failed or panicked.
pub(crate) fn said(outcome: Result<Result<(), WorkerError>, Box<dyn Any + Send>>) -> Result<(), String> {
    match outcome {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("panicked: {}", panic_message(&*panic))),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
