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
        // Whoever begins from now on has at least that long.
        Ok(self.at_work.iter().map(|begun| begun.at).fold(now, Instant::min) + self.timeout)
    }

    fn give_up(&mut self, begun: &Begun) -> Result<(), PipelineError> {
        if !self.watches[begun.producer].end(begun.label) {
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
