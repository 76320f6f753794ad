//! A row of the table: every candidate in heats, the best in one interleaved final, a verdict from
//! that.
//!
//! # Steps
//! 1. *Heats*: each candidate in each of its modes, in turn, a few short repetitions. They choose
//!    each candidate's mode, and the finalists; nothing else follows from them.
//! 2. *Final*: the best of ours and the best of the others, each in its mode, interleaved until
//!    enough rounds of one class of line round trip are there.
//! 3. *Verdict*: ours with the best median over the rival with the best median, round by round.
//!
//! So no figure of the verdict is one that was chosen for being good: the final is measured anew.

use harness::class::LineClass;
use harness::drive::{Candidate, Mode, Repetition};
use harness::repeat::{Contestant, Record};
use harness::spread::Spread;
use harness::table::judge::{Best, Better, Bound, best, too_few};
use harness::table::{Figures, Finding, Row, Session, Verdict, show};
use std::fmt::Write as _;
use std::mem::take;
use std::time::Duration;

/// Whose a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// One of ours.
    Ours,
    /// One that ours is compared with.
    Rival,
    /// One that is reported beside them, and is in no final.
    Beside,
}

/// What a row requires of the ratio of ours and the best rival.
#[derive(Clone, Copy)]
pub(crate) struct Aim {
    pub(crate) reach: f64,
    pub(crate) goal: f64,
}

/// A row.
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) aim: Aim,
    pub(crate) candidates: Vec<(Group, Candidate)>,
}

/// Rounds of the heats, and how much shorter their repetitions are.
const HEATS: usize = 3;
const SHORTER: u32 = 4;

/// How many of ours, and of the rivals, are in the final.
const OURS: usize = 2;
const RIVALS: usize = 3;

/// A candidate after its heats: the mode that did best, and the median there.
struct Qualified<'a> {
    candidate: &'a Candidate,
    group: Group,
    mode: Mode,
    median: f64,
}

impl Qualified<'_> {
    fn name(&self) -> String {
        self.candidate.label(self.mode)
    }
}

impl Comparison {
    pub(crate) fn into_row(mut self) -> Row {
        let sign = match self.better {
            Better::More => ">=",
            Better::Less => "<=",
        };
        let Aim { reach, goal } = self.aim;
        let required = format!("{sign} {reach:.2} x the best rival of the run, goal {goal:.2}");
        let (groups, all): (Vec<_>, Vec<_>) = take(&mut self.candidates).into_iter().unzip();
        Row::of_candidates(self.name, take(&mut self.what), required, all, move |session, candidates| {
            self.measure(session, &groups, candidates)
        })
    }

    fn measure(
        &self,
        session: &Session,
        groups: &[Group],
        candidates: &[Candidate],
    ) -> Result<Finding, String> {
        let (qualified, failures) = self.heats(session, candidates, groups);
        let (finalists, others) = self.choose(qualified);
        let has = |group| finalists.iter().any(|one| one.group == group);
        if !has(Group::Ours) || !has(Group::Rival) {
            return Err(format!("there are no two to compare{failures}"));
        }
        let run = self.run(session, session.effort.repetition);
        let contestant = |one| {
            let Qualified { candidate, mode, .. }: &Qualified<'_> = one;
            Contestant::new(one.name(), || candidate.measure(&run, *mode))
        };
        let mut contestants: Vec<_> = finalists.iter().map(contestant).collect();
        let record = session.interleave(self.name, self.unit, None, &mut contestants)?;
        drop(contestants);
        self.judge(session, &record, &finalists, &others, &failures)
    }

