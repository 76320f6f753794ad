//! Batches: many messages, with one load of the floor, one store of the cursor and one
//! notification.
//!
//! Small messages are copied in chunks, and one load of a stamp validates a chunk. The writer takes
//! the slots in order: before it overwrites any message of the chunk, it marks the first one's
//! slot.
//!
//! | reader of `n` to `n + k`                        | writer one lap ahead                       |
//! |-------------------------------------------------|--------------------------------------------|
//! | a for each: load the stamp, copy the payload    | 1 stamp of `n`'s slot := a later message's |
//! | b acquire fence                                 | 2 release fence, before each slot's bytes  |
//! | c load stamp `n` again: unchanged, all are valid | 3 bytes of the slots after it             |
//!
//! Where slots are [loaded at once](crate::memory::word_slots), the stamp alone validates each
//! message.
//!
//! The fences are the pair `Tear` of [`crate::protocol::inline_slot`]; the stamps are its
//! `Publish`.

use super::{MAX_TRIES, ReadCursor, Refusal, TooSmall, UNSTABLE, load_next};
use crate::memory::RacyBytes;
use crate::protocol::inline_slot::LoadedSlot;
use crate::types::error::TryReadError;
use crate::types::message::Received;

/// Messages that are validated together. If the writer overtakes the reader meanwhile, the chunk is
/// discarded.
const CHUNK: usize = 16;

impl ReadCursor {
    /// Copies the next messages, if they have `each` bytes, end to end, until `out` is full or no
    /// message is left. Returns how many. An error only if no message was read.
    pub(crate) fn read_all(&mut self, each: usize, out: &mut [u8]) -> Result<usize, TryReadError> {
        let (mut read, room) = (0, out.len() / each);
        while read < room {
            let rest = &mut out[read * each..room * each];
            // For a constant length, the compiler copies with a few instructions.
            let copied = match each {
                _ if self.cursors().moved_beyond(self.run.sequence()).is_some() => 0,
                8 => self.copy_words(rest),
                64 => self.copy_run(64, rest),
                _ => self.copy_run(each, rest),
            };
            read += copied;
            if copied > 0 {
                break;
            }
            let out = &mut out[read * each..][..each];
            let next = self.next_of_batch(read == 0, |message| {
                if message.len() == each {
                    message.copy_to_slice(out);
                    return Ok(());
                }
                Err(TooSmall { needed: message.len() })
            });
            match next {
                Ok(Some(_)) => read += 1,
                Ok(None) => break,
                Err(TryReadError::TooSmall { needed }) => {
                    return Err(TryReadError::OtherLength { len: needed, expected: each });
                }
                Err(error) => return Err(error),
            }
        }
        self.acknowledge();
        Ok(read)
    }

    /// Reads up to `most` messages, each with `copy` and then `keep`, until no message is left. An
    /// error only if no message was read.
    pub(crate) fn read_each(
        &mut self,
        most: usize,
        mut copy: impl FnMut(RacyBytes<'_>) -> Result<(), TooSmall>,
        mut keep: impl FnMut(Received),
    ) -> Result<(), TryReadError> {
        for read in 0..most {
            match self.next_of_batch(read == 0, &mut copy)? {
                Some(received) => keep(received),
                None => break,
            }
        }
        self.acknowledge();
        Ok(())
    }

    /// Releases the slots of all messages read. Metadata is kept after the read of one message
    /// only.
    #[inline(always)]
    fn acknowledge(&mut self) {
        self.meta_len = 0;
        self.release();
    }

    /// Copies and validates the next message, without acknowledging it. If that fails after the
    /// first message, returns `None` and the batch ends; the next batch returns the error.
    #[inline(always)]
    fn next_of_batch(
        &mut self,
        first: bool,
        mut copy: impl FnMut(RacyBytes<'_>) -> Result<(), TooSmall>,
    ) -> Result<Option<Received>, TryReadError> {
        for _ in 0..MAX_TRIES {
            match self.read_unacknowledged(&mut copy) {
                Ok(received) => return Ok(Some(received)),
                Err(_) if !first => return Ok(None),
                Err(refusal) => self.refused(refusal)?,
            }
        }
        Err(UNSTABLE.into())
    }

    #[inline(always)]
    fn read_unacknowledged(
        &mut self,
        copy: &mut impl FnMut(RacyBytes<'_>) -> Result<(), TooSmall>,
    ) -> Result<Received, Refusal> {
        if self.open_run().is_some()
            && let Some((here, loaded)) = load_next(&self.run, self.cursors())
        {
            let stamp = loaded.stamp();
            if let Ok(read) = loaded.message() {
                let (copied, len) = (copy(read.message), read.message.len());
                if read.validate() {
                    copied.map_err(Refusal::TooSmall)?;
                    self.run.advance(here);
                    return Ok(Received { sequence: here.sequence, len, tag: None, timestamp_ns: None });
                }
            } else if self.is_awaited(here, stamp) {
                return Err(Refusal::Empty);
            }
        }
        let (received, ()) = self.attempt(copy)?;
        self.run.advance_slow();
        Ok(received)
    }

    /// As [`Self::copy_run`], for messages of one word: whole slots, if the ring's are
    /// [loaded at once](crate::memory::word_slots).
    #[inline(always)]
    fn copy_words(&mut self, out: &mut [u8]) -> usize {
        let mut read = 0;
        while 8 * read < out.len() && (self.run.is_open() || self.extend_run()) {
            let Some(loaded) = self.run.load_words(&mut out[8 * read..]) else {
                return self.copy_run(8, out);
            };
            read += loaded;
            if self.run.is_open() {
                break; // The next slot does not hold the next message, or there is no room.
            }
        }
        read
    }

    /// Copies messages of `each` bytes as far as the fast path can read them. Returns how many.
    #[inline(always)]
    fn copy_run(&mut self, each: usize, out: &mut [u8]) -> usize {
        let (mut read, room) = (0, out.len() / each);
        while read < room && (self.run.is_open() || self.extend_run()) {
            let most = CHUNK.min(room - read);
            let chunk = self.copy_chunk(each, &mut out[read * each..][..most * each]);
            self.run.advance_by(chunk);
            read += chunk;
            if chunk < most && self.run.is_open() {
                break;
            }
        }
        read
    }

    /// Copies messages until `out` is full, and validates them together. Returns how many.
    #[inline(always)]
    fn copy_chunk(&self, each: usize, out: &mut [u8]) -> usize {
        let (mut stamp, slots) = self.run.next_slots_into(each, out);
        let mut copied = 0;
        for (room, slot) in slots {
            let Some(read) = LoadedSlot::load(slot, stamp).message_of(each) else { break };
            read.message.copy_to_slice(room);
            stamp.advance();
            copied += 1;
        }
        let Some((here, slot)) = self.run.next_slot().filter(|_| copied > 0) else { return 0 };
        // With the stamp that it had.
        let first = LoadedSlot::with_stamp(here.stamp.published(each), slot, here.stamp);
        match first.message_of(each) {
            Some(first) if first.validate() => copied,
            _ => 0,
        }
    }
}
