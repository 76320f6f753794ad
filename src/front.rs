//! Where a writer stands, and how it publishes from there.

use crate::arena;
use crate::bell::Bells;
use crate::config::Delivery;
use crate::error::{Corrupt, JoinError, Peer, TryWriteError};
use crate::extras::{Extras, Plan};
use crate::gate::{self, Gate};
use crate::inline;
use crate::life;
use crate::memory::{Memory, OwnEntry, Payload};
use crate::participant::Seat;
use crate::slots::{Class, Slots};
use crate::sync::Relaxed;
use crate::track::{Spot, Track};

/// How often the writer stores the counter of the next sequence. It is a hint, which whoever uses it makes exact
/// by looking at the slots; and where a message is three stores, a fourth one to another line is dear.
const NEXT_STORED_EVERY: u64 = 64;

/// A writer without its manner of waiting: a wait borrows that and tries with this.
#[derive(Debug)]
pub(crate) struct Front {
    memory: Memory,
    track: Track,
    gate: Gate,
    bells: Bells,
    plan: Plan,
    slot_bytes: usize,
    meta_bytes: usize,
    /// The arena buffer that is this writer's; meaningless in inline rings.
    own: usize,
    /// No reader looks at `own` while it is filled.
    exclusive: bool,
    /// Where claims of inline rings are filled.
    scratch: Vec<u8>,
    entry: OwnEntry,
    refused: u64,
}

impl Front {
    /// Takes up a writer's place in the entry of `seat`: where its predecessor got to.
    pub(crate) fn join(seat: &Seat) -> Result<Self, JoinError> {
        let slots = Slots::new(seat.shared().memory.clone());
        let config = slots.config().clone();
        let gated = config.delivery == Delivery::Gated;
        let next = slots.next_sequence();
        let own = match slots.class {
            Class::Arena(words) => arena::missing_buffer(&slots.memory, words)?,
            Class::Inline => 0,
        };
        slots.memory.control().next.store(next, Relaxed); // Relaxed: see `Front::published`.
        seat.entry().joined.store(next, Relaxed); // Relaxed: a figure for people.
        if !life::open(&slots.memory) {
            return Err(JoinError::Closed);
        }
        Ok(Front {
            track: Track::at(&slots, next),
            gate: if gated { Gate::closed(&slots.memory) } else { Gate::open() },
            bells: seat.shared().bells,
            plan: Plan::of(&config),
            slot_bytes: config.slot_bytes,
            meta_bytes: config.meta_bytes,
            own,
            exclusive: gated && !config.observers,
            scratch: Vec::new(),
            entry: slots.memory.own_entry(seat.index()),
            refused: 0,
            memory: slots.memory,
        })
    }

    /// The sequence that is published next.
    pub(crate) fn sequence(&self) -> u64 {
        self.track.sequence
    }

    /// How often the ring was found full.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// A payload alone into an inline slot without extras is all there is to most writes; whatever else there
    /// may be is kept out of its way.
    #[inline(always)]
    pub(crate) fn write_payload(&mut self, payload: &[u8]) -> Result<u64, TryWriteError> {
        let next = self.track.sequence;
        if let Spot::Plain(lane) = &mut self.track.spot
            && payload.len() <= self.slot_bytes
            && self.gate.admits(next)
            && !life::is_closed(&self.memory)
        {
            inline::publish(&lane.walk.slot(), lane.stamp, payload, self.gate.marks(next), |_| ());
            lane.step();
            self.track.sequence = next + 1;
            self.published(next);
            return Ok(next);
        }
        self.write(payload, &Extras::default())
    }

    #[inline(never)]
    pub(crate) fn write(&mut self, payload: &[u8], extras: &Extras<'_>) -> Result<u64, TryWriteError> {
        self.admit(payload.len(), extras.metadata.len())?;
        let next = self.track.sequence;
        match &self.track.spot {
            Spot::Plain(lane) | Spot::Inline(lane) => {
                let store_extras = |words: &_| self.plan.store(words, extras);
                let marked = self.gate.marks(next);
                inline::publish(&lane.walk.slot(), lane.stamp, payload, marked, store_extras);
            }
            Spot::Arena(..) => {
                arena::begin_filling();
                self.own_buffer()?.store(payload);
                self.exchange(payload.len(), extras)?;
            }
        }
        self.track.step();
        self.published(next);
        Ok(next)
    }

