//! A run from beginning to end: all workers get ready, the clock starts, the writers stop, the
//! readers drain.
//!
//! The coordinator never sleeps for a fixed time; it waits for [`Event`]s.

use super::BadInput;
use super::interrupt::{Interrupted, Interrupts};
use super::plan::Plan;
use super::protocol::{Assignment, Order, Reading, Reply, Role, WorkerResult, Writing};
use super::workers::{Event, Workers};
use crate::output;
use crate::units::{plural, scaled};
use anyhow::{Result, bail};
use harness::clock::Moment;
use harness::engine::Engine;
use harness::line::LineProbe;
use harness::pin::CorePair;
use harness::refusal::EngineError;
use harness::ring_spec::Place;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(100);

/// What a run prints on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Nothing.
    Silent,
    /// Its progress.
    Normal,
    /// The replies of the workers, too.
    Debug,
}

/// The results of a run that reached its end.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Ctrl-C ended it early.
    pub interrupted: bool,
    /// Of each writer.
    pub writings: Vec<Writing>,
    /// Of each reader.
    pub readings: Vec<Reading>,
    /// The round trip of a cache line in ns, before and after; `None` on a machine with one core.
    pub line_round_trip_ns: [Option<f64>; 2],
}

impl Outcome {
    /// The common part of all results.
    pub fn results(&self) -> impl Iterator<Item = &WorkerResult> {
        let writings = self.writings.iter().map(|writing| &writing.result);
        writings.chain(self.readings.iter().map(|reading| &reading.result))
    }
}

/// Runs `plan` on a ring of the kind `E`.
///
/// # Errors
/// [`BadInput`] if there can be no such ring, [`Interrupted`] if there are no results, or the
/// failure of a worker.
pub fn measure<E: Engine + 'static>(
    plan: &Plan,
    verbosity: Verbosity,
    interrupts: &Interrupts,
) -> Result<Outcome> {
    let (sender, events) = mpsc::channel();
    interrupts.send_to(sender.clone());
    let place = plan.place(|| format!("perf-{}-{}", std::process::id(), Moment::now().as_nanos()));
    let ring = E::create(&plan.ring(), &place).map_err(|error| match error {
        EngineError::Unsupported { what } => {
            BadInput(format!("the engine {} does not support {what}", E::NAME))
        }
        failed @ EngineError::Failed { .. } => BadInput(failed.to_string()),
    })?;
    let ring = Arc::new(ring);
    let mut run = Run { plan, verbosity, workers: Workers::new(sender), events, outcome: Outcome::default() };
    run.assemble(&ring, &place)?;
    // All workers have the ring open. Unless the user gave its name, the name goes now: a killed
    // run leaves nothing behind.
    let _named = plan.name.is_some().then_some(ring);
    let before = line_round_trip();
    run.measure()?;
    let mut outcome = run.outcome;
    outcome.line_round_trip_ns = [before, line_round_trip()];
    outcome.writings.sort_by_key(|writing| writing.result.number);
    outcome.readings.sort_by_key(|reading| reading.result.number);
    Ok(outcome)
}

fn line_round_trip() -> Option<f64> {
    let reading = CorePair::first_allowed().and_then(|cores| LineProbe::new(cores).measure());
    reading.ok()
}

struct Run<'p> {
    plan: &'p Plan,
    verbosity: Verbosity,
    workers: Workers,
    events: Receiver<Event>,
    outcome: Outcome,
}

