//! A run of this program: the cores, how much effort, and the interleaved measurement that every row uses.

use crate::journal::Journal;
use crate::options::Options;
use bench_support::class::LineClass;
use bench_support::line::LineProbe;
use bench_support::pin::CorePair;
use bench_support::plan::Plan;
use bench_support::repeat::{Contestant, Record, interleave};
use bench_support::surroundings::ThisMachine;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a repetition measured: the figure that is judged, and others that go with it.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) main: f64,
    pub(crate) also: Vec<(&'static str, f64)>,
}

impl Figures {
    pub(crate) fn main(main: f64) -> Self {
        Self { main, also: Vec::new() }
    }

    /// The figure of that name; not a number if there is none.
    pub(crate) fn also(&self, name: &str) -> f64 {
        self.also.iter().find(|(found, _)| *found == name).map_or(f64::NAN, |(_, value)| *value)
    }
}

/// How long and how often.
pub(crate) struct Effort {
    /// The timed part of a repetition. CPU time of others is counted in ticks: shorter ones hide a neighbour.
    pub(crate) repetition: Duration,
    /// Comparable rounds that a row wants.
    rounds: usize,
    /// Runs of what is compared with nothing.
    repeats: usize,
    /// Comparable runs without which nothing is judged.
    pub(crate) enough: usize,
    /// After it a row makes do with what it has.
    budget: Duration,
    /// How long the idle reader is watched.
    pub(crate) idle: Duration,
}

impl Effort {
    fn of(options: &Options) -> Self {
        let full = Self {
            repetition: Duration::from_millis(400),
            rounds: 9,
            repeats: 3,
            enough: 5,
            budget: Duration::from_mins(3),
            idle: Duration::from_secs(10),
        };
        if options.quick {
            let (budget, idle) = (Duration::from_secs(10), Duration::from_secs(2));
            Self { rounds: 2, repeats: 1, enough: 1, budget, idle, ..full }
        } else {
            full
        }
    }
}

/// What every row works with.
pub(crate) struct Session {
    pub(crate) cores: CorePair,
    pub(crate) effort: Effort,
    journal: Journal,
    stop: Arc<AtomicBool>,
}

impl Session {
    pub(crate) fn new(options: &Options) -> Result<Self, String> {
        let cores = CorePair::first_allowed().map_err(|error| error.to_string())?;
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        // Relaxed: a request, orders nothing.
        ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).map_err(|error| error.to_string())?;
        Ok(Self { cores, effort: Effort::of(options), journal: Journal::new(options.json), stop })
    }

    /// Whether somebody pressed Ctrl-C.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) // Relaxed: see above.
    }

    /// Runs the contestants in turn until enough rounds can be compared, all of `class` or of any one class.
    /// `unit` is that of the main figure.
    pub(crate) fn interleave(
        &self,
        row: &str,
        unit: &str,
        class: Option<LineClass>,
        contestants: &mut [Contestant<'_, Figures>],
    ) -> Result<Record<Figures>, String> {
        let plan = Plan::comparable(self.effort.rounds, class).within(usize::MAX, self.effort.budget);
        self.run(&plan, row, unit, contestants)
    }

    /// Runs one contestant a few times, whatever the cores do: for what has a target, and no rival.
    pub(crate) fn repeat(
        &self,
        row: &str,
        unit: &str,
        contestant: Contestant<'_, Figures>,
    ) -> Result<Record<Figures>, String> {
        self.run(&Plan::rounds(self.effort.repeats), row, unit, &mut [contestant])
    }

    fn run(
        &self,
        plan: &Plan,
        row: &str,
        unit: &str,
        contestants: &mut [Contestant<'_, Figures>],
    ) -> Result<Record<Figures>, String> {
        let mut machine = ThisMachine::new(LineProbe::new(self.cores));
        let record = interleave(contestants, plan, &mut machine, &self.stop, |progress| {
            eprint!("\r\x1b[K{row}: {} of {} rounds, {}", progress.have, progress.want, progress.name);
            self.journal.run(row, unit, progress.name, progress.run);
        });
        eprint!("\r\x1b[K");
        record.map_err(|error| error.to_string())
    }
}
