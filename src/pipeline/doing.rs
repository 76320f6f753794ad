//! What a worker was doing when it died.

use std::fmt;

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
