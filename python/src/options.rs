//! Words of the Python API and the library's options that they name.

use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyDictMethods};
use seqring::{Delivery, Redelivery, Role, SlotClass, WaitStrategy, Writers};
use std::time::Duration;

type Choices<T> = [(&'static str, T)];

pub(crate) const DELIVERIES: &Choices<Delivery> = &[
    ("gated", Delivery::Gated),
    ("lossy", Delivery::Lossy),
    ("queue", Delivery::Queue),
    ("call", Delivery::Call),
];
pub(crate) const WRITERS: &Choices<Writers> = &[("one", Writers::One), ("many", Writers::Many)];
pub(crate) const SLOT_CLASSES: &Choices<SlotClass> =
    &[("packed", SlotClass::Packed), ("lines", SlotClass::Lines), ("arena", SlotClass::Arena)];
pub(crate) const UNFINISHED: &Choices<Redelivery> =
    &[("redeliver", Redelivery::Redeliver), ("drop", Redelivery::Drop)];
pub(crate) const ROLES: &Choices<Role> = &[
    ("writer", Role::Writer),
    ("reader", Role::Reader),
    ("taker", Role::Taker),
    ("server", Role::Server),
    ("caller", Role::Caller),
];
const STARTS: &Choices<seqring::Start> =
    &[("next", seqring::Start::Next), ("oldest", seqring::Start::Oldest), ("latest", seqring::Start::Newest)];
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
pub(crate) struct Start(pub(crate) seqring::Start);

impl<'py> FromPyObject<'_, 'py> for Start {
    type Error = PyErr;

    fn extract(start: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(sequence) = start.extract() {
            return Ok(Start(seqring::Start::Sequence(sequence)));
        }
        let word = start.extract::<String>();
        let found = word.and_then(|word| parse("start", &word, STARTS));
        found.map(Start).map_err(|_| {
            let words = "\"next\", \"oldest\", \"latest\" or a sequence from 0 on";
            PyValueError::new_err(format!("start must be {words}, not {:?}", start.to_string()))
        })
    }
}

/// The value of an argument. Errors name it.
pub(crate) fn argument<'py, T: FromPyObjectOwned<'py>>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<T> {
    value.extract().map_err(|error: T::Error| {
        let error: PyErr = error.into();
        if error.is_instance_of::<PyOverflowError>(value.py()) {
            PyValueError::new_err(format!("{name} must be a number from 0 on that fits, not {value}"))
        } else {
            PyTypeError::new_err(format!("{name}: {}", error.value(value.py())))
        }
    })
}

/// Arguments of these names, for `from_py_with`.
pub(crate) mod named {
    use super::{Bound, FromPyObjectOwned, PyAny, PyResult, argument};

    macro_rules! arguments {
        ($($name:ident)*) => {$(
            pub(crate) fn $name<'py, T: FromPyObjectOwned<'py>>(value: &Bound<'py, PyAny>) -> PyResult<T> {
                argument(stringify!($name), value)
            }
        )*};
    }

    arguments!(index max nbytes seen tag value);
}

/// Keywords of a call. Each is taken once; those that are left are unknown.
pub(crate) struct Keywords<'py>(Bound<'py, PyDict>);

impl<'py> Keywords<'py> {
    pub(crate) fn new(py: Python<'py>, keywords: Option<&Bound<'py, PyDict>>) -> PyResult<Self> {
        Ok(Keywords(keywords.map_or_else(|| Ok(PyDict::new(py)), PyDictMethods::copy)?))
    }

    /// The value of a keyword; `None` if it is missing, or Python's `None`.
    pub(crate) fn take<T: FromPyObjectOwned<'py>>(&self, name: &str) -> PyResult<Option<T>> {
        let Some(value) = self.0.get_item(name)? else { return Ok(None) };
        self.0.del_item(name)?;
        if value.is_none() { Ok(None) } else { argument(name, &value).map(Some) }
    }

    /// The value of a keyword that is false by default.
    pub(crate) fn flag(&self, name: &str) -> PyResult<bool> {
        self.take(name).map(Option::unwrap_or_default)
    }

    /// The option that the word of a keyword names.
    pub(crate) fn choice<T: Copy>(&self, name: &str, choices: &Choices<T>) -> PyResult<Option<T>> {
        let word = self.take::<Bound<'_, PyAny>>(name)?;
        word.map(|word| parse(name, &word.str()?.to_string(), choices)).transpose()
    }

    /// Refuses the keywords that are left.
    pub(crate) fn end(self, function: &str) -> PyResult<()> {
        let Some(unknown) = self.0.keys().iter().next() else { return Ok(()) };
        Err(PyTypeError::new_err(format!("{function}() got an unexpected keyword argument '{unknown}'")))
    }
}
