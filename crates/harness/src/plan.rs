//! How long to repeat: a number of rounds, or until enough of them can be compared.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::class::LineClass;
use crate::repeat::Record;

/// What has to be there before the interleaver ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// So many rounds, whatever they are like.
    Rounds(usize),
    /// So many comparable rounds, all of this class, or all of any one class.
    Comparable { rounds: usize, class: Option<LineClass> },
}

/// A goal, and the budget after which it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    goal: Goal,
    budget_rounds: usize,
    budget_time: Duration,
}

impl Plan {
    /// Exactly `rounds` rounds.
    pub const fn rounds(rounds: usize) -> Self {
        Self { goal: Goal::Rounds(rounds), budget_rounds: rounds, budget_time: Duration::MAX }
    }

    /// Until `rounds` comparable rounds of `class` are there, or of any one class if it is `None`.
    ///
    /// A round counts for a pair of contestants if both are comparable in it; the goal is met when
    /// every pair has enough of them ([`Record::shared_rounds`]). A budget
    /// ([`within`](Self::within)) should bound it: the cores may never come into that class.
    pub const fn comparable(rounds: usize, class: Option<LineClass>) -> Self {
        Self {
            goal: Goal::Comparable { rounds, class },
            budget_rounds: usize::MAX,
            budget_time: Duration::MAX,
        }
    }

    /// The same plan, given up after `rounds` rounds or after `time`. The time is checked between
    /// two rounds: a round is never cut.
    #[must_use]
    pub const fn within(self, rounds: usize, time: Duration) -> Self {
        Self { budget_rounds: rounds, budget_time: time, ..self }
    }

    /// Whether another round is to run.
    pub(crate) fn next_round<M>(&self, record: &Record<M>, elapsed: Duration) -> ControlFlow<Ending> {
        let (have, want) = self.progress(record);
        let rounds = record.rounds();
        if have >= want {
            ControlFlow::Break(Ending::Fulfilled)
        } else if rounds >= self.budget_rounds || elapsed >= self.budget_time {
            ControlFlow::Break(Ending::BudgetSpent { rounds, elapsed, have, want, class: self.class() })
        } else {
            ControlFlow::Continue(())
        }
    }

    /// How many rounds of what the plan wants are there, and how many it wants.
    pub(crate) fn progress<M>(&self, record: &Record<M>) -> (usize, usize) {
        match self.goal {
            Goal::Rounds(want) => (record.rounds(), want),
            Goal::Comparable { rounds: want, class: Some(class) } => (record.shared_rounds(class), want),
            Goal::Comparable { rounds: want, class: None } => {
                (LineClass::ALL.map(|class| record.shared_rounds(class)).into_iter().max().unwrap_or(0), want)
            }
        }
    }

    fn class(&self) -> Option<LineClass> {
        match self.goal {
            Goal::Rounds(_) => None,
            Goal::Comparable { class, .. } => class,
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
    /// The budget was spent first: there are fewer rounds than requested.
    BudgetSpent {
        /// Rounds that ran.
        rounds: usize,
        /// How long they took.
        elapsed: Duration,
        /// Comparable rounds that are there.
        have: usize,
        /// Comparable rounds that were wanted.
        want: usize,
        /// The class that was wanted; `None` for any.
        class: Option<LineClass>,
    },
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fulfilled => f.write_str("complete"),
            Self::Stopped => f.write_str("stopped on request: incomplete"),
            Self::BudgetSpent { rounds, elapsed, have, want, class } => {
                write!(f, "budget spent after {rounds} rounds in {:.1} s: ", elapsed.as_secs_f64())?;
                match class {
                    Some(class) => write!(f, "{have} of {want} comparable rounds of class {class}"),
                    None => write!(f, "{have} of {want} comparable rounds of one class"),
                }
            }
        }
    }
}
