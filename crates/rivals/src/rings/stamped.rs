//! One writer and many readers, each of which sees every message: photon-ring, multiqueue2, tokio's
//! broadcast channel.

use super::{Between, Ends, Rival};
use crate::message::Message;
use harness::engine::Batch;
use harness::refusal::{EngineError, ReadRefused, WriteRefused};
use harness::ring_spec::{Capabilities, Delivery, RingSpec};
use multiqueue2::wait::BusyWait;
use multiqueue2::{BroadcastSender, BroadcastUniReceiver, broadcast_queue_with};
use photon_ring::{Pod, Publisher, Subscriber, channel, channel_bounded};
use std::marker::PhantomData;
use std::sync::mpsc::{TryRecvError, TrySendError};
use tokio::sync::broadcast;

/// photon-ring: lossy, or bounded by its subscribers.
pub(crate) type Photon<M> = Between<PhotonOf<M>>;

pub(crate) struct PhotonOf<M>(PhantomData<M>);

impl<M: Message + Pod> Rival for PhotonOf<M> {
    const NAME: &'static str = "photon-ring";
    const CAPABILITIES: Capabilities =
        Capabilities { lossy: true, gated: true, many_readers: true, ..Capabilities::NONE };
    type Message = M;
    /// And whether subscribers bound it: a lossy publisher's check for room always finds some.
    type Writer = (Publisher<M>, bool);
    type Reader = Subscriber<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let is_bounded = spec.delivery == Delivery::Gated;
        let (publisher, subscribers) =
            if is_bounded { channel_bounded(spec.slots, 0) } else { channel(spec.slots) };
        let readers = (0..spec.readers).map(|_| subscribers.subscribe()).collect();
        Ok((vec![(publisher, is_bounded)], readers))
    }

    #[inline]
    fn write((publisher, is_bounded): &mut Self::Writer, message: M) -> Result<(), WriteRefused> {
        if *is_bounded {
            return publisher.try_publish(message).map_err(|_| WriteRefused::Full);
        }
        publisher.publish(message);
        Ok(())
    }

    #[inline]
    fn read<T>(subscriber: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, ReadRefused> {
        match subscriber.try_recv() {
            Ok(message) => Ok(view(&message)),
            Err(photon_ring::TryRecvError::Empty) => Err(ReadRefused::Empty),
            Err(photon_ring::TryRecvError::Lagged { skipped }) => {
                Err(ReadRefused::Lagged { missed: skipped })
            }
        }
    }

    #[inline]
    fn write_batch((publisher, _): &mut Self::Writer, messages: &[M]) -> Option<Result<usize, WriteRefused>> {
        // It waits for room by spinning, for as long as it takes: both sides of a measurement run
        // all the time.
        publisher.publish_batch(messages);
        Some(Ok(messages.len()))
    }

    #[inline]
    fn read_batch(subscriber: &mut Self::Reader, room: &mut [M]) -> Option<Result<Batch, ReadRefused>> {
        let lagged = subscriber.total_lagged();
        let messages = subscriber.recv_batch(room);
        let missed = subscriber.total_lagged() - lagged;
        let is_empty = messages == 0 && missed == 0;
        Some(if is_empty { Err(ReadRefused::Empty) } else { Ok(Batch { messages, missed }) })
    }
}

/// multiqueue2 with a stream for each receiver. Busy waiting, so that no sender notifies.
pub(crate) type Broadcast<M> = Between<BroadcastOf<M>>;

pub(crate) struct BroadcastOf<M>(PhantomData<M>);

impl<M: Message> Rival for BroadcastOf<M> {
    const NAME: &'static str = "multiqueue2";
    const CAPABILITIES: Capabilities =
        Capabilities { gated: true, many_readers: true, reads_in_place: true, ..Capabilities::NONE };
    type Message = M;
    type Writer = BroadcastSender<M>;
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
    fn write(sender: &mut Self::Writer, message: M) -> Result<(), WriteRefused> {
        sender.try_send(message).map_err(not_sent)
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, ReadRefused> {
        receiver.try_recv_view(view).map_err(|(_, error)| not_received(error))
    }
}

/// The refusal in the standard library's error, which multiqueue2 has, too.
pub(super) fn not_sent<M>(error: TrySendError<M>) -> WriteRefused {
    match error {
        TrySendError::Full(_) => WriteRefused::Full,
        TrySendError::Disconnected(_) => WriteRefused::Closed,
    }
}

/// As [`not_sent`].
pub(super) fn not_received(error: TryRecvError) -> ReadRefused {
    match error {
        TryRecvError::Empty => ReadRefused::Empty,
        TryRecvError::Disconnected => ReadRefused::Closed,
    }
}

/// tokio's broadcast channel: lossy, by polling. Its own waits need a runtime, or do not end.
pub(crate) type Tokio<M> = Between<TokioOf<M>>;

pub(crate) struct TokioOf<M>(PhantomData<M>);

impl<M: Message> Rival for TokioOf<M> {
    const NAME: &'static str = "tokio-broadcast";
    const CAPABILITIES: Capabilities =
        Capabilities { lossy: true, many_writers: true, many_readers: true, ..Capabilities::NONE };
    type Message = M;
    type Writer = broadcast::Sender<M>;
    type Reader = broadcast::Receiver<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let sender = broadcast::Sender::new(spec.slots);
        let readers = (0..spec.readers).map(|_| sender.subscribe()).collect();
        Ok((vec![sender; spec.writers.most()], readers))
    }

    #[inline]
    fn write(sender: &mut Self::Writer, message: M) -> Result<(), WriteRefused> {
        sender.send(message).map(drop).map_err(|_| WriteRefused::Closed)
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, ReadRefused> {
        match receiver.try_recv() {
            Ok(message) => Ok(view(&message)),
            Err(broadcast::error::TryRecvError::Empty) => Err(ReadRefused::Empty),
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Err(ReadRefused::Lagged { missed }),
            Err(broadcast::error::TryRecvError::Closed) => Err(ReadRefused::Closed),
        }
    }
}
