//! Writing many messages at a time.

use super::Writer;
use crate::api::form::{Form, forms};
use crate::endpoint::publisher::{EndToEnd, Messages};
use crate::types::error::{TryWriteError, WriteError};

impl Writer {
    forms! {
        /// Publishes the messages of `message_bytes` bytes each that lie end to end in `messages`,
        /// in order, waiting for room. Returns how many: all, unless an error kept a later one from
        /// being published, which the next call returns.
        ///
        /// ```
        /// use seqring::{Config, Ring, Start};
        /// let ring = Ring::heap(&Config::slots(4).of_bytes(8))?;
        /// let mut reader = ring.reader(Start::Next)?;
        /// let mut writer = ring.writer()?;
        /// assert_eq!(writer.try_write_batch(2, b"a1b2c3d4e5")?, 4); // "e5" has no slot.
        ///
        /// let mut out = [0; 6];
        /// assert_eq!(reader.try_read_batch(2, &mut out)?, 3);
        /// assert_eq!(&out, b"a1b2c3");
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        ///
        /// # Errors
        /// As [`Self::write`], if not even the first message was published.
        ///
        /// # Panics
        /// If `message_bytes` is 0, or `messages` is not a whole number of messages.
        ///
        /// # Cost
        /// One check for sleepers, and in a ring of small messages without headers nothing for a
        /// message but its slot: 18 instructions for 8 bytes in packed slots where a single write
        /// takes 49, and 48 where it takes 78 for 64 bytes on lines of their own (x86-64; `cargo
        /// bench --bench batches` counts them). Readers get each message as soon as it is
        /// published: a batch is invisible to them.
        #[inline]
        pub fn write_batch, try_write_batch, write_batch_timeout(&mut self)(message_bytes: usize, messages: &[u8])
            -> Result<usize, WriteError, TryWriteError::Full>
            = |form| self.put_batch(message_bytes, messages, form)
    }

    forms! {
        /// Publishes `messages` of any lengths, in order, waiting for room. Returns how many: see
        /// [`Self::write_batch`].
        ///
        /// ```
        /// use seqring::{Config, Ring};
        /// let mut writer = Ring::heap(&Config::slots(4).of_bytes(8))?.writer()?;
        /// assert_eq!(writer.write_each(&["one", "", "three"])?, 3);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        ///
        /// # Errors
        /// As [`Self::write_batch`].
        ///
        /// # Cost
        /// As [`Self::write_batch`], and one check for sleepers per 64 messages.
        ///
        /// # Panics
        /// If `as_ref` of a message does. The messages before its chunk of 64 are published; the
        /// writer continues after them.
        #[inline]
        pub fn write_each, try_write_each, write_each_timeout[M: AsRef<[u8]>](&mut self)(messages: &[M])
            -> Result<usize, WriteError, TryWriteError::Full> = |form| self.put_each(messages, form)
    }

    #[inline]
    pub(super) fn put_batch<F: Form>(
        &mut self,
        each: usize,
        bytes: &[u8],
        form: F,
    ) -> Result<usize, F::WriteError> {
        let all = EndToEnd::new(each, bytes);
        // A copy of a length known at compile time is a few moves.
        match each {
            8 => self.put_all(&bytes.as_chunks::<8>().0, form),
            64 => self.put_all(&bytes.as_chunks::<64>().0, form),
            _ => self.put_all(&all, form),
        }
    }

    #[inline]
    fn put_all<F: Form>(&mut self, messages: &impl Messages, form: F) -> Result<usize, F::WriteError> {
        let mut done = 0;
        let result = self.call(form, |publisher| {
            loop {
                publisher.write_all(messages, &mut done)?;
                if !F::WAITS || done == messages.count() {
                    return Ok(());
                }
            }
        });
        match result {
            Err(error) if done == 0 => Err(error),
            _ => Ok(done),
        }
    }

    #[inline]
    fn put_each<M: AsRef<[u8]>, F: Form>(&mut self, messages: &[M], form: F) -> Result<usize, F::WriteError> {
        let mut done = 0;
        let result = self.call(form, |publisher| {
            loop {
                let chunk = &messages[done..messages.len().min(done + CHUNK)];
                // `as_ref` is the caller's code and may panic: it runs before the first step.
                let mut payloads = [&[][..]; CHUNK];
                payloads.iter_mut().zip(chunk).for_each(|(payload, message)| *payload = message.as_ref());
                let payloads = &payloads[..chunk.len()];
                let mut published = 0;
                let written = publisher.write_all(&payloads, &mut published);
                done += published;
                if done == messages.len() || !F::WAITS && 0 < done && published < chunk.len() {
                    return Ok(());
                }
                written?;
            }
        });
        match result {
            Err(error) if done == 0 => Err(error),
            _ => Ok(done),
        }
    }
}

/// Messages of [`Writer::write_each`] whose bytes are asked for together.
const CHUNK: usize = 64;
