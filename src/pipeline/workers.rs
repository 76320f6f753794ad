//! The workers of a pipeline: threads or processes.

use super::error::PipelineError;
use super::worker_processes::WorkerProcesses;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

#[derive(Debug)]
pub(crate) enum Workers {
    Threads(Threads),
    Processes(WorkerProcesses),
}

impl Workers {
    /// A worker's name and process.
    pub(crate) fn name(&self, worker: usize) -> (String, u32) {
        match self {
            Workers::Threads(threads) => (threads.name(worker), std::process::id()),
            Workers::Processes(processes) => (processes.name(worker), processes.pid(worker)),
        }
    }

    /// Waits until all have ended. The rings must be closed, so that workers that wait return.
    pub(crate) fn end(&mut self) -> Result<(), PipelineError> {
        match self {
            Workers::Threads(threads) => threads.join(),
            Workers::Processes(processes) => processes.end(),
        }
    }
}

/// How long threads may take to return from the user's code when the pipeline stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Threads {
    handles: Vec<(String, JoinHandle<()>)>,
    /// Each thread holds a clone until it ends.
    alive: Option<Sender<()>>,
    /// Disconnected when no thread is left. Carries no message.
    ended: Receiver<()>,
}

impl Threads {
    pub(crate) fn new() -> Self {
        let (alive, ended) = channel();
        Threads { handles: Vec::new(), alive: Some(alive), ended }
    }

    pub(crate) fn spawn(
        &mut self,
        worker: String,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), PipelineError> {
        let alive = self.alive.clone();
        let body = move || {
            let _alive = alive;
            run();
        };
        match Builder::new().name(worker.clone()).spawn(body) {
            Ok(handle) => self.handles.push((worker, handle)),
            Err(source) => return Err(PipelineError::Spawn { worker, source }),
        }
        Ok(())
    }

    /// The name of a worker, counted in the order in which they were spawned.
    fn name(&self, worker: usize) -> String {
        self.handles.get(worker).map_or_else(String::new, |(name, _)| name.clone())
    }

    fn join(&mut self) -> Result<(), PipelineError> {
        self.alive = None;
        let _ = self.ended.recv_timeout(STOP_WITHIN); // Disconnected or timed out.
        let all_ended = self.ended.try_recv() == Err(TryRecvError::Disconnected);
        let (ended, stuck): (Vec<_>, Vec<_>) = std::mem::take(&mut self.handles)
            .into_iter()
            .partition(|(_, handle)| all_ended || handle.is_finished());
        for (_, handle) in ended {
            let _ = handle.join(); // Panics of the user's code were caught and reported.
        }
        if stuck.is_empty() {
            return Ok(());
        }
        Err(PipelineError::Stuck { workers: stuck.into_iter().map(|(worker, _)| worker).collect() })
    }
}
