//! Which round comes next.
//!
//! First every point gets the rounds that it is to have, the one with the fewest first: so whatever ends a comparison
//! early takes as much from each sweep. Then what cannot be compared is measured again, in rounds of our ring and those
//! that lack comparable ones.

use super::record::Journal;
use super::repetitions::{ENOUGH, Repetitions, class_of};
use super::schedule::{Point, Schedule};
use crate::engines::EngineName;
use std::time::Duration;

/// What a repetition takes besides its time: starting the workers, touching the memory, probing the cache line.
const PREPARATIONS: Duration = Duration::from_millis(80);

/// A round that is to be measured.
pub(crate) struct Round<'s> {
    pub(crate) point: &'s Point,
    /// From 0.
    pub(crate) number: u32,
    pub(crate) engines: Vec<EngineName>,
}

impl Round<'_> {
    /// Whether the point has all the rounds that it was to have.
    pub(crate) fn is_again(&self) -> bool {
        self.number >= self.point.rounds
    }

    /// How long it is likely to take.
    pub(crate) fn time(&self) -> Duration {
        (self.point.duration + PREPARATIONS) * self.engines.len() as u32
    }
}

/// The next round; `None` if no point lacks one.
pub(crate) fn next<'s>(schedule: &'s Schedule, journal: &Journal) -> Option<Round<'s>> {
    lacking(schedule, journal).min_by_key(|round| (round.is_again(), round.number))
}

/// The rounds that points lack, one for each.
pub(crate) fn lacking<'s>(schedule: &'s Schedule, journal: &Journal) -> impl Iterator<Item = Round<'s>> {
    schedule.points.iter().filter_map(|point| {
        let engines = schedule.engines_of(point);
        let number = journal.whole_rounds(point, &engines);
        if number < point.rounds {
            return Some(Round { point, number, engines });
        }
        let engines = if schedule.is_exact { Vec::new() } else { short(point, journal) };
        (!engines.is_empty()).then(|| Round { point, number: journal.rounds(point), engines })
    })
}

/// The engines of which too few rounds can be compared in the class of the sweep, and ours, with which they are.
fn short(point: &Point, journal: &Journal) -> Vec<EngineName> {
    let points = Repetitions::of_sweep(&journal.runs_of(point.sweep));
    let class = class_of(&points);
    let here = points.iter().find(|here| here.x.total_cmp(&point.x).is_eq());
    here.map_or_else(Vec::new, |here| here.short(class, ENOUGH.min(point.rounds as usize)))
}
