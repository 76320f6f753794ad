//! Many writers, arena slots: [`crate::protocol::multi_writer`] has the steps.

use super::core::Core;
use crate::memory::stamp::ArenaStamp;
use crate::protocol::arena_slot::FillingBuffer;
use crate::protocol::multi_writer::{SharedPublisher, Target, Vacancy};
use crate::protocol::registry::Registration;
use crate::sync::backoff::{Backoff, RetryBudget};
use crate::types::error::{Corrupt, RegisterError, TryWriteError};
use crate::types::message::{MessageHeader, PublishOutcome};

#[derive(Debug)]
pub(super) struct Shared {
    exchanger: SharedPublisher,
    backoff: Backoff,
}

impl Shared {
    pub(super) fn new(registration: &Registration, stamp: ArenaStamp) -> Result<Self, RegisterError> {
        Ok(Shared { exchanger: SharedPublisher::new(registration, stamp)?, backoff: Backoff::default() })
    }

    pub(super) fn own(&self) -> usize {
        self.exchanger.own()
    }

    /// Admits the next message, if its slot is free and no reader blocks it.
    pub(super) fn admit(&mut self, core: &mut Core) -> Result<(), TryWriteError> {
        self.aim(core).map(drop)
    }

    /// Publishes `payload`, which has no header, and wakes sleeping readers. If it cannot, `None`:
    /// [`Self::publish`] finds out why.
    #[inline(always)]
    pub(super) fn publish_fast(&mut self, core: &mut Core, payload: &[u8]) -> Option<u64> {
        if core.header_format.is_any() || core.is_closed() || !self.exchanger.copies_first() {
            return None;
        }
        let filling = FillingBuffer::begin(&core.memory, self.own()).ok()?;
        if payload.len() > filling.payload().bytes() {
            return None;
        }
        filling.payload().store(payload);
        filling.finish(payload.len(), 0);
        let aim = self.look(core).ok()?;
        if let Some(aim) = aim
            && self.exchanger.exchange_next(&core.memory, &aim).ok()?
        {
            core.notify();
            return Some(aim.sequence());
        }
        self.publish_contended(core, aim.is_some())
    }

    /// The rest of [`Self::publish_fast`], if another writer was first: in the exchange, which this
    /// one lost, or before.
    #[inline(never)]
    fn publish_contended(&mut self, core: &mut Core, lost: bool) -> Option<u64> {
        let sequence = if lost {
            self.exchange_again(core)
        } else {
            self.aim_beyond(core).and_then(|aim| self.exchange_at(core, aim))
        };
        let sequence = sequence.ok()?;
        core.notify();
        Some(sequence)
    }

    /// Publishes `payload`. The caller then notifies.
    pub(super) fn publish(
        &mut self,
        core: &mut Core,
        payload: &[u8],
        header: &MessageHeader<'_>,
    ) -> Result<u64, TryWriteError> {
        core.admit_lengths(payload.len(), header.metadata.len())?;
        // The buffer is filled before the slot is looked at, so that the lines of the buffer, of
        // the counter and of the slot are fetched at the same time. If the ring was full lately,
        // the slot is looked at first: the copy may be wasted.
        let aim = if self.exchanger.checks_first() { Some(self.aim(core)?) } else { None };
        core.fill(self.own(), payload, header)?;
        let aim = aim.map_or_else(|| self.aim(core), Ok)?;
        self.exchange_at(core, aim)
    }

    /// Publishes `len` bytes that are in the own buffer. The caller then notifies.
    pub(super) fn publish_own(
        &mut self,
        core: &mut Core,
        len: usize,
        header: &MessageHeader<'_>,
    ) -> Result<u64, TryWriteError> {
        core.complete(self.own(), len, header)?;
        let aim = self.aim(core)?;
        self.exchange_at(core, aim)
    }

    /// Publishes the own buffer as the message of `aim`, or as a later one if other writers are
    /// first.
    #[inline(always)]
    fn exchange_at(&mut self, core: &mut Core, aim: Target) -> Result<u64, TryWriteError> {
        if self.exchanger.exchange_next(&core.memory, &aim)? {
            Ok(aim.sequence())
        } else {
            self.exchange_again(core)
        }
    }

    #[inline(never)]
    fn exchange_again(&mut self, core: &mut Core) -> Result<u64, TryWriteError> {
        let mut budget = RetryBudget::default();
        loop {
            self.backoff.note_loss(self.exchanger.next());
            let aim = self.aim_again(core, &mut budget)?;
            if self.exchanger.exchange_next(&core.memory, &aim)? {
                return Ok(aim.sequence());
            }
        }
    }

