//! The class `Taker`.

use crate::common_methods::receiving_methods;
use crate::errors;
use crate::held::Taking;
use crate::output::Payload;
use crate::receiving::{Endpoint, Receiving, Shows};
use crate::source::Buffer;
use crate::view::View;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyTuple};
use seqring::{Received, TryReadError};
use std::time::Duration;

impl Endpoint for seqring::Taker {
    const WHAT: &'static str = "taker";

    fn receive<R>(
        &mut self,
        meta: &mut Vec<u8>,
        mut copy: impl FnMut(Payload<'_>) -> R,
    ) -> Result<(Received, R), TryReadError> {
        let taken = self.try_take()?;
        meta.clear();
        meta.extend_from_slice(taken.metadata());
        Ok((taken.received(), copy(Payload::Own(&taken))))
    }

    /// The caller made sure that `out` has room for any message.
    fn receive_into(&mut self, meta: &mut Vec<u8>, out: &mut [u8]) -> Result<Received, TryReadError> {
        let copy = |payload: Payload<'_>| match payload {
            Payload::Own(bytes) => out[..bytes.len()].copy_from_slice(bytes),
            Payload::RacyBytes(_) => unreachable!("what is taken is the taker's own"),
        };
        self.receive(meta, copy).map(|(received, ())| received)
    }

    fn ready_within(&mut self, timeout: Duration) -> bool {
        seqring::Taker::ready_within(self, timeout)
    }
}

impl Shows for seqring::Taker {
    type Held = Taking;
}

/// A registered taker of a queue: each message goes to exactly one. Made by `Ring.taker`.
///
/// Any thread may use it, one at a time. Iterating yields copies, and ends when the stream does. Errors are those of
/// `Reader`, without `Lagged`.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Taker {
    receiving: Receiving<seqring::Taker>,
    slot_bytes: usize,
}

impl Taker {
    pub(crate) fn new(taker: seqring::Taker, ring: &seqring::Ring) -> Self {
        let slot_bytes = ring.config().slot_bytes();
        Taker { receiving: Receiving::new(taker, slot_bytes, ring.frame(), false), slot_bytes }
    }

    /// What is taken and does not fit would be lost: so a buffer must have room for any message.
    fn check_room(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<()> {
        if Buffer::writable(out)?.bytes_mut().len() >= self.slot_bytes {
            return Ok(());
        }
        Err(errors::reading(py, TryReadError::TooSmall { needed: self.slot_bytes }))
    }
}

receiving_methods!(Taker);

#[pymethods]
impl Taker {
    /// The next message as a `bytearray`, or `None` if there is none now.
    fn try_take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        self.receiving.try_read(py)
    }

    /// The next message as a `bytearray`, waiting for it for at most `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn take<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyByteArray>> {
        self.receiving.read(py, timeout)
    }

    /// As `try_take`, but waits while another thread has the taker, unless `is_empty()`.
    fn _take_in_turn<'py>(
        &self,
        py: Python<'py>,
        is_empty: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        self.receiving.read_in_turn(py, is_empty)
    }

    /// As `take_into`, without waiting: `None` if there is no message.
    fn try_take_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        self.check_room(py, out)?;
        self.receiving.try_read_into(py, out)
    }

    /// Takes the next message to the front of `out`, a writable C-contiguous buffer. Returns its bytes.
    ///
    /// `out` must have room for any message, else `TooSmall`: what is taken nobody else gets.
    #[pyo3(signature = (out, timeout=None))]
    fn take_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<usize> {
        self.check_room(py, out)?;
        self.receiving.read_into(py, out, timeout)
    }

    /// What is there, up to `max` messages; an empty list if there is none.
    fn try_take_batch<'py>(&self, py: Python<'py>, max: usize) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
        Ok(self.receiving.try_read_batch(py, max)?.unwrap_or_default())
    }

    /// Waits for a message, for at most `timeout` seconds, and returns it and what else is there, up to `max`.
    #[pyo3(signature = (max, timeout=None))]
    fn take_batch<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: Option<f64>,
    ) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
        self.receiving.read_batch(py, max, timeout)
    }

    /// As `view`, without waiting: `None` if there is no message.
    fn try_view(&self, py: Python<'_>) -> PyResult<Option<View>> {
        self.receiving.try_view(py)
    }

    /// The next message, taken, to be looked at where it lies. It is done with when the view is released.
    ///
    /// One at a time. If the process dies before, it counts as not done.
    #[pyo3(signature = (timeout=None))]
    fn view(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<View> {
        self.receiving.view(py, timeout)
    }
}
