//! The ring of this library as a contestant.

use harness::engine::{Batch, Engine, EngineReader, EngineWriter, read_one_by_one};
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Delivery, Place, RingSpec};
use harness::sink::{Scratch, Sink};
use seqring::{Claim, Config, Lagged, Reader, Ring, Start, Taker, Writer};
use seqring::{ReadError, TryReadError, TryWriteError, WriteError};
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::seqring::layout::{Layout, Suited};

/// A ring whose slots have layout `L`, and its name if this process gave it one.
#[derive(Debug)]
pub struct Shaped<L> {
    ring: Ring,
    named: Option<String>,
    layout: PhantomData<L>,
    /// The writer that touched the memory of a heap ring. It is the first one handed out: if it
    /// left, the stream would end.
    first_writer: Mutex<Option<Writer>>,
}

/// A ring whose slots are as suits their size.
pub type Seqring = Shaped<Suited>;

impl<L: Layout> Engine for Shaped<L> {
    const NAME: &'static str = L::NAME;

    const CAPABILITIES: Capabilities = Capabilities {
        between_processes: true,
        lossy: true,
        gated: true,
        queue: true,
        many_writers: true,
        many_readers: true,
        writes_in_place: true,
        reads_in_place: true,
    };

    type Writer = RingWriter;
    type Reader = RingReader;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let delivery = match spec.delivery {
            Delivery::Lossy => seqring::Delivery::Lossy,
            Delivery::Gated => seqring::Delivery::Gated,
            Delivery::Queue => seqring::Delivery::Queue,
        };
        let participants = spec.readers + spec.writers.most();
        let mut config =
            Config::new(spec.slots, spec.slot_bytes).delivery(delivery).participants(participants.max(2));
        if spec.writers.most() > 1 {
            config = config.writers(seqring::Writers::Many);
        }
        if let Some(class) = L::CLASS {
            config = config.slot_class(class);
        }
        let (ring, named) = match place {
            Place::Named(name) => (Ring::create(name, &config), Some(name.clone())),
            Place::Heap => (Ring::heap(&config), None),
        };
        let ring = ring.map_err(|error| EngineError::failed("create the ring", error))?;
        let first_writer = if named.is_none() { Some(touch(&ring, spec.slot_bytes)?) } else { None };
        Ok(Self { ring, named, layout: PhantomData, first_writer: Mutex::new(first_writer) })
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        let ring = Ring::open(name).map_err(|error| EngineError::failed("open the ring", error))?;
        Ok(Self { ring, named: None, layout: PhantomData, first_writer: Mutex::default() })
    }

    fn writer(&self) -> Result<RingWriter, EngineError> {
        let first = self.first_writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writer = first.map_or_else(|| self.ring.writer(), Ok);
        writer.map(RingWriter).map_err(|error| EngineError::failed("join as a writer", error))
    }

    fn reader(&self) -> Result<RingReader, EngineError> {
        let joined = match self.ring.delivery() {
            seqring::Delivery::Queue => self.ring.taker().map(RingReader::Taker),
            _ => self.ring.reader(Start::Next).map(RingReader::Reader),
        };
        joined.map_err(|error| EngineError::failed("join as a reader", error))
    }
}

impl<L> Drop for Shaped<L> {
    fn drop(&mut self) {
        if let Some(name) = &self.named {
            // It may be gone already.
            let _ = Ring::unlink(name);
        }
    }
}

/// Writes through all buffers of a heap ring, so that its pages are there.
fn touch(ring: &Ring, slot_bytes: usize) -> Result<Writer, EngineError> {
    let mut writer = ring.writer().map_err(|error| EngineError::failed("touch the ring", error))?;
    let mut scratch = Scratch::new(slot_bytes);
    let mut taker = if ring.delivery() == seqring::Delivery::Queue { ring.taker().ok() } else { None };
    // There is no reader yet, so a gated ring takes them all too. There is one buffer more than
    // slots.
    for _ in 0..=ring.config().slots() {
        writer.try_write(scratch.all_mut()).map_err(|error| EngineError::failed("touch the ring", error))?;
        if let Some(taker) = &mut taker {
            taker.try_take().map_err(|error| EngineError::failed("touch the ring", error))?;
        }
    }
    Ok(writer)
}

fn not_written(error: TryWriteError) -> Refusal {
    match error {
        TryWriteError::Full => Refusal::Full,
        TryWriteError::TooLarge { len, max } => Refusal::TooLarge { bytes: len, slot_bytes: max },
        TryWriteError::Closed => Refusal::Closed,
        error => Refusal::Failed(EngineError::failed("write", error).into()),
    }
}

fn not_written_in(after: Duration, error: WriteError) -> Refusal {
    match error {
        WriteError::TooLarge { len, max } => Refusal::TooLarge { bytes: len, slot_bytes: max },
        WriteError::Closed => Refusal::Closed,
        WriteError::TimedOut { .. } => Refusal::TimedOut { after },
        error => Refusal::Failed(EngineError::failed("write", error).into()),
    }
}

fn not_read(error: TryReadError, room: usize) -> Refusal {
    match error {
        TryReadError::Empty => Refusal::Empty,
        TryReadError::Lagged(Lagged { missed }) => Refusal::Lagged { missed },
        TryReadError::Closed => Refusal::Closed,
        TryReadError::TooSmall { needed } => Refusal::OtherLength { bytes: needed, expected: room },
        TryReadError::OtherLength { len, expected } => Refusal::OtherLength { bytes: len, expected },
        error => Refusal::Failed(EngineError::failed("read", error).into()),
    }
}

