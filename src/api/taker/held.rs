//! A message together with the taker that took it. A taker owns one buffer, so several messages at
//! a time need several takers.
#![allow(unsafe_code, reason = "a slice over a buffer that is the taker's alone")]

use super::Taker;
use crate::api::form::Until;
use crate::memory::exclusive_bytes;
use crate::types::error::ReadError;
use crate::types::message::Received;
use std::time::Instant;

/// A message that was taken, and its taker, which takes no other until this one is released.
#[derive(Debug)]
pub(crate) struct Held {
    taker: Taker,
}

impl Held {
    /// Takes the next message, waiting until `deadline`. On success it moves the taker out of
    /// `taker`.
    pub(crate) fn take(taker: &mut Option<Taker>, deadline: Option<Instant>) -> Result<Self, ReadError> {
        taker.as_mut().expect("a taker to take with").call(Until::at(deadline))?;
        Ok(Held { taker: taker.take().expect("it has just taken") })
    }

    pub(crate) fn received(&self) -> Received {
        self.taker.receiver.received()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.taker.receiver.bytes()
    }

    /// The bytes, mutable.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let receiver = &self.taker.receiver;
        debug_assert!(!receiver.memory.layout().config.observers);
        let Ok((_, payload)) = receiver.memory.buffer(receiver.taken.buffer) else { return &mut [] };
        // SAFETY:
        // - valid and alive: as in `Receiver::bytes`, and the slice borrows `self` mutably;
        // - exclusive: the buffer is this taker's alone, as there; rings of a pipeline have no
        //   observers.
        let bytes = unsafe { exclusive_bytes(payload.as_ptr(), receiver.taken.len) };
        bytes.unwrap_or_default()
    }

    pub(crate) fn metadata(&self) -> &[u8] {
        self.taker.receiver.metadata()
    }

    /// Finishes the message and returns the taker.
    pub(crate) fn release(mut self) -> Taker {
        self.taker.receiver.finish();
        self.taker
    }
}
