//! Interleaved repetitions: A B C A B C …, each with the surroundings it ran in.
//!
//! Two contestants that are measured minutes apart are measured on two machines. So every round
//! runs each contestant once; the cache line is probed between any two repetitions (a reading is
//! the "after" of one and the "before" of the next), and the CPU time of others is counted across
//! each. Every repetition is kept, also those that cannot be compared, with the reason.
//!
//! A round takes as long as its contestants together. The shorter the repetition, the more of them
//! pass before the cores move: several rounds of 0.3 s are worth more here than one of 10 s.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::class::{Bounds, LineClass};
use crate::clock::Moment;
use crate::surroundings::{Surroundings, is_disturbed};

/// A named thing to measure: a closure that runs one repetition and returns its measurement.
pub struct Contestant<'a, M> {
    name: String,
    run: Repetition<'a, M>,
}

type Repetition<'a, M> = Box<dyn FnMut() -> Result<M, String> + 'a>;

impl<'a, M> Contestant<'a, M> {
    /// Names the contestant. `run` warms up, measures and verifies; its error is text for the
    /// record.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Result<M, String> + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// One repetition of one contestant, and what was around it.
#[derive(Clone, Debug)]
pub struct Run<M> {
    /// Which round, from 0.
    pub round: usize,
    /// Which contestant, as an index into [`Record::names`].
    pub contestant: usize,
    /// Line round trip before it, in ns.
    pub line_before: f64,
    /// Line round trip after it, in ns.
    pub line_after: f64,
    /// How long it took, its warm-up included.
    pub elapsed: Duration,
    /// CPU time that others took meanwhile, stolen time included.
    pub others: Duration,
    /// What it measured, or why it failed.
    pub outcome: Result<M, String>,
}

/// Whether a repetition may be compared with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// With those of the same class.
    Comparable(LineClass),
    /// With none: the cores moved during it.
    Moved,
    /// With none: others needed the cores.
    Disturbed,
    /// With none: it has no measurement.
    Failed,
}

impl<M> Run<M> {
    /// Whether it may be compared; the first reason that applies if not: failed, disturbed, moved.
    pub fn standing(&self, bounds: Bounds) -> Standing {
        if self.outcome.is_err() {
            Standing::Failed
        } else if is_disturbed(self.others, self.elapsed) {
            Standing::Disturbed
        } else {
            let [before, after] = [self.line_before, self.line_after].map(|nanos| bounds.class(nanos));
            if before == after { Standing::Comparable(before) } else { Standing::Moved }
        }
    }
}

/// How long the contestants take turns.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// So many rounds of those that count.
    pub rounds: usize,
    /// Which rounds count.
    pub counted: Counted,
    /// No round begins after this time. The cores may never come into a class.
    pub budget: Duration,
}

/// Which rounds count. One counts for a pair of contestants if both are comparable in it; there are
/// as many as every pair has ([`Record::shared_rounds`]).
#[derive(Clone, Copy, Debug)]
pub enum Counted {
    /// Any, whatever they are like.
    All,
    /// Comparable ones of each class in which a repetition was comparable.
    OfEachClass,
    /// Comparable ones of this class.
    Of(LineClass),
}

impl Plan {
    /// Exactly `rounds` rounds.
    pub const fn rounds(rounds: usize) -> Self {
        Self { rounds, counted: Counted::All, budget: Duration::MAX }
    }

    /// How many rounds that count are there.
    fn have<M>(&self, record: &Record<M>) -> usize {
        match self.counted {
            Counted::All => record.rounds(),
            Counted::OfEachClass => {
                record.classes().map(|class| record.shared_rounds(class)).min().unwrap_or(0)
            }
            Counted::Of(class) => record.shared_rounds(class),
        }
    }
}

/// Why the interleaver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What the plan wants is there.
    Fulfilled,
    /// The stop flag was set.
    Stopped,
    /// The budget was spent first, with so many of the wanted rounds.
    BudgetSpent {
        /// Rounds that are there.
        have: usize,
        /// Rounds that were wanted.
        want: usize,
    },
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fulfilled => f.write_str("complete"),
            Self::Stopped => f.write_str("stopped on request: incomplete"),
            Self::BudgetSpent { have, want } => {
                write!(f, "budget spent: {have} of {want} comparable rounds of the class")
            }
        }
    }
}

/// Everything that was measured.
#[derive(Clone, Debug)]
pub struct Record<M> {
    /// The names of the contestants, in the order in which they ran.
    pub names: Vec<String>,
    /// Every repetition, in the order in which they ran.
    pub runs: Vec<Run<M>>,
    /// Why it ended.
    pub ending: Ending,
    /// The bounds of the classes, by the readings so far.
    pub bounds: Bounds,
}

/// The argument of a progress callback, after every repetition.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a, M> {
    /// The repetition that just ended.
    pub run: &'a Run<M>,
    /// The name of its contestant.
    pub name: &'a str,
    /// How much of what the plan wants is there.
    pub have: usize,
    /// How much the plan wants.
    pub want: usize,
    /// The bounds of the classes, by the readings so far.
    pub bounds: Bounds,
}

/// Runs the contestants in turn until the plan is fulfilled, its budget spent, or `stop` set.
///
/// `stop` is checked between repetitions: a Ctrl-C handler sets it. A contestant that runs for
/// long checks the same flag, and returns an error if it was cut short.
///
/// # Errors
/// What probing the surroundings reports. A contestant that fails is no error: the failure is in
/// its run.
///
/// # Cost
/// One probe for each repetition and one more; nothing runs beside a repetition.
pub fn interleave<M>(
    contestants: &mut [Contestant<'_, M>],
    plan: &Plan,
    surroundings: &mut impl Surroundings,
    stop: &AtomicBool,
    mut progress: impl FnMut(Progress<'_, M>),
) -> io::Result<Record<M>> {
    let names = contestants.iter().map(|contestant| contestant.name.clone()).collect();
    let (pause, mut readings) = (surroundings.pause_nanos(), Vec::new());
    let bounds = Bounds::of(pause, []);
    let mut record = Record { names, runs: Vec::new(), ending: Ending::Fulfilled, bounds };
    let begin = Moment::now();
    let mut line = surroundings.line_nanos()?;
    for round in 0.. {
        let (have, want) = (plan.have(&record), plan.rounds);
        if have >= want {
            break;
        } else if begin.elapsed() >= plan.budget {
            record.ending = Ending::BudgetSpent { have, want };
            break;
        }
        for (index, contestant) in contestants.iter_mut().enumerate() {
            // Relaxed: a request, orders nothing.
            if stop.load(Ordering::Relaxed) {
                record.ending = Ending::Stopped;
                return Ok(record);
            }
            let line_before = line;
            surroundings.begin()?;
            let begin = Moment::now();
            let outcome = (contestant.run)();
            let (elapsed, others) = (begin.elapsed(), surroundings.others()?);
            line = surroundings.line_nanos()?;
            record.runs.push(Run {
                round,
                contestant: index,
                line_before,
                line_after: line,
                elapsed,
                others,
                outcome,
            });
            readings.push(line);
            record.bounds = Bounds::of(pause, readings.iter().copied());
            let have = plan.have(&record);
            progress(Progress {
                run: &record.runs[record.runs.len() - 1],
                name: &contestant.name,
                have,
                want,
                bounds: record.bounds,
            });
        }
    }
    Ok(record)
}