fn not_read_in(after: Duration, error: ReadError, room: usize) -> Refusal {
    match error {
        ReadError::Lagged(Lagged { missed }) => Refusal::Lagged { missed },
        ReadError::Closed => Refusal::Closed,
        ReadError::TooSmall { needed } => Refusal::OtherLength { bytes: needed, expected: room },
        ReadError::OtherLength { len, expected } => Refusal::OtherLength { bytes: len, expected },
        ReadError::TimedOut { .. } => Refusal::TimedOut { after },
        error => Refusal::Failed(EngineError::failed("read", error).into()),
    }
}

/// A claim, to be filled in place where no reader can read it yet, else by copying in.
struct Filling<'c, 'w>(&'c mut Claim<'w>);

impl Sink for Filling<'_, '_> {
    fn message_bytes(&self) -> usize {
        self.0.len()
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..][..bytes.len()].copy_from_slice(bytes);
    }

    fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        Some(&mut self.0)
    }
}

/// The writer of a ring.
#[derive(Debug)]
pub struct RingWriter(Writer);

impl EngineWriter for RingWriter {
    #[inline]
    fn try_write(&mut self, message: &[u8]) -> Result<(), Refusal> {
        self.0.try_write(message).map(drop).map_err(not_written)
    }

    #[inline]
    fn write(&mut self, message: &[u8], timeout: Duration) -> Result<(), Refusal> {
        self.0.write_timeout(message, timeout).map(drop).map_err(|error| not_written_in(timeout, error))
    }

    fn try_write_with(
        &mut self,
        bytes: usize,
        _: &mut Scratch,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        let mut claim = self.0.try_claim(bytes).map_err(not_written)?;
        fill(&mut Filling(&mut claim));
        claim.publish().map(drop).map_err(not_written)
    }

    fn write_with(
        &mut self,
        bytes: usize,
        _: &mut Scratch,
        timeout: Duration,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        let mut claim =
            self.0.claim_timeout(bytes, timeout).map_err(|error| not_written_in(timeout, error))?;
        fill(&mut Filling(&mut claim));
        claim.publish().map(drop).map_err(|error| match not_written(error) {
            Refusal::Full => Refusal::TimedOut { after: timeout }, // Other writers took the room.
            lasting => lasting,
        })
    }

    #[inline]
    fn try_write_batch(&mut self, message_bytes: usize, messages: &[u8]) -> Result<usize, Refusal> {
        self.0.try_write_batch(message_bytes, messages).map_err(not_written)
    }
}

/// A reader of a ring; in a queue, a taker.
#[derive(Debug)]
pub enum RingReader {
    /// Sees every message.
    Reader(Reader),
    /// Gets each message that no other taker gets.
    Taker(Taker),
}

impl EngineReader for RingReader {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, Refusal> {
        let room = buffer.len();
        match self {
            RingReader::Reader(reader) => reader.try_read(buffer).map(|received| received.len),
            RingReader::Taker(taker) => match taker.try_take() {
                Ok(taken) => return copied(&taken, buffer),
                Err(error) => Err(error),
            },
        }
        .map_err(|error| not_read(error, room))
    }

    #[inline]
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, Refusal> {
        let room = buffer.len();
        match self {
            RingReader::Reader(reader) => reader.read_timeout(buffer, timeout).map(|received| received.len),
            RingReader::Taker(taker) => match taker.take_timeout(timeout) {
                Ok(taken) => return copied(&taken, buffer),
                Err(error) => Err(error),
            },
        }
        .map_err(|error| not_read_in(timeout, error, room))
    }

    fn try_read_with<T>(&mut self, _: &mut Scratch, view: impl FnOnce(&[u8]) -> T) -> Result<T, Refusal> {
        match self {
            RingReader::Reader(reader) => reader.try_view().map(|shown| view(&shown)),
            RingReader::Taker(taker) => taker.try_take().map(|taken| view(&taken)),
        }
        .map_err(|error| not_read(error, 0))
    }

    fn read_with<T>(
        &mut self,
        _: &mut Scratch,
        timeout: Duration,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        match self {
            RingReader::Reader(reader) => reader.view_timeout(timeout).map(|shown| view(&shown)),
            RingReader::Taker(taker) => taker.take_timeout(timeout).map(|taken| view(&taken)),
        }
        .map_err(|error| not_read_in(timeout, error, 0))
    }

    #[inline]
    fn try_read_batch(&mut self, message_bytes: usize, buffer: &mut [u8]) -> Result<Batch, Refusal> {
        let RingReader::Reader(reader) = self else {
            return read_one_by_one(self, message_bytes, buffer);
        };
        let mut missed = 0;
        loop {
            match reader.try_read_batch(message_bytes, buffer) {
                Ok(messages) => return Ok(Batch { messages, missed }),
                Err(TryReadError::Lagged(lagged)) => missed += lagged.missed,
                Err(_) if missed > 0 => return Ok(Batch { messages: 0, missed }),
                Err(error) => return Err(not_read(error, message_bytes)),
            }
        }
    }
}

/// Copies a message that was taken to the front of `buffer`. One that does not fit is lost: it was
/// taken.
#[inline]
fn copied(taken: &[u8], buffer: &mut [u8]) -> Result<usize, Refusal> {
    let (bytes, expected) = (taken.len(), buffer.len());
    let room = buffer.get_mut(..bytes).ok_or(Refusal::OtherLength { bytes, expected })?;
    room.copy_from_slice(taken);
    Ok(bytes)
}
