//! The common part of readers, takers and observers: a message is copied, copied into a buffer, or
//! viewed.

use crate::array_layout::{self, ArrayLayout};
use crate::borrowed_endpoint::{Borrows, CopiedMessage, Home};
use crate::buffer_import::ImportedBuffer;
use crate::deadline::Deadline;
use crate::endpoint_cell::{Attempt, EndpointCell, EndpointGuard, Waits};
use crate::errors;
use crate::payload::{LARGE, Payload};
use crate::ring;
use crate::view::View;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use seqring::{Config, Delivery, Frame, Lagged, Received, SlotClass, TryReadError};
use std::sync::Arc;
use std::time::Duration;

/// A copied message: a `bytearray`, or a numpy array in a ring of frames.
pub(crate) type Message<'py> = Bound<'py, PyAny>;

/// A received message: its header, and the result of copying it.
pub(crate) type Receipt<R> = Result<(Received, R), TryReadError>;

/// An endpoint of the library that messages come to.
pub(crate) trait Endpoint: Send + Sized + 'static {
    const KIND: &'static str;

    /// Receives the next message, copied by `copy`, which may run several times, and its metadata.
    fn receive<R>(&mut self, meta: &mut Vec<u8>, copy: impl FnMut(Payload<'_>) -> R) -> Receipt<R>;

    /// Receives the next message into the front of `out`. A message that does not fit is not lost.
    fn receive_into(&mut self, meta: &mut Vec<u8>, out: &mut [u8]) -> Result<Received, TryReadError>;

    fn ready_within(&mut self, timeout: Duration) -> bool;
}

/// An endpoint, and what is known of its last message.
pub(crate) struct Inbox<E> {
    pub(crate) endpoint: E,
    pub(crate) received: Option<Received>,
    pub(crate) meta: Vec<u8>,
    /// A writer that died after the last message of a batch. The endpoint reports a death once; the
    /// next call raises it.
    pub(crate) died: Option<u32>,
}

impl<E> Inbox<E> {
    /// Raises what the last batch did not report.
    #[inline]
    fn check_died(&mut self, py: Python<'_>) -> PyResult<()> {
        match self.died.take() {
            None => Ok(()),
            Some(pid) => Err(errors::reading(py, TryReadError::WriterDied { pid })),
        }
    }
}

impl<E: Endpoint> Waits for Inbox<E> {
    fn ready_within(&mut self, timeout: Duration) -> bool {
        self.died.is_some() || self.endpoint.ready_within(timeout)
    }
}

/// How an endpoint receives.
#[derive(Clone, Copy, Default)]
pub(crate) struct Copies {
    /// Lost messages are counted and raise no error.
    pub(crate) skip_lost: bool,
    /// Frames are copied as bytes too.
    pub(crate) as_bytes: bool,
}

type Guard<'c, 'py, E> = EndpointGuard<'c, 'py, Inbox<E>>;

/// The receiving part of a Python object.
pub(crate) struct Receiver<E> {
    pub(crate) cell: Home<E>,
    /// Lost messages are counted and raise no error.
    skips_lost: bool,
    /// Largest message.
    slot_bytes: usize,
    /// The frame that the ring declares.
    frame: Option<Frame>,
    /// The layout of copies that are arrays.
    arrays: Option<ArrayLayout>,
    /// The ring, in a text.
    ring: String,
    /// A view shows the memory in the ring, and not a copy.
    views_in_place: bool,
}

impl<E: Endpoint> Receiver<E> {
    pub(crate) fn new(endpoint: E, name: &str, config: &Config, how: Copies) -> Self {
        let inbox = Inbox { endpoint, received: None, meta: Vec::new(), died: None };
        let frame = config.frame;
        let arrays = frame.as_ref().filter(|_| !how.as_bytes);
        Receiver {
            cell: Arc::new(EndpointCell::new(E::KIND, inbox)),
            skips_lost: how.skip_lost,
            slot_bytes: config.slot_bytes,
            arrays: arrays.and_then(|frame| Some(ArrayLayout::of(Some(frame), array_layout::bytes(frame)?))),
            frame,
            ring: ring::text(name, config),
            views_in_place: config.slot_class == SlotClass::Arena && config.delivery != Delivery::Lossy,
        }
    }

    /// Before a message is read: fails if arrays cannot be made of it. It would be lost.
    #[inline]
    pub(crate) fn check_arrays(&self, py: Python<'_>) -> PyResult<()> {
        self.arrays.as_ref().map_or(Ok(()), |layout| layout.numpy(py).map(drop))
    }

    /// A copied message, in the form in which it is returned.
    fn message<'py>(&self, bytes: Message<'py>) -> PyResult<Message<'py>> {
        let Some(layout) = &self.arrays else { return Ok(bytes) };
        let len = bytes.len()?;
        if len.cast_signed() == layout.nbytes {
            layout.array(&bytes)
        } else {
            ArrayLayout::of(None, len).array(&bytes)
        }
    }

    /// The text of an object: its class, its ring, and what `state` says of it.
    pub(crate) fn repr(&self, py: Python<'_>, class: &str, state: impl FnOnce(&mut E) -> String) -> String {
        let state = match self.cell.try_hold(py) {
            Ok(Some(mut guard)) => state(&mut guard.get().endpoint),
            _ if self.cell.is_closed() => "closed".into(),
            _ => "in use".into(),
        };
        format!("<seqring.{class} of {}: {state}>", self.ring)
    }

    #[inline]
    fn attempt<R>(
        &self,
        guard: &mut Guard<'_, '_, E>,
        mut receive: impl FnMut(&mut E, &mut Vec<u8>) -> Receipt<R>,
    ) -> Attempt<R> {
        let py = guard.py;
        let inbox = guard.get();
        inbox.check_died(py)?;
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

    /// Copies the next message.
    #[inline]
    pub(crate) fn copy<'py>(&self, guard: &mut Guard<'_, 'py, E>) -> Attempt<Message<'py>> {
        let py = guard.py;
        self.attempt(guard, |endpoint, meta| endpoint.receive(meta, |bytes| bytes.to_bytearray(py)))?
            .transpose()
    }

    /// Receives the next message, without waiting.
    #[inline]
    pub(crate) fn try_receive<'py>(&self, py: Python<'py>) -> Attempt<Message<'py>> {
        if self.arrays.is_none() {
            return self.cell.try_once(py, |guard| self.copy(guard));
        }
        self.check_arrays(py)?;
        let bytes = self.cell.try_once(py, |guard| self.copy(guard))?;
        bytes.map(|bytes| self.message(bytes)).transpose()
    }

    /// Receives the next message.
    #[inline]
    pub(crate) fn receive<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Message<'py>> {
        if self.arrays.is_none() {
            return self.wait(py, timeout, |guard| self.copy(guard));
        }
        self.check_arrays(py)?;
        self.message(self.wait(py, timeout, |guard| self.copy(guard))?)
    }

    /// Copies the next message to the front of `out`; returns its length.
    pub(crate) fn copy_into(&self, guard: &mut Guard<'_, '_, E>, out: &mut [u8]) -> Attempt<usize> {
        let py = guard.py;
        self.attempt(guard, |endpoint, meta| {
            let received = if out.len() >= LARGE {
                py.detach(|| endpoint.receive_into(meta, out))
            } else {
                endpoint.receive_into(meta, out)
            };
            received.map(|received| (received, received.len))
        })
    }

    /// Copies the messages that are there, up to `max`. An error after the first message stays for
    /// the next call, except `Lagged`: it is raised with the batch attached.
    pub(crate) fn copy_batch<'py>(
        &self,
        guard: &mut Guard<'_, 'py, E>,
        max: usize,
    ) -> Attempt<Vec<Message<'py>>> {
        let py = guard.py;
        if max == 0 {
            return Err(PyValueError::new_err("a batch has at least one message"));
        }
        let Some(first) = self.copy(guard)? else { return Ok(None) };
        let mut batch = vec![self.message(first)?];
        while batch.len() < max {
            let inbox = guard.get();
            match inbox.endpoint.receive(&mut inbox.meta, |bytes| bytes.to_bytearray(py)) {
                Ok((received, message)) => {
                    inbox.received = Some(received);
                    batch.push(self.message(message?)?);
                }
                Err(TryReadError::Lagged(_)) if self.skips_lost => {}
                // The reader has moved on: without the batch, the error would lose its messages.
                Err(TryReadError::Lagged(lagged)) => return Err(lagged_after(py, batch, lagged)),
                Err(TryReadError::WriterDied { pid }) => {
                    inbox.died = Some(pid);
                    break;
                }
                Err(_) => break,
            }
        }
        Ok(Some(batch))
    }

    /// Attempts until there is a message. Raises `TimedOut`.
    #[inline]
    pub(crate) fn wait<'py, R>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
        attempt: impl FnMut(&mut Guard<'_, 'py, E>) -> Attempt<R>,
    ) -> PyResult<R> {
        let waited = self.cell.wait(py, Deadline::after(timeout)?, attempt)?;
        waited.ok_or_else(|| errors::timed_out(py, "message", None))
    }
}

