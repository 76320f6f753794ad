//! What all baselines' endpoints have in common: every call of the engine traits is one way to put a message, or to
//! get one.

use harness::engine::{EngineReader, EngineWriter};
use harness::refusal::{ReadError, ReadRefused, WriteError, WriteRefused};
use harness::sink::{Scratch, Sink};
use std::time::Duration;

/// An end that writes.
pub trait Put: Send {
    /// Writes a message of `bytes` bytes, which `fill` puts into its slot, if there is room.
    ///
    /// # Errors
    /// As [`EngineWriter::try_write`].
    fn put(&mut self, bytes: usize, fill: impl FnOnce(&mut dyn Sink)) -> Result<(), WriteRefused>;

    /// The same, and waits for room.
    ///
    /// # Errors
    /// As [`EngineWriter::write`].
    fn put_within(
        &mut self,
        bytes: usize,
        timeout: Duration,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), WriteError>;
}

/// An end that reads messages where they lie, since nobody writes there meanwhile.
pub trait Get: Send {
    /// Shows the next message to `view`, which says with its result whether it takes it.
    ///
    /// # Errors
    /// As [`EngineReader::try_read`].
    fn get<T>(&mut self, view: impl FnOnce(&[u8]) -> (T, Taken)) -> Result<T, ReadRefused>;

    /// The same, and waits for a message.
    ///
    /// # Errors
    /// As [`EngineReader::read`].
    fn get_within<T>(
        &mut self,
        timeout: Duration,
        view: impl FnOnce(&[u8]) -> (T, Taken),
    ) -> Result<T, ReadError>;
}

/// Whether a message that was shown was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The reader goes on to the next.
    Yes,
    /// It did not fit: the next call shows it again.
    No,
}

/// A writing end, as the harness sees it.
#[derive(Debug)]
pub struct Writing<P>(pub(crate) P);

impl<P: Put> EngineWriter for Writing<P> {
    #[inline]
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        self.0.put(message.len(), |slot| slot.put(0, message))
    }

    #[inline]
    fn write(&mut self, message: &[u8], timeout: Duration) -> Result<(), WriteError> {
        self.0.put_within(message.len(), timeout, |slot| slot.put(0, message))
    }

    fn try_write_with(
        &mut self,
        bytes: usize,
        _: &mut Scratch,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), WriteRefused> {
        self.0.put(bytes, fill)
    }

    fn write_with(
        &mut self,
        bytes: usize,
        _: &mut Scratch,
        timeout: Duration,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), WriteError> {
        self.0.put_within(bytes, timeout, fill)
    }
}

/// A reading end, as the harness sees it.
#[derive(Debug)]
pub struct Reading<G>(pub(crate) G);

impl<G: Get> EngineReader for Reading<G> {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        let expected = buffer.len();
        let copied = self.0.get(|message| copy_to(buffer, message))?;
        copied.map_err(|bytes| ReadRefused::OtherLength { bytes, expected })
    }

    #[inline]
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, ReadError> {
        let expected = buffer.len();
        let copied = self.0.get_within(timeout, |message| copy_to(buffer, message))?;
        copied.map_err(|bytes| ReadError::OtherLength { bytes, expected })
    }

    fn try_read_with<T>(&mut self, _: &mut Scratch, view: impl FnOnce(&[u8]) -> T) -> Result<T, ReadRefused> {
        self.0.get(|message| (view(message), Taken::Yes))
    }

    fn read_with<T>(
        &mut self,
        _: &mut Scratch,
        timeout: Duration,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, ReadError> {
        self.0.get_within(timeout, |message| (view(message), Taken::Yes))
    }
}

/// Copies a message to the front of `buffer` and gives its length; an error is its length, if it does not fit.
fn copy_to(buffer: &mut [u8], message: &[u8]) -> (Result<usize, usize>, Taken) {
    match buffer.get_mut(..message.len()) {
        Some(front) => {
            front.copy_from_slice(message);
            (Ok(message.len()), Taken::Yes)
        }
        None => (Err(message.len()), Taken::No),
    }
}
