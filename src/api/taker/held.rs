//! A message together with the taker that took it, for whoever holds several at a time: a taker owns one buffer.

use super::{Got, Taker};
use crate::memory::exclusive_bytes;
use crate::types::error::ReadError;
use crate::types::message::Received;
use std::time::Instant;

/// A message that was taken, and its taker, which can take no other until this is done with.
#[derive(Debug)]
pub(crate) struct Held {
    taker: Taker,
    got: Got,
}

impl Held {
    /// Takes the next message for good, waiting until `deadline`. `taker` is gone only if there was one.
    pub(crate) fn take(taker: &mut Option<Taker>, deadline: Option<Instant>) -> Result<Self, ReadError> {
        let got = taker.as_mut().expect("a taker to take with").wait(deadline)?;
        let taker = taker.take().expect("it has just taken");
        Ok(Held { taker, got })
    }

    pub(crate) fn received(&self) -> Received {
        self.got.received
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.taker.hand.bytes(&self.got)
    }

    /// The bytes, to be changed.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let hand = &self.taker.hand;
        debug_assert!(!hand.memory.layout().config.observers);
        let Ok((_, payload)) = hand.memory.buffer(self.got.buffer) else { return &mut [] };
        // SAFETY:
        // - valid and alive: as in `Hand::bytes`, and the slice borrows `self` mutably;
        // - exclusive: the buffer is this taker's alone, as there; a pipeline's rings have no observers.
        let bytes = unsafe { exclusive_bytes(payload.as_ptr(), self.got.received.len) };
        bytes.unwrap_or_default()
    }

    pub(crate) fn metadata(&self) -> &[u8] {
        &self.taker.hand.metadata[..self.taker.hand.meta_len]
    }

    /// The message is done with, and the taker free for the next.
    pub(crate) fn release(self) -> Taker {
        self.taker.hand.done(&self.got);
        self.taker
    }
}
