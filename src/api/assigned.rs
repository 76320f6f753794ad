//! Messages under numbers that were assigned beforehand, as the results of numbered commands are.
//!
//! Several writers each know which message of a queue is theirs to make. Each publishes it when it is ready, in any order;
//! takers get them in the order of the numbers, and wait for one that is not there yet. When two make the same message,
//! because one was given up and its work repeated, one of the two is published and the other is told.

use crate::api::claim::Claim;
use crate::api::writer::Writer;
use crate::endpoint::wait;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::types::error::{RegisterError, TryWriteError, WriteError};
use crate::types::message::MessageHeader;
use crate::types::message::PublishOutcome;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

/// A writer of a queue that publishes under assigned numbers: see [`Writer::assigned`].
///
/// Numbers start with the ring's first sequence and leave no gap: takers wait at one that is missing.
///
/// # Progress
/// `try_` calls are lock-free. Message `n` needs the room of message `n - slots`, so the others wait until that one is
/// taken, and with it for the writers of all messages before it.
///
/// ```
/// use seqring::{Config, Delivery, MessageHeader, PublishOutcome, Ring};
/// let ring = Ring::heap(&Config::new(8, 64).delivery(Delivery::Queue))?;
/// let (mut fast, mut slow, mut taker) = (ring.writer()?, ring.writer()?, ring.taker()?);
/// assert_eq!(fast.assigned()?.write(1, b"second", &MessageHeader::default())?, PublishOutcome::Published);
/// assert!(taker.try_take().is_err(), "message 0 is still being made");
/// assert_eq!(slow.assigned()?.write(0, b"first", &MessageHeader::default())?, PublishOutcome::Published);
/// assert_eq!(fast.assigned()?.write(0, b"first, again", &MessageHeader::default())?, PublishOutcome::Already);
/// assert_eq!(&*taker.try_take()?, b"first");
/// assert_eq!(&*taker.try_take()?, b"second");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Assigned<'w> {
    writer: &'w mut Writer,
}

impl Writer {
    /// This writer, to publish under assigned numbers.
    ///
    /// # Errors
    /// [`RegisterError::Delivery`] if the ring is no queue.
    pub fn assigned(&mut self) -> Result<Assigned<'_>, RegisterError> {
        self.is_of_a_queue()?;
        Ok(Assigned { writer: self })
    }
}

impl<'w> Assigned<'w> {
    /// Publishes `payload` as message `sequence`, without waiting.
    ///
    /// # Errors
    /// [`TryWriteError::Full`] if message `sequence - slots` is not taken yet; [`TryWriteError::TooLarge`];
    /// [`TryWriteError::Closed`]; [`TryWriteError::Forked`]; [`TryWriteError::Corrupt`].
    ///
    /// # Panics
    /// If `sequence` is 2⁶² or more.
    pub fn try_write(
        &mut self,
        sequence: u64,
        payload: &[u8],
        extras: &MessageHeader<'_>,
    ) -> Result<PublishOutcome, TryWriteError> {
        check(sequence);
        self.writer.counted(|front| front.write_at(sequence, payload, extras))
    }

    /// Publishes `payload` as message `sequence`, waiting for its room.
    ///
    /// # Errors
    /// As [`Self::try_write`], without `Full`.
    ///
    /// # Panics
    /// As [`Self::try_write`].
    pub fn write(
        &mut self,
        sequence: u64,
        payload: &[u8],
        extras: &MessageHeader<'_>,
    ) -> Result<PublishOutcome, WriteError> {
        check(sequence);
        self.writer.wait_at(sequence, None, |front| front.write_at(sequence, payload, extras))
    }

    /// As [`Self::write`], waiting for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::write`], and [`WriteError::TimedOut`].
    ///
    /// # Panics
    /// As [`Self::try_write`].
    pub fn write_timeout(
        &mut self,
        sequence: u64,
        payload: &[u8],
        extras: &MessageHeader<'_>,
        timeout: Duration,
    ) -> Result<PublishOutcome, WriteError> {
        check(sequence);
        let deadline = wait::deadline(timeout);
        self.writer.wait_at(sequence, deadline, |front| front.write_at(sequence, payload, extras))
    }

    /// Room for `len` bytes of message `sequence`, to be filled in place, waiting until there is; `None` if somebody
    /// published that message already.
    ///
    /// # Errors
    /// As [`Self::write`].
    ///
    /// # Panics
    /// As [`Self::try_write`].
    pub fn claim(self, sequence: u64, len: usize) -> Result<Option<AssignedClaim<'w>>, WriteError> {
        self.claim_until(sequence, len, None)
    }

    /// As [`Self::claim`], waiting for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::claim`], and [`WriteError::TimedOut`].
    ///
    /// # Panics
    /// As [`Self::try_write`].
    pub fn claim_timeout(
        self,
        sequence: u64,
        len: usize,
        timeout: Duration,
    ) -> Result<Option<AssignedClaim<'w>>, WriteError> {
        self.claim_until(sequence, len, wait::deadline(timeout))
    }

    fn claim_until(
        self,
        sequence: u64,
        len: usize,
        deadline: Option<Instant>,
    ) -> Result<Option<AssignedClaim<'w>>, WriteError> {
        check(sequence);
        match self.writer.wait_at(sequence, deadline, |front| front.admit_at(sequence, len, 0))? {
            PublishOutcome::Already => Ok(None),
            PublishOutcome::Published => {
                Ok(Some(AssignedClaim { claim: self.writer.claim_own_buffer(len), sequence }))
            }
        }
    }
}

/// Room for a message under an assigned number. Dropping it abandons it: the number stays to be published.
#[derive(Debug)]
#[must_use = "a claim that is dropped publishes nothing"]
pub struct AssignedClaim<'w> {
    claim: Claim<'w>,
    sequence: u64,
}

impl AssignedClaim<'_> {
    /// The number.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Publishes the message, with a tag or metadata if there is any. Its room was there when it was claimed, and stays.
    ///
    /// # Errors
    /// [`TryWriteError::Closed`]; [`TryWriteError::Forked`]; [`TryWriteError::Corrupt`]; metadata longer than the ring
    /// carries is `TooLarge`.
    pub fn publish(self, extras: &MessageHeader<'_>) -> Result<PublishOutcome, TryWriteError> {
        self.claim.publish_at(self.sequence, extras)
    }
}

impl<'w> Deref for AssignedClaim<'w> {
    type Target = Claim<'w>;

    fn deref(&self) -> &Claim<'w> {
        &self.claim
    }
}

impl DerefMut for AssignedClaim<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.claim
    }
}

#[track_caller]
fn check(sequence: u64) {
    assert!(sequence < SEQUENCE_LIMIT, "messages have numbers below 2^62, not {sequence}");
}
