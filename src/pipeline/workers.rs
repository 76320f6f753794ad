//! Who works in a pipeline: threads or processes.

use super::error::PipelineError;
use super::threads::Threads;
use super::worker_processes::Crew;

#[derive(Debug)]
pub(crate) enum Workers {
    Threads(Threads),
    Processes(Crew),
}

impl Workers {
    /// What a worker is called, and its process.
    pub(crate) fn name(&self, worker: usize) -> (String, u32) {
        match self {
            Workers::Threads(threads) => (threads.name(worker), std::process::id()),
            Workers::Processes(crew) => (crew.name(worker), crew.pid(worker)),
        }
    }

    /// Waits until all have ended; the closed rings let them.
    pub(crate) fn end(&mut self) -> Result<(), PipelineError> {
        match self {
            Workers::Threads(threads) => threads.join(),
            Workers::Processes(crew) => crew.end(),
        }
    }
}
