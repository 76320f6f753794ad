//! A requirement, and what was found of it.

use crate::session::Session;
use std::fmt;

/// One requirement of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What is measured, and in which layout.
    pub(crate) what: String,
    pub(crate) required: String,
    pub(crate) measure: Box<Measure>,
}

/// How a row is measured; an error is why it could not be.
type Measure = dyn Fn(&Session) -> Result<Finding, String>;

impl Row {
    pub(crate) fn new(
        name: &'static str,
        what: impl Into<String>,
        required: impl Into<String>,
        measure: impl Fn(&Session) -> Result<Finding, String> + 'static,
    ) -> Self {
        Self { name, what: what.into(), required: required.into(), measure: Box::new(measure) }
    }

    /// Measures the row, and returns its line of the table.
    pub(crate) fn line(&self, session: &Session) -> String {
        let finding = (self.measure)(session)
            .unwrap_or_else(|error| Finding { verdict: Verdict::NotMeasured, measured: error });
        let Finding { verdict, measured } = finding;
        format!("| {} | {} | {} | {measured} | **{verdict}** |", self.name, self.what, self.required)
    }
}

/// What a row found.
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// The figures, or why there are none.
    pub(crate) measured: String,
}

impl Finding {
    pub(crate) fn new(is_reached: bool, measured: impl Into<String>) -> Self {
        let verdict = if is_reached { Verdict::Reached } else { Verdict::NotReached };
        Self { verdict, measured: measured.into() }
    }
}

/// Whether a requirement is met.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Reached,
    NotReached,
    NotMeasured,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reached => "reached",
            Self::NotReached => "not reached",
            Self::NotMeasured => "not measured",
        })
    }
}
