//! Reading many messages at a time.

use super::Reader;
use crate::api::batch::Batch;
use crate::api::form::forms;
use crate::types::error::{ReadError, TryReadError};

impl Reader {
    forms! {
        /// Copies the next messages, which have `message_bytes` bytes each, end to end to `out`,
        /// waiting for the first only: until `out` has no room for another, or no more are there.
        /// Returns how many.
        ///
        /// The last of them has the sequence [`position`](Self::position) − 1, and none is missing
        /// between them.
        ///
        /// # Errors
        /// As [`Self::read`], if not even one message was read; [`ReadError::OtherLength`] instead
        /// of `TooSmall`: the message is still there. An error after the first message is returned
        /// by the next call.
        ///
        /// # Panics
        /// If `message_bytes` is 0.
        ///
        /// # Cost
        /// One store of the cursor and one check for sleeping writers: writers get the slots when
        /// all are read. In a ring of small messages without headers nothing for a message but its
        /// copy and one load of its stamp, and for 16 of them one load more: 21 instructions for 8
        /// bytes in packed slots where a single read takes 50, 36 where it takes 66 for 64 bytes on
        /// lines of their own (x86-64; `cargo bench --bench batches` counts them). In a lossy ring
        /// all 16 are lost if the writer overtakes this reader meanwhile.
        #[inline]
        pub fn read_batch, try_read_batch, read_batch_timeout(&mut self)(message_bytes: usize, out: &mut [u8])
            -> Result<usize, ReadError, TryReadError::Empty> = |form| {
                assert!(message_bytes > 0, "messages without bytes fill no buffer: read them into a `Batch`");
                self.call(form, |cursor| cursor.read_all(message_bytes, out))
            }
    }

    forms! {
        /// Copies the next messages, of any lengths and with their headers, to `batch`, waiting for
        /// the first only: until `batch` has no room for another, or no more are there. It replaces
        /// what was in `batch`.
        ///
        /// # Errors
        /// As [`Self::read`], if not even one message was read. An error after the first message is
        /// returned by the next call.
        ///
        /// # Cost
        /// As single reads, but one store of the cursor and one check for sleeping writers for all
        /// of them: writers get the slots when all are read. (Arena slots of gated rings: all but
        /// the last one earlier.)
        pub fn read_each, try_read_each, read_each_timeout(&mut self)(batch: &mut Batch)
            -> Result<(), ReadError, TryReadError::Empty> = |form| self.call(form, |cursor| batch.fill(cursor))
    }
}
