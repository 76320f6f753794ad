//! The consumer's end: the items, one after the other, and how far everybody is.

use super::OnFailure;
use super::channels::Workshop;
use super::delivered::Seen;
use super::error::PipelineError;
use super::item::Item;
use super::progress::Progress;
use super::supervisor::Keeper;
use super::tag::{Label, Mark};
use super::workers::Workers;
use crate::api::taker::{Held, Taker};
use crate::types::error::{Corrupt, ReadError};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

/// The items of a running pipeline. Dropping it stops the pipeline, as [`Items::stop`] does.
///
/// As an iterator it ends after the last item, and after the first error, but for items that are
/// [skipped](OnFailure::Skip), after which it goes on, and for [`PipelineError::AllHeld`], after which it goes on when an
/// item was dropped.
#[derive(Debug)]
pub struct Items {
    pub(crate) workshop: Workshop,
    pub(crate) most_held: usize,
    /// The taker for the next item.
    pub(crate) taker: Option<Taker>,
    /// Takers that were made so far.
    pub(crate) takers: usize,
    pub(crate) home: (Sender<Taker>, Receiver<Taker>),
    pub(crate) keeper: Keeper,
    pub(crate) workers: Workers,
    /// What the next call delivers or tells, if somebody waited for it before.
    pub(crate) ahead: Option<Result<Outcome, PipelineError>>,
    /// Which results were there before, where they come in any order.
    pub(crate) seen: Option<Seen>,
    /// Results delivered, failed ones too.
    pub(crate) done: u64,
    /// How many there will be, once that is known.
    pub(crate) total: Option<u64>,
    pub(crate) ended: bool,
    /// The iterator has said that all items are held.
    pub(crate) said_all_held: bool,
}

/// What a result means for the consumer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are items")]
pub(crate) enum Outcome {
    Item(Item),
    /// Reported; the pipeline goes on.
    Skipped(PipelineError),
    Error(PipelineError),
    /// Nothing to tell.
    Noted,
}

