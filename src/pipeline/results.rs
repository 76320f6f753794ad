//! The writing side of the results ring, in either order.
//!
//! In order, result `n` goes to sequence `n`; a second result of that number finds it published. In
//! any order, a result goes to the next free sequence, and the consumer drops repetitions.

use super::plan::ItemOrder;
use super::tag::Tag;
use crate::api::assigned::{Assigned, AssignedClaim};
use crate::api::claim::Claim;
use crate::api::writer::Writer;
use crate::types::error::{TryWriteError, WriteError};
use crate::types::message::{MessageHeader, PublishOutcome};

/// A writer of results.
#[derive(Debug)]
pub(crate) struct ResultWriter {
    pub(crate) writer: Writer,
    pub(crate) order: ItemOrder,
    /// Longer failure records are cut to this.
    pub(crate) slot_bytes: usize,
}

/// The buffer of one result, before it is published.
pub(crate) enum ResultClaim<'w> {
    Assigned(AssignedClaim<'w>),
    Next(Claim<'w>),
}

impl ResultWriter {
    fn assigned(&mut self) -> Assigned<'_> {
        self.writer.assigned().expect("the results ring is a queue")
    }

    /// Waits until result `number` has room, which is when result `number - slots` was taken.
    pub(crate) fn wait_for_room(&mut self, number: u64) -> Result<(), WriteError> {
        self.assigned().claim(number, 0).map(drop)
    }

    /// A buffer of `len` bytes for result `number`, waiting for room. `None` if that result is
    /// already published.
    pub(crate) fn claim(&mut self, number: u64, len: usize) -> Result<Option<ResultClaim<'_>>, WriteError> {
        match self.order {
            ItemOrder::Ordered => Ok(self.assigned().claim(number, len)?.map(ResultClaim::Assigned)),
            ItemOrder::Unordered => Ok(Some(ResultClaim::Next(self.writer.claim(len)?))),
        }
    }

    /// Publishes a failure record or the end, waiting for room. Returns whether it became the
    /// result of its number.
    pub(crate) fn put(&mut self, tag: Tag, text: &[u8]) -> Result<PublishOutcome, WriteError> {
        let text = &text[..text.len().min(self.slot_bytes)];
        let header = MessageHeader { tag: tag.word(), metadata: &[] };
        match self.order {
            ItemOrder::Ordered => self.assigned().write(tag.number, text, &header),
            ItemOrder::Unordered => self.writer.write_with(text, &header).map(|_| PublishOutcome::Published),
        }
    }

    /// As [`Self::put`], without waiting for room.
    pub(crate) fn try_put(&mut self, tag: Tag, text: &[u8]) -> Result<(), TryWriteError> {
        let text = &text[..text.len().min(self.slot_bytes)];
        let header = MessageHeader { tag: tag.word(), metadata: &[] };
        match self.order {
            ItemOrder::Ordered => self.assigned().try_write(tag.number, text, &header).map(drop),
            ItemOrder::Unordered => self.writer.try_write_with(text, &header).map(drop),
        }
    }
}

impl ResultClaim<'_> {
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        match self {
            ResultClaim::Assigned(claim) => claim,
            ResultClaim::Next(claim) => claim,
        }
    }

    /// Publishes the buffer, waiting for room if another writer took it: a result of a dead
    /// producer came twice. If a result of this number is published already, this one is dropped.
    pub(crate) fn publish(self, header: &MessageHeader<'_>) -> Result<(), WriteError> {
        match self {
            ResultClaim::Assigned(claim) => claim.publish(header).map(drop),
            ResultClaim::Next(claim) => claim.publish_with(header).map(drop),
        }
    }
}
