//! Summaries of a record: per contestant within one class, and per pair of contestants by rounds.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use crate::class::LineClass;
use crate::repeat::{Record, Run, Standing};
use crate::spread::Spread;

/// One contestant's comparable repetitions of one class, and how many are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The values; `None` if no repetition is comparable in this class.
    pub spread: Option<Spread>,
    /// The repetitions that are not among them.
    pub dropped: Dropped,
}

/// How many repetitions were left out of a summary, for each of the [`REASONS`](Self::REASONS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped(pub [usize; 4]);

impl Dropped {
    /// Comparable ones in another class; the cores moved; others needed the cores; no measurement.
    pub const REASONS: [&str; 4] = ["in another class", "moved", "disturbed by others", "failed"];

    fn count(&mut self, standing: Standing) {
        self.0[match standing {
            Standing::Comparable(_) => 0,
            Standing::Moved => 1,
            Standing::Disturbed => 2,
            Standing::Failed => 3,
        }] += 1;
    }
}

impl AddAssign for Dropped {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.0.iter().zip(Self::REASONS).filter(|(count, _)| **count > 0);
        let given: Vec<String> = given.map(|(count, reason)| format!("{count} {reason}")).collect();
        if given.is_empty() {
            f.write_str("none dropped")
        } else {
            write!(f, "dropped: {}", given.join(", "))
        }
    }
}

impl<M> Record<M> {
    /// How many rounds have begun.
    pub fn rounds(&self) -> usize {
        self.runs.last().map_or(0, |run| run.round + 1)
    }

    /// In how many rounds both of any two contestants are comparable in `class`: the fewest over
    /// all pairs. With one contestant, in how many rounds it is.
    pub fn shared_rounds(&self, class: LineClass) -> usize {
        let mut rounds = vec![Vec::new(); self.names.len()];
        for run in self.of_class(class) {
            rounds[run.contestant].push(run.round);
        }
        let shared = |a: usize, b: usize| rounds[a].iter().filter(|round| rounds[b].contains(round)).count();
        let pairs = (0..rounds.len()).flat_map(|a| (a..rounds.len()).map(move |b| (a, b)));
        pairs.map(|(a, b)| shared(a, b)).min().unwrap_or(0)
    }

    /// The classes in which repetitions are comparable.
    pub fn classes(&self) -> impl Iterator<Item = LineClass> {
        LineClass::ALL.into_iter().filter(|class| self.of_class(*class).next().is_some())
    }

    /// The class in which most rounds can be compared; of equal ones that with most comparable
    /// repetitions, and of those the nearest.
    pub fn best_class(&self) -> LineClass {
        let worth = |class: &LineClass| (self.shared_rounds(*class), self.of_class(*class).count());
        LineClass::ALL.into_iter().rev().max_by_key(worth).unwrap_or(LineClass::Near)
    }

    /// One contestant's repetitions in `class`, by the number that `value` takes from a
    /// measurement.
    pub fn summary(&self, contestant: usize, class: LineClass, value: impl Fn(&M) -> f64) -> Summary {
        let mut dropped = Dropped::default();
        let mut values = Vec::new();
        for run in self.runs.iter().filter(|run| run.contestant == contestant) {
            match (run.standing(self.bounds), &run.outcome) {
                (Standing::Comparable(found), Ok(measured)) if found == class => values.push(value(measured)),
                (standing, _) => dropped.count(standing),
            }
        }
        Summary { spread: Spread::of(values), dropped }
    }

    /// How many times the value of `over` that of `contestant` is, round by round: only rounds in
    /// which both are comparable in `class` count. `None` if there are none.
    ///
    /// The median of such ratios and not the ratio of two medians: the two values of a round had
    /// the same machine.
    pub fn ratio(
        &self,
        contestant: usize,
        over: usize,
        class: LineClass,
        value: impl Fn(&M) -> f64,
    ) -> Option<Spread> {
        let of = |index: usize| -> BTreeMap<usize, f64> {
            let runs = self.of_class(class).filter(|run| run.contestant == index);
            runs.filter_map(|run| Some((run.round, value(run.outcome.as_ref().ok()?)))).collect()
        };
        let divisors = of(over);
        let ratios = of(contestant).into_iter().filter_map(|(round, top)| Some(top / divisors.get(&round)?));
        Spread::of(ratios.collect())
    }

    fn of_class(&self, class: LineClass) -> impl Iterator<Item = &Run<M>> {
        self.runs.iter().filter(move |run| run.standing(self.bounds) == Standing::Comparable(class))
    }
}
