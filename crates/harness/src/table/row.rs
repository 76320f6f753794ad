//! A requirement, and what was found of it.

use crate::drive::{self, Candidate};
use crate::table::session::Session;
use std::fmt;
use std::rc::Rc;

/// One requirement of the table.
pub struct Row {
    /// By which it is chosen on the command line.
    pub name: &'static str,
    /// What is measured, and in which layout.
    pub what: String,
    /// What must be found.
    pub required: String,
    measure: Box<Measure>,
    other_end: Option<Box<PlayRow>>,
}

/// How a row is measured; an error is why it could not be.
type Measure = dyn Fn(&Session) -> Result<Finding, String>;

/// What another process does for a row, with arguments that the row chose.
type PlayRow = dyn Fn(&[String]) -> Result<(), String>;

impl Row {
    /// A row that `measure` finds something for.
    pub fn new(
        name: &'static str,
        what: impl Into<String>,
        required: impl Into<String>,
        measure: impl Fn(&Session) -> Result<Finding, String> + 'static,
    ) -> Self {
        let (what, required) = (what.into(), required.into());
        Self { name, what, required, measure: Box::new(measure), other_end: None }
    }

    /// A row that `measure` finds something for by candidates.
    pub fn of_candidates(
        name: &'static str,
        what: impl Into<String>,
        required: impl Into<String>,
        candidates: Vec<Candidate>,
        measure: impl Fn(&Session, &[Candidate]) -> Result<Finding, String> + 'static,
    ) -> Self {
        let candidates = Rc::new(candidates);
        let others = Rc::clone(&candidates);
        Self::new(name, what, required, move |session| measure(session, &candidates))
            .with_other_end(move |arguments| drive::other_end(&others, arguments))
    }

    /// The same row, for which another process ([`crate::child::other_end_of`]) does `play`.
    #[must_use]
    pub fn with_other_end(self, play: impl Fn(&[String]) -> Result<(), String> + 'static) -> Self {
        Self { other_end: Some(Box::new(play)), ..self }
    }

    pub(super) fn other_end(&self, arguments: &[String]) -> Result<(), String> {
        self.other_end.as_ref().ok_or_else(|| format!("{} has no other end", self.name))?(arguments)
    }

    /// Measures the row, and returns its line of the table.
    pub(super) fn line(&self, session: &Session) -> String {
        let Finding { verdict, measured } = (self.measure)(session)
            .unwrap_or_else(|error| Finding { verdict: Verdict::NotMeasured, measured: error });
        format!("| {} | {} | {} | {measured} | **{verdict}** |", self.name, self.what, self.required)
    }
}

/// What a row found.
pub struct Finding {
    /// What follows from the figures.
    pub verdict: Verdict,
    /// The figures, or why there are none.
    pub measured: String,
}

impl Finding {
    /// Figures, and whether they are those that are required.
    pub fn new(is_reached: bool, measured: impl Into<String>) -> Self {
        let verdict = if is_reached { Verdict::Reached } else { Verdict::NotReached };
        Self { verdict, measured: measured.into() }
    }
}

/// Whether a requirement is met.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is, and so is the goal beyond it.
    GoalReached,
    /// It is.
    Reached,
    /// It is not.
    NotReached,
    /// There are too few figures to say.
    NotMeasured,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GoalReached => "goal reached",
            Self::Reached => "reached",
            Self::NotReached => "not reached",
            Self::NotMeasured => "not measured",
        })
    }
}
