//! How an engine says no.
//!
//! A `try_` call may say [`Full`](WriteRefused::Full) or [`Empty`](ReadRefused::Empty); its waiting twin says
//! [`TimedOut`](WriteError::TimedOut) in their place. The rare cases are boxed: the common ones fit into a
//! register pair.

use std::error::Error;
use std::time::Duration;

/// Why there is no ring, no writer or no reader.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine cannot do it: its cell in the table is empty, which is no failure.
    #[error("this engine does not support {what}")]
    Unsupported {
        /// What it cannot do.
        what: &'static str,
    },
    /// The engine can do it and it went wrong.
    #[error("cannot {attempt}: {source}")]
    Failed {
        /// What was attempted, to be read after "cannot".
        attempt: String,
        /// Why it went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl EngineError {
    /// A failure of `attempt` (to be read after "cannot"), because of `source`.
    pub fn failed(attempt: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { attempt: attempt.into(), source: source.into() }
    }
}

/// Why `try_write` wrote nothing.
#[derive(Debug, thiserror::Error)]
pub enum WriteRefused {
    /// No room until a reader goes on.
    #[error("the ring is full: a reader has to go on first")]
    Full,
    /// The message is longer than a slot.
    #[error("a message of {bytes} bytes does not fit into a slot of {slot_bytes}")]
    TooLarge {
        /// Bytes of the message.
        bytes: usize,
        /// Bytes of a slot.
        slot_bytes: usize,
    },
    /// The ring takes no more messages.
    #[error("the ring is closed")]
    Closed,
    /// Something else went wrong.
    #[error(transparent)]
    Failed(#[from] Box<EngineError>),
}

/// Why `write` wrote nothing.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The ring stayed full.
    #[error("the ring stayed full for {after:?}: is a reader stopped?")]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// The message is longer than a slot.
    #[error("a message of {bytes} bytes does not fit into a slot of {slot_bytes}")]
    TooLarge {
        /// Bytes of the message.
        bytes: usize,
        /// Bytes of a slot.
        slot_bytes: usize,
    },
    /// The ring takes no more messages.
    #[error("the ring is closed")]
    Closed,
    /// Something else went wrong.
    #[error(transparent)]
    Failed(#[from] Box<EngineError>),
}

/// Why `try_read` read nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadRefused {
    /// Nothing until a writer goes on.
    #[error("the ring is empty: a writer has to go on first")]
    Empty,
    /// Messages were overwritten before they were read; the next read goes on behind them.
    #[error("{missed} messages were overwritten before they were read")]
    Lagged {
        /// How many, exactly.
        missed: u64,
    },
    /// Everything was read and nothing more will come.
    #[error("the ring is closed and everything was read")]
    Closed,
    /// The message has another length than the caller can take.
    #[error("a message of {bytes} bytes came where {expected} are expected")]
    OtherLength {
        /// Bytes of the message.
        bytes: usize,
        /// Bytes that the caller has room for, or expects.
        expected: usize,
    },
    /// Something else went wrong.
    #[error(transparent)]
    Failed(#[from] Box<EngineError>),
}

/// Why `read` read nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The ring stayed empty.
    #[error("the ring stayed empty for {after:?}: is the writer stopped?")]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// Messages were overwritten before they were read; the next read goes on behind them.
    #[error("{missed} messages were overwritten before they were read")]
    Lagged {
        /// How many, exactly.
        missed: u64,
    },
    /// Everything was read and nothing more will come.
    #[error("the ring is closed and everything was read")]
    Closed,
    /// The message has another length than the caller can take.
    #[error("a message of {bytes} bytes came where {expected} are expected")]
    OtherLength {
        /// Bytes of the message.
        bytes: usize,
        /// Bytes that the caller has room for, or expects.
        expected: usize,
    },
    /// Something else went wrong.
    #[error(transparent)]
    Failed(#[from] Box<EngineError>),
}

/// A refusal that may or may not go away by waiting: what an engine's own wait needs to know of it.
pub trait Refusal {
    /// What the waiting call reports.
    type Error;

    /// The error, unless waiting may help.
    fn lasting(self) -> Option<Self::Error>;

    /// The error if it did not help in time.
    fn timed_out(after: Duration) -> Self::Error;
}

impl Refusal for WriteRefused {
    type Error = WriteError;

    fn lasting(self) -> Option<WriteError> {
        match self {
            Self::Full => None,
            Self::TooLarge { bytes, slot_bytes } => Some(WriteError::TooLarge { bytes, slot_bytes }),
            Self::Closed => Some(WriteError::Closed),
            Self::Failed(error) => Some(WriteError::Failed(error)),
        }
    }

    fn timed_out(after: Duration) -> WriteError {
        WriteError::TimedOut { after }
    }
}

impl Refusal for ReadRefused {
    type Error = ReadError;

    fn lasting(self) -> Option<ReadError> {
        match self {
            Self::Empty => None,
            Self::Lagged { missed } => Some(ReadError::Lagged { missed }),
            Self::Closed => Some(ReadError::Closed),
            Self::OtherLength { bytes, expected } => Some(ReadError::OtherLength { bytes, expected }),
            Self::Failed(error) => Some(ReadError::Failed(error)),
        }
    }

    fn timed_out(after: Duration) -> ReadError {
        ReadError::TimedOut { after }
    }
}