    /// The slot of the next message, if there is room for it.
    #[inline(always)]
    fn aim(&mut self, core: &mut Core) -> Result<Target, TryWriteError> {
        match self.look(core)? {
            Some(aim) => Ok(aim),
            None => self.aim_beyond(core),
        }
    }

    /// As [`Self::aim`], after others published since this writer's last message: it lost no
    /// exchange, so it does not back off.
    #[inline(never)]
    fn aim_beyond(&mut self, core: &mut Core) -> Result<Target, TryWriteError> {
        if !self.backoff.lost_lately(self.exchanger.next()) {
            self.exchanger.catch_up(&core.memory);
            if let Some(aim) = self.look(core)? {
                return Ok(aim);
            }
        }
        self.aim_again(core, &mut RetryBudget::default())
    }

    /// As [`Self::aim`], after another writer was first.
    #[inline(never)]
    fn aim_again(&mut self, core: &mut Core, budget: &mut RetryBudget) -> Result<Target, TryWriteError> {
        while budget.may_retry(self.exchanger.next(), &mut self.backoff) {
            self.exchanger.catch_up(&core.memory);
            if let Some(aim) = self.look(core)? {
                return Ok(aim);
            }
        }
        Err(Corrupt { what: "the counter of messages stands still, or the slots keep changing" }.into())
    }

    /// As [`Self::aim`]. `None` if another writer is first.
    #[inline(always)]
    fn look(&mut self, core: &mut Core) -> Result<Option<Target>, TryWriteError> {
        let next = self.exchanger.next();
        let look = match core.pass_backpressure(next, None) {
            Ok(()) => self.exchanger.find_target(&core.memory, next),
            Err(_) => Vacancy::Full,
        };
        match look {
            Vacancy::Free(aim) => Ok(Some(aim)),
            Vacancy::Full => {
                self.exchanger.note_full();
                Err(TryWriteError::Full)
            }
            Vacancy::Published => Ok(None),
        }
    }
}

/// Assigned sequence numbers.
impl Shared {
    pub(super) fn admit_at(
        &mut self,
        core: &Core,
        sequence: u64,
        len: usize,
        meta_len: usize,
    ) -> Result<PublishOutcome, TryWriteError> {
        core.admit_lengths(len, meta_len)?;
        match self.exchanger.find_assigned(&core.memory, sequence) {
            Vacancy::Full => Err(TryWriteError::Full),
            Vacancy::Free(_) => Ok(PublishOutcome::Published),
            Vacancy::Published => Ok(PublishOutcome::Already),
        }
    }

    pub(super) fn is_ready_at(&mut self, core: &Core, sequence: u64) -> bool {
        self.exchanger.find_assigned(&core.memory, sequence) != Vacancy::Full || core.is_closed()
    }

    pub(super) fn write_at(
        &mut self,
        core: &mut Core,
        sequence: u64,
        payload: &[u8],
        header: &MessageHeader<'_>,
    ) -> Result<PublishOutcome, TryWriteError> {
        if self.admit_at(core, sequence, payload.len(), header.metadata.len())? == PublishOutcome::Already {
            return Ok(PublishOutcome::Already);
        }
        FillingBuffer::begin(&core.memory, self.own())?.payload().store(payload);
        self.publish_own_at(core, sequence, payload.len(), header)
    }

    /// Publishes `len` bytes that are in the own buffer as message `sequence`. If another writer
    /// did, the buffer stays the own one.
    pub(super) fn publish_own_at(
        &mut self,
        core: &mut Core,
        sequence: u64,
        len: usize,
        header: &MessageHeader<'_>,
    ) -> Result<PublishOutcome, TryWriteError> {
        if self.admit_at(core, sequence, len, header.metadata.len())? == PublishOutcome::Already {
            return Ok(PublishOutcome::Already);
        }
        core.complete(self.own(), len, header)?;
        let memory = &core.memory;
        match self.exchanger.find_assigned(memory, sequence) {
            Vacancy::Free(aim) if self.exchanger.exchange(memory, &aim)? => {
                core.notify();
                Ok(PublishOutcome::Published)
            }
            Vacancy::Free(_) | Vacancy::Published => Ok(PublishOutcome::Already),
            Vacancy::Full => Err(TryWriteError::Full),
        }
    }
}
