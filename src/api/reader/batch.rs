//! Reading many messages at a time.

use super::Reader;
use crate::api::batch::Batch;
use crate::endpoint::wait;
use crate::types::error::{ReadError, TryReadError};
use std::time::Duration;

impl Reader {
    /// Copies the next messages, which have `message_bytes` bytes each, end to end to `out`, until it has no room for
    /// another or no more are there; without waiting. Returns how many: the last of them has the sequence
    /// [`position`](Self::position) − 1, and none is missing between them.
    ///
    /// # Errors
    /// As [`Self::try_read`], if not even one message was read, and [`TryReadError::OtherLength`] instead of `TooSmall`,
    /// which loses nothing. What ends a batch later, the next call says.
    ///
    /// # Panics
    /// If `message_bytes` is 0.
    ///
    /// # Cost
    /// One store of the cursor and one look whether a writer sleeps: writers get the slots when all are read. In a ring of
    /// small messages without extras nothing for a message but its copy and one load of its stamp, and for 16 of them one
    /// load more: 21 instructions for 8 bytes in packed slots where a single read takes 50, 36 where it takes 66 for 64
    /// bytes on lines of their own (x86-64; `cargo bench --bench batches` counts them). In a lossy ring all 16 are lost if
    /// the writer overtakes this reader meanwhile.
    #[inline]
    pub fn try_read_batch(&mut self, message_bytes: usize, out: &mut [u8]) -> Result<usize, TryReadError> {
        assert!(message_bytes > 0, "messages without bytes fill no buffer: read them into a `Batch`");
        let result = self.position.read_all(message_bytes, out);
        self.looked(result)
    }

    /// Copies the next messages, which have `message_bytes` bytes each, end to end to `out`, waiting for the first of them
    /// only. Returns how many.
    ///
    /// # Errors
    /// As [`Self::try_read_batch`], without `Empty`.
    ///
    /// # Panics
    /// As [`Self::try_read_batch`].
    pub fn read_batch(&mut self, message_bytes: usize, out: &mut [u8]) -> Result<usize, ReadError> {
        assert!(message_bytes > 0, "messages without bytes fill no buffer: read them into a `Batch`");
        self.wait(None, |position| position.read_all(message_bytes, out))
    }

    /// Copies the next messages, of any lengths and with what goes with them, to `batch`, until it has no room for another
    /// or no more are there; without waiting. What was in `batch` before is gone.
    ///
    /// # Errors
    /// As [`Self::try_read`], if not even one message was read. What ends a batch later, the next call says.
    ///
    /// # Cost
    /// As single reads, but one store of the cursor and one look whether a writer sleeps for all of them: writers get the
    /// slots when all are read. (Arena slots of gated rings: all but the last one earlier.)
    pub fn try_read_into(&mut self, batch: &mut Batch) -> Result<(), TryReadError> {
        let result = batch.fill(&mut self.position);
        self.looked(result)
    }

    /// As [`Self::try_read_into`], waiting for the first message.
    ///
    /// # Errors
    /// As [`Self::read`], if not even one message was read.
    pub fn read_into(&mut self, batch: &mut Batch) -> Result<(), ReadError> {
        self.wait(None, |position| batch.fill(position))
    }

    /// As [`Self::read_into`], waiting for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::read_timeout`], if not even one message was read.
    pub fn read_into_timeout(&mut self, batch: &mut Batch, timeout: Duration) -> Result<(), ReadError> {
        self.wait(wait::deadline(timeout), |position| batch.fill(position))
    }
}
