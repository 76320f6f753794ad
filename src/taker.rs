//! Taking: of several takers each message goes to exactly one.
#![allow(unsafe_code, reason = "a slice over a buffer that is the taker's alone")]

use crate::bell::{Bells, Waiting};
use crate::endpoint::{self, Endpoint};
use crate::error::{Corrupt, JoinError, ReadError, TryReadError};
use crate::extras::Plan;
use crate::life::{self, Phase};
use crate::many;
use crate::memory::{Memory, frozen_bytes};
use crate::participant::{Role, Seat};
use crate::position::Received;
use crate::queue::{Attempt, Takes};
use crate::stamp::Words;
use std::time::{Duration, Instant};

/// A registered taker of a queue. Dropping it leaves the ring.
///
/// # Progress
/// `try_` calls are lock-free: a taker or writer that is stopped stops nobody else, and the message that a stopped taker
/// holds is the only one that waits for it.
#[derive(Debug)]
pub struct Taker {
    endpoint: Endpoint,
    hand: Hand,
}

/// A taker without its manner of waiting.
#[derive(Debug)]
struct Hand {
    memory: Memory,
    takes: Takes,
    bells: Bells,
    plan: Plan,
    metadata: Box<[u8]>,
    meta_len: usize,
}

/// So often others may be first, before the ring is taken for damaged: each time they take a message.
const TRIES: usize = 1 << 20;

impl Taker {
    pub(crate) fn join(seat: Seat, words: Words) -> Result<Self, JoinError> {
        let memory = seat.shared().memory.clone();
        let own = many::own_buffer(&seat, words)?;
        let config = &memory.layout().config;
        let hand = Hand {
            takes: Takes::new(&memory, words, seat.index(), own),
            bells: seat.shared().bells,
            plan: Plan::of(config),
            metadata: vec![0; config.meta_bytes].into(),
            meta_len: 0,
            memory,
        };
        Ok(Taker { endpoint: Endpoint::new(seat), hand })
    }

    /// Takes the next message, without waiting. It is this taker's alone: no copy is made, and nobody else gets it.
    ///
    /// # Errors
    /// [`TryReadError::Empty`]; [`TryReadError::Closed`] when everything is taken and no writer is left, until one comes;
    /// [`TryReadError::Corrupt`].
    ///
    /// # Cost
    /// One exchange of a word that writers and takers share, three stores to this taker's own line, one exchange of
    /// the counter of takes. System calls only if a writer sleeps.
    pub fn try_take(&mut self) -> Result<Taken<'_>, TryReadError> {
        let received = self.hand.try_take();
        if let Err(TryReadError::Empty) = received {
            self.endpoint.look_after(Role::Writer);
        }
        Ok(Taken { received: received?, hand: &mut self.hand })
    }

    /// Takes the next message, waiting for it.
    ///
    /// # Errors
    /// As [`Self::try_take`], without `Empty`.
    pub fn take(&mut self) -> Result<Taken<'_>, ReadError> {
        self.wait(None)
    }

    /// Takes the next message, waiting for it for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::take`], and [`ReadError::TimedOut`].
    pub fn take_timeout(&mut self, timeout: Duration) -> Result<Taken<'_>, ReadError> {
        self.wait(endpoint::deadline(timeout))
    }

    /// Waits for at most `timeout` until there is a message to take, or none will come. Says whether that is so. Takes
    /// nothing: another taker may be first.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let Taker { endpoint, hand } = self;
        hand.is_ready() || endpoint.wait(Role::Writer, endpoint::deadline(timeout), || hand.is_ready())
    }

    /// Sets how this taker waits.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.endpoint.waiting = waiting;
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Result<Taken<'_>, ReadError> {
        let Taker { endpoint, hand } = self;
        loop {
            match hand.try_take() {
                Ok(received) => return Ok(Taken { received, hand }),
                Err(TryReadError::Empty) => {}
                Err(other) => return Err(ReadError::from_try(other)),
            }
            if !endpoint.wait(Role::Writer, deadline, || hand.is_ready()) {
                return Err(ReadError::TimedOut);
            }
        }
    }
}

impl Hand {
    fn try_take(&mut self) -> Result<Received, TryReadError> {
        for _ in 0..TRIES {
            match self.takes.try_take(&self.memory)? {
                Attempt::Taken(sequence) => {
                    self.bells.ring(&self.memory.control().freed);
                    return self.receive(sequence).inspect_err(|_| self.takes.acknowledge(&self.memory));
                }
                Attempt::Late => {}
                Attempt::Empty => match life::phase(&self.memory) {
                    Phase::Fresh | Phase::Open => return Err(TryReadError::Empty),
                    // The end is established; what was published before it is visible now.
                    Phase::Ended | Phase::Closed if self.takes.is_ready(&self.memory) => {}
                    Phase::Ended | Phase::Closed => return Err(TryReadError::Closed),
                },
            }
        }
        Err(Corrupt { what: "the counter of takes stands still, or the slots keep changing" }.into())
    }

    /// What goes with the message in the own buffer.
    fn receive(&mut self, sequence: u64) -> Result<Received, TryReadError> {
        let (header, payload) = self.memory.buffer(self.takes.own())?;
        // Relaxed: ours since the exchange.
        let len = usize::try_from(header.len.load(crate::sync::Relaxed)).unwrap_or(usize::MAX);
        if len > payload.bytes() {
            return Err(Corrupt { what: "a buffer claims more bytes than it has" }.into());
        }
        let extras = self.memory.buffer_extras(self.takes.own());
        let loaded = self.plan.load(extras, &mut self.metadata);
        self.meta_len = loaded.meta_len;
        Ok(Received { sequence, len, tag: loaded.tag, timestamp_ns: loaded.timestamp_ns })
    }

    fn is_ready(&mut self) -> bool {
        self.takes.is_ready(&self.memory) || !matches!(life::phase(&self.memory), Phase::Fresh | Phase::Open)
    }
}

/// A message that was taken, and the buffer that it is in. Dropping it says that the message is done with.
#[derive(Debug)]
pub struct Taken<'t> {
    hand: &'t mut Hand,
    received: Received,
}

impl Taken<'_> {
    /// The message's number, length and options.
    pub fn received(&self) -> Received {
        self.received
    }

    /// The metadata of the message; empty if it had none.
    pub fn metadata(&self) -> &[u8] {
        &self.hand.metadata[..self.hand.meta_len]
    }
}

impl std::ops::Deref for Taken<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let Ok((_, payload)) = self.hand.memory.buffer(self.hand.takes.own()) else { return &[] };
        // SAFETY:
        // - valid and aligned: the start of a buffer, and the length was checked against it when the message was taken;
        // - alive: `hand` holds the memory, and the slice borrows `self`;
        // - frozen: the buffer came to this taker by the exchange of its slot, and goes on by this taker's next one, which
        //   needs the taker that `self` borrows. Its writer gave it up by its own exchange; nobody else knows it.
        unsafe { frozen_bytes(payload.as_ptr(), self.received.len) }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.hand.takes.acknowledge(&self.hand.memory);
    }
}
