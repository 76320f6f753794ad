//! The rivals. Each adapter translates and does nothing else: no buffering, no batching of its own,
//! no cache.
//!
//! A rival of threads is a [`Rival`]: how its ends are made, and what they do with a message.
//! [`Between`] makes an engine of it. Those between processes are engines by themselves.

mod channels;
mod iceoryx;
mod kernel;
mod ringfire;
mod single;
mod stamped;

pub(crate) use channels::{Array, Crossbeam, Kanal, Shared, Std};
pub(crate) use iceoryx::Iceoryx;
pub(crate) use kernel::{Fifo, PosixQueue, Socket};
pub(crate) use ringfire::Ringfire;
pub(crate) use single::{Disruptor, DisruptorForTwo, Ringbuf, Rtrb};
pub(crate) use stamped::{Broadcast, Photon, Tokio};

use crate::message::{Message, other_length, room_for, typed, typed_slice};
use harness::engine::{Batch, Engine, EngineReader, EngineWriter, Sink, get_one_by_one};
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use harness::wait::wait_for;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use zerocopy::{FromZeros, IntoBytes};

/// Writers and readers, as many as the ring is made for.
type Ends<R> = (Vec<R>, Vec<<R as Rival>::Reader>);

/// The writer of a ring of typed messages between threads, all of whose ends are made with it.
pub(crate) trait Rival: Sized + Send + 'static {
    const NAME: &'static str;
    const CAPABILITIES: Capabilities;
    type Message: Message;
    type Reader: Send;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError>;

    fn write(&mut self, message: Self::Message) -> Result<(), Refusal>;

    /// Shows the next message to `view`: where it lies if the rival can, else a copy.
    fn read<T>(reader: &mut Self::Reader, view: impl FnOnce(&Self::Message) -> T) -> Result<T, Refusal>;

    /// Lets `fill` put a message into its slot, if the rival can; else into a copy.
    fn fill(&mut self, fill: impl FnOnce(&mut Self::Message)) -> Result<(), Refusal> {
        let mut message = Self::Message::new_zeroed();
        fill(&mut message);
        self.write(message)
    }

    /// The rival's own wait for room; one that has none that ends is polled.
    fn wait_to_write(&mut self, message: Self::Message, timeout: Duration) -> Result<(), Refusal> {
        wait_for(Some(timeout), || self.write(message))
    }

    /// The rival's own wait for a message; as [`wait_to_write`](Self::wait_to_write).
    fn wait_to_read(reader: &mut Self::Reader, timeout: Duration) -> Result<Self::Message, Refusal> {
        wait_for(Some(timeout), || Self::read(reader, |message| *message))
    }

    /// Writes many by one call; `None` if it has no such call.
    fn write_batch(&mut self, _: &[Self::Message]) -> Option<Result<usize, Refusal>> {
        None
    }

    /// Reads many by one call; `None` if it has no such call.
    fn read_batch(_: &mut Self::Reader, _: &mut [Self::Message]) -> Option<Result<Batch, Refusal>> {
        None
    }
}

/// A [`Rival`] as an engine: hands out the ends that were made with it.
pub(crate) struct Between<R: Rival> {
    writers: Mutex<Vec<R>>,
    readers: Mutex<Vec<R::Reader>>,
}

pub(crate) struct WriterOf<R: Rival>(R);

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
        next(&self.writers).map(WriterOf)
    }

    fn reader(&self) -> Result<ReaderOf<R>, EngineError> {
        next(&self.readers).map(ReaderOf)
    }
}

fn next<T>(ends: &Mutex<Vec<T>>) -> Result<T, EngineError> {
    let end = ends.lock().unwrap_or_else(PoisonError::into_inner).pop();
    end.ok_or_else(|| EngineError::failed("join", "the ring was made for fewer"))
}

impl<R: Rival> EngineWriter for WriterOf<R> {
    #[inline]
    fn put(&mut self, message: &[u8], timeout: Option<Duration>) -> Result<(), Refusal> {
        match timeout {
            None => self.0.write(typed(message)?),
            Some(timeout) => self.0.wait_to_write(typed(message)?, timeout),
        }
    }

    #[inline]
    fn put_with(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        if bytes != size_of::<R::Message>() {
            return Err(other_length(bytes, size_of::<R::Message>()));
        }
        let mut fill = Some(fill);
        wait_for(timeout, || {
            self.0.fill(|message| {
                let fill = fill.take().expect("it runs if there is room");
                fill(&mut message.as_mut_bytes());
            })
        })
    }

    #[inline]
    fn put_batch(&mut self, _: usize, messages: &[u8]) -> Result<usize, Refusal> {
        let messages = typed_slice(messages)?;
        self.0.write_batch(messages).unwrap_or_else(|| {
            let mut written = 0;
            for message in messages {
                match self.0.write(*message) {
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
    fn get_with<T>(
        &mut self,
        timeout: Option<Duration>,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        match timeout {
            None => R::read(&mut self.0, |message| view(message.as_bytes())),
            Some(timeout) => R::wait_to_read(&mut self.0, timeout).map(|message| view(message.as_bytes())),
        }
    }

    #[inline]
    fn get_batch(&mut self, bytes: usize, buffer: &mut [u8]) -> Result<Batch, Refusal> {
        let batch = R::read_batch(&mut self.0, room_for(buffer)?);
        batch.unwrap_or_else(|| get_one_by_one(self, bytes, buffer))
    }
}

/// So many messages; none means that there was none.
#[inline]
fn read(messages: usize) -> Result<Batch, Refusal> {
    if messages == 0 { Err(Refusal::Empty) } else { Ok(Batch { messages, missed: 0 }) }
}

/// So many of `messages`; none means that there was no room.
#[inline]
fn written<M>(written: usize, messages: &[M]) -> Result<usize, Refusal> {
    if written == 0 && !messages.is_empty() { Err(Refusal::Full) } else { Ok(written) }
}
