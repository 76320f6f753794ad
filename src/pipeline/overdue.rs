//! Giving up producers that take too long. The consumer does it while it waits.

use super::OnFailure;
use super::error::PipelineError;
use super::label::Mark;
use super::producing::told;
use super::results::Results;
use super::watch::{Begun, Watch};
use crate::error::WriteError;
use crate::extras::Extras;
use crate::writer::Writer;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// What is at work, and for how long it may be.
#[derive(Debug)]
pub(crate) struct Overdue {
    pub(crate) timeout: Duration,
    pub(crate) begun: Receiver<Begun>,
    pub(crate) at_work: Vec<Begun>,
    pub(crate) watches: Vec<Arc<Watch>>,
    pub(crate) on_failure: OnFailure,
    pub(crate) again: Writer,
    pub(crate) results: Results,
    /// Since when no producer is left.
    pub(crate) deserted: Option<Instant>,
}

impl Overdue {
    /// Gives up who is overdue. Returns when to look again, if nothing comes before.
    pub(crate) fn look(&mut self) -> Result<Instant, PipelineError> {
        let Overdue { watches, at_work, .. } = self;
        at_work.extend(self.begun.try_iter());
        at_work.retain(|begun| watches[begun.producer].is_at(begun.label));
        let now = Instant::now();
        let (late, in_time) =
            std::mem::take(at_work).into_iter().partition(|begun| begun.at + self.timeout <= now);
        *at_work = in_time;
        for begun in late as Vec<Begun> {
            self.give_up(&begun)?;
        }
        self.check_deserted(now)?;
        // Whoever begins from now on has at least that long.
        Ok(self.at_work.iter().map(|begun| begun.at).fold(now, Instant::min) + self.timeout)
    }

    /// If all were given up, and none comes back for as long again, nobody is left who could take a command.
    fn check_deserted(&mut self, now: Instant) -> Result<(), PipelineError> {
        if !self.watches.iter().all(|watch| watch.is_given_up()) {
            self.deserted = None;
            return Ok(());
        }
        let since = *self.deserted.get_or_insert(now);
        if now - since < self.timeout {
            return Ok(());
        }
        Err(PipelineError::Deserted { producers: self.watches.len(), timeout: self.timeout })
    }

    fn give_up(&mut self, begun: &Begun) -> Result<(), PipelineError> {
        if !self.watches[begun.producer].give_up(begun.label) {
            return Ok(()); // It was done a moment ago.
        }
        let Some(label) = begun.label else {
            let message = format!("still at it after {:?}", self.timeout);
            return Err(PipelineError::Build { worker: format!("producer {}", begun.producer), message });
        };
        let written = if let Some(label) = self.on_failure.again(label) {
            let extras = Extras { tag: label.word(), metadata: &[] };
            self.again.write_with(&begun.command, &extras).map(drop)
        } else {
            let text = told(begun.producer, label, "");
            self.results.put(Mark::Hung.label(label.number), label.number, &text)
        };
        written.map_err(|error: WriteError| PipelineError::Config(error.to_string()))
    }
}
