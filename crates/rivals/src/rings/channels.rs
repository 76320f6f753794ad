//! Queues of whole values: crossbeam's channel and `ArrayQueue`, kanal, the standard library's
//! `sync_channel`, and multiqueue2 with one stream.

use super::stamped::{not_received, not_sent};
use super::{Between, Ends, Rival};
use crate::message::Message;
use crossbeam_queue::ArrayQueue;
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, RingSpec};
use multiqueue2::wait::BusyWait;
use multiqueue2::{MPMCReceiver, MPMCSender, mpmc_queue_with};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const ONE_READER: Capabilities =
    Capabilities { gated: true, queue: true, many_writers: true, ..Capabilities::NONE };
const MANY: Capabilities = Capabilities { many_readers: true, ..ONE_READER };

/// crossbeam-queue's bounded queue.
pub(crate) type Array<M> = Between<Arc<ArrayQueue<M>>>;

impl<M: Message> Rival for Arc<ArrayQueue<M>> {
    const NAME: &'static str = "ArrayQueue";
    const CAPABILITIES: Capabilities = MANY;
    type Message = M;
    type Reader = Arc<ArrayQueue<M>>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let queue = Arc::new(ArrayQueue::new(spec.slots));
        Ok((vec![queue.clone(); spec.writers], vec![queue; spec.readers]))
    }

    #[inline]
    fn write(&mut self, message: M) -> Result<(), Refusal> {
        self.push(message).map_err(|_| Refusal::Full)
    }

    #[inline]
    fn read<T>(queue: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, Refusal> {
        queue.pop().map(|message| view(&message)).ok_or(Refusal::Empty)
    }
}

/// crossbeam-channel, bounded.
pub(crate) type Crossbeam<M> = Between<crossbeam_channel::Sender<M>>;

impl<M: Message> Rival for crossbeam_channel::Sender<M> {
    const NAME: &'static str = "crossbeam-channel";
    const CAPABILITIES: Capabilities = MANY;
    type Message = M;
    type Reader = crossbeam_channel::Receiver<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (sender, receiver) = crossbeam_channel::bounded(spec.slots);
        Ok((vec![sender; spec.writers], vec![receiver; spec.readers]))
    }

    #[inline]
    fn write(&mut self, message: M) -> Result<(), Refusal> {
        self.try_send(message).map_err(|error| if error.is_full() { Refusal::Full } else { Refusal::Closed })
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, Refusal> {
        let refused = |error: crossbeam_channel::TryRecvError| {
            if error.is_empty() { Refusal::Empty } else { Refusal::Closed }
        };
        receiver.try_recv().map(|message| view(&message)).map_err(refused)
    }

    fn wait_to_write(&mut self, message: M, timeout: Duration) -> Result<(), Refusal> {
        self.send_timeout(message, timeout).map_err(|error| timed_out(error.is_timeout(), timeout))
    }

    fn wait_to_read(receiver: &mut Self::Reader, timeout: Duration) -> Result<M, Refusal> {
        receiver.recv_timeout(timeout).map_err(|error| timed_out(error.is_timeout(), timeout))
    }
}

/// kanal, bounded.
pub(crate) type Kanal<M> = Between<kanal::Sender<M>>;

impl<M: Message> Rival for kanal::Sender<M> {
    const NAME: &'static str = "kanal";
    const CAPABILITIES: Capabilities = MANY;
    type Message = M;
    type Reader = kanal::Receiver<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (sender, receiver) = kanal::bounded(spec.slots);
        Ok((vec![sender; spec.writers], vec![receiver; spec.readers]))
    }

    #[inline]
    fn write(&mut self, message: M) -> Result<(), Refusal> {
        match self.try_send(message) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::Full),
            Err(_) => Err(Refusal::Closed),
        }
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, Refusal> {
        match receiver.try_recv() {
            Ok(Some(message)) => Ok(view(&message)),
            Ok(None) => Err(Refusal::Empty),
            Err(_) => Err(Refusal::Closed),
        }
    }

    fn wait_to_write(&mut self, message: M, timeout: Duration) -> Result<(), Refusal> {
        let is_late = |error| matches!(error, kanal::SendErrorTimeout::Timeout);
        self.send_timeout(message, timeout).map_err(|error| timed_out(is_late(error), timeout))
    }

    fn wait_to_read(receiver: &mut Self::Reader, timeout: Duration) -> Result<M, Refusal> {
        let is_late = |error| matches!(error, kanal::ReceiveErrorTimeout::Timeout);
        receiver.recv_timeout(timeout).map_err(|error| timed_out(is_late(error), timeout))
    }
}

fn timed_out(is_timeout: bool, after: Duration) -> Refusal {
    if is_timeout { Refusal::TimedOut { after } } else { Refusal::Closed }
}

/// The standard library's bounded channel: one receiver.
pub(crate) type Std<M> = Between<mpsc::SyncSender<M>>;

impl<M: Message> Rival for mpsc::SyncSender<M> {
    const NAME: &'static str = "sync_channel";
    const CAPABILITIES: Capabilities = ONE_READER;
    type Message = M;
    type Reader = mpsc::Receiver<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (sender, receiver) = mpsc::sync_channel(spec.slots);
        Ok((vec![sender; spec.writers], vec![receiver]))
    }

    #[inline]
    fn write(&mut self, message: M) -> Result<(), Refusal> {
        self.try_send(message).map_err(not_sent)
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, Refusal> {
        receiver.try_recv().map(|message| view(&message)).map_err(not_received)
    }

    fn wait_to_read(receiver: &mut Self::Reader, timeout: Duration) -> Result<M, Refusal> {
        let is_late = |error| matches!(error, mpsc::RecvTimeoutError::Timeout);
        receiver.recv_timeout(timeout).map_err(|error| timed_out(is_late(error), timeout))
    }
}

/// multiqueue2 with one stream, whose messages its receivers share. Busy waiting, so that no sender
/// notifies.
pub(crate) type Shared<M> = Between<MPMCSender<M>>;

impl<M: Message> Rival for MPMCSender<M> {
    const NAME: &'static str = "multiqueue2";
    const CAPABILITIES: Capabilities = Capabilities { gated: false, ..MANY };
    type Message = M;
    type Reader = MPMCReceiver<M>;

    fn ends(spec: &RingSpec) -> Result<Ends<Self>, EngineError> {
        let (sender, receiver) = mpmc_queue_with(spec.slots as u64, BusyWait::new());
        let senders = (0..spec.writers).map(|_| sender.clone()).collect();
        Ok((senders, (0..spec.readers).map(|_| receiver.clone()).collect()))
    }

    #[inline]
    fn write(&mut self, message: M) -> Result<(), Refusal> {
        self.try_send(message).map_err(not_sent)
    }

    #[inline]
    fn read<T>(receiver: &mut Self::Reader, view: impl FnOnce(&M) -> T) -> Result<T, Refusal> {
        receiver.try_recv().map(|message| view(&message)).map_err(not_received)
    }
}
