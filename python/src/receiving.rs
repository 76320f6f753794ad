//! What readers and takers have in common: a message comes in, as a copy, into a buffer, or to be looked at.

use crate::cell::{Cell, Hold};
use crate::errors;
use crate::held::Held;
use crate::output::{LARGE, Payload};
use crate::source::Buffer;
use crate::timeout::Deadline;
use crate::view::{Shown, View};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};
use seqring::{Frame, Received, TryReadError};
use std::sync::Arc;
use std::time::Duration;

/// Whoever messages come to: a reader, a taker, an observer.
pub(crate) trait Endpoint: Send + Sized + 'static {
    const WHAT: &'static str;

    /// The next message, copied by `copy`, and its metadata. `copy` may run several times.
    fn receive<R>(
        &mut self,
        meta: &mut Vec<u8>,
        copy: impl FnMut(Payload<'_>) -> R,
    ) -> Result<(Received, R), TryReadError>;

    /// The next message at the front of `out`. One that does not fit is not lost.
    fn receive_into(&mut self, meta: &mut Vec<u8>, out: &mut [u8]) -> Result<Received, TryReadError>;

    fn ready_within(&mut self, timeout: Duration) -> bool;
}

/// An endpoint that shows messages where they lie.
pub(crate) trait Shows: Endpoint {
    /// It and the message.
    type Held: Held<Self>;
}

/// An endpoint and what is known of the message that came last.
pub(crate) struct Inbox<E> {
    pub(crate) endpoint: E,
    pub(crate) received: Option<Received>,
    pub(crate) meta: Vec<u8>,
    /// A writer that died after the last message of a batch, for the next call to tell: the endpoint tells it once.
    died: Option<u32>,
}

impl<E> Inbox<E> {
    fn new(endpoint: E, received: Option<Received>, meta: Vec<u8>) -> Self {
        Inbox { endpoint, received, meta, died: None }
    }

    /// Tells what the last batch left to be told.
    #[inline]
    fn tell(&mut self, py: Python<'_>) -> PyResult<()> {
        match self.died.take() {
            None => Ok(()),
            Some(pid) => Err(errors::reading(py, TryReadError::WriterDied { pid })),
        }
    }
}

/// A message that a view shows; its endpoint goes back to where it came from.
struct Showing<E: Shows> {
    held: E::Held,
    home: Arc<Cell<Inbox<E>>>,
}

impl<E: Shows> Showing<E> {
    /// The next message; without one, what was given back. Nothing is left to be told.
    fn next(inbox: Inbox<E>, home: &Arc<Cell<Inbox<E>>>) -> Result<Self, (Inbox<E>, TryReadError)> {
        let Inbox { endpoint, received, meta, died: _ } = inbox;
        match E::Held::next(endpoint) {
            Ok(held) => Ok(Showing { held, home: Arc::clone(home) }),
            Err((endpoint, error)) => Err((Inbox::new(endpoint, received, meta), error)),
        }
    }
}

impl<E: Shows> Shown for Showing<E> {
    fn bytes(&self) -> &[u8] {
        self.held.bytes()
    }

    fn meta(&self) -> &[u8] {
        self.held.meta()
    }

    fn received(&self) -> Received {
        self.held.received()
    }

    fn is_in_place(&self) -> bool {
        self.held.is_in_place()
    }

    fn end(self: Box<Self>) {
        let (received, meta) = (Some(self.received()), self.meta().to_vec());
        let Showing { held, home } = *self;
        home.give_back(Inbox::new(held.end(), received, meta));
    }
}

/// The part of a Python object that receives.
pub(crate) struct Receiving<E> {
    pub(crate) cell: Arc<Cell<Inbox<E>>>,
    /// Lost messages are counted, but no error.
    skips_lost: bool,
    /// Messages may be so large that looking at one may copy much.
    large: bool,
    /// What every message is, if the ring says so.
    frame: Option<Frame>,
}

impl<E: Endpoint> Receiving<E> {
    /// For messages of at most `slot_bytes`.
    pub(crate) fn new(endpoint: E, slot_bytes: usize, frame: Option<Frame>, skips_lost: bool) -> Self {
        let cell = Arc::new(Cell::new(E::WHAT, Inbox::new(endpoint, None, Vec::new())));
        Receiving { cell, skips_lost, large: slot_bytes >= LARGE, frame }
    }

