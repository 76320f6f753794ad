//! A run from beginning to end: everybody gets ready, the clock starts, the writers stop, the readers drain.
//!
//! Nothing here sleeps to wait for somebody: whatever happens is an [`Event`].

use super::BadInput;
use super::interrupt::{Interrupted, Interrupts};
use super::options::{Delivery, Transport};
use super::plan::Plan;
use super::progress::Progress;
use super::protocol::{Assignment, Order, Reading, Reply, Role, Writing};
use super::team::{Event, Team};
use anyhow::{Result, bail};
use harness::clock::Moment;
use harness::engine::Engine;
use harness::line::LineProbe;
use harness::pin::CorePair;
use harness::ring_spec::{self, Place, RingSpec, Writers};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};

/// What a run says on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Voice {
    /// Nothing: it is one of many.
    Silent,
    /// How far it is.
    Normal,
    /// What the workers say, too.
    Debug,
}

/// What came of a run that reached its end.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Ctrl-C ended it early.
    pub(crate) interrupted: bool,
    pub(crate) writings: Vec<Writing>,
    pub(crate) readings: Vec<Reading>,
    /// The round trip of a cache line in ns, before and after; `None` on a machine with one core.
    pub(crate) line_round_trip_ns: [Option<f64>; 2],
}

/// Runs `plan` on a ring of the kind `E`.
///
/// # Errors
/// [`BadInput`] if there can be no such ring, [`Interrupted`] if there are no results, and whatever a worker
/// failed with.
pub(crate) fn run<E: Engine + 'static>(
    plan: &Plan,
    voice: Voice,
    interrupts: &Interrupts,
) -> Result<Outcome> {
    let (sender, events) = mpsc::channel();
    interrupts.send_to(sender.clone());
    let name = ring_name(plan);
    let ring = Arc::new(create::<E>(plan, name.as_deref())?);
    let mut run = Run { plan, voice, team: Team::new(sender), events, outcome: Outcome::default() };
    run.assemble(&ring, &name.unwrap_or_default())?;
    // Everybody has the ring open. Unless the user wants to look at it, its name goes now: whatever happens
    // from here on, nothing is left behind.
    let _named = plan.name.is_some().then_some(ring);
    let before = line_round_trip();
    run.measure()?;
    let mut outcome = run.outcome;
    outcome.line_round_trip_ns = [before, line_round_trip()];
    outcome.writings.sort_by_key(|writing| writing.number);
    outcome.readings.sort_by_key(|reading| reading.number);
    Ok(outcome)
}

/// `None`: on the heap.
fn ring_name(plan: &Plan) -> Option<String> {
    let made_up = || format!("perf-{}-{}", std::process::id(), Moment::now().as_nanos());
    match plan.transport {
        Transport::Process => Some(plan.name.clone().unwrap_or_else(made_up)),
        Transport::Thread => plan.name.clone(),
    }
}

fn create<E: Engine>(plan: &Plan, name: Option<&str>) -> Result<E> {
    let spec = RingSpec {
        slots: plan.slots,
        slot_bytes: plan.slot_bytes,
        delivery: match plan.delivery {
            Delivery::Gated => ring_spec::Delivery::Gated,
            Delivery::Lossy => ring_spec::Delivery::Lossy,
            Delivery::Queue => ring_spec::Delivery::Queue,
        },
        writers: if plan.writers == 1 { Writers::One } else { Writers::Many(plan.writers) },
        readers: plan.readers,
    };
    let place = name.map_or(Place::Heap, |name| Place::Named(name.into()));
    E::create(&spec, &place).map_err(|error| BadInput(error.to_string()).into())
}

fn line_round_trip() -> Option<f64> {
    let reading = CorePair::first_allowed().and_then(|cores| LineProbe::new(cores).measure());
    reading.ok().map(|bursts| bursts.median())
}

/// A run on its way.
struct Run<'p> {
    plan: &'p Plan,
    voice: Voice,
    team: Team,
    events: Receiver<Event>,
    outcome: Outcome,
}