impl Run<'_> {
    /// Starts all workers, and returns when the last one is ready.
    fn assemble<E: Engine + 'static>(&mut self, ring: &Arc<E>, place: &Place) -> Result<()> {
        let name = if let Place::Named(name) = place { name.as_str() } else { "" };
        let writers = (0..self.plan.writers).map(Role::Writer);
        for role in writers.chain((0..self.plan.readers).map(Role::Reader)) {
            let assignment = Assignment { plan: self.plan.clone(), role, ring: name.to_owned() };
            self.workers.start(ring, assignment)?;
        }
        for _ in 0..self.workers.len() {
            self.await_reply(|reply| matches!(reply, Reply::Ready))?;
        }
        Ok(())
    }

    /// Returns when a worker sends a reply for which `is_due` holds; any other event is a failure.
    fn await_reply(&mut self, is_due: fn(&Reply) -> bool) -> Result<()> {
        match self.events.recv()? {
            Event::Said(index, Ok(reply)) if is_due(&reply) => {
                self.note(|| format!("{}: {reply:?}", self.workers.describe(index)));
                Ok(())
            }
            other => self.unexpected(other),
        }
    }

    /// Starts the clock, and returns when the last worker has reported and gone.
    fn measure(&mut self) -> Result<()> {
        let progress = (self.verbosity > Verbosity::Silent).then(|| start_progress(self.plan));
        let begin = Instant::now();
        // Readers first. They are registered already, so they see the first message in either
        // order.
        self.workers.send_to(&Order::Go, |role| matches!(role, Role::Reader(_)));
        let is_stalled = |role| matches!(role, Role::Writer(number) if self.plan.is_stalled(number));
        if self.plan.stall_last_writer {
            self.workers.send_to(&Order::Go, is_stalled);
            self.await_reply(|reply| matches!(reply, Reply::Inside))?;
        }
        self.workers.send_to(&Order::Go, |role| matches!(role, Role::Writer(_)) && !is_stalled(role));
        let mut there = self.workers.len();
        while there > 0 {
            match self.events.recv_timeout(PERIOD) {
                Ok(Event::Said(index, Ok(reply))) => self.reported(index, reply),
                Ok(Event::Ended(index, errors)) => {
                    self.gone(index, &errors)?;
                    there -= 1;
                }
                Ok(Event::Interrupted) if !self.outcome.interrupted => self.interrupt(),
                Ok(other) => self.unexpected(other)?,
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(bar) = &progress {
                        let elapsed = begin.elapsed();
                        bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
                        bar.set_message(match self.plan.duration().saturating_sub(elapsed) {
                            Duration::ZERO => "readers drain the ring".into(),
                            left => format!(
                                "of {} s, {:.0} s left",
                                self.plan.duration_seconds,
                                left.as_secs_f64().ceil()
                            ),
                        });
                    }
                }
                Err(gone) => return Err(gone.into()),
            }
        }
        Ok(())
    }

    fn reported(&mut self, index: usize, reply: Reply) {
        self.note(|| format!("{} reports {reply:?}", self.workers.describe(index)));
        match reply {
            Reply::Wrote(writing) => self.outcome.writings.push(writing),
            Reply::Read(reading) => self.outcome.readings.push(reading),
            Reply::Ready | Reply::Inside => return,
        }
        self.workers.has_reported(index);
    }

    /// The standard output of a worker has ended.
    fn gone(&mut self, index: usize, errors: &str) -> Result<()> {
        self.note(|| format!("{} is gone", self.workers.describe(index)));
        self.workers.dismiss(index, errors)
    }

    fn interrupt(&mut self) {
        self.outcome.interrupted = true;
        if self.verbosity > Verbosity::Silent {
            output::report(format_args!("perf: stopping; readers drain the ring"));
        }
        self.workers.send_to(&Order::Stop, |role| matches!(role, Role::Writer(_)));
    }

    /// An event that only a failed worker or the user causes: an error.
    fn unexpected(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Said(index, Ok(reply)) => {
                bail!("{} said {reply:?} out of turn", self.workers.describe(index))
            }
            Event::Said(index, Err(garbled)) => Err(garbled.context(self.workers.describe(index))),
            Event::Ended(index, errors) => self.gone(index, &errors),
            Event::Interrupted => bail!(Interrupted),
        }
    }

    fn note(&self, what: impl FnOnce() -> String) {
        if self.verbosity == Verbosity::Debug {
            output::report(format_args!("perf: {}", what()));
        }
    }
}

/// Prints that the clock starts, and returns a bar, which shows on a terminal only.
fn start_progress(plan: &Plan) -> ProgressBar {
    output::report(format_args!(
        "perf: running for {} s, {} and {} over {} of {}",
        plan.duration_seconds,
        plural(plan.writers, "writer"),
        plural(plan.readers, "reader"),
        plural(plan.slots, "slot"),
        scaled(plan.slot_bytes as f64, "B")
    ));
    let bar = ProgressBar::new(u64::try_from(plan.duration().as_millis()).unwrap_or(u64::MAX));
    let bar = bar.with_finish(ProgressFinish::AndClear);
    match ProgressStyle::with_template("{bar:40} {elapsed} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
