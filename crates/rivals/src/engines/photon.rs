//! photon-ring: stamped slots, one publisher; lossy, or bounded by its subscribers.

use crate::ends::Ends;
use crate::message::{Message, put, room_for, typed, typed_slice};
use harness::engine::{Batch, Engine, EngineReader, EngineWriter};
use harness::refusal::{EngineError, ReadRefused, WriteRefused};
use harness::ring_spec::{Capabilities, Delivery, Place, RingSpec};
use photon_ring::{Pod, PublishError, Publisher, Subscriber, TryRecvError, channel, channel_bounded};

pub(crate) struct Photon<M: Pod>(Ends<Publishing<M>, Subscribed<M>>);

/// The publisher, and whether its subscribers bound it: a lossy one's check for room always finds some.
pub(crate) struct Publishing<M: Pod> {
    publisher: Publisher<M>,
    is_bounded: bool,
}

pub(crate) struct Subscribed<M: Pod>(Subscriber<M>);

impl<M: Message + Pod> Engine for Photon<M> {
    const NAME: &'static str = "photon-ring";
    const CAPABILITIES: Capabilities =
        Capabilities { lossy: true, gated: true, many_readers: true, ..Capabilities::NONE };
    type Writer = Publishing<M>;
    type Reader = Subscribed<M>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let is_bounded = spec.delivery == Delivery::Gated;
        let (publisher, subscribers) =
            if is_bounded { channel_bounded(spec.slots, 0) } else { channel(spec.slots) };
        let readers = (0..spec.readers).map(|_| Subscribed(subscribers.subscribe())).collect();
        Ok(Self(Ends::new(vec![Publishing { publisher, is_bounded }], readers)))
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

impl<M: Message + Pod> EngineWriter for Publishing<M> {
    #[inline]
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        let message = typed(message)?;
        if self.is_bounded {
            return self.publisher.try_publish(message).map_err(|PublishError::Full(_)| WriteRefused::Full);
        }
        self.publisher.publish(message);
        Ok(())
    }

    #[inline]
    fn try_write_batch(&mut self, _: usize, messages: &[u8]) -> Result<usize, WriteRefused> {
        let messages = typed_slice::<M>(messages)?;
        // It waits for room by spinning, for as long as it takes: both sides of a measurement run all the time.
        self.publisher.publish_batch(messages);
        Ok(messages.len())
    }
}

fn refused(error: TryRecvError) -> ReadRefused {
    match error {
        TryRecvError::Empty => ReadRefused::Empty,
        TryRecvError::Lagged { skipped } => ReadRefused::Lagged { missed: skipped },
    }
}

impl<M: Message + Pod> EngineReader for Subscribed<M> {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        put(&self.0.try_recv().map_err(refused)?, buffer)
    }

    #[inline]
    fn try_read_batch(&mut self, _: usize, buffer: &mut [u8]) -> Result<Batch, ReadRefused> {
        let lagged = self.0.total_lagged();
        let messages = self.0.recv_batch(room_for::<M>(buffer)?);
        let missed = self.0.total_lagged() - lagged;
        if messages == 0 && missed == 0 { Err(ReadRefused::Empty) } else { Ok(Batch { messages, missed }) }
    }
}
