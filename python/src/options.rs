//! Words of the Python API and the library's options that they name.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use seqring::{Delivery, Redelivery, Role, SlotClass, WaitStrategy, Writers};
use std::time::Duration;

type Choices<T> = [(&'static str, T)];

pub(crate) const DELIVERIES: &Choices<Delivery> =
    &[("gated", Delivery::Gated), ("lossy", Delivery::Lossy), ("queue", Delivery::Queue)];
pub(crate) const WRITERS: &Choices<Writers> = &[("one", Writers::One), ("many", Writers::Many)];
pub(crate) const SLOT_CLASSES: &Choices<SlotClass> =
    &[("packed", SlotClass::Packed), ("lines", SlotClass::Lines), ("arena", SlotClass::Arena)];
pub(crate) const UNFINISHED: &Choices<Redelivery> =
    &[("redeliver", Redelivery::Redeliver), ("drop", Redelivery::Drop)];
pub(crate) const ROLES: &Choices<Role> =
    &[("writer", Role::Writer), ("reader", Role::Reader), ("taker", Role::Taker)];
const WAITINGS: &Choices<WaitStrategy> = &[
    ("balanced", WaitStrategy::BALANCED),
    ("spinning", WaitStrategy::SPINNING),
    ("streaming", WaitStrategy::STREAMING),
    ("sleeping", WaitStrategy::SLEEPING),
];

/// The option that `word` names.
pub(crate) fn parse<T: Copy>(what: &str, word: &str, choices: &Choices<T>) -> PyResult<T> {
    let found = choices.iter().find(|(known, _)| *known == word);
    found.map(|(_, option)| *option).ok_or_else(|| {
        let mut known = choices.iter().map(|(known, _)| format!("{known:?}")).collect::<Vec<_>>();
        let last = known.pop().unwrap_or_default();
        PyValueError::new_err(format!("{what} must be {} or {last}, not {word:?}", known.join(", ")))
    })
}

/// The word for an option.
pub(crate) fn word<T: PartialEq>(option: T, choices: &Choices<T>) -> &'static str {
    choices.iter().find(|(_, known)| *known == option).map_or("unknown", |(word, _)| word)
}

pub(crate) fn waiting(word: &str) -> PyResult<WaitStrategy> {
    parse("waiting", word, WAITINGS)
}

/// A positive number of seconds.
pub(crate) fn positive_seconds(what: &str, seconds: f64) -> PyResult<Duration> {
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
    let refusal = || format!("{what} must be a number of seconds above 0, not {seconds}");
    time.ok_or_else(|| PyValueError::new_err(refusal()))
}

/// Where a reader starts.
#[derive(FromPyObject)]
pub(crate) enum Start {
    Sequence(u64),
    Word(String),
}

impl Start {
    /// The default.
    pub(crate) fn next() -> Self {
        Start::Word("next".into())
    }

    pub(crate) fn parse(&self) -> PyResult<seqring::Start> {
        let word = match self {
            Start::Sequence(sequence) => return Ok(seqring::Start::Sequence(*sequence)),
            Start::Word(word) => word.as_str(),
        };
        match word {
            "next" => Ok(seqring::Start::Next),
            "oldest" => Ok(seqring::Start::Oldest),
            "latest" => Ok(seqring::Start::Newest),
            _ => Err(PyValueError::new_err(format!(
                "start must be \"next\", \"oldest\", \"latest\" or a sequence, not {word:?}"
            ))),
        }
    }
}
