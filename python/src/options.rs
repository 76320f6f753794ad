//! Words of the Python API as options of the library.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use seqring::{Delivery, SlotClass, Start, Redelivery, WaitStrategy, Writers};
use std::time::Duration;

fn unknown<T>(what: &str, known: &str, found: &str) -> PyResult<T> {
    Err(PyValueError::new_err(format!("{what} must be {known}, not {found:?}")))
}

pub(crate) fn delivery(word: &str) -> PyResult<Delivery> {
    match word {
        "gated" => Ok(Delivery::Gated),
        "lossy" => Ok(Delivery::Lossy),
        "queue" => Ok(Delivery::Queue),
        other => unknown("delivery", "\"gated\", \"lossy\" or \"queue\"", other),
    }
}

pub(crate) fn delivery_word(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Gated => "gated",
        Delivery::Lossy => "lossy",
        Delivery::Queue => "queue",
    }
}

pub(crate) fn writers(word: &str) -> PyResult<Writers> {
    match word {
        "one" => Ok(Writers::One),
        "many" => Ok(Writers::Many),
        other => unknown("writers", "\"one\" or \"many\"", other),
    }
}

pub(crate) fn slot_class(word: &str) -> PyResult<SlotClass> {
    match word {
        "packed" => Ok(SlotClass::Packed),
        "lines" => Ok(SlotClass::Lines),
        "arena" => Ok(SlotClass::Arena),
        other => unknown("slot_class", "\"packed\", \"lines\" or \"arena\"", other),
    }
}

pub(crate) fn slot_class_word(class: SlotClass) -> &'static str {
    match class {
        SlotClass::Packed => "packed",
        SlotClass::Lines => "lines",
        SlotClass::Arena => "arena",
    }
}

pub(crate) fn redelivery(word: &str) -> PyResult<Redelivery> {
    match word {
        "redeliver" => Ok(Redelivery::Redeliver),
        "drop" => Ok(Redelivery::Drop),
        other => unknown("redelivery", "\"redeliver\" or \"drop\"", other),
    }
}

/// Seconds after which a reader is moved on.
pub(crate) fn patience(seconds: f64) -> PyResult<Duration> {
    let patience = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
    patience.ok_or_else(|| {
        PyValueError::new_err(format!("evict_after must be a number of seconds above 0, not {seconds}"))
    })
}

/// Where a reader starts: a word, or the sequence of a message.
#[derive(FromPyObject)]
pub(crate) enum StartWord {
    Sequence(u64),
    Word(String),
}

impl StartWord {
    pub(crate) fn start(&self) -> PyResult<Start> {
        match self {
            StartWord::Sequence(sequence) => Ok(Start::Sequence(*sequence)),
            StartWord::Word(word) => match word.as_str() {
                "next" => Ok(Start::Next),
                "oldest" => Ok(Start::Oldest),
                "latest" => Ok(Start::Newest),
                other => unknown("start", "\"next\", \"oldest\", \"latest\" or a sequence", other),
            },
        }
    }
}

pub(crate) fn waiting(word: &str) -> PyResult<WaitStrategy> {
    match word {
        "balanced" => Ok(WaitStrategy::BALANCED),
        "spinning" => Ok(WaitStrategy::SPINNING),
        "streaming" => Ok(WaitStrategy::STREAMING),
        "sleeping" => Ok(WaitStrategy::SLEEPING),
        other => unknown("waiting", "\"balanced\", \"spinning\", \"streaming\" or \"sleeping\"", other),
    }
}
