//! A process that waits for a victim, again and again for another one.

use super::BYTES;
use crate::text;
use harness::latency::LONGEST;
use seqring::{Observer, ReadError, Reader, Ring, Start, Taker, TryReadError, TryWriteError, Writer};
use std::time::Duration;

/// A survivor that waits longer is taken to hang.
pub(super) const NEVER: Duration = LONGEST;

const MESSAGE: [u8; BYTES] = [7; BYTES];

#[allow(clippy::large_enum_variant, reason = "a run has one")]
pub(super) enum Survivor {
    /// Writes behind a reader, which is in its way when the ring is full.
    Blocked(Writer),
    /// Reads until the last writer's death is reported.
    Reading(Reader),
    /// Takes until the last writer's death is reported.
    Taking(Taker),
    /// Writes, and takes what another taker had in hand.
    Adopting(Taker, Writer),
    /// Observes until the last writer's death is reported.
    Observing(Observer),
}

impl Survivor {
    pub(super) fn blocked(ring: &Ring, _: &str) -> Result<Self, String> {
        ring.writer().map(Self::Blocked).map_err(text)
    }

    pub(super) fn reading(ring: &Ring, _: &str) -> Result<Self, String> {
        ring.reader(Start::Next).map(Self::Reading).map_err(text)
    }

    pub(super) fn taking(ring: &Ring, _: &str) -> Result<Self, String> {
        ring.taker().map(Self::Taking).map_err(text)
    }

    pub(super) fn adopting(ring: &Ring, _: &str) -> Result<Self, String> {
        Ok(Self::Adopting(ring.taker().map_err(text)?, ring.writer().map_err(text)?))
    }

    pub(super) fn observing(_: &Ring, name: &str) -> Result<Self, String> {
        Observer::open(name, Start::Next).map(Self::Observing).map_err(text)
    }

    /// Before the victim comes: a message for it, if it needs one.
    pub(super) fn welcome(&mut self) -> Result<(), String> {
        match self {
            Self::Blocked(writer) | Self::Adopting(_, writer) => {
                writer.write_timeout(&MESSAGE, NEVER).map(drop).map_err(text)
            }
            Self::Reading(_) | Self::Taking(_) | Self::Observing(_) => Ok(()),
        }
    }

    /// Goes as far as it gets with the victim in its way.
    pub(super) fn approach(&mut self) -> Result<(), String> {
        match self {
            Self::Blocked(_) => {
                while self.attempt()? {}
                Ok(())
            }
            Self::Reading(reader) => reader.read_timeout(&mut [0; BYTES], NEVER).map(drop).map_err(text),
            Self::Taking(taker) => taker.take_timeout(NEVER).map(drop).map_err(text),
            Self::Adopting(..) => Ok(()),
            Self::Observing(observer) => all_read(observer),
        }
    }

    /// Goes on in one call, which waits for the victim.
    pub(super) fn wait(&mut self) -> Result<(), String> {
        match self {
            Self::Blocked(writer) => writer.write_timeout(&MESSAGE, NEVER).map(drop).map_err(text),
            Self::Reading(reader) => reported(&reader.read_timeout(&mut [0; BYTES], NEVER)),
            Self::Taking(taker) => reported(&taker.take_timeout(NEVER).map(drop)),
            Self::Adopting(taker, _) => match taker.take_timeout(NEVER) {
                Ok(taken) if taken.is_redelivered() => Ok(()),
                Ok(taken) => Err(format!("message {} was not taken before", taken.received().sequence)),
                Err(error) => Err(error.to_string()),
            },
            Self::Observing(observer) => match observer.read_timeout(&mut [0; BYTES], NEVER) {
                Err(ReadError::Closed) => Ok(()),
                other => reported(&other),
            },
        }
    }

    /// Goes on without waiting; false if the victim is still in the way.
    pub(super) fn attempt(&mut self) -> Result<bool, String> {
        match self {
            Self::Blocked(writer) => match writer.try_write(&MESSAGE) {
                Ok(_) => Ok(true),
                Err(TryWriteError::Full) => Ok(false),
                Err(error) => Err(error.to_string()),
            },
            Self::Reading(reader) => found(&reader.try_read(&mut [0; BYTES])),
            Self::Taking(taker) => found(&taker.try_take().map(drop)),
            Self::Adopting(taker, _) => match taker.try_take() {
                Ok(_) => Ok(true),
                Err(TryReadError::Empty) => Ok(false),
                Err(error) => Err(error.to_string()),
            },
            Self::Observing(observer) => match observer.try_read(&mut [0; BYTES]) {
                Err(TryReadError::Closed) => Ok(true),
                other => found(&other),
            },
        }
    }
}

/// Reads the victim's message. Before it comes, the death of the victim before may show as an end
/// of the stream.
fn all_read(observer: &mut Observer) -> Result<(), String> {
    let mut read = false;
    loop {
        match observer.try_read(&mut [0; BYTES]) {
            Ok(_) => read = true,
            Err(TryReadError::Empty) if read => return Ok(()),
            Err(TryReadError::Empty | TryReadError::WriterDied { .. } | TryReadError::Closed) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

const ANOTHER: &str = "a message came where a death was to be reported";

fn reported<T>(result: &Result<T, ReadError>) -> Result<(), String> {
    match result {
        Err(ReadError::WriterDied { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err(ANOTHER.into()),
    }
}

fn found<T>(result: &Result<T, TryReadError>) -> Result<bool, String> {
    match result {
        Err(TryReadError::WriterDied { .. }) => Ok(true),
        Err(TryReadError::Empty) => Ok(false),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err(ANOTHER.into()),
    }
}
