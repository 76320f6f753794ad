//! The errors of engines.
//!
//! A call that does not wait may return [`Refusal::Full`] or [`Refusal::Empty`]; one that waits
//! returns [`Refusal::TimedOut`] instead. Rare errors are boxed, so that the common ones
//! fit into a pair of registers.

use std::error::Error;
use std::time::Duration;

/// Why there is no ring, no writer or no reader.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine cannot do it. Its cell in the table stays empty; this is no failure.
    #[error("this engine does not support {what}")]
    Unsupported {
        /// What it cannot do.
        what: &'static str,
    },
    /// The engine can do it, and the attempt failed.
    #[error("cannot {attempt}: {source}")]
    Failed {
        /// What was attempted, to be read after "cannot".
        attempt: String,
        /// Why it failed.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl EngineError {
    /// A failure of `attempt` (to be read after "cannot"), because of `source`.
    pub fn failed(attempt: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { attempt: attempt.into(), source: source.into() }
    }
}

/// Why a write wrote nothing, or a read returned no message.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A write found no room. A reader has to advance first.
    #[error("the ring is full: a reader has to advance first")]
    Full,
    /// A read found no message. A writer has to write first.
    #[error("the ring is empty: a writer has to write first")]
    Empty,
    /// The ring stayed full (a write) or empty (a read).
    #[error("the ring stayed full or empty for {after:?}: is the other end stopped?")]
    TimedOut {
        /// How long the call waited.
        after: Duration,
    },
    /// Messages were overwritten before they were read. The next read continues behind them.
    #[error("{missed} messages were overwritten before they were read")]
    Lagged {
        /// How many, exactly.
        missed: u64,
    },
    /// The message is longer than a slot.
    #[error("a message of {bytes} bytes does not fit into a slot of {slot_bytes}")]
    TooLarge {
        /// Bytes of the message.
        bytes: usize,
        /// Bytes of a slot.
        slot_bytes: usize,
    },
    /// The message has another length than the caller can take.
    #[error("a message of {bytes} bytes came where {expected} are expected")]
    OtherLength {
        /// Bytes of the message.
        bytes: usize,
        /// Bytes that the caller has room for, or expects.
        expected: usize,
    },
    /// The ring takes no more messages, or everything was read and no writer is left.
    #[error("the ring is closed")]
    Closed,
    /// Another failure.
    #[error(transparent)]
    Failed(#[from] Box<EngineError>),
}

impl Refusal {
    /// The error, unless waiting may help.
    pub fn lasting(self) -> Option<Self> {
        (!matches!(self, Self::Full | Self::Empty)).then_some(self)
    }
}
