//! Many messages at a time: one look at the gate and one at the event_count for all of them.
//!
//! Each is published as a single one is, by the store of its own stamp, in order: a reader may have the first while the
//! last is not written yet. What a batch saves is what lies between two of them.

use super::Publisher;
use crate::protocol::inline_slot;
use crate::protocol::stream_state;
use crate::types::error::TryWriteError;
use crate::types::message::MessageHeader;

/// Messages to be written, in order.
pub(crate) trait Messages {
    /// How many.
    fn count(&self) -> usize;

    /// Those from `first` on.
    fn from(&self, first: usize) -> impl Iterator<Item = &[u8]>;
}

impl<M: AsRef<[u8]>> Messages for &[M] {
    #[inline(always)]
    fn count(&self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn from(&self, first: usize) -> impl Iterator<Item = &[u8]> {
        self[first..].iter().map(AsRef::as_ref)
    }
}

/// Messages of one length, end to end.
pub(crate) struct EndToEnd<'m> {
    bytes: &'m [u8],
    each: usize,
    count: usize,
}

impl<'m> EndToEnd<'m> {
    pub(crate) fn new(each: usize, bytes: &'m [u8]) -> Self {
        assert!(each > 0, "messages without bytes cannot be told apart: offer them one by one");
        let count = bytes.len() / each;
        assert!(
            count * each == bytes.len(),
            "{} bytes are no whole number of messages of {each}",
            bytes.len()
        );
        EndToEnd { bytes, each, count }
    }
}

impl Messages for EndToEnd<'_> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.count
    }

    #[inline(always)]
    fn from(&self, first: usize) -> impl Iterator<Item = &[u8]> {
        self.bytes[first * self.each..].chunks_exact(self.each)
    }
}

impl Publisher {
    /// Publishes `messages` from number `done` on, as far as they are accepted, and counts them in `done`. An error only
    /// if the first of them is refused.
    pub(crate) fn write_all(
        &mut self,
        messages: &impl Messages,
        done: &mut usize,
    ) -> Result<(), TryWriteError> {
        let before = *done;
        let result = self.publish_all(messages, done);
        if *done == before {
            return result;
        }
        self.ring();
        Ok(())
    }

    #[inline(always)]
    fn publish_all(&mut self, messages: &impl Messages, done: &mut usize) -> Result<(), TryWriteError> {
        while *done < messages.count() {
            let straight = self.publish_straight(messages.count() - *done, messages.from(*done));
            *done += straight;
            if straight == 0 {
                let message = messages.from(*done).next().expect("counted");
                self.publish(message, &MessageHeader::default())?;
                *done += 1;
            }
        }
        Ok(())
    }

    /// Publishes messages, at most `most`, as long as that needs nothing but a slot. Returns how many.
    #[inline(always)]
    fn publish_straight<'m>(&mut self, most: usize, messages: impl Iterator<Item = &'m [u8]>) -> usize {
        if !self.lane.is_open() && !self.extend_run() || stream_state::is_closed(&self.slots.memory) {
            return 0;
        }
        let marked = self.marked;
        let (sequence, slots) = self.lane.next_slots(most);
        let (mut published, mut stamp) = (0, self.stamps.of(sequence));
        for (slot, message) in slots.zip(messages) {
            if message.len() > slot.payload.bytes() {
                break;
            }
            inline_slot::publish(&slot, stamp, message, marked, |_| ());
            stamp = stamp.next();
            published += 1;
        }
        self.lane.advance_by(published);
        published
    }
}
