//! rtrb: one producer, one consumer, wait-free; slices for batches.

use crate::ends::Ends;
use crate::message::{Message, put, room_for, typed, typed_slice};
use harness::engine::{Batch, Engine, EngineReader, EngineWriter};
use harness::refusal::{EngineError, ReadRefused, WriteRefused};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use harness::sink::Scratch;
use rtrb::{Consumer, Producer, RingBuffer};
use zerocopy::IntoBytes;

pub(crate) struct Rtrb<M>(Ends<Pushing<M>, Popping<M>>);

pub(crate) struct Pushing<M>(Producer<M>);

pub(crate) struct Popping<M>(Consumer<M>);

impl<M: Message> Engine for Rtrb<M> {
    const NAME: &'static str = "rtrb";
    const CAPABILITIES: Capabilities =
        Capabilities { gated: true, queue: true, reads_in_place: true, ..Capabilities::NONE };
    type Writer = Pushing<M>;
    type Reader = Popping<M>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let (producer, consumer) = RingBuffer::new(spec.slots);
        Ok(Self(Ends::new(vec![Pushing(producer)], vec![Popping(consumer)])))
    }

    fn open(_: &str) -> Result<Self, EngineError> {
        Err(EngineError::Unsupported { what: "use between processes" })
    }

    fn writer(&self) -> Result<Self::Writer, EngineError> {
        self.0.writer()
    }

    fn reader(&self) -> Result<Self::Reader, EngineError> {
        self.0.reader()
    }
}

impl<M: Message> EngineWriter for Pushing<M> {
    #[inline]
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        self.0.push(typed(message)?).map_err(|_| WriteRefused::Full)
    }

    #[inline]
    fn try_write_batch(&mut self, _: usize, messages: &[u8]) -> Result<usize, WriteRefused> {
        let (pushed, _) = self.0.push_partial_slice(typed_slice::<M>(messages)?);
        if pushed.is_empty() && !messages.is_empty() { Err(WriteRefused::Full) } else { Ok(pushed.len()) }
    }
}

impl<M: Message> EngineReader for Popping<M> {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        put(&self.0.pop().map_err(|_| ReadRefused::Empty)?, buffer)
    }

    #[inline]
    fn try_read_with<T>(&mut self, _: &mut Scratch, view: impl FnOnce(&[u8]) -> T) -> Result<T, ReadRefused> {
        let chunk = self.0.read_chunk(1).map_err(|_| ReadRefused::Empty)?;
        let (messages, _) = chunk.as_slices();
        let seen = view(messages.as_bytes());
        chunk.commit_all();
        Ok(seen)
    }

    #[inline]
    fn try_read_batch(&mut self, _: usize, buffer: &mut [u8]) -> Result<Batch, ReadRefused> {
        let (popped, _) = self.0.pop_partial_slice(room_for::<M>(buffer)?);
        if popped.is_empty() {
            Err(ReadRefused::Empty)
        } else {
            Ok(Batch { messages: popped.len(), missed: 0 })
        }
    }
}
