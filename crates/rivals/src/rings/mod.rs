//! The rivals. Each adapter translates and does nothing else: no buffering, no batching of its own,
//! no cache.
//!
//! A rival of threads is a [`Rival`]: how its ends are made, and what they do with a message.
//! [`Between`] makes an engine of it. Those between processes are engines by themselves.

mod channels;
mod iceoryx;
mod kernel;
mod single;
mod stamped;

pub(crate) use channels::{Array, Crossbeam, Kanal, Shared, Std};
pub(crate) use iceoryx::Iceoryx;
pub(crate) use kernel::{Fifo, PosixQueue, Socket};
pub(crate) use single::{Disruptor, DisruptorForTwo, Ringbuf, Rtrb};
pub(crate) use stamped::{Broadcast, Photon, Tokio};

use crate::message::{Message, other_length, put, room_for, typed, typed_slice};
use harness::engine::{Batch, Engine, EngineReader, EngineWriter, read_one_by_one};
use harness::refusal::{EngineError, ReadError, ReadRefused, WriteError, WriteRefused};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use harness::sink::{Scratch, Sink};
use harness::wait::wait_for;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use zerocopy::IntoBytes;

/// Writers and readers, as many as the ring is made for.
type Ends<R> = (Vec<<R as Rival>::Writer>, Vec<<R as Rival>::Reader>);

/// A ring of typed messages between threads, all of whose ends are made with it.
pub(crate) trait Rival: 'static {
    const NAME: &'static str;
    const CAPABILITIES: Capabilities;
    type Message: Message;
    type Writer: Send;
    type Reader: Send;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError>;

    fn write(writer: &mut Self::Writer, message: Self::Message) -> Result<(), WriteRefused>;

    /// Shows the next message to `view`: where it lies if the rival can, else a copy.
    fn read<T>(reader: &mut Self::Reader, view: impl FnOnce(&Self::Message) -> T) -> Result<T, ReadRefused>;

    /// Lets `fill` put a message into its slot: for those that write in place.
    fn fill(_: &mut Self::Writer, _: impl FnOnce(&mut Self::Message)) -> Result<(), WriteRefused> {
        unreachable!("it does not write in place")
    }

    /// The rival's own wait for room; `None` if it has none that ends, which is then polled.
    fn wait_to_write(_: &mut Self::Writer, _: Self::Message, _: Duration) -> Option<Result<(), WriteError>> {
        None
    }

    /// The rival's own wait for a message; `None` if it has none that ends.
    fn wait_to_read(_: &mut Self::Reader, _: Duration) -> Option<Result<Self::Message, ReadError>> {
        None
    }

    /// Writes many by one call; `None` if it has no such call.
    fn write_batch(_: &mut Self::Writer, _: &[Self::Message]) -> Option<Result<usize, WriteRefused>> {
        None
    }

    /// Reads many by one call; `None` if it has no such call.
    fn read_batch(_: &mut Self::Reader, _: &mut [Self::Message]) -> Option<Result<Batch, ReadRefused>> {
        None
    }
}

/// A [`Rival`] as an engine: hands out the ends that were made with it.
pub(crate) struct Between<R: Rival> {
    writers: Mutex<Vec<R::Writer>>,
    readers: Mutex<Vec<R::Reader>>,
}

pub(crate) struct WriterOf<R: Rival>(R::Writer);

pub(crate) struct ReaderOf<R: Rival>(R::Reader);

impl<R: Rival> Engine for Between<R> {
    const NAME: &'static str = R::NAME;
    const CAPABILITIES: Capabilities = R::CAPABILITIES;
    type Writer = WriterOf<R>;
    type Reader = ReaderOf<R>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, R::CAPABILITIES)?;
        let (writers, readers) = R::ends(spec)?;
        Ok(Self { writers: Mutex::new(writers), readers: Mutex::new(readers) })
    }

    fn open(_: &str) -> Result<Self, EngineError> {
        Err(EngineError::Unsupported { what: "use between processes" })
    }

    fn writer(&self) -> Result<WriterOf<R>, EngineError> {
        next(&self.writers, "join as a writer").map(WriterOf)
    }

    fn reader(&self) -> Result<ReaderOf<R>, EngineError> {
        next(&self.readers, "join as a reader").map(ReaderOf)
    }
}

