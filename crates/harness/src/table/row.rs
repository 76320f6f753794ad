//! A requirement, and what was found of it.

use crate::table::session::Session;
use std::fmt;

/// One requirement of the table.
pub struct Row {
    /// By which it is chosen on the command line.
    pub name: &'static str,
    /// What is measured, and in which layout.
    pub what: String,
    /// What must be found.
    pub required: String,
    measure: Box<Measure>,
}

/// How a row is measured; an error is why it could not be.
type Measure = dyn Fn(&Session) -> Result<Finding, String>;

impl Row {
    /// A row that `measure` finds something for.
    pub fn new(
        name: &'static str,
        what: impl Into<String>,
        required: impl Into<String>,
        measure: impl Fn(&Session) -> Result<Finding, String> + 'static,
    ) -> Self {
        Self { name, what: what.into(), required: required.into(), measure: Box::new(measure) }
    }

    /// Measures the row, and returns its line of the table.
    pub fn line(&self, session: &Session) -> String {
        let finding = (self.measure)(session)
            .unwrap_or_else(|error| Finding { verdict: Verdict::NotMeasured, measured: error });
        let Finding { verdict, measured } = finding;
        format!("| {} | {} | {} | {measured} | **{verdict}** |", self.name, self.what, self.required)
    }
}

/// What a row found.
pub struct Finding {
    /// What follows from them.
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
    /// It is, and what was hoped for beyond it.
    GoalReached,
    /// It is.
    Reached,
    /// It is not.
    NotReached,
    /// Nobody knows.
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