impl<E: Endpoint + Borrows> Receiver<E> {
    /// Views the next message.
    pub(crate) fn view(&self, guard: &mut Guard<'_, '_, E>) -> Attempt<View> {
        let (py, frame) = (guard.py, self.frame.as_ref());
        if !self.views_in_place {
            let Some(bytes) = self.copy(guard)? else { return Ok(None) };
            let inbox = guard.get();
            let received = inbox.received.expect("a message was received");
            let copied =
                CopiedMessage { bytes: bytes.cast_into()?.unbind(), received, meta: inbox.meta.clone() };
            return Ok(Some(View::new(Box::new(copied), frame)));
        }
        guard.get().check_died(py)?;
        loop {
            let (inbox, error) = match E::borrow_next(guard.lend(), &self.cell) {
                Ok(message) => return Ok(Some(View::new(message, frame))),
                Err(refused) => refused,
            };
            guard.put_back(inbox);
            match error {
                TryReadError::Empty => return Ok(None),
                TryReadError::Lagged(_) if self.skips_lost => {}
                error => return Err(errors::reading(py, error)),
            }
        }
    }
}

impl Receiver<seqring::Taker> {
    /// A buffer to take into. A taken message that did not fit would be lost, so `out` must have
    /// room for any message.
    pub(crate) fn buffer_for_any<'py>(&self, out: &Bound<'py, PyAny>) -> PyResult<ImportedBuffer<'py>> {
        let mut out_buffer = ImportedBuffer::writable(out)?;
        if out_buffer.bytes_mut().len() >= self.slot_bytes {
            return Ok(out_buffer);
        }
        Err(errors::reading(out.py(), TryReadError::TooSmall { needed: self.slot_bytes }))
    }
}

/// `Lagged` in the middle of a batch, with the messages that were read before.
fn lagged_after(py: Python<'_>, batch: Vec<Message<'_>>, lagged: Lagged) -> PyErr {
    let error = errors::reading(py, TryReadError::Lagged(lagged));
    error.value(py).setattr("batch", batch).map_or_else(|other| other, |()| error)
}
