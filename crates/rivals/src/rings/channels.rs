//! Queues of whole values: crossbeam's channel and `ArrayQueue`, kanal, the standard library's
//! `sync_channel`, and multiqueue2 with one stream.

use super::stamped::{not_received, not_sent};
use super::{Between, Ends, Rival};
use crate::message::Message;
use crossbeam_queue::ArrayQueue;
use harness::refusal::{EngineError, ReadError, ReadRefused, WriteError, WriteRefused};
use harness::ring_spec::{Capabilities, RingSpec};
use multiqueue2::wait::BusyWait;
use multiqueue2::{MPMCReceiver, MPMCSender, mpmc_queue_with};
use std::marker::PhantomData;
use std::sync::{Arc, mpsc};
use std::time::Duration;

const ONE_READER: Capabilities =
    Capabilities { gated: true, queue: true, many_writers: true, ..Capabilities::NONE };
const MANY: Capabilities = Capabilities { many_readers: true, ..ONE_READER };

/// crossbeam-queue's bounded queue.
pub(crate) type Array<M> = Between<ArrayOf<M>>;

pub(crate) struct ArrayOf<M>(PhantomData<M>);

impl<M: Message> Rival for ArrayOf<M> {
    const NAME: &'static str = "ArrayQueue";
    const CAPABILITIES: Capabilities = MANY;
    type Message = M;
    type Writer = Arc<ArrayQueue<M>>;
    type Reader = Arc<ArrayQueue<M>>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let queue = Arc::new(ArrayQueue::new(spec.slots));
        Ok((vec![queue.clone(); spec.writers.most()], vec![queue; spec.readers]))
    }

    #[inline]
    fn write(queue: &mut Self::Writer, message: M) -> Result<(), WriteRefused> {
        queue.push(message).map_err(|_| WriteRefused::Full)
    }

    #[inline]
    fn read<T>(queue: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, ReadRefused> {
        queue.pop().map(|message| view(&message)).ok_or(ReadRefused::Empty)
    }
}

/// crossbeam-channel, bounded.
pub(crate) type Crossbeam<M> = Between<CrossbeamOf<M>>;

pub(crate) struct CrossbeamOf<M>(PhantomData<M>);

impl<M: Message> Rival for CrossbeamOf<M> {
    const NAME: &'static str = "crossbeam-channel";
    const CAPABILITIES: Capabilities = MANY;
    type Message = M;
    type Writer = crossbeam_channel::Sender<M>;
    type Reader = crossbeam_channel::Receiver<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (sender, receiver) = crossbeam_channel::bounded(spec.slots);
        Ok((vec![sender; spec.writers.most()], vec![receiver; spec.readers]))
    }

    #[inline]
    fn write(sender: &mut Self::Writer, message: M) -> Result<(), WriteRefused> {
        let full = |error: crossbeam_channel::TrySendError<M>| error.is_full();
        sender
            .try_send(message)
            .map_err(|error| if full(error) { WriteRefused::Full } else { WriteRefused::Closed })
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, ReadRefused> {
        let refused = |error: crossbeam_channel::TryRecvError| {
            if error.is_empty() { ReadRefused::Empty } else { ReadRefused::Closed }
        };
        receiver.try_recv().map(|message| view(&message)).map_err(refused)
    }

    fn wait_to_write(
        sender: &mut Self::Writer,
        message: M,
        timeout: Duration,
    ) -> Option<Result<(), WriteError>> {
        let closed = |error: crossbeam_channel::SendTimeoutError<M>| error.is_disconnected();
        let error =
            |is_closed| if is_closed { WriteError::Closed } else { WriteError::TimedOut { after: timeout } };
        Some(sender.send_timeout(message, timeout).map_err(|failed| error(closed(failed))))
    }

    fn wait_to_read(receiver: &mut Self::Reader, timeout: Duration) -> Option<Result<M, ReadError>> {
        Some(receiver.recv_timeout(timeout).map_err(|error| not_read(error.is_timeout(), timeout)))
    }
}

/// kanal, bounded.
pub(crate) type Kanal<M> = Between<KanalOf<M>>;

pub(crate) struct KanalOf<M>(PhantomData<M>);

