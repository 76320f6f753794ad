//! How the two ends of a measurement wait.

use harness::patience::{Patience, Stop};
use harness::receiver::{Arrival, Got, Next};
use seqring::{ReadError, Reader, Received, TryReadError, TryWriteError, WaitStrategy, WriteError, Writer};
use std::fmt;
use std::str::FromStr;

/// What an end does when it finds nothing, or no room. Both ends of a measurement do the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// `try_` calls, and so many PAUSEs after one that found nothing.
    Pauses(u32),
    /// `read` and `write` with [`WaitStrategy::SPINNING`].
    Spinning,
}

impl Wait {
    /// Those that the rows between threads try.
    pub(crate) const ALL: [Self; 4] = [Self::Pauses(1), Self::Pauses(16), Self::Pauses(64), Self::Spinning];

    /// Those that the rows between processes try: a blocking call there would not notice a killed peer.
    pub(crate) const POLLED: [Self; 3] = [Self::Pauses(1), Self::Pauses(4), Self::Pauses(16)];

    /// The form that [`FromStr`] reads.
    pub(crate) fn argument(self) -> String {
        match self {
            Self::Pauses(pauses) => pauses.to_string(),
            Self::Spinning => "spinning".into(),
        }
    }
}

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "spinning" => Ok(Self::Spinning),
            number => number.parse().map(Self::Pauses).map_err(|_| format!("no manner of waiting: {text}")),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pauses(1) => f.write_str("try, 1 pause"),
            Self::Pauses(pauses) => write!(f, "try, {pauses} pauses"),
            Self::Spinning => f.write_str("blocking, spinning"),
        }
    }
}

#[inline(always)]
fn message(received: Received) -> Got {
    Got::Message(Arrival { sequence: received.sequence, bytes: received.len })
}

/// [`polled_read`] with so many pauses.
pub(crate) struct Polling(pub(crate) Reader, pub(crate) u32);

impl Next for Polling {
    #[inline(always)]
    fn next(&mut self, _: u64, out: &mut [u8]) -> Result<Got, Stop> {
        polled_read(&mut self.0, out, self.1)
    }
}

/// [`blocking_read`].
pub(crate) struct Blocking(pub(crate) Reader);

impl Next for Blocking {
    #[inline(always)]
    fn next(&mut self, _: u64, out: &mut [u8]) -> Result<Got, Stop> {
        blocking_read(&mut self.0, out)
    }
}

/// Reads the next message by polling.
#[inline(always)]
pub(crate) fn polled_read(reader: &mut Reader, out: &mut [u8], pauses: u32) -> Result<Got, Stop> {
    match reader.try_read(out) {
        Ok(received) => Ok(message(received)),
        Err(error) => poll_on(reader, out, pauses, error),
    }
}

/// The polls after one that found nothing: apart, so that they take no room in a loop of 2 ns.
#[inline(never)]
fn poll_on(reader: &mut Reader, out: &mut [u8], pauses: u32, first: TryReadError) -> Result<Got, Stop> {
    let mut patience = Patience::default();
    let mut found = Err(first);
    loop {
        match found {
            Ok(received) => return Ok(message(received)),
            Err(TryReadError::Empty) => patience.pause(pauses)?,
            Err(TryReadError::Lagged(lagged)) => return Ok(Got::Missed(lagged.missed)),
            Err(TryReadError::Closed) => return Err(Stop::Closed),
            Err(other) => return Err(Stop::failed(other)),
        }
        found = reader.try_read(out);
    }
}

/// Reads the next message by a call that spins.
#[inline(always)]
pub(crate) fn blocking_read(reader: &mut Reader, out: &mut [u8]) -> Result<Got, Stop> {
    reader.read(out).map(message).or_else(not_read)
}

#[cold]
fn not_read(error: ReadError) -> Result<Got, Stop> {
    match error {
        ReadError::Lagged(lagged) => Ok(Got::Missed(lagged.missed)),
        ReadError::Closed => Err(Stop::Closed),
        other => Err(Stop::failed(other)),
    }
}

/// Writes a message by polling for room.
#[inline(always)]
pub(crate) fn polled_write(writer: &mut Writer, message: &[u8], pauses: u32) -> Result<(), Stop> {
    match writer.try_write(message) {
        Ok(_) => Ok(()),
        Err(error) => poll_for_room(writer, message, pauses, error),
    }
}

/// As [`poll_on`].
#[inline(never)]
fn poll_for_room(writer: &mut Writer, message: &[u8], pauses: u32, first: TryWriteError) -> Result<(), Stop> {
    let mut patience = Patience::default();
    let mut done = Err(first);
    loop {
        match done {
            Ok(_) => return Ok(()),
            Err(TryWriteError::Full) => patience.pause(pauses)?,
            Err(TryWriteError::Closed) => return Err(Stop::Closed),
            Err(other) => return Err(Stop::failed(other)),
        }
        done = writer.try_write(message);
    }
}

/// Writes a message by a call that spins until there is room.
#[inline(always)]
pub(crate) fn blocking_write(writer: &mut Writer, message: &[u8]) -> Result<(), Stop> {
    writer.write(message).map(drop).map_err(not_written)
}

#[cold]
fn not_written(error: WriteError) -> Stop {
    match error {
        WriteError::Closed => Stop::Closed,
        other => Stop::failed(other),
    }
}

/// Prepares a reader for `wait`.
pub(crate) fn set_reader(reader: &mut Reader, wait: Wait) {
    if wait == Wait::Spinning {
        reader.set_wait_strategy(WaitStrategy::SPINNING);
    }
}

/// Prepares a writer for `wait`.
pub(crate) fn set_writer(writer: &mut Writer, wait: Wait) {
    if wait == Wait::Spinning {
        writer.set_wait_strategy(WaitStrategy::SPINNING);
    }
}
