//! Batches: many messages, published in order, with one notification.
//!
//! Each message is published by the store of its own stamp, as a single one is. A reader may read
//! the first while the last is not yet written. A batch saves the work between two messages: the
//! check of the limit, and the check for sleeping readers.

use super::{Kind, Publisher};
use crate::types::error::TryWriteError;
use crate::types::message::MessageHeader;

/// Messages to be written, in order.
pub(crate) trait Messages {
    /// How many.
    fn count(&self) -> usize;

    /// Those from `first` on.
    fn from(&self, first: usize) -> impl Iterator<Item = &[u8]>;

    /// Those from `first` on, end to end, if each is a word.
    fn words(&self, first: usize) -> Option<&[u8]>;
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

    #[inline(always)]
    fn words(&self, _: usize) -> Option<&[u8]> {
        None
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
        assert!(each > 0, "messages without bytes have no boundaries: offer them one by one");
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

    #[inline(always)]
    fn words(&self, first: usize) -> Option<&[u8]> {
        (self.each == 8).then(|| &self.bytes[first * 8..])
    }
}

impl Publisher {
    /// Publishes `messages` from number `done` on, as far as they are accepted, and counts them in
    /// `done`. An error only if the first of them is refused.
    pub(crate) fn write_all(
        &mut self,
        messages: &impl Messages,
        done: &mut usize,
    ) -> Result<(), TryWriteError> {
        let before = *done;
        let header = MessageHeader::default();
        let Publisher { core, fast, kind } = self;
        let result = match kind {
            Kind::Inline(inline) => inline.publish_all(fast, core, messages, done),
            Kind::Arena(arena) => one_by_one(messages, done, |m| arena.publish(core, m, &header)),
            Kind::Shared(shared) => one_by_one(messages, done, |m| shared.publish(core, m, &header)),
        };
        if *done == before {
            return result;
        }
        self.core.notify();
        Ok(())
    }
}

fn one_by_one(
    messages: &impl Messages,
    done: &mut usize,
    mut publish: impl FnMut(&[u8]) -> Result<u64, TryWriteError>,
) -> Result<(), TryWriteError> {
    for message in messages.from(*done) {
        publish(message)?;
        *done += 1;
    }
    Ok(())
}