impl<M: Message> Rival for KanalOf<M> {
    const NAME: &'static str = "kanal";
    const CAPABILITIES: Capabilities = MANY;
    type Message = M;
    type Writer = kanal::Sender<M>;
    type Reader = kanal::Receiver<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (sender, receiver) = kanal::bounded(spec.slots);
        Ok((vec![sender; spec.writers.most()], vec![receiver; spec.readers]))
    }

    #[inline]
    fn write(sender: &mut Self::Writer, message: M) -> Result<(), WriteRefused> {
        match sender.try_send(message) {
            Ok(true) => Ok(()),
            Ok(false) => Err(WriteRefused::Full),
            Err(_) => Err(WriteRefused::Closed),
        }
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, ReadRefused> {
        match receiver.try_recv() {
            Ok(Some(message)) => Ok(view(&message)),
            Ok(None) => Err(ReadRefused::Empty),
            Err(_) => Err(ReadRefused::Closed),
        }
    }

    fn wait_to_write(
        sender: &mut Self::Writer,
        message: M,
        timeout: Duration,
    ) -> Option<Result<(), WriteError>> {
        Some(sender.send_timeout(message, timeout).map_err(|error| match error {
            kanal::SendErrorTimeout::Timeout => WriteError::TimedOut { after: timeout },
            _ => WriteError::Closed,
        }))
    }

    fn wait_to_read(receiver: &mut Self::Reader, timeout: Duration) -> Option<Result<M, ReadError>> {
        let timed_out = |error| matches!(error, kanal::ReceiveErrorTimeout::Timeout);
        Some(receiver.recv_timeout(timeout).map_err(|error| not_read(timed_out(error), timeout)))
    }
}

fn not_read(is_timeout: bool, after: Duration) -> ReadError {
    if is_timeout { ReadError::TimedOut { after } } else { ReadError::Closed }
}

/// The standard library's bounded channel: one receiver.
pub(crate) type Std<M> = Between<StdOf<M>>;

pub(crate) struct StdOf<M>(PhantomData<M>);

impl<M: Message> Rival for StdOf<M> {
    const NAME: &'static str = "sync_channel";
    const CAPABILITIES: Capabilities = ONE_READER;
    type Message = M;
    type Writer = mpsc::SyncSender<M>;
    type Reader = mpsc::Receiver<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (sender, receiver) = mpsc::sync_channel(spec.slots);
        Ok((vec![sender; spec.writers.most()], vec![receiver]))
    }

    #[inline]
    fn write(sender: &mut Self::Writer, message: M) -> Result<(), WriteRefused> {
        sender.try_send(message).map_err(not_sent)
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, ReadRefused> {
        receiver.try_recv().map(|message| view(&message)).map_err(not_received)
    }

    fn wait_to_read(receiver: &mut Self::Reader, timeout: Duration) -> Option<Result<M, ReadError>> {
        let timed_out = |error| matches!(error, mpsc::RecvTimeoutError::Timeout);
        Some(receiver.recv_timeout(timeout).map_err(|error| not_read(timed_out(error), timeout)))
    }
}

/// multiqueue2 with one stream, whose messages its receivers share. Busy waiting, so that no sender
/// notifies.
pub(crate) type Shared<M> = Between<SharedOf<M>>;

pub(crate) struct SharedOf<M>(PhantomData<M>);

impl<M: Message> Rival for SharedOf<M> {
    const NAME: &'static str = "multiqueue2";
    const CAPABILITIES: Capabilities = Capabilities { gated: false, ..MANY };
    type Message = M;
    type Writer = MPMCSender<M>;
    type Reader = MPMCReceiver<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (sender, receiver) = mpmc_queue_with(spec.slots as u64, BusyWait::new());
        let senders = (0..spec.writers.most()).map(|_| sender.clone()).collect();
        Ok((senders, (0..spec.readers).map(|_| receiver.clone()).collect()))
    }

    #[inline]
    fn write(sender: &mut Self::Writer, message: M) -> Result<(), WriteRefused> {
        sender.try_send(message).map_err(not_sent)
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, ReadRefused> {
        receiver.try_recv().map(|message| view(&message)).map_err(not_received)
    }
}
