//! ringbuf: one producer, one consumer, their indices cached; slices for batches.

use crate::ends::Ends;
use crate::message::{Message, put, room_for, typed, typed_slice};
use harness::engine::{Batch, Engine, EngineReader, EngineWriter};
use harness::refusal::{EngineError, ReadRefused, WriteRefused};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

pub(crate) struct Ringbuf<M>(Ends<Pushing<M>, Popping<M>>);

pub(crate) struct Pushing<M>(HeapProd<M>);

pub(crate) struct Popping<M>(HeapCons<M>);

impl<M: Message> Engine for Ringbuf<M> {
    const NAME: &'static str = "ringbuf";
    const CAPABILITIES: Capabilities = Capabilities { gated: true, queue: true, ..Capabilities::NONE };
    type Writer = Pushing<M>;
    type Reader = Popping<M>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let (producer, consumer) = HeapRb::new(spec.slots).split();
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
        self.0.try_push(typed(message)?).map_err(|_| WriteRefused::Full)
    }

    #[inline]
    fn try_write_batch(&mut self, _: usize, messages: &[u8]) -> Result<usize, WriteRefused> {
        match self.0.push_slice(typed_slice::<M>(messages)?) {
            0 if !messages.is_empty() => Err(WriteRefused::Full),
            pushed => Ok(pushed),
        }
    }
}

impl<M: Message> EngineReader for Popping<M> {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        put(&self.0.try_pop().ok_or(ReadRefused::Empty)?, buffer)
    }

    #[inline]
    fn try_read_batch(&mut self, _: usize, buffer: &mut [u8]) -> Result<Batch, ReadRefused> {
        match self.0.pop_slice(room_for::<M>(buffer)?) {
            0 => Err(ReadRefused::Empty),
            messages => Ok(Batch { messages, missed: 0 }),
        }
    }
}
