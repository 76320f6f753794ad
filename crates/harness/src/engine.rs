//! What a contestant implements, so that one harness drives a ring, a lock-based baseline or a
//! rival.
//!
//! An [`Engine`] is a ring that exists; it hands out writers and readers, each owned by one thread.
//! Everything is generic and nothing is a trait object: at 8 bytes and hundreds of millions of
//! messages a second the measurement would be that of a call through a table.
//!
//! An engine translates and does nothing else: no buffering, no batching of its own, no cache. What
//! it cannot do is missing from its [`Capabilities`], and refused in `create`; it never does
//! something similar instead.

use std::time::Duration;

use crate::refusal::{EngineError, Refusal};
use crate::ring_spec::{Capabilities, Place, RingSpec};
use crate::sink::{Scratch, Sink};
use crate::wait::wait_for;

/// A ring of some kind, as the harness sees it.
///
/// Dropping the engine that created a named ring removes the name; dropping one that opened it does
/// not.
pub trait Engine: Sized + Send + Sync {
    /// The name in tables and on the command line: lower case, no spaces.
    const NAME: &'static str;

    /// What it can do. [`RingSpec::check`] is asked before `create`.
    const CAPABILITIES: Capabilities;

    /// A writing end, owned by one thread.
    type Writer: EngineWriter;

    /// A reading end, owned by one thread.
    type Reader: EngineReader;

    /// Makes the ring, with its memory present: no page fault is left for the measurement.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] for a ring that it cannot make, [`EngineError::Failed`] if
    /// making it fails.
    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError>;

    /// Opens the ring that another process created as [`Place::Named`].
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] unless it works between processes, [`EngineError::Failed`] if
    /// it fails.
    fn open(name: &str) -> Result<Self, EngineError>;

    /// A new writing end. Dropping the last one closes the stream, in engines with such a state.
    ///
    /// # Errors
    /// [`EngineError::Failed`], with more than the ring was made for.
    fn writer(&self) -> Result<Self::Writer, EngineError>;

    /// A new reading end. It sees every message that is written after this call returns.
    ///
    /// # Errors
    /// [`EngineError::Failed`], with more than the ring was made for.
    fn reader(&self) -> Result<Self::Reader, EngineError>;
}

/// The writing end of an [`Engine`].
pub trait EngineWriter: Send {
    /// Writes one message, if there is room.
    ///
    /// # Errors
    /// [`Refusal::Full`] if there is not; otherwise it cannot be written at all.
    fn try_write(&mut self, message: &[u8]) -> Result<(), Refusal>;

    /// Writes one message, and waits for room up to `timeout`.
    ///
    /// # Errors
    /// [`Refusal::TimedOut`] if there was none; otherwise it cannot be written at all.
    ///
    /// # Cost
    /// As given here it spins and yields, so it needs a whole core: an engine with a wait of its
    /// own overrides it.
    fn write(&mut self, message: &[u8], timeout: Duration) -> Result<(), Refusal> {
        wait_for(timeout, || self.try_write(message))
    }

    /// Writes a message of `bytes` bytes that `fill` puts into the slot itself, if there is room.
    ///
    /// `fill` must put every byte. The sink is write-only where a reader may be copying from the
    /// same bytes, as in a lossy ring: no `&mut [u8]` to them may exist there
    /// ([`Sink::as_mut_slice`]). An engine that can fill in place ignores `scratch`. As given here
    /// the message is built in `scratch` and copied: see [`Capabilities::writes_in_place`].
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write); `fill` may have run without effect.
    fn try_write_with(
        &mut self,
        bytes: usize,
        scratch: &mut Scratch,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        let mut message = scratch.bytes_mut(bytes);
        fill(&mut message);
        self.try_write(message)
    }

    /// Writes a message of `bytes` bytes that `fill` puts into the slot itself, and waits for room
    /// up to `timeout`.
    ///
    /// # Errors
    /// As [`write`](Self::write); `fill` may have run without effect.
    ///
    /// # Cost
    /// As given here the message is built in `scratch`, and written by [`write`](Self::write).
    fn write_with(
        &mut self,
        bytes: usize,
        scratch: &mut Scratch,
        timeout: Duration,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        let mut message = scratch.bytes_mut(bytes);
        fill(&mut message);
        self.write(message, timeout)
    }

    /// Writes as many of `messages` as there is room for, in order, and returns how many. They lie
    /// end to end, `message_bytes` (at least 1) each.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write) if not even the first was written. With no message,
    /// `Ok(0)`.
    fn try_write_batch(&mut self, message_bytes: usize, messages: &[u8]) -> Result<usize, Refusal> {
        let mut written = 0;
        for message in messages.chunks_exact(message_bytes) {
            match self.try_write(message) {
                Ok(()) => written += 1,
                Err(refused) if written == 0 => return Err(refused),
                Err(_) => break,
            }
        }
        Ok(written)
    }
}

