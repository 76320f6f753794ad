//! Writing: one writer puts messages into the ring, in order, without gaps.

use crate::arena;
use crate::bell::{Bells, Waiting};
use crate::claim::Claim;
use crate::config::Delivery;
use crate::endpoint::{self, Endpoint};
use crate::error::{Corrupt, JoinError, Peer, TryWriteError, WriteError};
use crate::extras::{Extras, Plan};
use crate::gate::{self, Gate};
use crate::inline;
use crate::life;
use crate::memory::{Memory, Payload};
use crate::participant::{Role, Seat};
use crate::place::Place;
use crate::slots::{Class, Slots};
use crate::stamp::Stamps;
use crate::sync::Relaxed;
use std::time::{Duration, Instant};

/// How often the writer stores the counter of the next sequence. It is a hint, which whoever uses it makes exact
/// by looking at the slots; and where a message is three stores, a fourth one to another line is dear.
const NEXT_STORED_EVERY: u64 = 64;

/// The registered writer of a ring. Dropping it ends the stream, until another writer joins.
///
/// # Progress
/// In a lossy ring every call is wait-free. In a gated ring `try_` calls are wait-free too, and the others wait
/// for the slowest registered reader only.
#[derive(Debug)]
pub struct Writer {
    endpoint: Endpoint,
    front: Front,
}

/// Where the writer stands: a wait borrows the [`Endpoint`] and moves this.
#[derive(Debug)]
pub(crate) struct Front {
    memory: Memory,
    class: Class,
    place: Place,
    gate: Gate,
    bells: Bells,
    /// In a ring of inline slots without extras.
    plain: Option<Stamps>,
    plan: Plan,
    slot_bytes: usize,
    meta_bytes: usize,
    /// The arena buffer that is this writer's; meaningless in inline rings.
    own: usize,
    /// No reader looks at `own` while it is filled.
    exclusive: bool,
    /// Where claims of inline rings are filled.
    scratch: Vec<u8>,
    entry: usize,
    refused: u64,
}

impl Writer {
    pub(crate) fn join(seat: Seat) -> Result<Self, JoinError> {
        let slots = Slots::new(seat.shared().memory.clone());
        let config = slots.config().clone();
        let gated = config.delivery == Delivery::Gated;
        let next = slots.next_sequence();
        let own = match slots.class {
            Class::Arena(words) => arena::missing_buffer(&slots.memory, words)?,
            Class::Inline(_) => 0,
        };
        slots.memory.control().next.store(next, Relaxed); // Relaxed: see `Front::pass`.
        seat.entry().joined.store(next, Relaxed); // Relaxed: a figure for people.
        if !life::open(&slots.memory) {
            return Err(JoinError::Closed);
        }
        let front = Front {
            plain: slots.plain(),
            class: slots.class,
            place: Place::of(next, config.slots),
            gate: if gated { Gate::closed() } else { Gate::open() },
            bells: seat.shared().bells,
            plan: Plan::of(&config),
            slot_bytes: config.slot_bytes,
            meta_bytes: config.meta_bytes,
            own,
            exclusive: gated && !config.observers,
            scratch: Vec::new(),
            entry: seat.index(),
            refused: 0,
            memory: slots.memory,
        };
        Ok(Writer {
            endpoint: Endpoint::new(seat),
            front,
        })
    }

    /// Publishes `payload`, without waiting. Returns the message's sequence.
    ///
    /// # Errors
    /// [`TryWriteError::Full`] in a gated ring, [`TryWriteError::TooLarge`], [`TryWriteError::Closed`].
    ///
    /// # Cost
    /// One copy and three stores. A gated writer looks at the readers once in up to `slots` messages. No system
    /// call unless a reader sleeps.
    #[inline]
    pub fn try_write(&mut self, payload: &[u8]) -> Result<u64, TryWriteError> {
        self.front.write_payload(payload)
    }

    /// Publishes `payload`, waiting until the slowest reader has freed a slot.
    ///
    /// # Errors
    /// As [`Self::try_write`], without `Full`.
    #[inline]
    pub fn write(&mut self, payload: &[u8]) -> Result<u64, WriteError> {
        match self.front.write_payload(payload) {
            Err(TryWriteError::Full) => self.wait(None, |front| front.write_payload(payload)),
            other => other.map_err(WriteError::from_try),
        }
    }

