//! Messages under numbers that were assigned beforehand, as the results of numbered commands are.
//!
//! Several writers of a queue know which message each of them makes. Each publishes its message
//! when it is ready, in any order. Takers get the messages in the order of the numbers, and wait
//! for a missing one. If two writers make the same message, because one was given up and its work
//! repeated, one message is published and the other writer gets [`PublishOutcome::Already`].

use crate::api::claim::Claim;
use crate::api::form::{Form, forms};
use crate::api::writer::Writer;
use crate::endpoint::publisher::Publisher;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::types::error::{Corrupt, RegisterError, TryWriteError, WriteError};
use crate::types::message::{MessageHeader, PublishOutcome};
use std::ops::{Deref, DerefMut};

/// A writer of a queue that publishes under assigned numbers: see [`Writer::assigned`].
///
/// Numbers start with the ring's first sequence and leave no gap: takers wait at a missing number.
///
/// # Panics
/// Every call panics if its sequence is 2⁶² or more.
///
/// # Progress
/// `try_` calls are lock-free. Message `n` needs the room of message `n - slots`, so the others
/// wait until that one is taken, and with it for the writers of all messages before it.
///
/// ```
/// use seqring::{Config, Delivery, MessageHeader, PublishOutcome::*, Ring};
/// let ring = Ring::heap(&Config::slots(8).of_bytes(64).delivery(Delivery::Queue))?;
/// let header = MessageHeader::default();
/// let (mut fast, mut slow, mut taker) = (ring.writer()?, ring.writer()?, ring.taker()?);
/// assert_eq!(fast.assigned()?.write(1, b"second", &header)?, Published);
/// assert!(taker.try_take().is_err(), "message 0 is still being made");
/// assert_eq!(slow.assigned()?.write(0, b"first", &header)?, Published);
/// assert_eq!(fast.assigned()?.write(0, b"first, again", &header)?, Already);
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
    /// [`RegisterError::Delivery`] unless the ring is a queue.
    pub fn assigned(&mut self) -> Result<Assigned<'_>, RegisterError> {
        self.check_queue()?;
        Ok(Assigned { writer: self })
    }
}

impl<'w> Assigned<'w> {
    forms! {
        /// Publishes `payload` as message `sequence`, waiting for the room of message `sequence -
        /// slots`.
        ///
        /// # Errors
        /// As [`Writer::write`].
        pub fn write, try_write, write_timeout(&mut self)(sequence: u64, payload: &[u8], header: &MessageHeader<'_>)
            -> Result<PublishOutcome, WriteError, TryWriteError::Full>
            = |form| self.call(sequence, form, |publisher| publisher.write_at(sequence, payload, header))
    }

    forms! {
        /// Claims room for `len` bytes of message `sequence`, to be filled in place, waiting for
        /// it; `None` if another writer published that message already.
        ///
        /// # Errors
        /// As [`Self::write`].
        pub fn claim, try_claim, claim_timeout(self)(sequence: u64, len: usize)
            -> Result<Option<AssignedClaim<'w>>, WriteError, TryWriteError::Full>
            = |form| self.begin_claim(sequence, len, form)
    }

    fn begin_claim<F: Form>(
        mut self,
        sequence: u64,
        len: usize,
        form: F,
    ) -> Result<Option<AssignedClaim<'w>>, F::WriteError> {
        match self.call(sequence, form, |publisher| publisher.admit_at(sequence, len, 0))? {
            PublishOutcome::Already => Ok(None),
            PublishOutcome::Published => {
                let claim = self.writer.claim_admitted(len);
                let corrupt =
                    |corrupt: Corrupt| F::write_error(corrupt.into(), || unreachable!("it did not wait"));
                Ok(Some(AssignedClaim { claim: claim.map_err(corrupt)?, sequence }))
            }
        }
    }

    fn call<F: Form>(
        &mut self,
        sequence: u64,
        form: F,
        attempt: impl FnMut(&mut Publisher) -> Result<PublishOutcome, TryWriteError>,
    ) -> Result<PublishOutcome, F::WriteError> {
        assert!(sequence < SEQUENCE_LIMIT, "messages have numbers below 2^62, not {sequence}");
        self.writer.call_when(|publisher| publisher.is_ready_at(sequence), form, attempt)
    }
}

/// Room for a message under an assigned number. Dropping it abandons it: the number stays to be
/// published.
#[derive(Debug)]
#[must_use = "a claim that is dropped publishes nothing"]
pub struct AssignedClaim<'w> {
    claim: Claim<'w>,
    sequence: u64,
}

impl AssignedClaim<'_> {
    /// Publishes the message with a tag or metadata. It does not wait: the room that was claimed
    /// stays free for it.
    ///
    /// # Errors
    /// [`WriteError::Closed`]; [`WriteError::Forked`]; [`WriteError::Corrupt`]; metadata longer
    /// than the ring carries is `TooLarge`.
    pub fn publish(self, header: &MessageHeader<'_>) -> Result<PublishOutcome, WriteError> {
        self.claim.publish_at(self.sequence, header)
    }

    /// The number.
    pub fn sequence(&self) -> u64 {
        self.sequence
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
