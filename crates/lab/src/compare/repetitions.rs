//! The repetitions at each point of a sweep, and the one class in which they are compared.
//!
//! The cores move while a sweep is measured. A curve over points of several classes would show how
//! they moved, so of each sweep one class is used: that in which most of its rounds can be
//! compared.

use super::figures::Figures;
use super::record::Run;
use crate::engines::EngineName;
use harness::class::{Bounds, LineClass};
use harness::repeat::{self, Ending};
use harness::spread::Spread;
use harness::summary::Dropped;
use std::time::Duration;

/// Fewer rounds state nothing.
pub(crate) const ENOUGH: usize = 3;

/// The repetitions at a point of a sweep.
pub(crate) struct Repetitions {
    pub(crate) x: f64,
    pub(crate) engines: Vec<EngineName>,
    pub(crate) class: LineClass,
    record: repeat::Record<Figures>,
}

impl Repetitions {
    /// Sorts `runs` of one sweep by their points, and chooses the class of the sweep.
    pub(crate) fn of_sweep(runs: &[&Run], bounds: Bounds) -> Vec<Self> {
        let mut xs: Vec<f64> = runs.iter().map(|run| run.x).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let mut points: Vec<Self> = xs.into_iter().map(|x| Self::at(x, runs, bounds)).collect();
        let class = class_of(&points);
        for point in &mut points {
            point.class = class;
        }
        points
    }

    fn at(x: f64, runs: &[&Run], bounds: Bounds) -> Self {
        let runs = runs.iter().filter(|run| run.x.total_cmp(&x).is_eq());
        let mut engines: Vec<EngineName> = runs.clone().map(|run| run.engine).collect();
        engines.sort_unstable();
        engines.dedup();
        let index = |engine| engines.iter().position(|found| *found == engine).expect("it is from this list");
        let runs = runs.map(|run| repetition(run, index(run.engine))).collect();
        let names = engines.iter().map(ToString::to_string).collect();
        let record = repeat::Record { names, runs, ending: Ending::Fulfilled, bounds };
        Self { x, engines, class: LineClass::Near, record }
    }

    fn index(&self, engine: EngineName) -> Option<usize> {
        self.engines.iter().position(|found| *found == engine)
    }

    fn outcomes(&self, index: usize) -> impl Iterator<Item = Result<&Figures, &String>> {
        self.record.runs.iter().filter(move |run| run.contestant == index).map(|run| run.outcome.as_ref())
    }

    /// In how many rounds an engine can be compared with the first, which is ours.
    fn paired_with(&self, index: usize, class: LineClass) -> usize {
        self.record.ratio(0, index, class, |_| 1.0).map_or(0, |ratio| ratio.runs.len())
    }

    /// The engines with at least one result. For the others more rounds are useless.
    fn measured(&self) -> impl Iterator<Item = usize> {
        (0..self.engines.len()).filter(|index| self.outcomes(*index).any(|outcome| outcome.is_ok()))
    }

    /// In how many rounds each engine can be compared with ours: the fewest.
    fn paired(&self, class: LineClass) -> usize {
        self.measured().map(|index| self.paired_with(index, class)).min().unwrap_or(0)
    }

    /// Our engine, and those that can be compared with it in fewer than `enough` rounds; empty if
    /// there are none.
    pub(crate) fn short(&self, enough: usize) -> Vec<EngineName> {
        let mut short: Vec<_> =
            self.measured().filter(|index| self.paired_with(*index, self.class) < enough).collect();
        if !short.is_empty() && short[0] != 0 {
            short.insert(0, 0);
        }
        short.into_iter().map(|index| self.engines[index]).collect()
    }

    /// The figures of an engine that may be compared, by the number that `value` takes from them.
    pub(crate) fn spread(&self, engine: EngineName, value: impl Fn(&Figures) -> f64) -> Option<Spread> {
        self.record.summary(self.index(engine)?, self.class, value).spread.filter(is_known)
    }

    /// How many times the figure of `over` that of `engine` is, round by round.
    pub(crate) fn ratio(
        &self,
        engine: EngineName,
        over: EngineName,
        value: impl Fn(&Figures) -> f64,
    ) -> Option<Spread> {
        self.record.ratio(self.index(engine)?, self.index(over)?, self.class, value).filter(is_known)
    }

    /// Whether any repetition has such a figure, comparable or not.
    pub(crate) fn has(&self, value: impl Fn(&Figures) -> f64) -> bool {
        let outcomes = self.record.runs.iter().filter_map(|run| run.outcome.as_ref().ok());
        outcomes.map(value).any(f64::is_finite)
    }