    /// Publishes `payload`, waiting for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::write`], and [`WriteError::TimedOut`], which names the slowest reader.
    pub fn write_timeout(&mut self, payload: &[u8], timeout: Duration) -> Result<u64, WriteError> {
        self.wait(endpoint::deadline(timeout), |front| front.write_payload(payload))
    }

    /// As [`Self::try_write`], with a tag or metadata.
    ///
    /// # Errors
    /// As [`Self::try_write`]; metadata longer than the ring carries is `TooLarge`.
    #[inline]
    pub fn try_write_with(&mut self, payload: &[u8], extras: &Extras<'_>) -> Result<u64, TryWriteError> {
        self.front.write(payload, extras)
    }

    /// As [`Self::write`], with a tag or metadata.
    ///
    /// # Errors
    /// As [`Self::write`]; metadata longer than the ring carries is `TooLarge`.
    pub fn write_with(&mut self, payload: &[u8], extras: &Extras<'_>) -> Result<u64, WriteError> {
        self.wait(None, |front| front.write(payload, extras))
    }

    /// Room for a message of `len` bytes, to be filled in place and published, without waiting.
    ///
    /// # Errors
    /// As [`Self::try_write`].
    pub fn try_claim(&mut self, len: usize) -> Result<Claim<'_>, TryWriteError> {
        self.front.begin_claim(len)?;
        Ok(Claim::new(&mut self.front, len))
    }

    /// Room for a message of `len` bytes, to be filled in place and published, waiting for it.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, WriteError> {
        self.wait(None, |front| front.begin_claim(len))?;
        Ok(Claim::new(&mut self.front, len))
    }

    /// Room for a message of `len` bytes, to be filled in place and published, waiting for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::write_timeout`].
    pub fn claim_timeout(&mut self, len: usize, timeout: Duration) -> Result<Claim<'_>, WriteError> {
        self.wait(endpoint::deadline(timeout), |front| front.begin_claim(len))?;
        Ok(Claim::new(&mut self.front, len))
    }

    /// The sequence that this writer publishes next.
    pub fn next_sequence(&self) -> u64 {
        self.front.place.sequence
    }

    /// How often a write found the ring full, a waiting one counted once for each look.
    pub fn refused(&self) -> u64 {
        self.front.refused
    }

    /// Sets how this writer waits.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.endpoint.waiting = waiting;
    }

    fn wait<T>(
        &mut self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut Front) -> Result<T, TryWriteError>,
    ) -> Result<T, WriteError> {
        let Writer { endpoint, front } = self;
        let done = endpoint.wait(Role::Reader, deadline, || match attempt(front) {
            Err(TryWriteError::Full) => None,
            other => Some(other.map_err(WriteError::from_try)),
        });
        done.unwrap_or_else(|| {
            Err(WriteError::TimedOut {
                slowest: self.front.slowest(),
            })
        })
    }
}

impl Front {
    /// A payload alone into an inline slot without extras is all there is to most writes; whatever else there
    /// may be is kept out of its way.
    #[inline(always)]
    fn write_payload(&mut self, payload: &[u8]) -> Result<u64, TryWriteError> {
        let Some(stamps) = self.plain else {
            return self.write(payload, &Extras::default());
        };
        if payload.len() > self.slot_bytes
            || life::is_closed(&self.memory)
            || !self.gate.admits(self.place.sequence)
        {
            return self.write(payload, &Extras::default());
        }
        let slot = self.memory.inline_slot(&self.place);
        inline::publish(&slot, stamps, self.place.sequence, payload, |_| ());
        Ok(self.pass())
    }

    #[inline(never)]
    fn write(&mut self, payload: &[u8], extras: &Extras<'_>) -> Result<u64, TryWriteError> {
        self.admit(payload.len(), extras.metadata.len())?;
        let Class::Inline(stamps) = self.class else {
            return self.write_arena(payload, extras);
        };
        let slot = self.memory.inline_slot(&self.place);
        inline::publish(&slot, stamps, self.place.sequence, payload, |words| {
            self.plan.store(words, extras)
        });
        Ok(self.pass())
    }