    /// After a publication: wakes who sleeps for messages.
    #[inline(always)]
    fn published(&self, sequence: u64) {
        let control = self.memory.control();
        if sequence.is_multiple_of(NEXT_STORED_EVERY) {
            // Relaxed: a hint where the newest message is; who uses it looks at the slots, which order the rest.
            control.next.store(sequence + 1, Relaxed);
        }
        self.bells.ring(&control.published);
    }

    /// Whether a message of these lengths may be published now.
    fn admit(&mut self, len: usize, meta_len: usize) -> Result<(), TryWriteError> {
        if len > self.slot_bytes || meta_len > self.meta_bytes {
            return Err(self.too_large(len, meta_len));
        }
        if life::is_closed(&self.memory) {
            return Err(TryWriteError::Closed);
        }
        let next = self.track.sequence;
        if self.gate.admits(next) || self.gate.look(&self.memory, next) {
            return Ok(());
        }
        Err(TryWriteError::Full)
    }

    #[cold]
    fn too_large(&self, len: usize, meta_len: usize) -> TryWriteError {
        if len > self.slot_bytes {
            TryWriteError::TooLarge { len, max: self.slot_bytes }
        } else {
            TryWriteError::TooLarge { len: meta_len, max: self.meta_bytes }
        }
    }

    /// Counts a call that found the ring full.
    #[cold]
    pub(crate) fn count_refusal(&mut self) {
        self.refused += 1;
        self.entry.missed.store(self.refused, Relaxed); // Relaxed: a count, orders nothing.
    }

    fn own_buffer(&self) -> Result<Payload<'_>, Corrupt> {
        Ok(self.memory.buffer(self.own)?.1)
    }

    /// Publishes the own buffer of an arena ring and takes the one that it displaces.
    fn exchange(&mut self, len: usize, extras: &Extras<'_>) -> Result<(), Corrupt> {
        let Spot::Arena(words, place) = &self.track.spot else {
            unreachable!("inline slots exchange nothing")
        };
        self.plan.store(self.memory.buffer_extras(self.own), extras);
        self.own = arena::publish(&self.memory, *words, place, self.own, len)?;
        Ok(())
    }

    pub(crate) fn slowest(&self) -> Option<Peer> {
        gate::slowest_peer(&self.memory, self.track.sequence)
    }
}

/// What a [`Claim`] does with the writer.
impl Front {
    pub(crate) fn begin_claim(&mut self, len: usize) -> Result<(), TryWriteError> {
        self.admit(len, 0)?;
        match self.track.spot {
            Spot::Plain(_) | Spot::Inline(_) => {
                self.scratch.clear();
                self.scratch.resize(len, 0);
            }
            Spot::Arena(..) => arena::begin_filling(),
        }
        Ok(())
    }

    /// The claimed bytes of an inline ring, private until published.
    pub(crate) fn scratch(&mut self) -> Option<&mut Vec<u8>> {
        match self.track.spot {
            Spot::Plain(_) | Spot::Inline(_) => Some(&mut self.scratch),
            Spot::Arena(..) => None,
        }
    }

    /// The claimed bytes of an arena ring, and whether nobody else can be looking at them.
    pub(crate) fn claimed(&self) -> Result<(Payload<'_>, bool), Corrupt> {
        Ok((self.own_buffer()?, self.exclusive))
    }

    pub(crate) fn publish_claim(&mut self, len: usize, extras: &Extras<'_>) -> Result<u64, TryWriteError> {
        if extras.metadata.len() > self.meta_bytes {
            return Err(self.too_large(len, extras.metadata.len()));
        }
        let next = self.track.sequence;
        if let Spot::Arena(..) = self.track.spot {
            if life::is_closed(&self.memory) {
                return Err(TryWriteError::Closed);
            }
            self.exchange(len, extras)?;
            self.track.step();
            self.published(next);
            return Ok(next);
        }
        let scratch = std::mem::take(&mut self.scratch);
        let published = self.write(&scratch[..len], extras);
        self.scratch = scratch;
        published
    }
}
