//! In which manner an engine is used in a repetition.

use crate::end::Wait;
use std::fmt;
use std::str::FromStr;

/// How messages get into and out of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One at a time, copied in and out.
    Copied,
    /// One at a time, filled and looked at where they lie.
    InPlace,
    /// Up to 64 read by one call.
    Gathered,
}

/// How an engine is used: what it does with messages, and how its ends wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) form: Form,
    pub(crate) wait: Wait,
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::Copied => "copied",
            Form::InPlace => "in place",
            Form::Gathered => "reads up to 64",
        };
        write!(f, "{form}, {}", self.wait)
    }
}

impl FromStr for Manner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("no manner: {text}");
        let (form, wait) = text.split_once(", ").ok_or_else(unknown)?;
        let form = match form {
            "copied" => Form::Copied,
            "in place" => Form::InPlace,
            "reads up to 64" => Form::Gathered,
            _ => return Err(unknown()),
        };
        Ok(Self { form, wait: wait.parse()? })
    }
}
