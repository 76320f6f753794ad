//! A row of the table: every entrant in heats, the best in one interleaved final, a verdict from that.
//!
//! # Steps
//! 1. *Heats*: each entrant in each of its manners, in turn, a few short repetitions. They choose each entrant's manner,
//!    and who comes into the final; nothing else follows from them.
//! 2. *Final*: the best of ours and the best of the others, each in its manner, interleaved until enough rounds of one class
//!    of line round trip are there.
//! 3. *Verdict*: ours with the best median over the rival with the best median, round by round.
//!
//! So no figure of the verdict is one that was chosen for being good: the final is measured anew.

use crate::entrant::{Entrant, Role, Run};
use crate::manner::Manner;
use harness::repeat::{Contestant, Record};
use harness::spread::Spread;
use harness::table::judge::{Best, Better, Bound, best, too_few};
use harness::table::{Figures, Finding, Row, Session, Verdict};
use std::fmt::Write as _;

/// What a row requires of the ratio of ours and the best rival.
#[derive(Clone, Copy)]
pub(crate) struct Aim {
    pub(crate) reach: f64,
    pub(crate) goal: f64,
}

/// A row.
pub(crate) struct Contest {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) aim: Aim,
    pub(crate) entrants: Vec<Entrant>,
}

/// Rounds of the heats, and how much shorter their repetitions are.
const HEATS: usize = 3;
const SHORTER: u32 = 4;

/// How many of ours, and of the others, come into the final.
const OURS: usize = 2;
const RIVALS: usize = 3;

/// An entrant after its heats: the manner that did best, and the median there.
struct Qualified<'a> {
    entrant: &'a Entrant,
    manner: Manner,
    median: f64,
}

impl Qualified<'_> {
    fn name(&self) -> String {
        format!("{} ({})", self.entrant.name, self.manner)
    }
}

impl Contest {
    /// The row of this contest.
    pub(crate) fn into_row(self) -> Row {
        let sign = match self.better {
            Better::More => ">=",
            Better::Less => "<=",
        };
        let Aim { reach, goal } = self.aim;
        let required = format!("{sign} {reach:.2} x the best rival of the run, goal {goal:.2}");
        Row::new(self.name, self.what.clone(), required, move |session| self.measure(session))
    }

    /// The other end of a repetition, in a process of its own.
    pub(crate) fn play(&self, entrant: &str, manner: Manner, rings: &[String]) -> Result<(), String> {
        let found = self.entrants.iter().find(|found| found.name == entrant);
        found.ok_or_else(|| format!("no such entrant: {entrant}"))?.play(manner, rings)
    }

    fn measure(&self, session: &Session) -> Result<Finding, String> {
        let (qualified, failures) = self.heats(session);
        let (finalists, others) = self.choose(qualified);
        if !finalists.iter().any(|one| one.entrant.role == Role::Ours)
            || !finalists.iter().any(|one| one.entrant.role == Role::Rival)
        {
            return Err(format!("nobody to compare{failures}"));
        }
        let mut contestants: Vec<_> = finalists
            .iter()
            .map(|Qualified { entrant, manner, .. }| {
                let name = format!("{} ({manner})", entrant.name);
                Contestant::new(name, || {
                    entrant.measure(&self.run(session, entrant, session.effort.repetition), *manner)
                })
            })
            .collect();
        let record = session.interleave(self.name, self.unit, None, &mut contestants)?;
        drop(contestants);
        self.judge(session, &record, &finalists, &others, &failures)
    }

    fn run<'a>(&'a self, session: &Session, entrant: &'a Entrant, duration: std::time::Duration) -> Run<'a> {
        Run { row: self.name, entrant: entrant.name, cores: session.cores, duration }
    }

    /// Every entrant at its best, and what failed in which manner.
    fn heats(&self, session: &Session) -> (Vec<Qualified<'_>>, String) {
        let rounds = if session.effort.enough < HEATS { 1 } else { HEATS };
        let mut qualified = Vec::new();
        let mut failures = String::new();
        let mut medians = self.run_heats(session, rounds).into_iter();
        for entrant in &self.entrants {
            let mut best: Option<Qualified<'_>> = None;
            for &manner in &entrant.manners {
                match medians.next().expect("a result for each manner") {
                    Ok(median) if best.as_ref().is_none_or(|best| self.beats(median, best.median)) => {
                        best = Some(Qualified { entrant, manner, median });
                    }
                    Ok(_) => {}
                    // Said, also where another manner works: a torn or lost message is no matter of manner.
                    Err(error) => {
                        let _ = write!(failures, "; failed: {} ({manner}): {error}", entrant.name);
                    }
                }
            }
            qualified.extend(best);
        }
        (qualified, failures)
    }

