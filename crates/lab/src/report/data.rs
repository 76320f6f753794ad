//! A record, sorted: sweeps, their points, and at each point the repetitions that may be compared.

use crate::compare::calls::Calls;
use crate::compare::figures::Figures;
use crate::compare::record::{Header, Record, Run};
use crate::compare::repetitions::{Repetitions, class_of};
use crate::compare::sweep::{SWEEPS, Sweep};
use crate::compare::{Death, death};
use crate::engines::EngineName;
use harness::class::{FAR_ABOVE_NANOS, LineClass};
use harness::spread::Spread;
use harness::summary::Dropped;

/// Everything that pages are made of.
pub(crate) struct Data {
    pub(crate) header: Header,
    pub(crate) sweeps: Vec<Answers>,
    pub(crate) deaths: Vec<Death>,
    pub(crate) calls: Vec<Calls>,
    /// Repetitions are in use that cannot be compared.
    pub(crate) with_disturbed: bool,
}

/// What a sweep found.
pub(crate) struct Answers {
    pub(crate) sweep: &'static Sweep,
    /// The only class that is used.
    pub(crate) class: LineClass,
    pub(crate) points: Vec<Answer>,
}

/// What was found at a point of a sweep.
pub(crate) struct Answer {
    pub(crate) x: f64,
    repetitions: Repetitions,
    /// The class of the sweep.
    class: LineClass,
}

impl Data {
    /// Sorts a record. With disturbed ones all repetitions are taken for comparable.
    pub(crate) fn of(record: Record, with_disturbed: bool) -> Self {
        let Record { header, mut runs, deaths, calls } = record;
        if with_disturbed {
            for run in &mut runs {
                (run.line_ns, run.others_seconds) = ([FAR_ABOVE_NANOS; 2], 0.0);
            }
        }
        let sweeps = SWEEPS.iter().map(|sweep| Answers::of(sweep, &runs));
        let sweeps = sweeps.filter(|answers| !answers.points.is_empty()).collect();
        Self { header, sweeps, deaths, calls, with_disturbed }
    }

    /// The answers of a sweep, if it was measured.
    pub(crate) fn sweep(&self, name: &str) -> Option<&Answers> {
        self.sweeps.iter().find(|answers| answers.sweep.name == name)
    }

    /// Whether the others went on after a death.
    pub(crate) fn death(&self, engine: EngineName, who: death::Who) -> Option<&Death> {
        self.deaths.iter().find(|death| death.engine == engine && death.killed == who)
    }
}

impl Answers {
    fn of(sweep: &'static Sweep, runs: &[Run]) -> Self {
        let runs: Vec<&Run> = runs.iter().filter(|run| run.sweep == sweep.name).collect();
        let found = Repetitions::of_sweep(&runs);
        let class = class_of(&found);
        let of_point = |repetitions: Repetitions| Answer { x: repetitions.x, repetitions, class };
        let mut points: Vec<Answer> = found.into_iter().map(of_point).collect();
        // "As fast as it goes" is written as 0 and is the fastest of all.
        let key = |x: f64| if sweep.name == "rate" && x == 0.0 { f64::INFINITY } else { x };
        points.sort_by(|one, other| key(one.x).total_cmp(&key(other.x)));
        Self { sweep, class, points }
    }

    /// The engines that were asked, in their order.
    pub(crate) fn engines(&self) -> Vec<EngineName> {
        let asked =
            |engine: &EngineName| self.points.iter().any(|point| point.repetitions.engines.contains(engine));
        EngineName::ALL.iter().copied().filter(asked).collect()
    }

    /// The answer at `x`.
    pub(crate) fn at(&self, x: f64) -> Option<&Answer> {
        self.points.iter().find(|point| point.x.total_cmp(&x).is_eq())
    }
}

impl Answer {
    /// The figures of an engine that may be compared, by the number that `value` takes from them.
    pub(crate) fn spread(&self, engine: EngineName, value: impl Fn(&Figures) -> f64) -> Option<Spread> {
        self.repetitions.spread(engine, self.class, value)
    }

    /// How many times the figure of `over` that of `engine` is, round by round.
    pub(crate) fn ratio(
        &self,
        engine: EngineName,
        over: EngineName,
        value: impl Fn(&Figures) -> f64,
    ) -> Option<Spread> {
        self.repetitions.ratio(engine, over, self.class, value)
    }

    /// Whether any repetition has such a figure, comparable or not.
    pub(crate) fn has(&self, value: impl Fn(&Figures) -> f64) -> bool {
        self.repetitions.has(value)
    }

    /// Repetitions that are used, and those that are not.
    pub(crate) fn counts(&self) -> (usize, Dropped) {
        self.repetitions.counts(self.class)
    }

    /// Why the first failed repetition of an engine failed.
    pub(crate) fn failure(&self, engine: EngineName) -> Option<&str> {
        self.repetitions.failure(engine)
    }
}

/// Figures by their names in tables.
pub(crate) fn rate(figures: &Figures) -> f64 {
    figures.writes_per_second
}

/// The writer's 99.9th percentile, in ns; not a number if it was not timed.
pub(crate) fn writer_p999(figures: &Figures) -> f64 {
    figures.writer_ns.map_or(f64::NAN, |latency| latency.p999 as f64)
}

/// The worst reader's 99.9th percentile, in ns; not a number if it was not timed.
pub(crate) fn reader_p999(figures: &Figures) -> f64 {
    figures.reader_ns.map_or(f64::NAN, |latency| latency.p999 as f64)
}