    /// How many repetitions are used, and how many are left out, by reason.
    pub(crate) fn counts(&self) -> (usize, Dropped) {
        self.counts_in(self.class)
    }

    fn counts_in(&self, class: LineClass) -> (usize, Dropped) {
        let (mut used, mut dropped) = (0, Dropped::default());
        for contestant in 0..self.engines.len() {
            let summary = self.record.summary(contestant, class, |_| 0.0);
            used += summary.spread.map_or(0, |spread| spread.runs.len());
            dropped += summary.dropped;
        }
        (used, dropped)
    }

    /// Why the first failed repetition of an engine failed.
    pub(crate) fn failure(&self, engine: EngineName) -> Option<&str> {
        let mut outcomes = self.outcomes(self.index(engine)?);
        outcomes.find_map(Result::err).map(String::as_str)
    }
}

/// Whether every run has the figure: those that lack a quantile are the slow ones.
fn is_known(spread: &Spread) -> bool {
    spread.runs.iter().all(|value| value.is_finite())
}

/// The class in which most rounds of a sweep can be compared, more than [`ENOUGH`] at one point not
/// making up for fewer at another; of equal ones that with most repetitions, and of those the
/// nearest.
fn class_of(points: &[Repetitions]) -> LineClass {
    let worth = |class: &LineClass| {
        let paired = |limit: usize| points.iter().map(|point| point.paired(*class).min(limit)).sum::<usize>();
        let used: usize = points.iter().map(|point| point.counts_in(*class).0).sum();
        (paired(ENOUGH), paired(usize::MAX), used)
    };
    LineClass::ALL.into_iter().rev().max_by_key(worth).unwrap_or(LineClass::Near)
}

fn repetition(run: &Run, contestant: usize) -> repeat::Run<Figures> {
    let [line_before, line_after] = run.line_ns;
    repeat::Run {
        round: run.round,
        contestant,
        line_before,
        line_after,
        elapsed: Duration::from_secs_f64(run.elapsed_seconds.max(0.0)),
        others: Duration::from_secs_f64(run.others_seconds.max(0.0)),
        outcome: run.outcome.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: f64 = 65.0;
    const FAR: f64 = 325.0;
    const ENGINES: [EngineName; 2] = [EngineName::Seqring, EngineName::Semaphore];

    fn round(x: f64, round: usize, line_ns: f64) -> [Run; 2] {
        ENGINES.map(|engine| Run {
            sweep: "readers-polling".into(),
            x,
            engine,
            round,
            line_ns: [line_ns; 2],
            elapsed_seconds: 1.0,
            others_seconds: 0.0,
            outcome: Ok(Figures::default()),
        })
    }

    fn points(runs: &[Run]) -> Vec<Repetitions> {
        Repetitions::of_sweep(&runs.iter().collect::<Vec<_>>(), Bounds::of(25.0, [NEAR, FAR]))
    }

    #[test]
    fn one_class_is_used_at_all_points_of_a_sweep() {
        // Most rounds at 1 are near, and more than enough; at 8 they are far: so are enough of
        // those at 1.
        let mut runs: Vec<Run> = (0..6).flat_map(|n| round(1.0, n, NEAR)).collect();
        runs.extend((6..9).flat_map(|n| round(1.0, n, FAR)));
        runs.extend((0..3).flat_map(|n| round(8.0, n, FAR)));
        let points = points(&runs);
        assert_eq!(points[1].class, LineClass::Far);
        assert_eq!([&points[0], &points[1]].map(|point| point.paired(LineClass::Far)), [3, 3]);
        assert_eq!(points[0].counts().1.0[0], 12);
    }

    #[test]
    fn a_round_counts_if_ours_and_the_other_are_comparable_in_it() {
        let mut runs: Vec<Run> = (0..3).flat_map(|n| round(1.0, n, NEAR)).collect();
        runs[0].others_seconds = 0.5;
        runs[3].line_ns[1] = FAR;
        let point = &points(&runs)[0];
        assert_eq!(point.paired(LineClass::Near), 1);
        assert_eq!(point.short(1), []);
        assert_eq!(point.short(2), ENGINES, "ours, and the engine that lacks rounds");
    }

    #[test]
    fn an_engine_that_always_fails_does_not_cause_more_rounds() {
        let mut runs: Vec<Run> = (0..3).flat_map(|n| round(1.0, n, NEAR)).collect();
        runs.iter_mut().skip(1).step_by(2).for_each(|run| run.outcome = Err("stuck".into()));
        let points = points(&runs);
        assert_eq!(points[0].paired(LineClass::Near), 3);
        assert_eq!(points[0].short(3), []);
        assert_eq!(points[0].failure(EngineName::Semaphore), Some("stuck"));
    }
}