impl Items {
    /// The next item, waiting for it for at most `timeout`; `None` after the last.
    ///
    /// # Errors
    /// [`PipelineError::TimedOut`]; else as the iterator's.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Item>, PipelineError> {
        self.advance(Instant::now().checked_add(timeout))
    }

    /// Waits for at most `timeout` until the next call has something to deliver or to tell. Says whether that is so.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        while self.ahead.is_none() && !self.is_over() {
            match self.wait(deadline) {
                Ok(Outcome::Noted) => {}
                Err(PipelineError::TimedOut { .. }) => return false,
                // Unless one is dropped before the next call.
                Err(PipelineError::AllHeld { .. }) => return true,
                outcome => self.ahead = Some(outcome),
            }
        }
        true
    }

    /// How far everybody is.
    pub fn progress(&self) -> Progress {
        Progress::of(&self.workshop.board, self.workshop.plan.producers, self.done)
    }

    /// Stops the pipeline: nothing more is issued, and workers end as soon as they leave the user's code. Items that are
    /// held stay as they are.
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
            let outcome = match self.ahead.take().unwrap_or_else(|| self.wait(deadline)) {
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
                    // The error that ended it is worth more than that a thread is stuck.
                    let _ = self.end();
                    return Err(error);
                }
                Outcome::Noted => {}
            }
        }
    }

    fn is_over(&self) -> bool {
        self.ended || self.total.is_some_and(|total| self.done >= total)
    }

    /// The next result.
    fn wait(&mut self, deadline: Option<Instant>) -> Result<Outcome, PipelineError> {
        self.find_taker()?;
        loop {
            let look_again = self.keeper.look(&mut self.workers)?;
            let (seen, done) = (&self.seen, self.done);
            let have_come = |issued| seen.as_ref().map_or(done >= issued, |seen| seen.are_all_below(issued));
            let is_ending = self.keeper.is_ending(have_come);
            let until = if is_ending {
                Some(Instant::now()) // What the commander did last may be among the results already.
            } else {
                [deadline, look_again].into_iter().flatten().min()
            };
            match Held::take(&mut self.taker, until) {
                Ok(held) => {
                    self.keeper.tell()?; // There is room now.
                    return self.outcome(held).map_err(damaged);
                }
                Err(ReadError::TimedOut { .. }) => {}
                Err(other) => return Err(PipelineError::Read(other)),
            }
            if is_ending && let Some(end) = self.keeper.the_end() {
                return Err(end);
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(PipelineError::TimedOut { in_flight: self.progress().in_flight });
            }
        }
    }

    fn find_taker(&mut self) -> Result<(), PipelineError> {
        if self.taker.is_none() {
            self.taker = self.home.1.try_recv().ok();
        }
        if self.taker.is_none() {
            if self.takers == self.most_held {
                return Err(PipelineError::AllHeld { max: self.most_held });
            }
            self.taker = Some(self.workshop.taker()?);
            self.takers += 1;
        }
        Ok(())
    }

    fn outcome(&mut self, held: Held) -> Result<Outcome, Corrupt> {
        let label = Label::from_word(held.received().tag);
        let mark = Mark::of(label);
        let of_no_command = matches!(mark, Some(Mark::End | Mark::Commander | Mark::Unbuilt));
        let is_first = match &mut self.seen {
            Some(seen) if !of_no_command => seen.is_first(label.number)?,
            _ => true,
        };
        if is_first && mark == Some(Mark::Item) {
            let (arrays, home) = (self.workshop.plan.arrays.clone(), self.home.0.clone());
            if held.bytes().len() < arrays.bytes() {
                return Err(Corrupt { what: "an item is shorter than its arrays" });
            }
            return Ok(Outcome::Item(Item { number: label.number, held: Some(held), arrays, home }));
        }
        let outcome = if is_first {
            self.note(mark, label.number, held.bytes())
        } else {
            // Its producer died when it had just published it, and its command was tried again.
            self.workshop.board.count_repeated();
            Outcome::Noted
        };
        self.taker = Some(held.release());
        Ok(outcome)
    }

    /// What a result means that is no item.
    fn note(&mut self, mark: Option<Mark>, number: u64, text: &[u8]) -> Outcome {
        let worker = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        if mark == Some(Mark::End) {
            self.total = Some(number);
            return Outcome::Noted;
        }
        if mark == Some(Mark::Commander) {
            return Outcome::Error(PipelineError::Commander { number, message: worker(text) });
        }
        let Some((&[a, b, c, d, tried], message)) = text.split_first_chunk() else {
            return Outcome::Error(PipelineError::Config("a result without a meaning".into()));
        };
        let producer = u32::from_le_bytes([a, b, c, d]) as usize;
        let (tries, message) = (u32::from(tried) + 1, worker(message));
        let error = match mark {
            Some(Mark::Unbuilt) => {
                let worker = format!("producer {producer}");
                return Outcome::Error(PipelineError::Build { worker, message });
            }
            Some(Mark::Written) => match self.keeper.written(number) {
                Some(error) => error,
                None => return Outcome::Error(PipelineError::Config("a result that nobody knows of".into())),
            },
            _ => PipelineError::Failed { number, producer, tries, message },
        };
        match self.workshop.plan.on_failure {
            OnFailure::Skip => Outcome::Skipped(error),
            OnFailure::Fail | OnFailure::Retry(_) => Outcome::Error(error),
        }
    }

    fn end(&mut self) -> Result<(), PipelineError> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        if self.workshop.commands.is_inherited() {
            return Ok(()); // A forked child's copy: the workers are its parent's.
        }
        self.workshop.close();
        self.workers.end()
    }
}

fn damaged(error: Corrupt) -> PipelineError {
    PipelineError::Read(error.into())
}

impl Iterator for Items {
    type Item = Result<Item, PipelineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance(None).transpose();
        let all_held = matches!(next, Some(Err(PipelineError::AllHeld { .. })));
        // Once, and then the end: else whoever collects the items would collect this error for ever.
        if std::mem::replace(&mut self.said_all_held, all_held) && all_held { None } else { next }
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        // Nobody is left to tell that a thread is stuck.
        let _ = self.end();
    }
}
