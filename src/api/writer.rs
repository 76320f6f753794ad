//! Writing: one writer, or one of many, puts messages into the ring, in order, without gaps.

mod batch;
mod typed;

use crate::api::claim::Claim;
use crate::endpoint::publisher::Publisher;
use crate::endpoint::wait::{self, ColdResult, Endpoint};
use crate::protocol::arena_slot;
use crate::protocol::registry::Registration;
use crate::types::config::Delivery;
use crate::types::error::{RegisterError, TryWriteError, WriteError};
use crate::types::message::MessageHeader;
use crate::types::participant::Role;
use crate::types::waiting::WaitStrategy;
use std::time::{Duration, Instant};

/// A registered writer of a ring: the one, or one of many. Dropping the last one ends the stream, until another joins.
///
/// # Progress
/// Of the one writer every `try_` call, and in a lossy ring every call, is wait-free. Of many they are lock-free: a call
/// tries again if another writer was first. In a gated ring the others wait for the slowest registered reader, in a queue
/// for takers.
#[derive(Debug)]
pub struct Writer {
    endpoint: Endpoint,
    front: Publisher,
}

impl Writer {
    #[cfg(seqring_model)]
    pub(crate) fn entry(&self) -> usize {
        self.endpoint.registration.index()
    }

    pub(crate) fn join(registration: Registration) -> Result<Self, RegisterError> {
        Ok(Writer { front: Publisher::join(&registration)?, endpoint: Endpoint::new(registration) })
    }

    /// Publishes `payload`, without waiting. Returns the message's sequence.
    ///
    /// # Errors
    /// [`TryWriteError::Full`] in a gated ring and in a queue; [`TryWriteError::TooLarge`]; [`TryWriteError::Closed`];
    /// [`TryWriteError::Forked`]; [`TryWriteError::Corrupt`].
    ///
    /// # Cost
    /// One copy, and one or two stores beside it. The one writer of a gated ring looks at all readers once in up to `slots`
    /// messages; if it has slots of 32 KiB or more, and enough of them, after each. Of many writers: one exchange of the
    /// slot's word, one of the counter, stores to its own line, in a gated ring now and then a look at all readers. System
    /// calls only if a reader or taker sleeps, or every 20 ms while the ring is full, to see whether the readers live.
    #[inline(always)]
    pub fn try_write(&mut self, payload: &[u8]) -> Result<u64, TryWriteError> {
        match self.front.write_fast(payload) {
            Some(sequence) => Ok(sequence),
            None => self.try_write_thoroughly(payload).into_result(),
        }
    }

    /// Publishes `payload`, waiting until there is room: for the slowest reader of a gated ring, for the takers of a queue.
    ///
    /// # Errors
    /// As [`Self::try_write`], without `Full`.
    #[inline(always)]
    pub fn write(&mut self, payload: &[u8]) -> Result<u64, WriteError> {
        match self.front.write_fast(payload) {
            Some(sequence) => Ok(sequence),
            None => self.write_thoroughly(payload).into_result(),
        }
    }

    /// Publishes `payload`, waiting for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::write`], and [`WriteError::TimedOut`], which names the slowest reader of a gated ring.
    pub fn write_timeout(&mut self, payload: &[u8], timeout: Duration) -> Result<u64, WriteError> {
        self.wait(wait::deadline(timeout), |front| front.write(payload, &MessageHeader::default()))
    }

    /// As [`Self::try_write`], with a tag or metadata.
    ///
    /// # Errors
    /// As [`Self::try_write`]; metadata longer than the ring carries is `TooLarge`.
    pub fn try_write_with(
        &mut self,
        payload: &[u8],
        extras: &MessageHeader<'_>,
    ) -> Result<u64, TryWriteError> {
        self.counted(|front| front.write(payload, extras))
    }

    /// As [`Self::write`], with a tag or metadata.
    ///
    /// # Errors
    /// As [`Self::write`]; metadata longer than the ring carries is `TooLarge`.
    pub fn write_with(&mut self, payload: &[u8], extras: &MessageHeader<'_>) -> Result<u64, WriteError> {
        self.wait(None, |front| front.write(payload, extras))
    }

