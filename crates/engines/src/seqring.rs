//! The rings of this library as contestants: one [`Seqring`] type a slot layout.

use harness::engine::{Batch, Engine, EngineReader, EngineWriter, Sink, copied, get_one_by_one};
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Delivery, Place, RingSpec};
use seqring::{Claim, Config, Lagged, Reader, Ring, SlotClass, Start, Taker, Writer};
use seqring::{ReadError, TryReadError, TryWriteError, WriteError};
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A layout of slots: a type each, because an engine has one name.
pub trait Layout: Send + Sync {
    /// The name of the engine whose slots have it.
    const NAME: &'static str;

    /// The class to ask for; `None` for the one that suits the slot's size.
    const CLASS: Option<SlotClass>;
}

macro_rules! layouts {
    ($($layout:ident = $name:literal, $class:expr;)*) => {$(
        #[doc = concat!("The layout of the engine ", $name, ".")]
        #[derive(Debug)]
        pub enum $layout {}

        impl Layout for $layout {
            const NAME: &'static str = $name;
            const CLASS: Option<SlotClass> = $class;
        }
    )*};
}

layouts! {
    Suited = "seqring", None;
    Packed = "seqring-packed", Some(SlotClass::Packed);
    Lines = "seqring-lines", Some(SlotClass::Lines);
    Arena = "seqring-arena", Some(SlotClass::Arena);
}

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
        let participants = spec.readers + spec.writers;
        // As the other engines, it awaits no reader.
        let mut config = Config::slots(spec.slots)
            .of_bytes(spec.slot_bytes)
            .delivery(delivery)
            .participants(participants.max(2))
            .await_readers(0);
        if spec.writers > 1 {
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
        let joined = match self.ring.config().delivery {
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
    // Not zeros: their allocation leaves the pages of a large buffer to the first touch.
    let message = vec![0x5a; slot_bytes];
    let mut taker = if ring.config().delivery == seqring::Delivery::Queue { ring.taker().ok() } else { None };
    // There is no reader yet, so a gated ring takes them all too. There is one buffer more than
    // slots.
    for _ in 0..=ring.config().slots {
        writer.try_write(&message).map_err(|error| EngineError::failed("touch the ring", error))?;
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
        TryReadError::Lagged(Lagged { lost }) => Refusal::Lagged { missed: lost },
        TryReadError::Closed => Refusal::Closed,
        TryReadError::TooSmall { needed } => Refusal::OtherLength { bytes: needed, expected: room },
        TryReadError::OtherLength { len, expected } => Refusal::OtherLength { bytes: len, expected },
        error => Refusal::Failed(EngineError::failed("read", error).into()),
    }
}

fn not_read_in(after: Duration, error: ReadError, room: usize) -> Refusal {
    match error {
        ReadError::Lagged(Lagged { lost }) => Refusal::Lagged { missed: lost },
        ReadError::Closed => Refusal::Closed,
        ReadError::TooSmall { needed } => Refusal::OtherLength { bytes: needed, expected: room },
        ReadError::OtherLength { len, expected } => Refusal::OtherLength { bytes: len, expected },
        ReadError::TimedOut { .. } => Refusal::TimedOut { after },
        error => Refusal::Failed(EngineError::failed("read", error).into()),
    }
}

/// A claim.
struct Filling<'c, 'w>(&'c mut Claim<'w>);

impl Sink for Filling<'_, '_> {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..][..bytes.len()].copy_from_slice(bytes);
    }

    fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        Some(&mut self.0[..])
    }
}

/// The writer of a ring.
#[derive(Debug)]
pub struct RingWriter(Writer);

impl EngineWriter for RingWriter {
    #[inline]
    fn put(&mut self, message: &[u8], timeout: Option<Duration>) -> Result<(), Refusal> {
        match timeout {
            None => self.0.try_write(message).map(drop).map_err(not_written),
            Some(after) => {
                let written = self.0.write_timeout(message, after);
                written.map(drop).map_err(|error| not_written_in(after, error))
            }
        }
    }

    #[inline]
    fn put_with(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        match timeout {
            None => {
                let mut claim = self.0.try_claim(bytes).map_err(not_written)?;
                fill(&mut Filling(&mut claim));
                claim.try_publish().map(drop).map_err(|unpublished| not_written(unpublished.error))
            }
            Some(after) => {
                let refused = |error| not_written_in(after, error);
                let mut claim = self.0.claim_timeout(bytes, after).map_err(refused)?;
                fill(&mut Filling(&mut claim));
                claim.publish_timeout(after).map(drop).map_err(|unpublished| refused(unpublished.error))
            }
        }
    }

    #[inline]
    fn put_batch(&mut self, message_bytes: usize, messages: &[u8]) -> Result<usize, Refusal> {
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
    fn get(&mut self, buffer: &mut [u8], timeout: Option<Duration>) -> Result<usize, Refusal> {
        let room = buffer.len();
        let RingReader::Reader(reader) = self else {
            return self.get_with(timeout, |message| copied(message, buffer))?;
        };
        let received = match timeout {
            None => reader.try_read(buffer).map_err(|error| not_read(error, room)),
            Some(after) => {
                reader.read_timeout(buffer, after).map_err(|error| not_read_in(after, error, room))
            }
        };
        received.map(|received| received.len)
    }

    #[inline]
    fn get_with<T>(
        &mut self,
        timeout: Option<Duration>,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        match (self, timeout) {
            (RingReader::Reader(reader), None) => reader.try_view().map(|shown| view(&shown)),
            (RingReader::Taker(taker), None) => taker.try_take().map(|taken| view(&taken)),
            (RingReader::Reader(reader), Some(after)) => {
                let shown = reader.view_timeout(after).map(|shown| view(&shown));
                return shown.map_err(|error| not_read_in(after, error, 0));
            }
            (RingReader::Taker(taker), Some(after)) => {
                let taken = taker.take_timeout(after).map(|taken| view(&taken));
                return taken.map_err(|error| not_read_in(after, error, 0));
            }
        }
        .map_err(|error| not_read(error, 0))
    }

    #[inline]
    fn get_batch(&mut self, message_bytes: usize, buffer: &mut [u8]) -> Result<Batch, Refusal> {
        let RingReader::Reader(reader) = self else {
            return get_one_by_one(self, message_bytes, buffer);
        };
        let mut missed = 0;
        loop {
            match reader.try_read_batch(message_bytes, buffer) {
                Ok(messages) => return Ok(Batch { messages, missed }),
                Err(TryReadError::Lagged(lagged)) => missed += lagged.lost,
                Err(_) if missed > 0 => return Ok(Batch { messages: 0, missed }),
                Err(error) => return Err(not_read(error, message_bytes)),
            }
        }
    }
}
