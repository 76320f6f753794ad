//! multiqueue2: a broadcast queue whose streams may each have several takers. Busy waiting, so that no sender notifies.

use crate::ends::Ends;
use crate::message::{Message, put, typed};
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::refusal::{EngineError, ReadRefused, WriteRefused};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use harness::sink::Scratch;
use multiqueue2::wait::BusyWait;
use multiqueue2::{
    BroadcastSender, BroadcastUniReceiver, MPMCReceiver, MPMCSender, broadcast_queue_with, mpmc_queue_with,
};
use std::sync::mpsc::{TryRecvError, TrySendError};

/// Every stream has one receiver and sees every message.
pub(crate) struct Broadcast<M: Message>(Ends<Publishing<M>, Stream<M>>);

pub(crate) struct Publishing<M: Message>(BroadcastSender<M>);

pub(crate) struct Stream<M: Message>(BroadcastUniReceiver<M>);

/// One stream, whose messages its receivers share.
pub(crate) struct Shared<M: Message>(Ends<Sending<M>, Taking<M>>);

pub(crate) struct Sending<M: Message>(MPMCSender<M>);

pub(crate) struct Taking<M: Message>(MPMCReceiver<M>);

impl<M: Message> Engine for Broadcast<M> {
    const NAME: &'static str = "multiqueue2";
    const CAPABILITIES: Capabilities =
        Capabilities { gated: true, many_readers: true, reads_in_place: true, ..Capabilities::NONE };
    type Writer = Publishing<M>;
    type Reader = Stream<M>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let (sender, receiver) = broadcast_queue_with(spec.slots as u64, BusyWait::new());
        let mut receivers = Vec::new();
        for _ in 1..spec.readers {
            receivers.push(receiver.add_stream());
        }
        receivers.push(receiver);
        let single = |receiver: multiqueue2::BroadcastReceiver<M>| {
            let several = |_| EngineError::failed("join as a reader", "the stream has several receivers");
            receiver.into_single().map(Stream).map_err(several)
        };
        let streams: Result<_, _> = receivers.into_iter().map(single).collect();
        Ok(Self(Ends::new(vec![Publishing(sender)], streams?)))
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

fn not_sent<M>(error: TrySendError<M>) -> WriteRefused {
    match error {
        TrySendError::Full(_) => WriteRefused::Full,
        TrySendError::Disconnected(_) => WriteRefused::Closed,
    }
}

fn not_received(error: TryRecvError) -> ReadRefused {
    match error {
        TryRecvError::Empty => ReadRefused::Empty,
        TryRecvError::Disconnected => ReadRefused::Closed,
    }
}

impl<M: Message> EngineWriter for Publishing<M> {
    #[inline]
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        self.0.try_send(typed(message)?).map_err(not_sent)
    }
}

impl<M: Message> EngineReader for Stream<M> {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        let view = |message: &M| put(message, buffer);
        self.0.try_recv_view(view).unwrap_or_else(|(_, error)| Err(not_received(error)))
    }

    #[inline]
    fn try_read_with<T>(&mut self, _: &mut Scratch, view: impl FnOnce(&[u8]) -> T) -> Result<T, ReadRefused> {
        let view = |message: &M| view(message.as_bytes());
        self.0.try_recv_view(view).map_err(|(_, error)| not_received(error))
    }
}

impl<M: Message> Engine for Shared<M> {
    const NAME: &'static str = "multiqueue2";
    const CAPABILITIES: Capabilities =
        Capabilities { queue: true, many_writers: true, many_readers: true, ..Capabilities::NONE };
    type Writer = Sending<M>;
    type Reader = Taking<M>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let (sender, receiver) = mpmc_queue_with(spec.slots as u64, BusyWait::new());
        let senders = (0..spec.writers.most()).map(|_| Sending(sender.clone())).collect();
        let receivers = (0..spec.readers).map(|_| Taking(receiver.clone())).collect();
        Ok(Self(Ends::new(senders, receivers)))
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

impl<M: Message> EngineWriter for Sending<M> {
    #[inline]
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        self.0.try_send(typed(message)?).map_err(not_sent)
    }
}

impl<M: Message> EngineReader for Taking<M> {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        put(&self.0.try_recv().map_err(not_received)?, buffer)
    }
}
