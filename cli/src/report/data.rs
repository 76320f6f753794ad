//! A record, sorted: sweeps, their points, and at each point the repetitions that may be compared.

use crate::compare::figures::Figures;
use crate::compare::record::{Header, Record, Run};
use crate::compare::sweep::{SWEEPS, Sweep};
use crate::compare::{Death, death};
use crate::engines::EngineName;
use bench_support::class::LineClass;
use bench_support::plan::Ending;
use bench_support::repeat;
use bench_support::spread::Spread;
use bench_support::summary::Dropped;
use std::time::Duration;

/// Everything that pages are made of.
pub(crate) struct Data {
    pub(crate) header: Header,
    pub(crate) sweeps: Vec<Answers>,
    pub(crate) deaths: Vec<Death>,
    /// Repetitions are in use that cannot be compared.
    pub(crate) with_disturbed: bool,
}

/// What a sweep found.
pub(crate) struct Answers {
    pub(crate) sweep: &'static Sweep,
    pub(crate) points: Vec<Answer>,
}

/// What was found at a point of a sweep.
pub(crate) struct Answer {
    pub(crate) x: f64,
    engines: Vec<EngineName>,
    record: repeat::Record<Figures>,
    /// The class in which most rounds can be compared: the only one that is used.
    pub(crate) class: LineClass,
}

impl Data {
    /// Sorts a record.
    pub(crate) fn of(record: Record, with_disturbed: bool) -> Self {
        let Record { header, runs, deaths } = record;
        let of_sweep = |sweep: &'static Sweep| {
            let runs: Vec<&Run> = runs.iter().filter(|run| run.sweep == sweep.name).collect();
            let mut xs: Vec<f64> = runs.iter().map(|run| run.x).collect();
            // "As fast as it goes" is written as 0 and is the fastest of all.
            let key = |x: f64| if sweep.name == "rate" && x == 0.0 { f64::INFINITY } else { x };
            xs.sort_by(|a, b| key(*a).total_cmp(&key(*b)));
            xs.dedup();
            let at = |x: f64| {
                let here = runs.iter().filter(|run| run.x.total_cmp(&x).is_eq());
                Answer::of(x, here.copied(), with_disturbed)
            };
            Answers { sweep, points: xs.into_iter().map(at).collect() }
        };
        let sweeps = SWEEPS.iter().map(of_sweep).filter(|answers| !answers.points.is_empty()).collect();
        Self { header, sweeps, deaths, with_disturbed }
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
    /// The engines that were asked, in their order.
    pub(crate) fn engines(&self) -> Vec<EngineName> {
        let asked = |engine: &EngineName| self.points.iter().any(|point| point.engines.contains(engine));
        EngineName::ALL.iter().copied().filter(asked).collect()
    }

    /// The answer at `x`.
    pub(crate) fn at(&self, x: f64) -> Option<&Answer> {
        self.points.iter().find(|point| point.x.total_cmp(&x).is_eq())
    }
}

impl Answer {
    fn of<'r>(x: f64, runs: impl Iterator<Item = &'r Run>, with_disturbed: bool) -> Self {
        let runs: Vec<&Run> = runs.collect();
        let mut engines: Vec<EngineName> = runs.iter().map(|run| run.engine).collect();
        engines.sort_unstable();
        engines.dedup();
        let index = |engine| engines.iter().position(|found| *found == engine).expect("it is from this list");
        let runs: Vec<_> =
            runs.iter().map(|run| repetition(run, index(run.engine), with_disturbed)).collect();
        let names = engines.iter().map(ToString::to_string).collect();
        let record = repeat::Record { names, runs, ending: Ending::Fulfilled };
        let class = record.best_class();
        Self { x, engines, record, class }
    }

    fn index(&self, engine: EngineName) -> Option<usize> {
        self.engines.iter().position(|found| *found == engine)
    }

    /// The figures of an engine that may be compared, by the number that `value` takes from them.
    pub(crate) fn spread(&self, engine: EngineName, value: impl Fn(&Figures) -> f64) -> Option<Spread> {
        let spread = self.record.summary(self.index(engine)?, self.class, value).spread?;
        spread.median.is_finite().then_some(spread)
    }

    /// Whether any repetition has such a figure, comparable or not.
    pub(crate) fn has(&self, value: impl Fn(&Figures) -> f64) -> bool {
        let outcomes = self.record.runs.iter().filter_map(|run| run.outcome.as_ref().ok());
        outcomes.map(value).any(f64::is_finite)
    }

    /// How many times the figure of `over` that of `engine` is, round by round.
    pub(crate) fn ratio(
        &self,
        engine: EngineName,
        over: EngineName,
        value: impl Fn(&Figures) -> f64,
    ) -> Option<Spread> {
        let ratio = self.record.ratio(self.index(engine)?, self.index(over)?, self.class, value)?;
        ratio.median.is_finite().then_some(ratio)
    }

    /// Repetitions that are used, and those that are not.
    pub(crate) fn counts(&self) -> (usize, Dropped) {
        let (mut used, mut dropped) = (0, Dropped::default());
        for contestant in 0..self.engines.len() {
            let summary = self.record.summary(contestant, self.class, |_| 0.0);
            used += summary.spread.map_or(0, |spread| spread.runs.len());
            dropped.other_class += summary.dropped.other_class;
            dropped.moved += summary.dropped.moved;
            dropped.disturbed += summary.dropped.disturbed;
            dropped.failed += summary.dropped.failed;
        }
        (used, dropped)
    }

    /// Why the first failed repetition of an engine failed.
    pub(crate) fn failure(&self, engine: EngineName) -> Option<&str> {
        let index = self.index(engine)?;
        let runs = self.record.runs.iter().filter(|run| run.contestant == index);
        runs.filter_map(|run| run.outcome.as_ref().err()).map(String::as_str).next()
    }
}

fn repetition(run: &Run, contestant: usize, with_disturbed: bool) -> repeat::Run<Figures> {
    let [before, after] = run.line_ns;
    // With disturbed ones all are taken for comparable: of one class, and with nobody beside them.
    let (before, after) = if with_disturbed { (65.0, 65.0) } else { (before, after) };
    let others = if with_disturbed { 0.0 } else { run.others_seconds };
    repeat::Run {
        round: run.round,
        contestant,
        line_before: before,
        line_after: after,
        elapsed: Duration::from_secs_f64(run.elapsed_seconds.max(0.0)),
        others: Duration::from_secs_f64(others.max(0.0)),
        outcome: run.outcome.clone(),
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
