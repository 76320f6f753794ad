//! One writer and many readers, each of which sees every message: photon-ring, multiqueue2, tokio's
//! broadcast channel.

use super::{Between, Ends, Rival};
use crate::message::Message;
use harness::engine::Batch;
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Delivery, RingSpec};
use multiqueue2::wait::BusyWait;
use multiqueue2::{BroadcastSender, BroadcastUniReceiver, broadcast_queue_with};
use photon_ring::{Pod, Publisher, Subscriber, channel, channel_bounded};
use std::sync::mpsc::{TryRecvError, TrySendError};
use tokio::sync::broadcast;

/// photon-ring: lossy, or bounded by its subscribers.
pub(crate) type Photon<M> = Between<(Publisher<M>, bool)>;

impl<M: Message + Pod> Rival for (Publisher<M>, bool) {
    const NAME: &'static str = "photon-ring";
    const CAPABILITIES: Capabilities =
        Capabilities { lossy: true, gated: true, many_readers: true, ..Capabilities::NONE };
    type Message = M;
    /// And whether subscribers bound it: a lossy publisher's check for room always finds some.
    type Reader = Subscriber<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let is_bounded = spec.delivery == Delivery::Gated;
        let (publisher, subscribers) =
            if is_bounded { channel_bounded(spec.slots, 0) } else { channel(spec.slots) };
        let readers = (0..spec.readers).map(|_| subscribers.subscribe()).collect();
        Ok((vec![(publisher, is_bounded)], readers))
    }

    #[inline]
    fn write(&mut self, message: M) -> Result<(), Refusal> {
        let (publisher, is_bounded) = self;
        if *is_bounded {
            return publisher.try_publish(message).map_err(|_| Refusal::Full);
        }
        publisher.publish(message);
        Ok(())
    }

    #[inline]
    fn read<T>(subscriber: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, Refusal> {
        match subscriber.try_recv() {
            Ok(message) => Ok(view(&message)),
            Err(photon_ring::TryRecvError::Empty) => Err(Refusal::Empty),
            Err(photon_ring::TryRecvError::Lagged { skipped }) => Err(Refusal::Lagged { missed: skipped }),
        }
    }

    #[inline]
    fn write_batch(&mut self, messages: &[M]) -> Option<Result<usize, Refusal>> {
        // It waits for room by spinning, for as long as it takes: both sides of a measurement run
        // all the time.
        self.0.publish_batch(messages);
        Some(Ok(messages.len()))
    }

    #[inline]
    fn read_batch(subscriber: &mut Self::Reader, room: &mut [M]) -> Option<Result<Batch, Refusal>> {
        let lagged = subscriber.total_lagged();
        let messages = subscriber.recv_batch(room);
        let missed = subscriber.total_lagged() - lagged;
        let is_empty = messages == 0 && missed == 0;
        Some(if is_empty { Err(Refusal::Empty) } else { Ok(Batch { messages, missed }) })
    }
}

/// multiqueue2 with a stream for each receiver. Busy waiting, so that no sender notifies.
pub(crate) type Broadcast<M> = Between<BroadcastSender<M>>;

impl<M: Message> Rival for BroadcastSender<M> {
    const NAME: &'static str = "multiqueue2";
    const CAPABILITIES: Capabilities =
        Capabilities { gated: true, many_readers: true, reads_in_place: true, ..Capabilities::NONE };
    type Message = M;
    type Reader = BroadcastUniReceiver<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (sender, receiver) = broadcast_queue_with(spec.slots as u64, BusyWait::new());
        let mut receivers: Vec<_> = (1..spec.readers).map(|_| receiver.add_stream()).collect();
        receivers.push(receiver);
        let several = |_| EngineError::failed("join as a reader", "the stream has several receivers");
        let receivers = receivers.into_iter().map(|receiver| receiver.into_single().map_err(several));
        Ok((vec![sender], receivers.collect::<Result<_, _>>()?))
    }

    #[inline]
    fn write(&mut self, message: M) -> Result<(), Refusal> {
        self.try_send(message).map_err(not_sent)
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, Refusal> {
        receiver.try_recv_view(view).map_err(|(_, error)| not_received(error))
    }
}

/// The refusal in the standard library's error, which multiqueue2 has, too.
pub(super) fn not_sent<M>(error: TrySendError<M>) -> Refusal {
    match error {
        TrySendError::Full(_) => Refusal::Full,
        TrySendError::Disconnected(_) => Refusal::Closed,
    }
}

/// As [`not_sent`].
pub(super) fn not_received(error: TryRecvError) -> Refusal {
    match error {
        TryRecvError::Empty => Refusal::Empty,
        TryRecvError::Disconnected => Refusal::Closed,
    }
}

/// tokio's broadcast channel: lossy, by polling. Its own waits need a runtime, or do not end.
pub(crate) type Tokio<M> = Between<broadcast::Sender<M>>;

impl<M: Message> Rival for broadcast::Sender<M> {
    const NAME: &'static str = "tokio-broadcast";
    const CAPABILITIES: Capabilities =
        Capabilities { lossy: true, many_writers: true, many_readers: true, ..Capabilities::NONE };
    type Message = M;
    type Reader = broadcast::Receiver<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let sender = broadcast::Sender::new(spec.slots);
        let readers = (0..spec.readers).map(|_| sender.subscribe()).collect();
        Ok((vec![sender; spec.writers], readers))
    }

    #[inline]
    fn write(&mut self, message: M) -> Result<(), Refusal> {
        self.send(message).map(drop).map_err(|_| Refusal::Closed)
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, Refusal> {
        match receiver.try_recv() {
            Ok(message) => Ok(view(&message)),
            Err(broadcast::error::TryRecvError::Empty) => Err(Refusal::Empty),
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Err(Refusal::Lagged { missed }),
            Err(broadcast::error::TryRecvError::Closed) => Err(Refusal::Closed),
        }
    }
}