    /// After a publication: goes on to the next place, and wakes who sleeps for messages.
    #[inline(always)]
    fn pass(&mut self) -> u64 {
        let sequence = self.place.sequence;
        self.place.step();
        if sequence.is_multiple_of(NEXT_STORED_EVERY) {
            // Relaxed: a hint where the newest message is; who uses it looks at the slots, which order the rest.
            self.memory.control().next.store(self.place.sequence, Relaxed);
        }
        self.bells.published(self.memory.control()).ring();
        sequence
    }

    fn write_arena(&mut self, payload: &[u8], extras: &Extras<'_>) -> Result<u64, TryWriteError> {
        arena::begin_filling();
        self.own_buffer()?.store(payload);
        self.exchange(payload.len(), extras)
    }

    /// Whether a message of these lengths may be published now.
    fn admit(&mut self, len: usize, meta_len: usize) -> Result<(), TryWriteError> {
        if len > self.slot_bytes || meta_len > self.meta_bytes {
            return Err(self.too_large(len, meta_len));
        }
        if life::is_closed(&self.memory) {
            return Err(TryWriteError::Closed);
        }
        let next = self.place.sequence;
        if self.gate.admits(next) || self.gate.look(&self.memory, next) {
            return Ok(());
        }
        self.full()
    }

    #[cold]
    fn too_large(&self, len: usize, meta_len: usize) -> TryWriteError {
        if len > self.slot_bytes {
            TryWriteError::TooLarge {
                len,
                max: self.slot_bytes,
            }
        } else {
            TryWriteError::TooLarge {
                len: meta_len,
                max: self.meta_bytes,
            }
        }
    }

    #[cold]
    fn full(&mut self) -> Result<(), TryWriteError> {
        self.refused += 1;
        let missed = &self.memory.entry(self.entry).missed;
        missed.store(self.refused, Relaxed); // Relaxed: a count, orders nothing.
        Err(TryWriteError::Full)
    }

    fn own_buffer(&self) -> Result<Payload<'_>, Corrupt> {
        Ok(self.memory.buffer(self.own)?.1)
    }

    /// Publishes the own buffer of an arena ring and takes the one that it displaces.
    fn exchange(&mut self, len: usize, extras: &Extras<'_>) -> Result<u64, TryWriteError> {
        let Class::Arena(words) = self.class else {
            unreachable!("inline slots exchange nothing")
        };
        self.plan.store(self.memory.buffer_extras(self.own), extras);
        self.own = arena::publish(&self.memory, words, &self.place, self.own, len)?;
        Ok(self.pass())
    }

    fn slowest(&self) -> Option<Peer> {
        gate::slowest_peer(&self.memory, self.place.sequence)
    }
}

/// What a [`Claim`] does with the writer.
impl Front {
    fn begin_claim(&mut self, len: usize) -> Result<(), TryWriteError> {
        self.admit(len, 0)?;
        match self.class {
            Class::Inline(_) => {
                self.scratch.clear();
                self.scratch.resize(len, 0);
            }
            Class::Arena(_) => arena::begin_filling(),
        }
        Ok(())
    }

    /// The claimed bytes of an inline ring, private until published.
    pub(crate) fn scratch(&mut self) -> Option<&mut Vec<u8>> {
        matches!(self.class, Class::Inline(_)).then_some(&mut self.scratch)
    }

    /// The claimed bytes of an arena ring, and whether nobody else can be looking at them.
    pub(crate) fn claimed(&self) -> Result<(Payload<'_>, bool), Corrupt> {
        Ok((self.own_buffer()?, self.exclusive))
    }

    pub(crate) fn publish_claim(&mut self, len: usize, extras: &Extras<'_>) -> Result<u64, TryWriteError> {
        if extras.metadata.len() > self.meta_bytes {
            return Err(self.too_large(len, extras.metadata.len()));
        }
        match self.class {
            Class::Inline(_) => {
                let scratch = std::mem::take(&mut self.scratch);
                let published = self.write(&scratch[..len], extras);
                self.scratch = scratch;
                published
            }
            Class::Arena(_) => self.exchange(len, extras),
        }
    }
}