    fn run(&self, session: &Session, duration: Duration) -> Repetition<'_> {
        Repetition { row: self.name, cores: session.cores, duration }
    }

    fn bound(&self, value: f64) -> Bound {
        Bound { better: self.better, value }
    }

    /// Every candidate in its best mode, and which failed in which mode.
    fn heats<'a>(
        &self,
        session: &Session,
        candidates: &'a [Candidate],
        groups: &[Group],
    ) -> (Vec<Qualified<'a>>, String) {
        let rounds = if session.effort.enough < HEATS { 1 } else { HEATS };
        let run = self.run(session, session.effort.repetition / SHORTER);
        let of = |candidate: &'a Candidate| candidate.modes.iter().map(move |mode| (candidate, *mode));
        let pairs: Vec<_> = candidates.iter().flat_map(of).collect();
        let mut runs = vec![Ok(Vec::new()); pairs.len()];
        for _ in 0..rounds {
            for ((candidate, mode), runs) in pairs.iter().zip(&mut runs) {
                let Ok(medians) = runs else { continue };
                if session.is_stopped() {
                    break;
                }
                show(format_args!("{}: heats, {} ({mode})", self.name, candidate.name));
                match candidate.measure(&run, *mode) {
                    Ok(figures) => medians.push(figures.main),
                    Err(error) => *runs = Err(error),
                }
            }
        }
        show("");
        let mut results = pairs.into_iter().zip(runs);
        let (mut qualified, mut failures) = (Vec::new(), String::new());
        for (candidate, group) in candidates.iter().zip(groups) {
            let mut best: Option<Qualified<'_>> = None;
            for ((_, mode), runs) in results.by_ref().take(candidate.modes.len()) {
                match runs.map(Spread::of) {
                    Ok(Some(Spread { median, .. })) => {
                        if best.as_ref().is_none_or(|best| self.bound(0.0).prefers(median, best.median)) {
                            best = Some(Qualified { candidate, group: *group, mode, median });
                        }
                    }
                    Ok(None) => {}
                    // Also where another mode works: a torn or lost message does not depend on the
                    // mode.
                    Err(error) => {
                        let _ = write!(failures, "; failed: {} ({mode}): {error}", candidate.name);
                    }
                }
            }
            qualified.extend(best);
        }
        (qualified, failures)
    }

    /// The finalists, and the others.
    fn choose<'a>(&self, mut qualified: Vec<Qualified<'a>>) -> (Vec<Qualified<'a>>, Vec<Qualified<'a>>) {
        qualified.sort_by(|a, b| match self.better {
            Better::More => b.median.total_cmp(&a.median),
            Better::Less => a.median.total_cmp(&b.median),
        });
        let (mut ours, mut rivals) = (OURS, RIVALS);
        qualified.into_iter().partition(|one| {
            let left = match one.group {
                Group::Ours => &mut ours,
                Group::Rival => &mut rivals,
                Group::Beside => return false,
            };
            let is_finalist = *left > 0;
            *left = left.saturating_sub(1);
            is_finalist
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
        let spread = |contestant, class| record.summary(contestant, class, main).spread;
        let in_class = |class| {
            let best_of = |group| {
                let indices = (0..finalists.len()).filter(move |&index| finalists[index].group == group);
                best(indices, self.bound(self.aim.reach), |contestant| spread(contestant, class))
            };
            let (ours, rival) = (best_of(Group::Ours)?, best_of(Group::Rival)?);
            let ratio = record.ratio(ours.contestant, rival.contestant, class, main)?;
            let (first, second) = (self.figures(record, class, &ours), self.figures(record, class, &rival));
            let measured = format!("{ratio} x, {class}. {first}; {second}");
            (ratio.runs.len() >= session.effort.enough).then_some((ratio, ours, rival, measured))
        };
        let few = || format!("{}{failures}", too_few(record, class, self.unit));
        let (ratio, ours, rival, mut measured) = in_class(class).ok_or_else(few)?;
        for contestant in
            (0..finalists.len()).filter(|&index| index != ours.contestant && index != rival.contestant)
        {
            let Some(spread) = spread(contestant, class) else { continue };
            let _ = write!(measured, "; {}", self.figures(record, class, &Best { contestant, spread }));
        }
        for other in record.classes().filter(|other| *other != class) {
            if let Some((.., in_other)) = in_class(other) {
                let _ = write!(measured, "; and {in_other}");
            }
        }
        for one in others {
            let _ = write!(measured, "; heats only: {} {:.1}", one.name(), one.median);
        }
        let _ = write!(measured, "{failures}; {}", record.summary(ours.contestant, class, main).dropped);
        let verdict = if self.bound(self.aim.goal).admits(ratio.median) {
            Verdict::GoalReached
        } else if self.bound(self.aim.reach).admits(ratio.median) {
            Verdict::Reached
        } else {
            Verdict::NotReached
        };
        Ok(Finding { verdict, measured })
    }

    /// A contestant's figures, and what it lost if it lost any.
    fn figures(
        &self,
        record: &Record<Figures>,
        class: LineClass,
        Best { contestant, spread }: &Best,
    ) -> String {
        let share = record.summary(*contestant, class, |figures| figures.also("share")).spread;
        let lost = share.filter(|share| share.min < 1.0);
        let lost = lost.map_or_else(String::new, |share| format!(", {:.2} of it received", share.median));
        format!("{}: {spread:.1} {}{lost}", record.names[*contestant], self.unit)
    }
}