    /// Room for a message of `len` bytes, to be filled in place and published, without waiting.
    ///
    /// # Errors
    /// As [`Self::try_write`].
    pub fn try_claim(&mut self, len: usize) -> Result<Claim<'_>, TryWriteError> {
        self.counted(|front| front.begin_claim(len))?;
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
        self.wait(wait::deadline(timeout), |front| front.begin_claim(len))?;
        Ok(Claim::new(&mut self.front, len))
    }

    /// Waits for at most `timeout` until there is room for a message, or none will be accepted any more. Says whether
    /// that is so. Of many writers another may be first.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let Writer { endpoint, front } = self;
        let deadline = wait::deadline(timeout);
        front.is_ready() || endpoint.wait(Role::Reader, deadline, || front.is_ready(), |_| ())
    }

    /// The sequence that this writer publishes next; of many writers, the one that whoever is first publishes next.
    pub fn next_sequence(&self) -> u64 {
        self.front.sequence()
    }

    /// How many calls found the ring full, whether or not they then waited.
    pub fn refused(&self) -> u64 {
        self.front.refused()
    }

    /// Sets how this writer waits.
    pub fn set_wait_strategy(&mut self, waiting: WaitStrategy) {
        self.endpoint.waiting = waiting;
    }

    /// Somebody wakes this writer when a participant died: it may sleep that long.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn sleep_up_to(&mut self, longest: Duration) {
        self.endpoint.sleep_up_to(longest);
    }

    #[inline(never)]
    fn try_write_thoroughly(&mut self, payload: &[u8]) -> ColdResult<u64, TryWriteError> {
        ColdResult::from_result(self.try_write_with(payload, &MessageHeader::default()))
    }

    #[inline(never)]
    fn write_thoroughly(&mut self, payload: &[u8]) -> ColdResult<u64, WriteError> {
        ColdResult::from_result(self.write_with(payload, &MessageHeader::default()))
    }

    /// # Errors
    /// [`RegisterError::Delivery`] if it is not.
    pub(crate) fn is_of_a_queue(&self) -> Result<(), RegisterError> {
        match self.endpoint.registration.attachment().memory.layout().config.delivery {
            Delivery::Queue => Ok(()),
            delivery => Err(RegisterError::Delivery { delivery }),
        }
    }

    /// A claim on the own buffer, for whoever looked for room already.
    pub(crate) fn claim_own_buffer(&mut self, len: usize) -> Claim<'_> {
        arena_slot::begin_filling();
        Claim::new(&mut self.front, len)
    }

    pub(crate) fn counted<T>(
        &mut self,
        attempt: impl FnOnce(&mut Publisher) -> Result<T, TryWriteError>,
    ) -> Result<T, TryWriteError> {
        let result = attempt(&mut self.front);
        if let Err(TryWriteError::Full) = result {
            self.front.count_refusal();
            self.endpoint.look_after(Role::Reader);
        }
        result
    }

    fn wait<T>(
        &mut self,
        deadline: Option<Instant>,
        attempt: impl FnMut(&mut Publisher) -> Result<T, TryWriteError>,
    ) -> Result<T, WriteError> {
        self.wait_until(deadline, attempt, Publisher::is_ready)
    }

    /// Waits for what concerns message `sequence`.
    pub(crate) fn wait_at<T>(
        &mut self,
        sequence: u64,
        deadline: Option<Instant>,
        attempt: impl FnMut(&mut Publisher) -> Result<T, TryWriteError>,
    ) -> Result<T, WriteError> {
        self.wait_until(deadline, attempt, |front| front.is_ready_at(sequence))
    }

    fn wait_until<T>(
        &mut self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut Publisher) -> Result<T, TryWriteError>,
        ready: impl Fn(&mut Publisher) -> bool,
    ) -> Result<T, WriteError> {
        match attempt(&mut self.front) {
            Err(TryWriteError::Full) => self.front.count_refusal(),
            other => return other.map_err(WriteError::from_try),
        }
        let Writer { endpoint, front } = self;
        loop {
            if !endpoint.wait(Role::Reader, deadline, || ready(front), |_| ()) {
                return Err(endpoint.writer_timed_out(front.slowest()));
            }
            match attempt(front) {
                Err(TryWriteError::Full) => {}
                other => return other.map_err(WriteError::from_try),
            }
        }
    }
}
