//! The consumer's end: delivers the items one after the other, and runs the supervisor while it
//! waits.

use super::channels::Channels;
use super::delivered::Delivered;
use super::error::PipelineError;
use super::item::Item;
use super::plan::{ItemOrder, OnFailure};
use super::status::Progress;
use super::supervisor::Supervisor;
use super::tag::{ResultKind, Tag};
use super::workers::Workers;
use crate::api::taker::{Held, Taker};
use crate::types::error::{Corrupt, ReadError};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// The items of a running pipeline. Dropping it stops the pipeline, as [`Items::stop`] does.
///
/// As an iterator it ends after the last item, and after the first error, with two exceptions: it
/// continues after the error of an item that is [skipped](OnFailure::Skip), and, once an item was
/// dropped, after [`PipelineError::AllHeld`].
#[derive(Debug)]
pub struct Items {
    channels: Channels,
    supervisor: Supervisor,
    pub(super) workers: Workers,
    max_held: usize,
    /// The taker of the next item.
    taker: Option<Taker>,
    /// The number of takers made so far.
    takers: usize,
    /// Takers of items that were dropped.
    returned: (Sender<Taker>, Receiver<Taker>),
    /// The outcome of the next call, if [`Self::ready_within`] found it.
    ready: Option<Result<Outcome, PipelineError>>,
    /// The results that came, if they come in any order.
    delivered: Option<Delivered>,
    /// Results delivered, failed ones too.
    done: u64,
    /// The number of commands, once it is known.
    total: Option<u64>,
    ended: bool,
    /// The iterator's last item was `AllHeld`.
    reported_all_held: bool,
}

/// What a result means for the consumer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are items")]
enum Outcome {
    Item(Item),
    /// The error of one item; the pipeline continues.
    Skipped(PipelineError),
    Error(PipelineError),
    /// Nothing to deliver.
    Internal,
}

impl Items {
    pub(crate) fn new(channels: Channels, supervisor: Supervisor, workers: Workers, max_held: usize) -> Self {
        // At most: all slots of the commands ring, and one command at each producer.
        let in_flight = channels.commands.config().slots + channels.plan.producers;
        let any_order = channels.plan.order == ItemOrder::Unordered;
        Items {
            delivered: any_order.then(|| Delivered::new(in_flight)),
            channels,
            supervisor,
            workers,
            max_held,
            taker: None,
            takers: 0,
            returned: channel(),
            ready: None,
            done: 0,
            total: None,
            ended: false,
            reported_all_held: false,
        }
    }

