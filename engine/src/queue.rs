//! Queue delivery: each message goes to one of the takers, and its buffer with it.

use bench_support::engine::{Engine, EngineReader};
use bench_support::refusal::{EngineError, ReadError, ReadRefused};
use bench_support::ring_spec::{Capabilities, Place, RingSpec};
use bench_support::sink::Scratch;
use seqring::{Config, Ring, Taken, Taker, TryReadError};
use std::time::Duration;

use crate::ring::{RingWriter, joining, not_read, not_read_in};

/// A queue, and its name if this process gave it one.
#[derive(Debug)]
pub struct SeqringQueue {
    ring: Ring,
    named: Option<String>,
}

impl Engine for SeqringQueue {
    const NAME: &'static str = "seqring-queue";

    const CAPABILITIES: Capabilities = Capabilities {
        between_processes: true,
        queue: true,
        many_writers: true,
        many_readers: true,
        writes_in_place: true,
        reads_in_place: true,
        ..Capabilities::NONE
    };

    type Writer = RingWriter;
    type Reader = QueueTaker;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let participants = (spec.readers + spec.writers.most()).max(2);
        let config = Config::new(spec.slots, spec.slot_bytes).delivery(seqring::Delivery::Queue);
        let config = config.participants(participants);
        let (ring, named) = match place {
            Place::Named(name) => (Ring::create(name, &config), Some(name.clone())),
            Place::Heap => (Ring::heap(&config), None),
        };
        let ring = ring.map_err(|error| EngineError::failed("create the queue", error))?;
        if *place == Place::Heap {
            touch(&ring, spec.slot_bytes)?;
        }
        Ok(Self { ring, named })
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        let ring = Ring::open(name).map_err(|error| EngineError::failed("open the queue", error))?;
        Ok(Self { ring, named: None })
    }

    fn writer(&self) -> Result<RingWriter, EngineError> {
        self.ring.writer().map(RingWriter).map_err(|error| joining("join as a writer", error))
    }

    fn reader(&self) -> Result<QueueTaker, EngineError> {
        self.ring.taker().map(QueueTaker).map_err(|error| joining("join as a taker", error))
    }
}

impl Drop for SeqringQueue {
    fn drop(&mut self) {
        if let Some(name) = &self.named {
            // It may be gone already; and nobody is there to be told of another failure.
            let _ = Ring::unlink(name);
        }
    }
}

/// Writes and takes through all buffers of a heap queue, so that its pages are there.
fn touch(ring: &Ring, slot_bytes: usize) -> Result<(), EngineError> {
    let mut taker = ring.taker().map_err(|error| joining("touch the queue", error))?;
    let mut writer = ring.writer().map_err(|error| joining("touch the queue", error))?;
    let mut scratch = Scratch::new(slot_bytes);
    // The buffers that writer and taker came with are the two more that go round.
    for _ in 0..ring.config().slots() + 2 {
        let failed = |error| EngineError::failed("touch the queue", error);
        writer.try_write(scratch.all_mut()).map_err(failed)?;
        taker.try_take().map_err(|error| EngineError::failed("touch the queue", error))?;
    }
    Ok(())
}

/// A taker of a [`SeqringQueue`].
#[derive(Debug)]
pub struct QueueTaker(Taker);

fn copy_out(taken: &Taken<'_>, buffer: &mut [u8]) -> Result<usize, TryReadError> {
    let bytes = taken.len();
    let room = buffer.get_mut(..bytes).ok_or(TryReadError::TooSmall { needed: bytes })?;
    room.copy_from_slice(taken);
    Ok(bytes)
}

impl EngineReader for QueueTaker {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        let room = buffer.len();
        let copied = self.0.try_take().and_then(|taken| copy_out(&taken, buffer));
        copied.map_err(|error| not_read(error, room))
    }

    #[inline]
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, ReadError> {
        let room = buffer.len();
        let taken = self.0.take_timeout(timeout).map_err(|error| not_read_in(timeout, error, room))?;
        let bytes = taken.len();
        copy_out(&taken, buffer).map_err(|_| ReadError::OtherLength { bytes, expected: room })
    }

    fn try_read_with<T>(&mut self, _: &mut Scratch, view: impl FnOnce(&[u8]) -> T) -> Result<T, ReadRefused> {
        let taken = self.0.try_take().map_err(|error| not_read(error, 0))?;
        Ok(view(&taken))
    }

    fn read_with<T>(
        &mut self,
        _: &mut Scratch,
        timeout: Duration,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, ReadError> {
        let taken = self.0.take_timeout(timeout).map_err(|error| not_read_in(timeout, error, 0))?;
        Ok(view(&taken))
    }
}
