//! The engine traits for all lock-based rings: every call is one way to put a message, or to get
//! one.

use harness::engine::{EngineReader, EngineWriter};
use harness::refusal::Refusal;
use harness::sink::{Scratch, Sink};
use std::time::Duration;

/// A writing end.
pub trait Put: Send {
    /// Writes a message of `bytes` bytes, which `fill` puts into its slot. Without a `timeout` it
    /// does not wait.
    ///
    /// # Errors
    /// As [`EngineWriter::try_write`], or [`EngineWriter::write`].
    fn put(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal>;
}

/// A reading end that shows messages in their slots: no writer stores there meanwhile.
pub trait Get: Send {
    /// Shows the next message to `view`, whose result decides whether it is taken. Without a
    /// `timeout` it does not wait.
    ///
    /// # Errors
    /// As [`EngineReader::try_read`], or [`EngineReader::read`].
    fn get<T>(
        &mut self,
        timeout: Option<Duration>,
        view: impl FnOnce(&[u8]) -> (T, Taken),
    ) -> Result<T, Refusal>;
}

/// Whether a message that was shown is taken.
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
    fn try_write(&mut self, message: &[u8]) -> Result<(), Refusal> {
        self.0.put(message.len(), None, |slot| slot.put(0, message))
    }

    #[inline]
    fn write(&mut self, message: &[u8], timeout: Duration) -> Result<(), Refusal> {
        self.0.put(message.len(), Some(timeout), |slot| slot.put(0, message))
    }

    fn try_write_with(
        &mut self,
        bytes: usize,
        _: &mut Scratch,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        self.0.put(bytes, None, fill)
    }

    fn write_with(
        &mut self,
        bytes: usize,
        _: &mut Scratch,
        timeout: Duration,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        self.0.put(bytes, Some(timeout), fill)
    }
}

/// A reading end, as the harness sees it.
#[derive(Debug)]
pub struct Reading<G>(pub(crate) G);

impl<G: Get> Reading<G> {
    #[inline]
    fn copy(&mut self, timeout: Option<Duration>, buffer: &mut [u8]) -> Result<usize, Refusal> {
        let expected = buffer.len();
        self.0.get(timeout, |message| match buffer.get_mut(..message.len()) {
            Some(front) => {
                front.copy_from_slice(message);
                (Ok(message.len()), Taken::Yes)
            }
            None => (Err(Refusal::OtherLength { bytes: message.len(), expected }), Taken::No),
        })?
    }
}

impl<G: Get> EngineReader for Reading<G> {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, Refusal> {
        self.copy(None, buffer)
    }

    #[inline]
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, Refusal> {
        self.copy(Some(timeout), buffer)
    }

    fn try_read_with<T>(&mut self, _: &mut Scratch, view: impl FnOnce(&[u8]) -> T) -> Result<T, Refusal> {
        self.0.get(None, |message| (view(message), Taken::Yes))
    }

    fn read_with<T>(
        &mut self,
        _: &mut Scratch,
        timeout: Duration,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        self.0.get(Some(timeout), |message| (view(message), Taken::Yes))
    }
}
