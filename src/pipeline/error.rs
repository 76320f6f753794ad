//! The errors of a pipeline, and how a worker process ended.

use crate::types::error::{ReadError, RegisterError, RingError};
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// The error of a commander or producer: any error with a message.
pub type WorkerError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no next item.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The configuration is invalid.
    #[error("bad pipeline: {0}")]
    Config(String),
    /// The rings could not be created.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// A worker or the host could not register with the rings.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// A worker could not be started.
    #[error("{worker} could not be started: {source}")]
    Spawn {
        /// Which worker.
        worker: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// `build` of a worker failed, or exceeded its time limit.
    #[error("{worker} was not built: {message}")]
    Build {
        /// Which worker.
        worker: String,
        /// The error's message.
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
        /// The error's message.
        message: String,
    },
    /// A producer exceeded the time limit of an item.
    #[error("item {number}: producer {producer} did not finish within {timeout:?}, at try {tries}")]
    Hung {
        /// The number of the command.
        number: u64,
        /// Which producer, counted from 0.
        producer: usize,
        /// How often the command was tried.
        tries: u32,
        /// The time limit.
        timeout: Duration,
    },
    /// A worker process died or exited.
    #[error("{worker} (process {pid}) {exit}, {activity}")]
    Died {
        /// Which worker.
        worker: String,
        /// Its process.
        pid: u32,
        /// How the process ended.
        exit: ProcessExit,
        /// What the worker was doing.
        activity: Activity,
    },
    /// A process that was started as a worker did not join the pipeline.
    #[error(
        "{worker} (process {pid}) {}; it did not reach `pipeline::worker_main` or `WorkerTicket::join`: call one of \
         them at the beginning of its main",
        exit.map_or_else(|| format!("did not join within {waited:?}"), |exit| exit.to_string())
    )]
    NotJoined {
        /// Which worker.
        worker: String,
        /// Its process.
        pid: u32,
        /// How the process ended, if it did.
        exit: Option<ProcessExit>,
        /// The time limit.
        waited: Duration,
    },
    /// A ticket does not lead to a pipeline.
    #[error("bad worker ticket {ticket:?}: {reason}")]
    BadTicket {
        /// The ticket.
        ticket: String,
        /// Why it was refused.
        reason: String,
    },
    /// All producers were given up, and none has returned.
    #[error("all {producers} producers were given up, and none returned within {timeout:?}")]
    AllHung {
        /// The number of producers.
        producers: usize,
        /// The time limit of an item.
        timeout: Duration,
    },
    /// The commander failed.
    #[error("the commander failed at command {number}: {message}")]
    Commander {
        /// The number that the command would have had.
        number: u64,
        /// The error's message.
        message: String,
    },
    /// The consumer holds as many items as it may. Drop one, and call again.
    #[error("all {max} items that may be held are held; drop one, or allow for more with `held_items`")]
    AllHeld {
        /// The limit.
        max: usize,
    },
    /// No item came within the caller's timeout. The next call continues to wait.
    #[error("no item within the timeout; {in_flight} commands are in flight")]
    TimedOut {
        /// Commands issued whose items were not yet delivered.
        in_flight: u64,
    },
    /// Workers did not end in time after the pipeline stopped: threads that are still in the user's
    /// code, or processes that could not be killed.
    #[error("stopped, except for {}: still in the user's code", workers.join(", "))]
    Stuck {
        /// Which workers.
        workers: Vec<String>,
    },
    /// The results could not be read.
    #[error(transparent)]
    Read(ReadError),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessExit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// The system does not report it.
    Unknown,
}

impl fmt::Display for ProcessExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessExit::Code(code) => write!(f, "ended with code {code}"),
            ProcessExit::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "was killed by signal {signal} ({name})"),
                None => write!(f, "was killed by signal {signal}"),
            },
            ProcessExit::Unknown => write!(f, "ended with an unknown status"),
        }
    }
}

/// The names of signals that end processes.
fn signal_name(signal: i32) -> Option<&'static str> {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    };
    Some(name)
}

/// What a worker was doing when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// It was in its `build`, or had not joined.
    Build,
    /// The commander had issued all commands below this number, and perhaps this one.
    Command {
        /// How many commands it had certainly issued.
        number: u64,
    },
    /// The producer was at this command.
    Item {
        /// The number of the command.
        number: u64,
        /// How often the command was tried.
        tries: u32,
    },
    /// The producer was waiting for a command.
    Waiting,
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Activity::Build => write!(f, "before it was built"),
            Activity::Command { number } => write!(f, "at command {number}"),
            Activity::Item { number, tries } => write!(f, "at item {number}, try {tries}"),
            Activity::Waiting => write!(f, "while it waited for a command"),
        }
    }
}

/// Calls the user's code, and turns an error or a panic into its message.
pub(crate) fn call_user(code: impl FnOnce() -> Result<(), WorkerError>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("panicked: {}", panic_message(&*panic))),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