fn next<T>(ends: &Mutex<Vec<T>>, attempt: &str) -> Result<T, EngineError> {
    let end = ends.lock().unwrap_or_else(PoisonError::into_inner).pop();
    end.ok_or_else(|| EngineError::failed(attempt, "the ring was made for fewer"))
}

impl<R: Rival> EngineWriter for WriterOf<R> {
    #[inline]
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        R::write(&mut self.0, typed(message)?)
    }

    fn write(&mut self, message: &[u8], timeout: Duration) -> Result<(), WriteError> {
        let refuse =
            |refused: WriteRefused| WriteError::Failed(Box::new(EngineError::failed("write", refused)));
        let typed = typed(message).map_err(refuse)?;
        let waited = R::wait_to_write(&mut self.0, typed, timeout);
        waited.unwrap_or_else(|| wait_for(timeout, || R::write(&mut self.0, typed)))
    }

    #[inline]
    fn try_write_with(
        &mut self,
        bytes: usize,
        scratch: &mut Scratch,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), WriteRefused> {
        if bytes != size_of::<R::Message>() {
            return Err(other_length(bytes, size_of::<R::Message>()));
        }
        if R::CAPABILITIES.writes_in_place {
            return R::fill(&mut self.0, |message| fill(&mut message.as_mut_bytes()));
        }
        let mut message = scratch.bytes_mut(bytes);
        fill(&mut message);
        self.try_write(message)
    }

    #[inline]
    fn try_write_batch(&mut self, _: usize, messages: &[u8]) -> Result<usize, WriteRefused> {
        let messages = typed_slice(messages)?;
        R::write_batch(&mut self.0, messages).unwrap_or_else(|| {
            let mut written = 0;
            for message in messages {
                match R::write(&mut self.0, *message) {
                    Ok(()) => written += 1,
                    Err(refused) if written == 0 => return Err(refused),
                    Err(_) => break,
                }
            }
            Ok(written)
        })
    }
}

impl<R: Rival> EngineReader for ReaderOf<R> {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        R::read(&mut self.0, |message| put(message, buffer))?
    }

    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, ReadError> {
        match R::wait_to_read(&mut self.0, timeout) {
            None => wait_for(timeout, || self.try_read(buffer)),
            Some(message) => put(&message?, buffer)
                .map_err(|refused| ReadError::Failed(Box::new(EngineError::failed("read", refused)))),
        }
    }

    #[inline]
    fn try_read_with<T>(
        &mut self,
        scratch: &mut Scratch,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, ReadRefused> {
        if R::CAPABILITIES.reads_in_place {
            return R::read(&mut self.0, |message| view(message.as_bytes()));
        }
        let buffer = scratch.all_mut();
        let bytes = self.try_read(buffer)?;
        Ok(view(&buffer[..bytes]))
    }

    #[inline]
    fn try_read_batch(&mut self, bytes: usize, buffer: &mut [u8]) -> Result<Batch, ReadRefused> {
        let batch = R::read_batch(&mut self.0, room_for(buffer)?);
        batch.unwrap_or_else(|| read_one_by_one(self, bytes, buffer))
    }
}

/// So many messages; none means that there was none.
#[inline]
fn read(messages: usize) -> Result<Batch, ReadRefused> {
    if messages == 0 { Err(ReadRefused::Empty) } else { Ok(Batch { messages, missed: 0 }) }
}

/// So many of `messages`; none means that there was no room.
#[inline]
fn written<M>(written: usize, messages: &[M]) -> Result<usize, WriteRefused> {
    if written == 0 && !messages.is_empty() { Err(WriteRefused::Full) } else { Ok(written) }
}
