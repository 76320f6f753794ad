//! One end of a measurement: each call waits for its message or its room in the end's own way.

use super::Wait;
use crate::engine::{EngineReader, EngineWriter};
use crate::patience::{Patience, Stop};
use crate::refusal::Refusal;
use crate::sink::{Scratch, Sink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How an end waits, and what ends its waiting.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) wait: Wait,
    pub(super) stop: &'a AtomicBool,
}

/// Why an attempt did not get through.
pub(super) enum Miss {
    /// The next attempt may get through.
    NotYet,
    /// So many messages are lost; the next attempt continues behind them.
    Lost(u64),
    /// No attempt will.
    Never(Stop),
}

impl From<Refusal> for Miss {
    fn from(refused: Refusal) -> Self {
        match refused {
            Refusal::Full | Refusal::Empty | Refusal::TimedOut { .. } => Self::NotYet,
            Refusal::Lagged { missed } => Self::Lost(missed),
            Refusal::Closed => Self::Never(Stop::Closed),
            other => Self::Never(Stop::failed(other)),
        }
    }
}

impl From<Miss> for Stop {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Never(stop) => stop,
            Miss::NotYet | Miss::Lost(_) => Self::failed("a message is lost where nothing may be"),
        }
    }
}

/// One wait of an engine's own. Between two of them the end checks whether it is to stop.
const BLOCKED: Duration = Duration::from_millis(100);

impl End<'_> {
    // Relaxed: a request, orders nothing.
    pub(super) fn is_stopped(self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Writes a message, waiting for room.
    #[inline(always)]
    pub(super) fn put(self, writer: &mut impl EngineWriter, message: &[u8]) -> Result<(), Miss> {
        let Err(refused) = writer.try_write(message) else { return Ok(()) };
        self.retry(refused.into(), |timeout| {
            match timeout {
                None => writer.try_write(message)?,
                Some(timeout) => writer.write(message, timeout)?,
            }
            Ok(())
        })
    }

    /// Writes a message that `fill` puts into its slot, waiting for room.
    #[inline(always)]
    pub(super) fn put_with(
        self,
        writer: &mut impl EngineWriter,
        bytes: usize,
        scratch: &mut Scratch,
        fill: impl Fn(&mut dyn Sink),
    ) -> Result<(), Miss> {
        let Err(refused) = writer.try_write_with(bytes, scratch, &fill) else { return Ok(()) };
        self.retry(refused.into(), |timeout| {
            match timeout {
                None => writer.try_write_with(bytes, scratch, &fill)?,
                Some(timeout) => writer.write_with(bytes, scratch, timeout, &fill)?,
            }
            Ok(())
        })
    }

    /// Writes messages of `bytes` each, as many at a time as there is room for.
    #[inline(always)]
    pub(super) fn put_all(
        self,
        writer: &mut impl EngineWriter,
        bytes: usize,
        messages: &[u8],
    ) -> Result<(), Miss> {
        let mut rest = messages;
        while !rest.is_empty() {
            let written = match writer.try_write_batch(bytes, rest) {
                Ok(written) => written,
                Err(refused) => self.retry(refused.into(), |_| Ok(writer.try_write_batch(bytes, rest)?))?,
            };
            rest = &rest[written * bytes..];
        }
        Ok(())
    }

    /// Reads a message to the front of `out`, waiting for it.
    #[inline(always)]
    pub(super) fn get(self, reader: &mut impl EngineReader, out: &mut [u8]) -> Result<usize, Miss> {
        reader.try_read(out).or_else(|refused| {
            self.retry(refused.into(), |timeout| {
                Ok(match timeout {
                    None => reader.try_read(out)?,
                    Some(timeout) => reader.read(out, timeout)?,
                })
            })
        })
    }

    /// Shows a message to `view`, waiting for it.
    #[inline(always)]
    pub(super) fn get_with<T>(
        self,
        reader: &mut impl EngineReader,
        scratch: &mut Scratch,
        mut view: impl FnMut(&[u8]) -> T,
    ) -> Result<T, Miss> {
        reader.try_read_with(scratch, &mut view).or_else(|refused| {
            self.retry(refused.into(), |timeout| {
                Ok(match timeout {
                    None => reader.try_read_with(scratch, &mut view)?,
                    Some(timeout) => reader.read_with(scratch, timeout, &mut view)?,
                })
            })
        })
    }

    /// The attempts after one that did not get through: a function of its own, so that they take no
    /// room in a loop of 2 ns. `attempt` is given the time that it may wait, if it is to wait by
    /// itself.
    #[cold]
    #[inline(never)]
    pub(super) fn retry<T>(
        self,
        first: Miss,
        mut attempt: impl FnMut(Option<Duration>) -> Result<T, Miss>,
    ) -> Result<T, Miss> {
        let mut patience = Patience::until(self.stop);
        let mut miss = first;
        let mut is_first = true;
        while let Miss::NotYet = miss {
            let waited = match self.wait {
                Wait::Pauses(pauses) => patience.pause(pauses),
                Wait::Blocking if is_first => Ok(()),
                Wait::Yielding | Wait::Blocking => patience.look(),
            };
            waited.map_err(Miss::Never)?;
            is_first = false;
            match attempt((self.wait == Wait::Blocking).then_some(BLOCKED)) {
                Ok(done) => return Ok(done),
                Err(next) => miss = next,
            }
        }
        Err(miss)
    }
}