    /// One try; `None` if there is nothing.
    #[inline]
    fn attempt<R>(
        &self,
        py: Python<'_>,
        hold: &mut Hold<'_, Inbox<E>>,
        mut receive: impl FnMut(&mut E, &mut Vec<u8>) -> Result<(Received, R), TryReadError>,
    ) -> PyResult<Option<R>> {
        let inbox = hold.get();
        inbox.tell(py)?;
        loop {
            match receive(&mut inbox.endpoint, &mut inbox.meta) {
                Ok((received, result)) => {
                    inbox.received = Some(received);
                    return Ok(Some(result));
                }
                Err(TryReadError::Empty) => return Ok(None),
                Err(TryReadError::Lagged(_)) if self.skips_lost => {}
                Err(error) => return Err(errors::reading(py, error)),
            }
        }
    }

    #[inline]
    pub(crate) fn copy<'py>(
        &self,
        py: Python<'py>,
        hold: &mut Hold<'_, Inbox<E>>,
    ) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        self.attempt(py, hold, |endpoint, meta| endpoint.receive(meta, |payload| payload.to_bytearray(py)))?
            .transpose()
    }

    #[inline]
    pub(crate) fn try_read<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        match self.cell.try_hold(py)? {
            Some(mut hold) => self.copy(py, &mut hold),
            None => Ok(None),
        }
    }

    /// As [`Self::try_read`], but for a message that is there it waits while another thread has the endpoint. `is_empty()`
    /// says that there is none.
    pub(crate) fn read_in_turn<'py>(
        &self,
        py: Python<'py>,
        is_empty: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        match self.cell.hold_unless(py, is_empty)? {
            Some(mut hold) => self.copy(py, &mut hold),
            None => Ok(None),
        }
    }

    #[inline]
    pub(crate) fn read<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        self.wait(py, timeout, |hold| self.copy(py, hold))
    }

    /// As [`Self::read`]; `None` if nothing came in time.
    pub(crate) fn read_within<'py>(
        &self,
        py: Python<'py>,
        time: Duration,
    ) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        let ready = |inbox: &mut Inbox<E>, slice| inbox.endpoint.ready_within(slice);
        self.cell.wait(py, Deadline::within(time), |hold| self.copy(py, hold), ready)
    }

    pub(crate) fn try_read_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        let mut out = Buffer::writable(out)?;
        match self.cell.try_hold(py)? {
            Some(mut hold) => self.copy_into(py, &mut hold, out.bytes_mut()),
            None => Ok(None),
        }
    }

    pub(crate) fn read_into(
        &self,
        py: Python<'_>,
        out: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        let mut out = Buffer::writable(out)?;
        self.wait(py, timeout, |hold| self.copy_into(py, hold, out.bytes_mut()))
    }

    fn copy_into(
        &self,
        py: Python<'_>,
        hold: &mut Hold<'_, Inbox<E>>,
        out: &mut [u8],
    ) -> PyResult<Option<usize>> {
        self.attempt(py, hold, |endpoint, meta| {
            let received = if out.len() >= LARGE {
                py.detach(|| endpoint.receive_into(meta, out))
            } else {
                endpoint.receive_into(meta, out)
            };
            received.map(|received| (received, received.len))
        })
    }

    pub(crate) fn try_read_batch<'py>(
        &self,
        py: Python<'py>,
        max: usize,
    ) -> PyResult<Option<Vec<Bound<'py, PyByteArray>>>> {
        match self.cell.try_hold(py)? {
            Some(mut hold) => self.batch(py, &mut hold, max),
            None => Ok(None),
        }
    }

    pub(crate) fn read_batch<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: Option<f64>,
    ) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
        self.wait(py, timeout, |hold| self.batch(py, hold, max))
    }

    /// What is there, up to `max` messages. What went wrong after the first, the next call meets again, or is told.
    fn batch<'py>(
        &self,
        py: Python<'py>,
        hold: &mut Hold<'_, Inbox<E>>,
        max: usize,
    ) -> PyResult<Option<Vec<Bound<'py, PyByteArray>>>> {
        if max == 0 {
            return Err(PyValueError::new_err("a batch has at least one message"));
        }
        let Some(first) = self.copy(py, hold)? else { return Ok(None) };
        let mut batch = vec![first];
        while batch.len() < max {
            let inbox = hold.get();
            match inbox.endpoint.receive(&mut inbox.meta, |payload| payload.to_bytearray(py)) {
                Ok((received, message)) => {
                    inbox.received = Some(received);
                    batch.push(message?);
                }
                Err(TryReadError::Lagged(_)) if self.skips_lost => {}
                Err(TryReadError::Lagged(lagged)) => {
                    // The reader has moved on: told with the batch gone, it would cost messages that are here.
                    return Err(told_late(py, batch, lagged.missed));
                }
                Err(TryReadError::WriterDied { pid }) => {
                    inbox.died = Some(pid);
                    break;
                }
                Err(_) => break,
            }
        }
        Ok(Some(batch))
    }

    #[inline]
    fn wait<R>(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        attempt: impl FnMut(&mut Hold<'_, Inbox<E>>) -> PyResult<Option<R>>,
    ) -> PyResult<R> {
        let deadline = Deadline::after(timeout)?;
        let waited =
            self.cell.wait(py, deadline, attempt, |inbox, slice| inbox.endpoint.ready_within(slice))?;
        waited.ok_or_else(|| errors::timed_out(py, "message", None))
    }

    /// Waits until there is something to read, or to be told. Reads nothing.
    pub(crate) fn ready(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let look = |hold: &mut Hold<'_, Inbox<E>>| {
            let inbox = hold.get();
            Ok((inbox.died.is_some() || inbox.endpoint.ready_within(Duration::ZERO)).then_some(()))
        };
        let ready = |inbox: &mut Inbox<E>, slice| inbox.endpoint.ready_within(slice);
        let waited = self.cell.wait(py, Deadline::after(timeout)?, look, ready)?;
        Ok(waited.is_some())
    }

    /// Something of the endpoint, or of the message that came last.
    pub(crate) fn look<R>(&self, py: Python<'_>, look: impl FnOnce(&mut Inbox<E>) -> R) -> PyResult<R> {
        let hold = self.cell.hold(py, Deadline::after(None)?)?;
        Ok(look(hold.expect("no deadline").get()))
    }

    pub(crate) fn meta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.look(py, |inbox| PyBytes::new(py, &inbox.meta))
    }
}

