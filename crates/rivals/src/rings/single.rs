//! One producer, indices: rtrb, ringbuf, disruptor.

use super::{Between, Ends, Rival, read, written};
use crate::message::Message;
use disruptor::{
    BusySpin, EventPoller, MissingFreeSlots, MultiConsumerBarrier, Polling, Producer, SingleConsumerBarrier,
    SingleProducer, SingleProducerBarrier, build_single_producer,
};
use harness::engine::Batch;
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, RingSpec};
use ringbuf::traits::{Consumer, Producer as _, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

const INDEXED: Capabilities = Capabilities { gated: true, queue: true, ..Capabilities::NONE };

/// rtrb: wait-free; slices for batches.
pub(crate) type Rtrb<M> = Between<rtrb::Producer<M>>;

impl<M: Message> Rival for rtrb::Producer<M> {
    const NAME: &'static str = "rtrb";
    const CAPABILITIES: Capabilities = INDEXED;
    type Message = M;
    type Reader = rtrb::Consumer<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (producer, consumer) = rtrb::RingBuffer::new(spec.slots);
        Ok((vec![producer], vec![consumer]))
    }

    #[inline]
    fn write(&mut self, message: M) -> Result<(), Refusal> {
        self.push(message).map_err(|_| Refusal::Full)
    }

    #[inline]
    fn read<T>(consumer: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, Refusal> {
        consumer.pop().map(|message| view(&message)).map_err(|_| Refusal::Empty)
    }

    #[inline]
    fn write_batch(&mut self, messages: &[M]) -> Option<Result<usize, Refusal>> {
        Some(written(self.push_partial_slice(messages).0.len(), messages))
    }

    #[inline]
    fn read_batch(consumer: &mut Self::Reader, room: &mut [M]) -> Option<Result<Batch, Refusal>> {
        Some(read(consumer.pop_partial_slice(room).0.len()))
    }
}

/// ringbuf: indices of the other end are cached; slices for batches.
pub(crate) type Ringbuf<M> = Between<HeapProd<M>>;

impl<M: Message> Rival for HeapProd<M> {
    const NAME: &'static str = "ringbuf";
    const CAPABILITIES: Capabilities = INDEXED;
    type Message = M;
    type Reader = HeapCons<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (producer, consumer) = HeapRb::new(spec.slots).split();
        Ok((vec![producer], vec![consumer]))
    }

    #[inline]
    fn write(&mut self, message: M) -> Result<(), Refusal> {
        self.try_push(message).map_err(|_| Refusal::Full)
    }

    #[inline]
    fn read<T>(consumer: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, Refusal> {
        consumer.try_pop().map(|message| view(&message)).ok_or(Refusal::Empty)
    }

    #[inline]
    fn write_batch(&mut self, messages: &[M]) -> Option<Result<usize, Refusal>> {
        Some(written(self.push_slice(messages), messages))
    }

    #[inline]
    fn read_batch(consumer: &mut Self::Reader, room: &mut [M]) -> Option<Result<Batch, Refusal>> {
        Some(read(consumer.pop_slice(room)))
    }
}

/// disruptor: every poller sees every event, and the producer waits for the slowest. A poll yields
/// what is there and acknowledges it at once, which is what a batch read does here.
pub(crate) type Disruptor<M> = Between<SingleProducer<M, SingleConsumerBarrier>>;

/// As [`Disruptor`], with two pollers.
pub(crate) type DisruptorForTwo<M> = Between<SingleProducer<M, MultiConsumerBarrier>>;

/// How many pollers a producer's barrier stands for.
pub(crate) trait Pollers<M>: Sized + Send + 'static {
    const MANY: bool;
    fn ends(slots: usize) -> (SingleProducer<M, Self>, Vec<EventPoller<M, SingleProducerBarrier>>);
}

impl<M: Message> Pollers<M> for SingleConsumerBarrier {
    const MANY: bool = false;

    fn ends(slots: usize) -> (SingleProducer<M, Self>, Vec<EventPoller<M, SingleProducerBarrier>>) {
        let (poller, builder) = build_single_producer(slots, M::new_zeroed, BusySpin).new_event_poller();
        (builder.build(), vec![poller])
    }
}

impl<M: Message> Pollers<M> for MultiConsumerBarrier {
    const MANY: bool = true;

    fn ends(slots: usize) -> (SingleProducer<M, Self>, Vec<EventPoller<M, SingleProducerBarrier>>) {
        let (one, builder) = build_single_producer(slots, M::new_zeroed, BusySpin).new_event_poller();
        let (other, builder) = builder.new_event_poller();
        (builder.build(), vec![one, other])
    }
}

impl<M: Message, B: Pollers<M>> Rival for SingleProducer<M, B>
where
    SingleProducer<M, B>: Producer<M> + Send,
{
    const NAME: &'static str = "disruptor";
    const CAPABILITIES: Capabilities = Capabilities {
        gated: true,
        many_readers: B::MANY,
        writes_in_place: true,
        reads_in_place: true,
        ..Capabilities::NONE
    };
    type Message = M;
    type Reader = EventPoller<M, SingleProducerBarrier>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (producer, pollers) = B::ends(spec.slots);
        Ok((vec![producer], pollers))
    }

    #[inline]
    fn write(&mut self, message: M) -> Result<(), Refusal> {
        Rival::fill(self, |event| *event = message)
    }

    #[inline]
    fn fill(&mut self, fill: impl FnOnce(&mut M)) -> Result<(), Refusal> {
        self.try_publish(fill).map(drop).map_err(|_| Refusal::Full)
    }

    #[inline]
    fn read<T>(poller: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, Refusal> {
        let mut events = poller.take(1).map_err(refused)?;
        (&mut events).next().map(view).ok_or(Refusal::Empty)
    }

    #[inline]
    fn write_batch(&mut self, messages: &[M]) -> Option<Result<usize, Refusal>> {
        // It publishes all or nothing, and on failure returns how many do not fit.
        let mut publish = |messages: &[M]| {
            self.try_batch_publish(messages.len(), |events| {
                events.zip(messages).for_each(|(event, message)| *event = *message);
            })
        };
        let Err(MissingFreeSlots(missing)) = publish(messages) else { return Some(Ok(messages.len())) };
        let fit = messages.len() - missing as usize;
        if fit == 0 {
            return Some(Err(Refusal::Full));
        }
        Some(publish(&messages[..fit]).map(|_| fit).map_err(|_| Refusal::Full))
    }

    #[inline]
    fn read_batch(poller: &mut Self::Reader, room: &mut [M]) -> Option<Result<Batch, Refusal>> {
        let mut events = match poller.take(room.len() as u64) {
            Ok(events) => events,
            Err(polling) => return Some(Err(refused(polling))),
        };
        let mut messages = 0;
        for (place, event) in room.iter_mut().zip(&mut events) {
            *place = *event;
            messages += 1;
        }
        Some(Ok(Batch { messages, missed: 0 }))
    }
}

fn refused(polling: Polling) -> Refusal {
    match polling {
        Polling::NoEvents => Refusal::Empty,
        Polling::Shutdown => Refusal::Closed,
    }
}
