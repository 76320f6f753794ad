//! From a record to a finding: which contestant, in which class, against what.
//!
//! Where a row tries several layouts or modes of waiting, it reports the one with the best median,
//! by name; the others are in the JSON lines. The best of eight medians is a little better than
//! each would be alone: within the spread that stands beside it.

use crate::class::LineClass;
use crate::repeat::Record;
use crate::spread::Spread;
use crate::table::{Figures, Finding, Session};

/// Which figures are better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Larger ones.
    More,
    /// Smaller ones.
    Less,
}

/// Where a requirement ends, and on which side of it is good.
#[derive(Clone, Copy)]
pub struct Bound {
    /// Which side is good.
    pub better: Better,
    /// Where it ends.
    pub value: f64,
}

impl Bound {
    /// `value`, or more.
    pub fn at_least(value: f64) -> Self {
        Self { better: Better::More, value }
    }

    /// `value`, or less.
    pub fn at_most(value: f64) -> Self {
        Self { better: Better::Less, value }
    }

    /// Whether `value` is on the good side.
    pub fn admits(self, value: f64) -> bool {
        match self.better {
            Better::More => value >= self.value,
            Better::Less => value <= self.value,
        }
    }

    /// Whether `one` is better than `other`.
    pub fn prefers(self, one: f64, other: f64) -> bool {
        match self.better {
            Better::More => one > other,
            Better::Less => one < other,
        }
    }
}

/// The contestant that came closest to a requirement, or furthest beyond it.
pub struct Best {
    /// Which one, as an index into the record's names.
    pub contestant: usize,
    /// Its figures.
    pub spread: Spread,
}

/// The best of `contestants` in `class`, by the spread that `spread` takes of each.
pub fn best(
    contestants: impl Iterator<Item = usize>,
    bound: Bound,
    spread: impl Fn(usize) -> Option<Spread>,
) -> Option<Best> {
    contestants
        .filter_map(|contestant| Some(Best { contestant, spread: spread(contestant)? }))
        .reduce(|best, next| if bound.prefers(next.spread.median, best.spread.median) { next } else { best })
}

/// Judges the best contestant by its own figure, in `class`: that is where the requirement stands.
///
/// # Errors
/// Why there are too few runs to judge.
pub fn by_figure(
    session: &Session,
    record: &Record<Figures>,
    class: LineClass,
    (bound, unit): (Bound, &str),
    remark: impl Fn(&Best) -> (bool, String),
) -> Result<Finding, String> {
    let summary = |contestant| record.summary(contestant, class, |figures| figures.main);
    let found = best(0..record.names.len(), bound, |contestant| summary(contestant).spread)
        .filter(|found| found.spread.runs.len() >= session.effort.enough)
        .ok_or_else(|| too_few(record, class, unit))?;
    let Best { contestant, spread } = &found;
    let (also_holds, remark) = remark(&found);
    let dropped = summary(*contestant).dropped;
    let measured = format!("{spread:.1} {unit}, {class}, {}; {dropped}{remark}", record.names[*contestant]);
    Ok(Finding::new(bound.admits(spread.median) && also_holds, measured))
}

/// Judges the best contestant by how many times the figure of the first it has, round by round.
///
/// # Errors
/// Why there are too few runs to judge.
pub fn by_ratio(
    session: &Session,
    record: &Record<Figures>,
    bound: Bound,
    unit: &str,
) -> Result<Finding, String> {
    let class = record.best_class();
    let main = |figures: &Figures| figures.main;
    let best_in = |class| {
        best(1..record.names.len(), bound, |contestant| record.ratio(contestant, 0, class, main))
            .filter(|found| found.spread.runs.len() >= session.effort.enough)
    };
    let Best { contestant, spread } = best_in(class).ok_or_else(|| too_few(record, class, unit))?;
    let others = record.classes().filter(|other| *other != class).filter_map(|other| {
        let Best { contestant, spread } = best_in(other)?;
        Some(format!("; {other}: {spread} x, {}", record.names[contestant]))
    });
    let figure =
        |contestant| record.summary(contestant, class, main).spread.map_or(f64::NAN, |all| all.median);
    let measured = format!(
        "{spread} x, {class}, {}: {:.1} {unit}, {}: {:.1} {unit}; {}{}",
        record.names[contestant],
        figure(contestant),
        record.names[0],
        figure(0),
        record.summary(contestant, class, main).dropped,
        others.collect::<String>(),
    );
    Ok(Finding::new(bound.admits(spread.median), measured))
}

/// Why nothing is judged, and the medians of the runs that cannot be compared.
pub fn too_few(record: &Record<Figures>, class: LineClass, unit: &str) -> String {
    let all = record.names.iter().enumerate().filter_map(|(contestant, name)| {
        let runs = record.runs.iter().filter(|run| run.contestant == contestant);
        let values = runs.filter_map(|run| Some(run.outcome.as_ref().ok()?.main)).collect();
        Some(format!("{name}: {:.1}", Spread::of(values)?.median))
    });
    let all: Vec<String> = all.collect();
    let error = record.runs.iter().find_map(|run| run.outcome.as_ref().err());
    let error = error.map_or_else(String::new, |error| format!("; first failure: {error}"));
    format!(
        "too few comparable runs ({}; {}){error}. Medians over any class, disturbed or not, in {unit}: {}",
        record.ending,
        record.summary(0, class, |figures| figures.main).dropped,
        all.join("; ")
    )
}
