//! How the processes of a pipeline are started and ended: what whoever hosts one says of its processes.

use super::error::WorkerError;
use super::exit::Exit;
use super::ticket::WorkerTicket;
use std::fmt;
use std::time::Duration;

/// Starts worker processes: see [`Pipeline::start_with`](super::Pipeline::start_with).
///
/// [`Programs`](super::Programs) runs programs. Another way is whatever a language or a framework has of its own.
pub trait Launch: Send + fmt::Debug {
    /// Starts a process that does the work of `ticket`: it gets the ticket as text, by its environment, an argument, or
    /// any other way, and calls [`WorkerTicket::join`].
    ///
    /// Called once for each worker when the pipeline starts, and again for each producer that is to be replaced, by the
    /// thread that waits for the next item.
    ///
    /// # Errors
    /// Anything: the pipeline does not start, or ends.
    fn start(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn Worker>, WorkerError>;
}

/// A worker process, as the one that started it sees it.
pub trait Worker: Send + fmt::Debug {
    /// Its number.
    fn pid(&self) -> u32;

    /// Waits for at most `timeout` until it has ended, and says how it did; `None` if it lives. With no time at all it must
    /// not wait; called some 40 times a second then, while the consumer waits for an item.
    ///
    /// # Errors
    /// The system's, if nobody can tell: the worker is then killed and asked for again, and counts as ended if there is still
    /// an error.
    fn wait(&mut self, timeout: Duration) -> std::io::Result<Option<Exit>>;

    /// Ends it, at whatever instruction it is (`SIGKILL`). One that has ended already may be none's business any more. Called
    /// again while it has not ended.
    fn kill(&mut self);
}
