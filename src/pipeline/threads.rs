//! The threads of a pipeline, and how they end.

use super::error::PipelineError;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How long a worker has to leave the user's code when the pipeline stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Threads {
    handles: Vec<(String, JoinHandle<()>)>,
    alive: Option<Sender<()>>,
    /// Disconnected when no thread is left.
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

    /// What a worker is called, in the order in which they were spawned.
    pub(crate) fn name(&self, worker: usize) -> String {
        self.handles.get(worker).map_or_else(String::new, |(name, _)| name.clone())
    }

    /// Waits until all have ended; the stopped rings let them.
    pub(crate) fn join(&mut self) -> Result<(), PipelineError> {
        self.alive = None;
        let deadline = Instant::now() + STOP_WITHIN;
        // Nothing is ever sent: an end without a time-out is that all have ended.
        let _ = self.ended.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        let is_over = self.ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected);
        let (ended, stuck): (Vec<_>, Vec<_>) = std::mem::take(&mut self.handles)
            .into_iter()
            .partition(|(_, handle)| is_over || handle.is_finished());
        for (_, handle) in ended {
            let _ = handle.join(); // Panics of the user's code were caught and told.
        }
        if stuck.is_empty() {
            return Ok(());
        }
        Err(PipelineError::Stuck { workers: stuck.into_iter().map(|(worker, _)| worker).collect() })
    }
}
