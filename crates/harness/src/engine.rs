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
///
/// A call with a `timeout` waits for room that long; one without does not wait.
pub trait EngineWriter: Send {
    /// Writes a message of `bytes` bytes that `fill` puts into the slot itself.
    ///
    /// `fill` must put every byte. The sink is write-only where a reader may be copying from the
    /// same bytes, as in a lossy ring: no `&mut [u8]` to them may exist there
    /// ([`Sink::as_mut_slice`]). See [`Capabilities::writes_in_place`].
    ///
    /// # Errors
    /// [`Refusal::Full`] or [`Refusal::TimedOut`] if there is no room; otherwise it cannot be
    /// written at all. `fill` may have run without effect.
    fn put_with(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal>;

    /// Writes one message.
    ///
    /// # Errors
    /// As [`put_with`](Self::put_with).
    #[inline]
    fn put(&mut self, message: &[u8], timeout: Option<Duration>) -> Result<(), Refusal> {
        self.put_with(message.len(), timeout, |slot| slot.put(0, message))
    }

    /// Writes as many of `messages` as there is room for, in order, and returns how many. They lie
    /// end to end, `message_bytes` (at least 1) each.
    ///
    /// # Errors
    /// As [`put`](Self::put) if not even the first was written. With no message, `Ok(0)`.
    fn put_batch(&mut self, message_bytes: usize, messages: &[u8]) -> Result<usize, Refusal> {
        let mut written = 0;
        for message in messages.chunks_exact(message_bytes) {
            match self.put(message, None) {
                Ok(()) => written += 1,
                Err(refused) if written == 0 => return Err(refused),
                Err(_) => break,
            }
        }
        Ok(written)
    }
}

/// The reading end of an [`Engine`].
///
/// A call with a `timeout` waits for a message that long; one without does not wait.
pub trait EngineReader: Send {
    /// Shows the next message to `view`.
    ///
    /// The bytes are the message's and stay so while `view` runs. An engine shows them where they
    /// lie only if no writer can overwrite them meanwhile: see [`Capabilities::reads_in_place`].
    ///
    /// # Errors
    /// [`Refusal::Empty`] or [`Refusal::TimedOut`] if there is none, [`Refusal::Lagged`] if
    /// messages were lost (the next call goes on with one that is still there); otherwise nothing
    /// more can be read. `view` has not run then.
    fn get_with<T>(&mut self, timeout: Option<Duration>, view: impl FnOnce(&[u8]) -> T)
    -> Result<T, Refusal>;

    /// Copies the next message to the front of `buffer` and returns its length.
    ///
    /// # Errors
    /// As [`get_with`](Self::get_with); [`Refusal::OtherLength`] for a message that does not fit,
    /// and may be lost.
    #[inline]
    fn get(&mut self, buffer: &mut [u8], timeout: Option<Duration>) -> Result<usize, Refusal> {
        self.get_with(timeout, |message| copied(message, buffer))?
    }

    /// Copies messages of `message_bytes` (at least 1) each, end to end, until `buffer` is full or
    /// no more are there. Messages that were lost on the way are counted and do not end the batch.
    ///
    /// # Errors
    /// As [`get`](Self::get) if there is nothing to report of; [`Refusal::OtherLength`] for a
    /// message of another length, which is lost with those of this call before it.
    fn get_batch(&mut self, message_bytes: usize, buffer: &mut [u8]) -> Result<Batch, Refusal> {
        get_one_by_one(self, message_bytes, buffer)
    }
}

/// Copies a message to the front of `buffer`, and returns its length.
///
/// # Errors
/// [`Refusal::OtherLength`] if it does not fit.
#[inline]
pub fn copied(message: &[u8], buffer: &mut [u8]) -> Result<usize, Refusal> {
    let (bytes, expected) = (message.len(), buffer.len());
    buffer.get_mut(..bytes).ok_or(Refusal::OtherLength { bytes, expected })?.copy_from_slice(message);
    Ok(bytes)
}

/// [`EngineReader::get_batch`], of single reads.
///
/// # Errors
/// As there.
pub fn get_one_by_one<R: EngineReader + ?Sized>(
    reader: &mut R,
    message_bytes: usize,
    buffer: &mut [u8],
) -> Result<Batch, Refusal> {
    let mut batch = Batch::default();
    let mut places = buffer.chunks_exact_mut(message_bytes);
    let mut place = places.next();
    while let Some(room) = place.as_deref_mut() {
        match reader.get(room, None) {
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

/// What one call of [`EngineReader::get_batch`] got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Messages in the buffer.
    pub messages: usize,
    /// Messages that were lost before or between them.
    pub missed: u64,
}

/// Room for one message, to be filled once and never read.
///
/// Write-only in general: the bytes behind it may be shared with a reader that copies from them at
/// the same time, and then no `&mut [u8]` to them may exist. An engine over raw shared memory
/// stores through atomics or a race-free copy; one that holds a lock, or whose slot no reader can
/// read yet, has a slice.
pub trait Sink {
    /// Copies `bytes` to the message's bytes from `offset` on.
    ///
    /// # Panics
    /// If they reach over the end of the message.
    fn put(&mut self, offset: usize, bytes: &[u8]);

    /// The bytes themselves, with the content of an earlier message; `None` if a reader may be
    /// reading them.
    fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        None
    }
}

impl Sink for &mut [u8] {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self[offset..][..bytes.len()].copy_from_slice(bytes);
    }

    fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        Some(self)
    }
}