impl<E: Shows> Receiving<E> {
    pub(crate) fn try_view(&self, py: Python<'_>) -> PyResult<Option<View>> {
        match self.cell.try_hold(py)? {
            Some(mut hold) => self.show(py, &mut hold),
            None => Ok(None),
        }
    }

    pub(crate) fn view(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<View> {
        self.wait(py, timeout, |hold| self.show(py, hold))
    }

    fn show(&self, py: Python<'_>, hold: &mut Hold<'_, Inbox<E>>) -> PyResult<Option<View>> {
        hold.get().tell(py)?;
        loop {
            let inbox = hold.lend();
            let shown = if self.large {
                py.detach(|| Showing::next(inbox, &self.cell))
            } else {
                Showing::next(inbox, &self.cell)
            };
            let (inbox, error) = match shown {
                Ok(showing) => return Ok(Some(View::new(showing, self.frame.as_ref()))),
                Err(refused) => refused,
            };
            hold.put_back(inbox);
            match error {
                TryReadError::Empty => return Ok(None),
                TryReadError::Lagged(_) if self.skips_lost => {}
                error => return Err(errors::reading(py, error)),
            }
        }
    }
}

/// An overtaking in the middle of a batch: the error carries what was read before it.
fn told_late(py: Python<'_>, batch: Vec<Bound<'_, PyByteArray>>, missed: u64) -> PyErr {
    let error = errors::reading(py, TryReadError::Lagged(seqring::Lagged { missed }));
    match error.value(py).setattr("batch", batch) {
        Ok(()) => error,
        Err(other) => other,
    }
}