impl Run<'_> {
    /// Starts all workers, and returns when the last one is ready.
    fn assemble<E: Engine + 'static>(&mut self, ring: &Arc<E>, name: &str) -> Result<()> {
        let writers = (0..self.plan.writers).map(Role::Writer);
        for role in writers.chain((0..self.plan.readers).map(Role::Reader)) {
            let assignment = Assignment { plan: self.plan.clone(), role, ring: name.to_owned() };
            self.team.start(ring, assignment)?;
        }
        let mut ready = 0;
        while ready < self.team.len() {
            match self.events.recv()? {
                Event::Said(index, Ok(Reply::Ready)) => {
                    ready += 1;
                    self.note(|| format!("{} is ready", self.team.describe(index)));
                }
                Event::Interrupted => bail!(Interrupted),
                other => self.unexpected(other)?,
            }
        }
        Ok(())
    }

    /// Starts the clock, and returns when the last worker has reported and gone.
    fn measure(&mut self) -> Result<()> {
        let mut progress = (self.voice > Voice::Silent).then(|| Progress::start(self.plan));
        // Readers first. They are registered, so this is not what makes them see the first message.
        self.team.tell_all(&Order::Go, |role| matches!(role, Role::Reader(_)));
        let is_stalled = |role| matches!(role, Role::Writer(number) if self.plan.is_stalled(number));
        if self.plan.stall_last_writer {
            self.team.tell_all(&Order::Go, is_stalled);
            self.await_inside()?;
        }
        self.team.tell_all(&Order::Go, |role| matches!(role, Role::Writer(_)) && !is_stalled(role));
        let mut there = self.team.len();
        while there > 0 {
            let event = match self.events.recv_timeout(Progress::PERIOD) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => {
                    progress.iter_mut().for_each(Progress::advance);
                    continue;
                }
                Err(gone) => return Err(gone.into()),
            };
            match event {
                Event::Said(index, Ok(reply)) => self.reported(index, reply),
                Event::Said(..) => self.unexpected(event)?,
                Event::Ended(index, errors) => {
                    self.gone(index, &errors)?;
                    there -= 1;
                }
                Event::Interrupted if self.outcome.interrupted => bail!(Interrupted),
                Event::Interrupted => self.interrupt(),
            }
        }
        Ok(())
    }

    /// Returns when the stalled writer is in the middle of its write.
    fn await_inside(&mut self) -> Result<()> {
        loop {
            match self.events.recv()? {
                Event::Said(_, Ok(Reply::Inside)) => return Ok(()),
                Event::Interrupted => bail!(Interrupted),
                other => self.unexpected(other)?,
            }
        }
    }

    fn reported(&mut self, index: usize, reply: Reply) {
        self.note(|| format!("{} reports {reply:?}", self.team.describe(index)));
        match reply {
            Reply::Wrote(writing) => self.outcome.writings.push(writing),
            Reply::Read(reading) => self.outcome.readings.push(reading),
            Reply::Ready | Reply::Inside => return,
        }
        self.team.has_reported(index);
    }

    /// A worker's standard output has ended.
    fn gone(&mut self, index: usize, errors: &str) -> Result<()> {
        self.note(|| format!("{} is gone", self.team.describe(index)));
        self.team.dismiss(index, errors)
    }

    fn interrupt(&mut self) {
        self.outcome.interrupted = true;
        if self.voice > Voice::Silent {
            eprintln!("seqring perf: stopping; readers get what is there");
        }
        self.team.tell_all(&Order::Stop, |role| matches!(role, Role::Writer(_)));
    }

    /// An event that only a failed worker causes.
    fn unexpected(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Said(index, Ok(reply)) => {
                bail!("{} said {reply:?} out of turn", self.team.describe(index))
            }
            Event::Said(index, Err(garbled)) => Err(garbled.context(self.team.describe(index))),
            Event::Ended(index, errors) => self.gone(index, &errors),
            Event::Interrupted => bail!(Interrupted),
        }
    }

    fn note(&self, what: impl FnOnce() -> String) {
        if self.voice == Voice::Debug {
            eprintln!("seqring perf: {}", what());
        }
    }
}
