//! Writing many messages at a time.

use super::Writer;
use crate::endpoint::publisher::{EndToEnd, Messages};
use crate::endpoint::wait;
use crate::types::error::{TryWriteError, WriteError};
use std::time::{Duration, Instant};

impl Writer {
    /// Publishes messages of `message_bytes` bytes each, which lie end to end in `messages`, in order, as far as there is
    /// room; without waiting. Returns how many.
    ///
    /// ```
    /// use seqring::{Config, Ring, Start};
    /// let ring = Ring::heap(&Config::new(4, 8))?;
    /// let mut reader = ring.reader(Start::Next)?;
    /// let mut writer = ring.writer()?;
    /// assert_eq!(writer.try_write_batch(2, b"a1b2c3d4e5")?, 4); // Four slots; "e5" has no room.
    ///
    /// let mut out = [0; 6];
    /// assert_eq!(reader.try_read_batch(2, &mut out)?, 3);
    /// assert_eq!(&out, b"a1b2c3");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::try_write`], if not even the first message was published. What keeps a later one from being published,
    /// the next call says.
    ///
    /// # Panics
    /// If `message_bytes` is 0, or `messages` no whole number of messages.
    ///
    /// # Cost
    /// One look at whether anybody sleeps, and in a ring of small messages without extras nothing for a message but its
    /// slot: 18 instructions for 8 bytes in packed slots where a single write takes 48, 47 where it takes 77 for 64 bytes
    /// on lines of their own (x86-64; `cargo bench --bench batches` counts them). Each message can be read as soon as it
    /// is there: a batch is nothing that readers see.
    #[inline]
    pub fn try_write_batch(&mut self, message_bytes: usize, messages: &[u8]) -> Result<usize, TryWriteError> {
        let all = EndToEnd::new(message_bytes, messages);
        // Where the length is known, a copy is a few moves.
        match message_bytes {
            8 => self.try_write_all(&messages.as_chunks::<8>().0),
            64 => self.try_write_all(&messages.as_chunks::<64>().0),
            _ => self.try_write_all(&all),
        }
    }

    /// Publishes messages of `message_bytes` bytes each, which lie end to end in `messages`, in order, waiting for room.
    /// Returns how many: all, unless something kept a later one from being published, which the next call says.
    ///
    /// # Errors
    /// As [`Self::write`], if not even the first message was published.
    ///
    /// # Panics
    /// As [`Self::try_write_batch`].
    pub fn write_batch(&mut self, message_bytes: usize, messages: &[u8]) -> Result<usize, WriteError> {
        self.write_all(&EndToEnd::new(message_bytes, messages), None)
    }

    /// As [`Self::write_batch`], waiting for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::write_timeout`], if not even the first message was published.
    ///
    /// # Panics
    /// As [`Self::try_write_batch`].
    pub fn write_batch_timeout(
        &mut self,
        message_bytes: usize,
        messages: &[u8],
        timeout: Duration,
    ) -> Result<usize, WriteError> {
        self.write_all(&EndToEnd::new(message_bytes, messages), wait::deadline(timeout))
    }

    /// Publishes `messages` of any lengths, in order, as far as there is room; without waiting. Returns how many.
    ///
    /// ```
    /// use seqring::{Config, Ring};
    /// let mut writer = Ring::heap(&Config::new(4, 8))?.writer()?;
    /// assert_eq!(writer.try_write_each(&["one", "", "three"])?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::try_write_batch`].
    #[inline]
    pub fn try_write_each<M: AsRef<[u8]>>(&mut self, messages: &[M]) -> Result<usize, TryWriteError> {
        self.try_write_all(&messages)
    }

    /// Publishes `messages` of any lengths, in order, waiting for room. Returns how many: all, unless something kept a
    /// later one from being published, which the next call says.
    ///
    /// # Errors
    /// As [`Self::write_batch`].
    pub fn write_each<M: AsRef<[u8]>>(&mut self, messages: &[M]) -> Result<usize, WriteError> {
        self.write_all(&messages, None)
    }

    #[inline]
    fn try_write_all(&mut self, messages: &impl Messages) -> Result<usize, TryWriteError> {
        let mut done = 0;
        self.counted(|front| front.write_all(messages, &mut done))?;
        Ok(done)
    }

    fn write_all(
        &mut self,
        messages: &impl Messages,
        deadline: Option<Instant>,
    ) -> Result<usize, WriteError> {
        let mut done = 0;
        while done < messages.count() {
            match self.wait(deadline, |front| front.write_all(messages, &mut done)) {
                Ok(()) => {}
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}