/// The reading end of an [`Engine`].
pub trait EngineReader: Send {
    /// Copies the next message to the front of `buffer` and returns its length, if there is one.
    ///
    /// # Errors
    /// [`Refusal::Empty`] if there is none yet, [`Refusal::Lagged`] if messages were lost
    /// (the next call goes on with one that is still there); otherwise nothing more can be read.
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, Refusal>;

    /// Copies the next message, and waits for it up to `timeout`.
    ///
    /// # Errors
    /// [`Refusal::TimedOut`] if none came, [`Refusal::Lagged`] if messages were lost; otherwise
    /// nothing more can be read.
    ///
    /// # Cost
    /// As [`EngineWriter::write`]: an engine with a wait of its own overrides it.
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, Refusal> {
        wait_for(timeout, || self.try_read(buffer))
    }

    /// Shows the next message to `view`, if there is one.
    ///
    /// The bytes are the message's and stay so while `view` runs. An engine shows them where they
    /// lie only if no writer can overwrite them meanwhile, and ignores `scratch` then; by default
    /// they are copied to `scratch`, which must have been made for the ring's largest message:
    /// see [`Capabilities::reads_in_place`].
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read); `view` has not run then.
    fn try_read_with<T>(
        &mut self,
        scratch: &mut Scratch,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        let buffer = scratch.all_mut();
        let bytes = self.try_read(buffer)?;
        Ok(view(&buffer[..bytes]))
    }

    /// Shows the next message to `view`, and waits for it up to `timeout`.
    ///
    /// # Errors
    /// As [`read`](Self::read); `view` has not run then.
    ///
    /// # Cost
    /// As given here the message is copied by [`read`](Self::read).
    fn read_with<T>(
        &mut self,
        scratch: &mut Scratch,
        timeout: Duration,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        let buffer = scratch.all_mut();
        let bytes = self.read(buffer, timeout)?;
        Ok(view(&buffer[..bytes]))
    }

    /// Copies messages of `message_bytes` (at least 1) each, end to end, until `buffer` is full or
    /// no more are there. Messages that were lost on the way are counted and do not end the batch.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read) if there is nothing to report of; [`Refusal::OtherLength`]
    /// for a message of another length, which is lost with those of this call before it.
    fn try_read_batch(&mut self, message_bytes: usize, buffer: &mut [u8]) -> Result<Batch, Refusal> {
        read_one_by_one(self, message_bytes, buffer)
    }
}

/// [`EngineReader::try_read_batch`], of single reads.
///
/// # Errors
/// As there.
pub fn read_one_by_one<R: EngineReader + ?Sized>(
    reader: &mut R,
    message_bytes: usize,
    buffer: &mut [u8],
) -> Result<Batch, Refusal> {
    let mut batch = Batch::default();
    let mut places = buffer.chunks_exact_mut(message_bytes);
    let mut place = places.next();
    while let Some(room) = place.as_deref_mut() {
        match reader.try_read(room) {
            Ok(bytes) if bytes == message_bytes => {
                batch.messages += 1;
                place = places.next();
            }
            Ok(bytes) => {
                return Err(Refusal::OtherLength { bytes, expected: message_bytes });
            }
            Err(Refusal::Lagged { missed }) => batch.missed += missed,
            Err(refused) if batch == Batch::default() => return Err(refused),
            Err(_) => break,
        }
    }
    Ok(batch)
}

/// What one call of [`EngineReader::try_read_batch`] got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Messages in the buffer.
    pub messages: usize,
    /// Messages that were lost before or between them.
    pub missed: u64,
}
