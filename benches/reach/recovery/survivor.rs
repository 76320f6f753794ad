//! Whoever waits for a victim, again and again for another one.

use super::BYTES;
use harness::latency::LONGEST;
use seqring::{
    Observer, ReadError, Reader, Ring, Start, Taker, TryReadError, TryWriteError, WriteError, Writer,
};
use std::time::Duration;

/// After it a survivor is said to hang.
pub(super) const NEVER: Duration = LONGEST;

pub(super) trait Survivor: Send {
    /// Before the victim comes.
    fn welcome(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Goes as far as it gets with the victim in its way.
    fn approach(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Goes on in one call, which waits for the victim.
    fn wait(&mut self) -> Result<(), String>;

    /// Goes on without waiting; false if the victim is still in the way.
    fn attempt(&mut self) -> Result<bool, String>;
}

const MESSAGE: [u8; BYTES] = [7; BYTES];

/// A writer behind a reader.
pub(super) struct Blocked(Writer);

impl Blocked {
    pub(super) fn join(ring: &Ring) -> Result<Box<dyn Survivor>, String> {
        Ok(Box::new(Blocked(ring.writer().map_err(text)?)))
    }
}

impl Survivor for Blocked {
    /// Something to be viewed.
    fn welcome(&mut self) -> Result<(), String> {
        self.wait()
    }

    fn approach(&mut self) -> Result<(), String> {
        while self.attempt()? {}
        Ok(())
    }

    fn wait(&mut self) -> Result<(), String> {
        self.0.write_timeout(&MESSAGE, NEVER).map(drop).map_err(|error: WriteError| error.to_string())
    }

    fn attempt(&mut self) -> Result<bool, String> {
        match self.0.try_write(&MESSAGE) {
            Ok(_) => Ok(true),
            Err(TryWriteError::Full) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A reader that is to be told of the last writer's death.
pub(super) struct Reading(Reader);

impl Reading {
    pub(super) fn join(ring: &Ring) -> Result<Box<dyn Survivor>, String> {
        Ok(Box::new(Reading(ring.reader(Start::Next).map_err(text)?)))
    }
}

impl Survivor for Reading {
    fn approach(&mut self) -> Result<(), String> {
        self.0.read_timeout(&mut [0; BYTES], NEVER).map(drop).map_err(text)
    }

    fn wait(&mut self) -> Result<(), String> {
        told_of_a_death(&self.0.read_timeout(&mut [0; BYTES], NEVER))
    }

    fn attempt(&mut self) -> Result<bool, String> {
        found_a_death(&self.0.try_read(&mut [0; BYTES]))
    }
}

/// A taker that is to be told of the last writer's death.
pub(super) struct Taking(Taker);

impl Taking {
    pub(super) fn join(ring: &Ring) -> Result<Box<dyn Survivor>, String> {
        Ok(Box::new(Taking(ring.taker().map_err(text)?)))
    }
}

impl Survivor for Taking {
    fn approach(&mut self) -> Result<(), String> {
        self.0.take_timeout(NEVER).map(drop).map_err(text)
    }

    fn wait(&mut self) -> Result<(), String> {
        told_of_a_death(&self.0.take_timeout(NEVER).map(drop))
    }

    fn attempt(&mut self) -> Result<bool, String> {
        found_a_death(&self.0.try_take().map(drop))
    }
}

/// A taker that is to get what another one has in hand.
pub(super) struct Adopting {
    taker: Taker,
    writer: Writer,
}

impl Adopting {
    pub(super) fn join(ring: &Ring) -> Result<Box<dyn Survivor>, String> {
        let (taker, writer) = (ring.taker().map_err(text)?, ring.writer().map_err(text)?);
        Ok(Box::new(Adopting { taker, writer }))
    }
}

impl Survivor for Adopting {
    fn welcome(&mut self) -> Result<(), String> {
        self.writer.write_timeout(&MESSAGE, NEVER).map(drop).map_err(text)
    }

    fn wait(&mut self) -> Result<(), String> {
        match self.taker.take_timeout(NEVER) {
            Ok(taken) if taken.is_redelivered() => Ok(()),
            Ok(taken) => Err(format!("message {} was taken by nobody before", taken.received().sequence)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn attempt(&mut self) -> Result<bool, String> {
        match self.taker.try_take() {
            Ok(_) => Ok(true),
            Err(TryReadError::Empty) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// An observer that is to find that nobody writes any more.
pub(super) struct Observing(Observer);

impl Observing {
    pub(super) fn open(ring: &str) -> Result<Box<dyn Survivor>, String> {
        Ok(Box::new(Observing(Observer::open(ring, Start::Next).map_err(text)?)))
    }
}

impl Survivor for Observing {
    /// Also past the death of the victim before, which was no more than an end while nobody established it.
    fn approach(&mut self) -> Result<(), String> {
        let mut read = false;
        loop {
            match self.0.try_read(&mut [0; BYTES]) {
                Ok(_) => read = true,
                Err(TryReadError::Empty) if read => return Ok(()),
                Err(TryReadError::Empty | TryReadError::WriterDied { .. } | TryReadError::Closed) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn wait(&mut self) -> Result<(), String> {
        match self.0.read_timeout(&mut [0; BYTES], NEVER) {
            Err(ReadError::Closed) => Ok(()),
            other => told_of_a_death(&other),
        }
    }

    fn attempt(&mut self) -> Result<bool, String> {
        match self.0.try_read(&mut [0; BYTES]) {
            Err(TryReadError::Closed) => Ok(true),
            other => found_a_death(&other),
        }
    }
}

fn told_of_a_death<T>(told: &Result<T, ReadError>) -> Result<(), String> {
    match told {
        Err(ReadError::WriterDied { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err("a message came where a death was to be told".into()),
    }
}

fn found_a_death<T>(found: &Result<T, TryReadError>) -> Result<bool, String> {
    match found {
        Err(TryReadError::WriterDied { .. }) => Ok(true),
        Err(TryReadError::Empty) => Ok(false),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err("a message came where a death was to be told".into()),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
