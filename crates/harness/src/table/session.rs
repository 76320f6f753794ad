//! A run of this program: the cores, how much effort, and the interleaved measurement that every
//! row uses.

use crate::class::LineClass;
use crate::drive;
use crate::line::LineProbe;
use crate::pin::CorePair;
use crate::repeat::{Contestant, Counted, Plan, Progress, Record, Standing, interleave};
use crate::surroundings::ThisMachine;
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a repetition measured.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The figure that is judged.
    pub main: f64,
    /// Others beside it, by name.
    pub also: Vec<(&'static str, f64)>,
}

impl Figures {
    /// A figure alone.
    pub fn main(main: f64) -> Self {
        Self { main, also: Vec::new() }
    }

    /// The figure of that name; not a number if there is none.
    pub fn also(&self, name: &str) -> f64 {
        self.also.iter().find(|(found, _)| *found == name).map_or(f64::NAN, |(_, value)| *value)
    }
}

/// Shows what the program does, on a line that the next text replaces. Only a terminal has such a
/// line: elsewhere nothing is printed.
pub fn show(doing: impl Display) {
    let mut errors = io::stderr().lock();
    if errors.is_terminal() {
        let _ = write!(errors, "\r\x1b[K{doing}");
    }
}

/// How long and how often.
pub struct Effort {
    /// The timed part of a repetition. CPU time of others is counted in ticks: shorter ones hide a
    /// neighbour.
    pub repetition: Duration,
    /// Comparable rounds that a row wants.
    rounds: usize,
    /// Runs of a contestant that is alone.
    repeats: usize,
    /// Comparable runs without which nothing is judged.
    pub enough: usize,
    /// After it a row ends with the rounds that it has.
    budget: Duration,
    /// How long the idle reader is watched.
    pub idle: Duration,
    /// How many processes are killed to see how soon others go on.
    pub kills: usize,
}

impl Effort {
    fn new(quick: bool) -> Self {
        let full = Self {
            repetition: Duration::from_millis(400),
            rounds: 9,
            repeats: 3,
            enough: 5,
            budget: Duration::from_secs(180),
            idle: Duration::from_secs(10),
            kills: 200,
        };
        if quick {
            let (budget, idle) = (Duration::from_secs(10), Duration::from_secs(2));
            Self { rounds: 2, repeats: 1, enough: 1, budget, idle, kills: 10, ..full }
        } else {
            full
        }
    }
}

/// What every row works with.
pub struct Session {
    /// Where both ends run.
    pub cores: CorePair,
    /// How long and how often.
    pub effort: Effort,
    journal: bool,
    stop: Arc<AtomicBool>,
}

impl Session {
    /// A session on the first two cores that we may run on. It ends early when `stop` is set.
    pub(super) fn new(quick: bool, json: bool, stop: Arc<AtomicBool>) -> Result<Self, String> {
        let cores = CorePair::first_allowed().map_err(|error| error.to_string())?;
        Ok(Self { cores, effort: Effort::new(quick), journal: json, stop })
    }

    /// Whether the run is to end early.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) // Relaxed: a request, orders nothing.
    }

    /// One repetition of a candidate of `row`.
    pub fn run_of<'a>(&self, row: &'a str) -> drive::Repetition<'a> {
        drive::Repetition { row, cores: self.cores, duration: self.effort.repetition }
    }

    /// Runs the contestants in turn until enough rounds can be compared, of `class` or of each
    /// class that the cores are in. `unit` is that of the main figure.
    ///
    /// # Errors
    /// What probing the machine reports.
    pub fn interleave(
        &self,
        row: &str,
        unit: &str,
        class: Option<LineClass>,
        contestants: &mut [Contestant<'_, Figures>],
    ) -> Result<Record<Figures>, String> {
        let counted = class.map_or(Counted::OfEachClass, Counted::Of);
        let plan = Plan { rounds: self.effort.rounds, counted, budget: self.effort.budget };
        self.run(&plan, row, unit, contestants)
    }

    /// Runs one contestant a few times, whatever the cores do: for what has a target, and nothing
    /// to be compared with.
    ///
    /// # Errors
    /// What probing the machine reports.
    pub fn repeat(
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
            show(format_args!("{row}: {} of {} rounds, {}", progress.have, progress.want, progress.name));
            if self.journal {
                println!("{}", line(row, unit, &progress));
            }
        });
        show("");
        record.map_err(|error| error.to_string())
    }
}

/// A repetition as a line of JSON, whether it can be compared or not.
fn line(row: &str, unit: &str, progress: &Progress<'_, Figures>) -> Value {
    let Progress { run, name, bounds, .. } = *progress;
    let standing = match run.standing(bounds) {
        Standing::Comparable(class) => class.to_string(),
        other => format!("{other:?}").to_lowercase(),
    };
    let mut line = json!({
        "row": row,
        "contestant": name,
        "round": run.round,
        "standing": standing,
        "line_round_trip_ns": [run.line_before, run.line_after],
        "seconds": run.elapsed.as_secs_f64(),
        "others_cpu_seconds": run.others.as_secs_f64(),
        "unit": unit,
    });
    match &run.outcome {
        Ok(figures) => {
            line["value"] = json!(figures.main);
            let also = figures.also.iter().map(|(name, value)| ((*name).into(), json!(value)));
            line["also"] = also.collect::<Map<_, _>>().into();
        }
        Err(error) => line["error"] = json!(error),
    }
    line
}
