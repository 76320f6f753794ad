//! How an end waits for the other: polling with pauses, polling and yielding, or by the engine's own wait.

use harness::engine::{EngineReader, EngineWriter};
use harness::patience::{Patience, Stop};
use harness::refusal::{ReadError, ReadRefused, WriteError, WriteRefused};
use harness::sink::{Scratch, Sink};
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What an end does when it finds nothing, or no room. Both ends of a measurement do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// `try_` calls, and so many PAUSEs after one that found nothing.
    Pauses(u32),
    /// `try_` calls, and a `sched_yield` after one that found nothing: for ends that share a core.
    Yielding,
    /// A `try_` call, and if it found nothing the engine's own waiting call.
    Blocking,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pauses(1) => f.write_str("1 pause"),
            Self::Pauses(pauses) => write!(f, "{pauses} pauses"),
            Self::Yielding => f.write_str("yielding"),
            Self::Blocking => f.write_str("blocking"),
        }
    }
}

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "yielding" => Ok(Self::Yielding),
            "blocking" => Ok(Self::Blocking),
            _ => {
                let number = text.split(' ').next().and_then(|number| number.parse().ok());
                number.map(Self::Pauses).ok_or_else(|| format!("no manner of waiting: {text}"))
            }
        }
    }
}

/// How an end waits, and what ends its waiting.
#[derive(Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) wait: Wait,
    pub(crate) stop: &'a AtomicBool,
}

/// Why an attempt did not get through.
pub(crate) enum Miss {
    /// It may at the next attempt.
    NotYet,
    /// So many messages are lost; the next attempt goes on behind them.
    Lost(u64),
    /// It never will.
    Never(Stop),
}

impl From<WriteRefused> for Miss {
    fn from(refused: WriteRefused) -> Self {
        match refused {
            WriteRefused::Full => Self::NotYet,
            WriteRefused::Closed => Self::Never(Stop::Closed),
            other => Self::Never(Stop::failed(other)),
        }
    }
}

impl From<WriteError> for Miss {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TimedOut { .. } => Self::NotYet,
            WriteError::Closed => Self::Never(Stop::Closed),
            other => Self::Never(Stop::failed(other)),
        }
    }
}

impl From<ReadRefused> for Miss {
    fn from(refused: ReadRefused) -> Self {
        match refused {
            ReadRefused::Empty => Self::NotYet,
            ReadRefused::Lagged { missed } => Self::Lost(missed),
            ReadRefused::Closed => Self::Never(Stop::Closed),
            other => Self::Never(Stop::failed(other)),
        }
    }
}

impl From<ReadError> for Miss {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TimedOut { .. } => Self::NotYet,
            ReadError::Lagged { missed } => Self::Lost(missed),
            ReadError::Closed => Self::Never(Stop::Closed),
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

/// One wait of an engine's own; between two the end looks whether it is to stop.
const BLOCKED: Duration = Duration::from_millis(100);

impl End<'_> {
    /// Writes a message, waiting for room.
    #[inline(always)]
    pub(crate) fn put(self, writer: &mut impl EngineWriter, message: &[u8]) -> Result<(), Miss> {
        match writer.try_write(message) {
            Ok(()) => Ok(()),
            Err(refused) => self.insist(refused.into(), |timeout| {
                match timeout {
                    None => writer.try_write(message)?,
                    Some(timeout) => writer.write(message, timeout)?,
                }
                Ok(())
            }),
        }
    }

    /// Writes a message that `fill` puts into its slot, waiting for room.
    #[inline(always)]
    pub(crate) fn put_with(
        self,
        writer: &mut impl EngineWriter,
        bytes: usize,
        scratch: &mut Scratch,
        fill: impl Fn(&mut dyn Sink),
    ) -> Result<(), Miss> {
        match writer.try_write_with(bytes, scratch, &fill) {
            Ok(()) => Ok(()),
            Err(refused) => self.insist(refused.into(), |timeout| {
                match timeout {
                    None => writer.try_write_with(bytes, scratch, &fill)?,
                    Some(timeout) => writer.write_with(bytes, scratch, timeout, &fill)?,
                }
                Ok(())
            }),
        }
    }

    /// Writes messages of `bytes` each, as many at a time as there is room for.
    #[inline(always)]
    pub(crate) fn put_all(
        self,
        writer: &mut impl EngineWriter,
        bytes: usize,
        messages: &[u8],
    ) -> Result<(), Miss> {
        let mut rest = messages;
        while !rest.is_empty() {
            let written = match writer.try_write_batch(bytes, rest) {
                Ok(written) => written,
                Err(refused) => self.poll(refused.into(), || Ok(writer.try_write_batch(bytes, rest)?))?,
            };
            rest = &rest[written * bytes..];
        }
        Ok(())
    }

    /// Reads a message to the front of `out`, waiting for it.
    #[inline(always)]
    pub(crate) fn get(self, reader: &mut impl EngineReader, out: &mut [u8]) -> Result<usize, Miss> {
        match reader.try_read(out) {
            Ok(bytes) => Ok(bytes),
            Err(refused) => self.insist(refused.into(), |timeout| {
                Ok(match timeout {
                    None => reader.try_read(out)?,
                    Some(timeout) => reader.read(out, timeout)?,
                })
            }),
        }
    }

    /// Shows a message to `view`, waiting for it.
    #[inline(always)]
    pub(crate) fn get_with<T>(
        self,
        reader: &mut impl EngineReader,
        scratch: &mut Scratch,
        mut view: impl FnMut(&[u8]) -> T,
    ) -> Result<T, Miss> {
        match reader.try_read_with(scratch, &mut view) {
            Ok(seen) => Ok(seen),
            Err(refused) => self.insist(refused.into(), |timeout| {
                Ok(match timeout {
                    None => reader.try_read_with(scratch, &mut view)?,
                    Some(timeout) => reader.read_with(scratch, timeout, &mut view)?,
                })
            }),
        }
    }

    /// The attempts after one that did not get through: apart, so that they take no room in a loop of 2 ns. `attempt`
    /// is given the time that it may wait, if it is to wait by itself.
    #[cold]
    #[inline(never)]
    fn insist<T>(
        self,
        first: Miss,
        mut attempt: impl FnMut(Option<Duration>) -> Result<T, Miss>,
    ) -> Result<T, Miss> {
        if self.wait != Wait::Blocking {
            return self.poll(first, || attempt(None));
        }
        let mut patience = Patience::until(self.stop);
        let mut miss = first;
        loop {
            let Miss::NotYet = miss else { return Err(miss) };
            match attempt(Some(BLOCKED)) {
                Ok(done) => return Ok(done),
                Err(next) => miss = next,
            }
            if let Miss::NotYet = miss {
                patience.look().map_err(Miss::Never)?;
            }
        }
    }

    /// As [`insist`](Self::insist), by polling.
    #[cold]
    #[inline(never)]
    pub(crate) fn poll<T>(
        self,
        first: Miss,
        mut attempt: impl FnMut() -> Result<T, Miss>,
    ) -> Result<T, Miss> {
        let mut patience = Patience::until(self.stop);
        let mut miss = first;
        loop {
            let Miss::NotYet = miss else { return Err(miss) };
            let waited = match self.wait {
                Wait::Pauses(pauses) => patience.pause(pauses),
                Wait::Yielding | Wait::Blocking => patience.look(),
            };
            waited.map_err(Miss::Never)?;
            match attempt() {
                Ok(done) => return Ok(done),
                Err(next) => miss = next,
            }
        }
    }
}
