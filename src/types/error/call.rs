//! Why a call, or the serving of calls, did not succeed.

use super::Corrupt;
use crate::types::participant::Peer;

/// Why there is no answer, or for a server no question.
///
/// ```
/// use seqring::{CallError, Config, Ring};
/// let ring = Ring::heap(&Config::calls(1).of_bytes(8))?;
/// let (mut caller, server) = (ring.caller()?, ring.server()?);
/// caller.ask(b"question")?;
/// assert_eq!(caller.try_answer(&mut [0; 8]), Err(CallError::Pending));
/// drop(server); // It had not taken the question.
/// assert_eq!(caller.answer(&mut [0; 8]), Err(CallError::NoServer { died: None }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// From a call that does not wait: no answer yet, for a server no question.
    #[error("nothing yet: no answer, or for a server no question")]
    Pending,
    /// There was no answer within the timeout. The question stays: [`Caller::answer`] waits on, and
    /// the next question replaces it. For a server: there was no question.
    ///
    /// [`Caller::answer`]: crate::Caller::answer
    #[error("nothing within the timeout{}", awaiting(.server.as_ref(), *.awaits_first))]
    TimedOut {
        /// The server that the caller waits for, if one is registered; for a server none.
        server: Option<Peer>,
        /// Whether no server has joined the ring yet; for a server false.
        awaits_first: bool,
    },
    /// The server took the question, and died before it answered. It may have done what it was
    /// asked, in part or whole. No other server gets the question.
    #[error("the server, process {pid}, took the question and died; what it did of it is not known")]
    ServerDied {
        /// The process of the server.
        pid: u32,
    },
    /// The server took the question and did not answer it. No other server gets it.
    #[error("the server took the question and refused it")]
    Refused,
    /// No server is registered, and the last one did not take the question. It stays: a server that
    /// registers gets it, unless the caller asks another one in its place.
    #[error("no server is left{}; the question waits for the next one", after_death(*.died))]
    NoServer {
        /// The process of the last server, if that died.
        died: Option<u32>,
    },
    /// The caller has asked nothing since the last answer.
    #[error("no question was asked since the last answer")]
    NotAsked,
    /// The ring was closed for good.
    #[error("closed for good: no question is answered any more")]
    Closed,
    /// This process was forked, and inherited this handle.
    #[error("this handle belongs to the parent process; open the ring again in the child")]
    Forked,
    /// The question or the answer is longer than a cell has room for.
    #[error("{len} bytes do not fit into {max}; send longer ones by a ring, and its sequence in the call")]
    TooLarge {
        /// Bytes offered.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// The answer is longer than the caller's buffer. It is still there.
    #[error("the answer has {needed} bytes; offer a buffer that long")]
    TooSmall {
        /// Bytes of the answer.
        needed: usize,
    },
    /// The answer has another length than the value that was asked for. It is still there. For a
    /// server: the question has, and is refused.
    #[error("the payload has {len} bytes, not {expected}")]
    OtherLength {
        /// Bytes of the payload.
        len: usize,
        /// Bytes of what was asked for.
        expected: usize,
    },
    /// See [`Corrupt`].
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

fn awaiting(server: Option<&Peer>, awaits_first: bool) -> String {
    match server {
        Some(server) => format!("; waiting for {server}"),
        None if awaits_first => "; no server has joined yet".into(),
        None => String::new(),
    }
}

fn after_death(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(": process {pid} died"))
}
