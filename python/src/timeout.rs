//! How long a call may wait, and in which slices it does.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::time::{Duration, Instant};

/// Between two slices a wait looks for signals, such as that of Ctrl-C, and for `close()` in another thread.
const SLICE: Duration = Duration::from_millis(100);

/// When a wait ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// From Python's `timeout`: seconds, or `None` for ever.
    pub(crate) fn after(timeout: Option<f64>) -> PyResult<Self> {
        let Some(seconds) = timeout else { return Ok(Deadline(None)) };
        if seconds.is_nan() || seconds < 0.0 {
            return Err(PyValueError::new_err(format!(
                "timeout must be a number of seconds from 0 on, or None, not {seconds}"
            )));
        }
        // What the clock cannot say is for ever.
        let timeout = Duration::try_from_secs_f64(seconds).ok();
        Ok(Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout))))
    }

    pub(crate) fn within(time: Duration) -> Self {
        Deadline(Instant::now().checked_add(time))
    }

    /// How long to wait before the next look at the world; `None` when it is over.
    pub(crate) fn slice(self) -> Option<Duration> {
        match self.0 {
            None => Some(SLICE),
            Some(at) => {
                Some(at.saturating_duration_since(Instant::now()).min(SLICE)).filter(|left| !left.is_zero())
            }
        }
    }
}
