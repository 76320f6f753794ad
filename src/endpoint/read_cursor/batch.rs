//! Many messages at a time: one look at the floor, one store of the cursor, one look at the event_count for all of them.
//!
//! Small messages are copied in chunks, and a chunk is validated by one look: the writer goes through the slots in
//! order, so that what overwrote any message of a chunk has marked the slot of the first one before.
//!
//! | reader of `n` to `n + k`                           | writer one lap ahead                                    |
//! |----------------------------------------------------|---------------------------------------------------------|
//! | a stamp of each: does it hold it? copy the payload | 1 stamp of `n`'s slot := a later message's              |
//! | c acquire fence                                    | 2 release fence, before the bytes of each slot          |
//! | d stamp of `n` again: the same? then all are whole | 3 bytes of the slots after it                           |
//!
//! The fences are the pair `Tear` of [`crate::protocol::inline_slot`], the stamps its `Publish`.

use super::{RESTLESS, ReadCursor, Refusal, TRIES, TooSmall};
use crate::memory::RacyBytes;
use crate::protocol::inline_slot::LoadedSlot;
use crate::types::error::TryReadError;
use crate::types::message::Received;

/// So many messages are validated together. All of them are lost if the writer overtakes meanwhile.
const CHUNK: usize = 16;

impl ReadCursor {
    /// Copies the next messages, if they have `each` bytes, end to end, until `out` has no room or no more are there.
    /// Returns how many. An error only if not even one was read.
    pub(crate) fn read_all(&mut self, each: usize, out: &mut [u8]) -> Result<usize, TryReadError> {
        let (mut read, room) = (0, out.len() / each);
        while read < room {
            let out_of_these = &mut out[read * each..room * each];
            // Where the length is known, a copy is a few moves.
            let straight = match each {
                8 => self.copy_straight(8, out_of_these),
                64 => self.copy_straight(64, out_of_these),
                _ => self.copy_straight(each, out_of_these),
            };
            read += straight;
            if straight > 0 {
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

    /// Reads the next messages by `keep`, until it has no room or no more are there. An error only if not even one was
    /// read.
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

    /// All that was read is done with. Metadata is kept of single messages only.
    #[inline(always)]
    fn acknowledge(&mut self) {
        self.meta_len = 0;
        self.release();
    }

    /// The next message, copied, validated, and not yet acknowledged; none if that is not to be had and a batch may end
    /// there. What there is to say of it, the next batch says.
    #[inline(always)]
    fn next_of_batch(
        &mut self,
        first: bool,
        mut copy: impl FnMut(RacyBytes<'_>) -> Result<(), TooSmall>,
    ) -> Result<Option<Received>, TryReadError> {
        for _ in 0..TRIES {
            match self.read_unacknowledged(&mut copy) {
                Ok(received) => return Ok(Some(received)),
                Err(_) if !first => return Ok(None),
                Err(refusal) => self.refused(refusal)?,
            }
        }
        Err(RESTLESS.into())
    }

    #[inline(always)]
    fn read_unacknowledged(
        &mut self,
        copy: &mut impl FnMut(RacyBytes<'_>) -> Result<(), TooSmall>,
    ) -> Result<Received, Refusal> {
        if let Some((here, glance)) = self.glance()
            && let Ok(read) = glance.message()
        {
            let (copied, len) = (copy(read.message), read.message.len());
            if read.validate() {
                copied.map_err(Refusal::TooSmall)?;
                self.lane.advance(here);
                return Ok(Received { sequence: here.sequence, len, tag: 0, timestamp_ns: 0 });
            }
        }
        let (received, ()) = self.attempt(copy)?;
        self.lane.advance_slow();
        Ok(received)
    }

    /// Copies messages of `each` bytes as long as that needs nothing but a look at their slots. Returns how many.
    #[inline(always)]
    fn copy_straight(&mut self, each: usize, out: &mut [u8]) -> usize {
        if self.cursors().moved_beyond(self.lane.sequence()).is_some() {
            return 0;
        }
        let (mut read, room) = (0, out.len() / each);
        while read < room && (self.lane.is_open() || self.extend_run()) {
            let most = CHUNK.min(room - read);
            let chunk = self.copy_chunk(each, &mut out[read * each..][..most * each]);
            self.lane.advance_by(chunk);
            read += chunk;
            if chunk < most && self.lane.is_open() {
                break;
            }
        }
        read
    }

    /// Copies as many of the next messages as fill `out`, and validates them by one look. Returns how many.
    #[inline(always)]
    fn copy_chunk(&self, each: usize, out: &mut [u8]) -> usize {
        let (sequence, slots) = self.lane.next_slots(CHUNK);
        let (mut copied, mut stamp, mut first) = (0, self.stamps.of(sequence), None);
        for (room, slot) in out.chunks_exact_mut(each).zip(slots) {
            let Some(read) = LoadedSlot::load(slot, stamp).message_of(each) else { break };
            read.message.copy_to_slice(room);
            first.get_or_insert(read);
            stamp = stamp.next();
            copied += 1;
        }
        match first {
            Some(first) if first.validate() => copied,
            _ => 0,
        }
    }
}