    /// The next item, waiting for it for at most `timeout`; `None` after the last.
    ///
    /// # Errors
    /// [`PipelineError::TimedOut`]; otherwise as the iterator's.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Item>, PipelineError> {
        self.advance(Instant::now().checked_add(timeout))
    }

    /// Waits for at most `timeout` until the next call returns at once, with an item, an error or
    /// the end. Returns whether it does.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        while self.ready.is_none() && !self.is_over() {
            match self.wait(deadline) {
                Ok(Outcome::Internal) => {}
                Err(PipelineError::TimedOut { .. }) => return false,
                // Not kept: the caller may drop an item before the next call.
                Err(PipelineError::AllHeld { .. }) => return true,
                outcome => self.ready = Some(outcome),
            }
        }
        true
    }

    /// How far the pipeline is.
    pub fn progress(&self) -> Progress {
        self.channels.status.progress(self.channels.plan.producers, self.done)
    }

    /// Stops the pipeline: nothing more is issued, and workers end when they return from the user's
    /// code. Items that are held remain valid.
    ///
    /// # Errors
    /// [`PipelineError::Stuck`] if some have not ended after two seconds.
    pub fn stop(mut self) -> Result<(), PipelineError> {
        self.end()
    }

    fn advance(&mut self, deadline: Option<Instant>) -> Result<Option<Item>, PipelineError> {
        loop {
            if self.is_over() {
                return self.end().map(|()| None);
            }
            let outcome = match self.ready.take().unwrap_or_else(|| self.wait(deadline)) {
                Ok(outcome) => outcome,
                Err(error @ (PipelineError::AllHeld { .. } | PipelineError::TimedOut { .. })) => {
                    return Err(error);
                }
                Err(error) => Outcome::Error(error),
            };
            match outcome {
                Outcome::Item(item) => {
                    self.done += 1;
                    return Ok(Some(item));
                }
                Outcome::Skipped(error) => {
                    self.done += 1;
                    return Err(error);
                }
                Outcome::Error(error) => {
                    let _ = self.end(); // The first error matters more than a stuck thread.
                    return Err(error);
                }
                Outcome::Internal => {}
            }
        }
    }

    fn is_over(&self) -> bool {
        self.ended || self.total.is_some_and(|total| self.done >= total)
    }

    /// Waits for the next result.
    fn wait(&mut self, deadline: Option<Instant>) -> Result<Outcome, PipelineError> {
        self.find_taker()?;
        loop {
            let next_check = self.supervisor.check(&mut self.workers)?;
            let (delivered, done) = (&self.delivered, self.done);
            let have_come =
                |issued| delivered.as_ref().map_or(done >= issued, |come| come.has_all_below(issued));
            let is_ending = self.supervisor.is_ending(have_come);
            let until = if is_ending {
                Some(Instant::now()) // The commander's last result may be in the ring already.
            } else {
                [deadline, next_check].into_iter().flatten().min()
            };
            match Held::take(&mut self.taker, until) {
                Ok(held) => {
                    self.supervisor.publish_failures()?; // There is room now.
                    return self.outcome(held).map_err(|error| PipelineError::Read(error.into()));
                }
                Err(ReadError::TimedOut { .. }) => {}
                Err(other) => return Err(PipelineError::Read(other)),
            }
            if is_ending && let Some(death) = self.supervisor.take_commander_death() {
                return Err(death);
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(PipelineError::TimedOut { in_flight: self.progress().in_flight });
            }
        }
    }

    fn find_taker(&mut self) -> Result<(), PipelineError> {
        if self.taker.is_none() {
            self.taker = self.returned.1.try_recv().ok();
        }
        if self.taker.is_none() {
            if self.takers == self.max_held {
                return Err(PipelineError::AllHeld { max: self.max_held });
            }
            self.taker = Some(self.channels.result_taker()?);
            self.takers += 1;
        }
        Ok(())
    }

    fn outcome(&mut self, held: Held) -> Result<Outcome, Corrupt> {
        let tag = Tag::from_word(held.received().tag);
        let kind = ResultKind::of(tag);
        // These have no command: their number may be that of another result.
        let of_no_command =
            matches!(kind, Some(ResultKind::End | ResultKind::CommanderFailed | ResultKind::BuildFailed));
        let is_first = match &mut self.delivered {
            Some(delivered) if !of_no_command => delivered.is_first(tag.number)?,
            _ => true,
        };
        if is_first && kind == Some(ResultKind::Item) {
            let (arrays, returns) = (self.channels.plan.arrays.clone(), self.returned.0.clone());
            if held.bytes().len() < arrays.bytes() {
                return Err(Corrupt { what: "an item is shorter than its arrays" });
            }
            return Ok(Outcome::Item(Item { number: tag.number, held: Some(held), arrays, returns }));
        }
        let outcome = if is_first {
            self.record(kind, tag.number, held.bytes())
        } else {
            // Its producer died right after it published, and the command was tried again.
            self.channels.status.count_repeated();
            Outcome::Internal
        };
        self.taker = Some(held.release());
        Ok(outcome)
    }

    /// The outcome of a result that is not an item.
    fn record(&mut self, kind: Option<ResultKind>, number: u64, payload: &[u8]) -> Outcome {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if kind == Some(ResultKind::End) {
            self.total = Some(number);
            return Outcome::Internal;
        }
        if kind == Some(ResultKind::CommanderFailed) {
            return Outcome::Error(PipelineError::Commander { number, message: text(payload) });
        }
        let Some((&[a, b, c, d, tried], message)) = payload.split_first_chunk() else {
            return Outcome::Error(PipelineError::Config("a failure record is too short".into()));
        };
        let producer = u32::from_le_bytes([a, b, c, d]) as usize;
        let (tries, message) = (u32::from(tried) + 1, text(message));
        let error = match kind {
            Some(ResultKind::BuildFailed) => {
                let worker = format!("producer {producer}");
                return Outcome::Error(PipelineError::Build { worker, message });
            }
            Some(ResultKind::FailedAtHost) => {
                let Some(error) = self.supervisor.take_failure(number) else {
                    let what = format!("result {number} refers to an error that the host does not hold");
                    return Outcome::Error(PipelineError::Config(what));
                };
                error
            }
            _ => PipelineError::Failed { number, producer, tries, message },
        };
        match self.channels.plan.on_failure {
            OnFailure::Skip => Outcome::Skipped(error),
            OnFailure::Fail | OnFailure::Retry(_) => Outcome::Error(error),
        }
    }

    fn end(&mut self) -> Result<(), PipelineError> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        if self.channels.commands.is_inherited() {
            return Ok(()); // A forked child's copy: the workers are the parent's.
        }
        self.channels.close();
        self.workers.end()
    }
}

impl Iterator for Items {
    type Item = Result<Item, PipelineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance(None).transpose();
        let all_held = matches!(next, Some(Err(PipelineError::AllHeld { .. })));
        // Reported once, then as the end: otherwise `collect` would receive this error for ever.
        if std::mem::replace(&mut self.reported_all_held, all_held) && all_held { None } else { next }
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        let _ = self.end(); // Only `stop` reports stuck workers.
    }
}
