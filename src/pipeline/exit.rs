//! How a worker process ended, and what it was doing.

use std::fmt;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody knows.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "ended with code {code}"),
            Exit::Signal(signal) => match name(*signal) {
                Some(name) => write!(f, "was killed by signal {signal} ({name})"),
                None => write!(f, "was killed by signal {signal}"),
            },
            Exit::Unknown => write!(f, "ended, nobody knows how"),
        }
    }
}

/// What the signals that end processes are called.
fn name(signal: i32) -> Option<&'static str> {
    [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (3, "SIGQUIT"),
        (4, "SIGILL"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (13, "SIGPIPE"),
        (14, "SIGALRM"),
        (15, "SIGTERM"),
    ]
    .iter()
    .find_map(|(number, name)| (*number == signal).then_some(*name))
}

/// What a worker was doing when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It was in its `build`, or had not even joined.
    Build,
    /// The commander: it had issued the commands before this number, and perhaps this one.
    Command {
        /// How many it had issued for certain.
        number: u64,
    },
    /// The producer was at this command.
    Item {
        /// The number of the command.
        number: u64,
        /// How often the command was tried.
        tries: u32,
    },
    /// It waited.
    Nothing,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doing::Build => write!(f, "before it was built"),
            Doing::Command { number } => write!(f, "at command {number}"),
            Doing::Item { number, tries } => write!(f, "at item {number}, try {tries}"),
            Doing::Nothing => write!(f, "while it waited for a command"),
        }
    }
}
