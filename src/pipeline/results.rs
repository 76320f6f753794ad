//! The results' ring as its writers see it: results under their numbers, or as they come.

use super::tag::Label;
use crate::api::assigned::AssignedClaim;
use crate::api::claim::Claim;
use crate::api::writer::Writer;
use crate::types::error::{TryWriteError, WriteError};
use crate::types::message::MessageHeader;
use crate::types::message::PublishOutcome;

/// In which order items come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Order {
    /// In that of the commands: one that takes long holds up those behind it, of which
    /// [`in_flight`](super::Pipeline::in_flight) are made meanwhile.
    #[default]
    Ordered,
    /// As they are done.
    Unordered,
}

/// A writer of results.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) writer: Writer,
    pub(crate) order: Order,
    /// Longest text of a mark.
    pub(crate) slot_bytes: usize,
}

/// Room for one result.
pub(crate) enum Room<'w> {
    Assigned(AssignedClaim<'w>),
    Next(Claim<'w>),
}

impl Results {
    /// Waits until the result of `number` has room: until that of `number - slots` was taken, whichever that was.
    pub(crate) fn wait_for_room(&mut self, number: u64) -> Result<(), WriteError> {
        self.writer.assigned().expect("results are a queue").claim(number, 0).map(drop)
    }

    /// Room for `len` bytes of result `number`; `None` if it was given up and published.
    pub(crate) fn claim(&mut self, number: u64, len: usize) -> Result<Option<Room<'_>>, WriteError> {
        match self.order {
            Order::Ordered => {
                let assigned = self.writer.assigned().expect("results are a queue");
                Ok(assigned.claim(number, len)?.map(Room::Assigned))
            }
            Order::Unordered => Ok(Some(Room::Next(self.writer.claim(len)?))),
        }
    }

    /// Publishes what was filled last, whose [`Room`] went to another, waiting for the next one. Where results come in any
    /// order.
    pub(crate) fn publish_again(&mut self, len: usize, extras: &MessageHeader<'_>) -> Result<(), WriteError> {
        loop {
            match self.writer.claim(len)?.publish_with(extras) {
                Err(TryWriteError::Full) => {}
                other => return other.map(drop).map_err(WriteError::from_try),
            }
        }
    }

    /// Publishes a mark with what is to be said of it. Says whether it is the one result of its number.
    pub(crate) fn put(
        &mut self,
        label: Label,
        number: u64,
        text: &[u8],
    ) -> Result<PublishOutcome, WriteError> {
        let text = &text[..text.len().min(self.slot_bytes)];
        let extras = MessageHeader { tag: label.word(), metadata: &[] };
        match self.order {
            Order::Ordered => {
                let mut assigned = self.writer.assigned().expect("results are a queue");
                assigned.write(number, text, &extras)
            }
            Order::Unordered => self.writer.write_with(text, &extras).map(|_| PublishOutcome::Published),
        }
    }

    /// As [`Self::put`], without waiting for room.
    pub(crate) fn try_put(&mut self, label: Label, number: u64, text: &[u8]) -> Result<(), TryWriteError> {
        let text = &text[..text.len().min(self.slot_bytes)];
        let extras = MessageHeader { tag: label.word(), metadata: &[] };
        match self.order {
            Order::Ordered => {
                let mut assigned = self.writer.assigned().expect("results are a queue");
                assigned.try_write(number, text, &extras).map(drop)
            }
            Order::Unordered => self.writer.try_write_with(text, &extras).map(drop),
        }
    }
}

impl Room<'_> {
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        let bytes = match self {
            Room::Assigned(claim) => claim.as_mut_slice(),
            Room::Next(claim) => claim.as_mut_slice(),
        };
        bytes.expect("a queue without observers is filled in place")
    }

    /// Whether it is the one result of its number.
    pub(crate) fn publish(self, extras: &MessageHeader<'_>) -> Result<bool, TryWriteError> {
        match self {
            Room::Assigned(claim) => claim.publish(extras).map(|placed| placed == PublishOutcome::Published),
            Room::Next(claim) => claim.publish_with(extras).map(|_| true),
        }
    }
}
