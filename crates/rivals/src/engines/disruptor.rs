//! disruptor: one producer, event pollers. Every poller sees every event; the producer waits for the slowest.
//!
//! The poller API is its way for a thread of the user's own; a poll yields whatever is there and acknowledges it at once,
//! which is what a batch read does here.

use crate::ends::Ends;
use crate::message::{Message, put, room_for, typed, typed_slice};
use harness::engine::{Batch, Engine, EngineReader, EngineWriter};
use harness::refusal::{EngineError, ReadRefused, WriteRefused};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use harness::sink::{Scratch, Sink};
use disruptor::{
    BusySpin, EventPoller, MissingFreeSlots, MultiConsumerBarrier, Polling, Producer, RingBufferFull,
    SingleConsumerBarrier, SingleProducer, SingleProducerBarrier, build_single_producer,
};

const CAPABILITIES: Capabilities =
    Capabilities { gated: true, writes_in_place: true, reads_in_place: true, ..Capabilities::NONE };

/// One producer, one poller.
pub(crate) struct Disruptor<M>(Ends<Publishing<M, SingleConsumerBarrier>, Polled<M>>);

/// One producer, two pollers.
pub(crate) struct DisruptorForTwo<M>(Ends<Publishing<M, MultiConsumerBarrier>, Polled<M>>);

pub(crate) struct Publishing<M, C>(SingleProducer<M, C>);

pub(crate) struct Polled<M>(EventPoller<M, SingleProducerBarrier>);

impl<M: Message> Engine for Disruptor<M> {
    const NAME: &'static str = "disruptor";
    const CAPABILITIES: Capabilities = CAPABILITIES;
    type Writer = Publishing<M, SingleConsumerBarrier>;
    type Reader = Polled<M>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, CAPABILITIES)?;
        let builder = build_single_producer(spec.slots, M::new_zeroed, BusySpin);
        let (poller, builder) = builder.new_event_poller();
        Ok(Self(Ends::new(vec![Publishing(builder.build())], vec![Polled(poller)])))
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

impl<M: Message> Engine for DisruptorForTwo<M> {
    const NAME: &'static str = "disruptor";
    const CAPABILITIES: Capabilities = Capabilities { many_readers: true, ..CAPABILITIES };
    type Writer = Publishing<M, MultiConsumerBarrier>;
    type Reader = Polled<M>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let builder = build_single_producer(spec.slots, M::new_zeroed, BusySpin);
        let (one, builder) = builder.new_event_poller();
        let (other, builder) = builder.new_event_poller();
        Ok(Self(Ends::new(vec![Publishing(builder.build())], vec![Polled(one), Polled(other)])))
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

impl<M: Message, C: Send> EngineWriter for Publishing<M, C>
where
    SingleProducer<M, C>: Producer<M> + Send,
{
    #[inline]
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        let message = typed(message)?;
        let full = |RingBufferFull| WriteRefused::Full;
        self.0.try_publish(|event| *event = message).map(drop).map_err(full)
    }

    #[inline]
    fn try_write_with(
        &mut self,
        bytes: usize,
        _: &mut Scratch,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), WriteRefused> {
        if bytes != size_of::<M>() {
            return Err(WriteRefused::TooLarge { bytes, slot_bytes: size_of::<M>() });
        }
        let full = |RingBufferFull| WriteRefused::Full;
        self.0.try_publish(|event| fill(&mut event.as_mut_bytes())).map(drop).map_err(full)
    }

    #[inline]
    fn try_write_batch(&mut self, _: usize, messages: &[u8]) -> Result<usize, WriteRefused> {
        let messages = typed_slice::<M>(messages)?;
        // It publishes all or nothing, and says how many would fit.
        let mut publish = |messages: &[M]| {
            self.0.try_batch_publish(messages.len(), |events| {
                events.zip(messages).for_each(|(event, message)| *event = *message);
            })
        };
        let Err(MissingFreeSlots(missing)) = publish(messages) else { return Ok(messages.len()) };
        let fit = messages.len() - missing as usize;
        if fit == 0 {
            return Err(WriteRefused::Full);
        }
        publish(&messages[..fit]).map(|_| fit).map_err(|MissingFreeSlots(_)| WriteRefused::Full)
    }
}

fn refused(polling: Polling) -> ReadRefused {
    match polling {
        Polling::NoEvents => ReadRefused::Empty,
        Polling::Shutdown => ReadRefused::Closed,
    }
}

impl<M: Message> EngineReader for Polled<M> {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        let mut events = self.0.take(1).map_err(refused)?;
        (&mut events).next().map_or(Err(ReadRefused::Empty), |event| put(event, buffer))
    }

    #[inline]
    fn try_read_with<T>(&mut self, _: &mut Scratch, view: impl FnOnce(&[u8]) -> T) -> Result<T, ReadRefused> {
        let mut events = self.0.take(1).map_err(refused)?;
        (&mut events).next().map_or(Err(ReadRefused::Empty), |event| Ok(view(event.as_bytes())))
    }

    #[inline]
    fn try_read_batch(&mut self, _: usize, buffer: &mut [u8]) -> Result<Batch, ReadRefused> {
        let room = room_for::<M>(buffer)?;
        let mut events = self.0.take(room.len() as u64).map_err(refused)?;
        let mut messages = 0;
        for (place, event) in room.iter_mut().zip(&mut events) {
            *place = *event;
            messages += 1;
        }
        Ok(Batch { messages, missed: 0 })
    }
}
