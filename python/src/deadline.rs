//! The deadline of a blocking call, and the slices in which the call waits.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::time::{Duration, Instant};

/// Between two slices a wait checks for signals such as Ctrl-C, and for `close()` in another
/// thread.
const SLICE: Duration = Duration::from_millis(100);

/// When a wait ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) const NEVER: Deadline = Deadline(None);

    /// From Python's `timeout`: seconds, or `None` for no limit.
    pub(crate) fn after(timeout: Option<f64>) -> PyResult<Self> {
        let Some(seconds) = timeout else { return Ok(Self::NEVER) };
        if seconds.is_nan() || seconds < 0.0 {
            return Err(PyValueError::new_err(format!(
                "timeout must be a number of seconds from 0 on, or None, not {seconds}"
            )));
        }
        // A time that the clock cannot represent is no limit.
        Ok(Duration::try_from_secs_f64(seconds).map_or(Self::NEVER, Self::within))
    }

    pub(crate) fn within(time: Duration) -> Self {
        Deadline(Instant::now().checked_add(time))
    }

    /// How long to wait before the next check; `None` once the deadline has passed.
    pub(crate) fn slice(self) -> Option<Duration> {
        let left = self.0.map_or(SLICE, |at| at.saturating_duration_since(Instant::now()).min(SLICE));
        (!left.is_zero()).then_some(left)
    }
}