    /// A median, or a failure, for each manner of each entrant, in their order.
    fn run_heats(&self, session: &Session, rounds: usize) -> Vec<Result<f64, String>> {
        let duration = session.effort.repetition / SHORTER;
        let pairs: Vec<_> = self
            .entrants
            .iter()
            .flat_map(|entrant| entrant.manners.iter().map(move |m| (entrant, *m)))
            .collect();
        let mut runs = vec![Vec::new(); pairs.len()];
        let mut failures = vec![None; pairs.len()];
        for _ in 0..rounds {
            for (index, (entrant, manner)) in pairs.iter().enumerate() {
                if session.is_stopped() || failures[index].is_some() {
                    continue;
                }
                eprint!("\r\x1b[K{}: heats, {} ({manner})", self.name, entrant.name);
                match entrant.measure(&self.run(session, entrant, duration), *manner) {
                    Ok(figures) => runs[index].push(figures.main),
                    Err(error) => failures[index] = Some(error),
                }
            }
        }
        eprint!("\r\x1b[K");
        let median = |(runs, failure): (Vec<f64>, Option<String>)| match failure {
            Some(failure) => Err(failure),
            None => Spread::of(runs).map(|spread| spread.median).ok_or_else(|| "stopped".to_owned()),
        };
        runs.into_iter().zip(failures).map(median).collect()
    }

    fn beats(&self, one: f64, other: f64) -> bool {
        match self.better {
            Better::More => one > other,
            Better::Less => one < other,
        }
    }

    /// Who comes into the final, and who does not.
    fn choose<'a>(&self, mut qualified: Vec<Qualified<'a>>) -> (Vec<Qualified<'a>>, Vec<Qualified<'a>>) {
        qualified.sort_by(|a, b| match self.better {
            Better::More => b.median.total_cmp(&a.median),
            Better::Less => a.median.total_cmp(&b.median),
        });
        let (mut ours, mut rivals) = (OURS, RIVALS);
        qualified.into_iter().partition(|one| {
            let left = match one.entrant.role {
                Role::Ours => &mut ours,
                Role::Rival => &mut rivals,
                Role::Beside => return false,
            };
            let comes = *left > 0;
            *left = left.saturating_sub(1);
            comes
        })
    }

    fn judge(
        &self,
        session: &Session,
        record: &Record<Figures>,
        finalists: &[Qualified<'_>],
        others: &[Qualified<'_>],
        failures: &str,
    ) -> Result<Finding, String> {
        let class = record.best_class();
        let main = |figures: &Figures| figures.main;
        let spread = |contestant| record.summary(contestant, class, main).spread;
        let of = |role| {
            let indices = (0..finalists.len()).filter(move |&index| finalists[index].entrant.role == role);
            best(indices, self.bound(self.aim.reach), spread)
        };
        let few = || format!("{}{failures}", too_few(record, class, self.unit));
        let (Some(ours), Some(rival)) = (of(Role::Ours), of(Role::Rival)) else { return Err(few()) };
        let ratio = record.ratio(ours.contestant, rival.contestant, class, main);
        let ratio = ratio.filter(|ratio| ratio.runs.len() >= session.effort.enough).ok_or_else(few)?;
        let mut measured =
            format!("{ratio} x, {class}. {}; {}", self.told(record, &ours), self.told(record, &rival));
        let rest =
            (0..finalists.len()).filter(|&index| index != ours.contestant && index != rival.contestant);
        for contestant in rest {
            let Some(spread) = spread(contestant) else { continue };
            let _ = write!(measured, "; {}", self.told(record, &Best { contestant, spread }));
        }
        for one in others {
            let _ = write!(measured, "; heats only: {} {:.1}", one.name(), one.median);
        }
        let _ = write!(measured, "{failures}; {}", record.summary(ours.contestant, class, main).dropped);
        Ok(Finding { verdict: self.verdict(ratio.median), measured })
    }

    fn bound(&self, value: f64) -> Bound {
        Bound { better: self.better, value }
    }

    fn verdict(&self, ratio: f64) -> Verdict {
        if self.bound(self.aim.goal).admits(ratio) {
            Verdict::GoalReached
        } else if self.bound(self.aim.reach).admits(ratio) {
            Verdict::Reached
        } else {
            Verdict::NotReached
        }
    }

    /// A contestant's figures, and what it lost if it lost any.
    fn told(&self, record: &Record<Figures>, Best { contestant, spread }: &Best) -> String {
        let share = record.summary(*contestant, record.best_class(), |figures| figures.also("share")).spread;
        let lost = share.filter(|share| share.min < 1.0);
        let lost = lost.map_or_else(String::new, |share| format!(", {:.2} of it received", share.median));
        format!("{}: {spread:.1} {}{lost}", record.names[*contestant], self.unit)
    }
}
