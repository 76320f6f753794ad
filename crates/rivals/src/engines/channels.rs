//! Channels and queues of whole values, many to many: crossbeam's channel and `ArrayQueue`, kanal, and the standard
//! library's `sync_channel`. What they have in common is an engine, what each does is a [`Carrier`].

use crate::ends::Ends;
use crate::message::{Message, put, typed};
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::refusal::{EngineError, ReadError, ReadRefused, WriteError, WriteRefused};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use crossbeam_queue::ArrayQueue;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

/// What a channel does with one value.
pub(crate) trait Carrier: Send + Sync + 'static {
    const NAME: &'static str;
    const MANY_READERS: bool;
    type Value: Message;
    type Sending: Send;
    type Receiving: Send;

    /// So many ends of each kind.
    fn ends(slots: usize, writers: usize, readers: usize) -> (Vec<Self::Sending>, Vec<Self::Receiving>);
    fn try_send(sending: &Self::Sending, value: Self::Value) -> Result<(), WriteRefused>;
    fn try_receive(receiving: &Self::Receiving) -> Result<Self::Value, ReadRefused>;

    /// The channel's own wait for room; `None` if it has none that ends.
    fn send(_: &Self::Sending, _: Self::Value, _: Duration) -> Option<Result<(), WriteError>> {
        None
    }

    /// The channel's own wait for a value; `None` if it has none that ends.
    fn receive(_: &Self::Receiving, _: Duration) -> Option<Result<Self::Value, ReadError>> {
        None
    }
}

pub(crate) struct Channel<C: Carrier>(Ends<Sending<C>, Receiving<C>>);

pub(crate) struct Sending<C: Carrier>(C::Sending);

pub(crate) struct Receiving<C: Carrier>(C::Receiving);

impl<C: Carrier> Engine for Channel<C> {
    const NAME: &'static str = C::NAME;
    const CAPABILITIES: Capabilities = Capabilities {
        gated: true,
        queue: true,
        many_writers: true,
        many_readers: C::MANY_READERS,
        ..Capabilities::NONE
    };
    type Writer = Sending<C>;
    type Reader = Receiving<C>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let (sending, receiving) = C::ends(spec.slots, spec.writers.most(), spec.readers);
        let sending = sending.into_iter().map(Sending).collect();
        Ok(Self(Ends::new(sending, receiving.into_iter().map(Receiving).collect())))
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

impl<C: Carrier> EngineWriter for Sending<C> {
    #[inline]
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        C::try_send(&self.0, typed(message)?)
    }

    fn write(&mut self, message: &[u8], timeout: Duration) -> Result<(), WriteError> {
        let refuse =
            |refused: WriteRefused| WriteError::Failed(Box::new(EngineError::failed("send", refused)));
        let value = typed(message).map_err(refuse)?;
        // Without a wait of its own it is polled: once for each call, and the caller yields between two.
        C::send(&self.0, value, timeout).unwrap_or_else(|| match C::try_send(&self.0, value) {
            Ok(()) => Ok(()),
            Err(WriteRefused::Full) => Err(WriteError::TimedOut { after: Duration::ZERO }),
            Err(WriteRefused::Closed) => Err(WriteError::Closed),
            Err(other) => Err(refuse(other)),
        })
    }
}

impl<C: Carrier> EngineReader for Receiving<C> {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        put(&C::try_receive(&self.0)?, buffer)
    }

    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, ReadError> {
        let failed = |refused| ReadError::Failed(Box::new(EngineError::failed("receive", refused)));
        let value = C::receive(&self.0, timeout).unwrap_or_else(|| match C::try_receive(&self.0) {
            Ok(value) => Ok(value),
            Err(ReadRefused::Empty) => Err(ReadError::TimedOut { after: Duration::ZERO }),
            Err(ReadRefused::Closed) => Err(ReadError::Closed),
            Err(other) => Err(failed(other)),
        })?;
        put(&value, buffer).map_err(failed)
    }
}

/// crossbeam-queue's bounded queue.
pub(crate) struct Array<M>(std::marker::PhantomData<M>);

impl<M: Message> Carrier for Array<M> {
    const NAME: &'static str = "ArrayQueue";
    const MANY_READERS: bool = true;
    type Value = M;
    type Sending = Arc<ArrayQueue<M>>;
    type Receiving = Arc<ArrayQueue<M>>;

    fn ends(slots: usize, writers: usize, readers: usize) -> (Vec<Self::Sending>, Vec<Self::Receiving>) {
        let queue = Arc::new(ArrayQueue::new(slots));
        (vec![queue.clone(); writers], vec![queue; readers])
    }

    #[inline]
    fn try_send(queue: &Self::Sending, value: M) -> Result<(), WriteRefused> {
        queue.push(value).map_err(|_| WriteRefused::Full)
    }

    #[inline]
    fn try_receive(queue: &Self::Receiving) -> Result<M, ReadRefused> {
        queue.pop().ok_or(ReadRefused::Empty)
    }
}

/// crossbeam-channel, bounded.
pub(crate) struct Crossbeam<M>(std::marker::PhantomData<M>);

impl<M: Message> Carrier for Crossbeam<M> {
    const NAME: &'static str = "crossbeam-channel";
    const MANY_READERS: bool = true;
    type Value = M;
    type Sending = crossbeam_channel::Sender<M>;
    type Receiving = crossbeam_channel::Receiver<M>;

    fn ends(slots: usize, writers: usize, readers: usize) -> (Vec<Self::Sending>, Vec<Self::Receiving>) {
        let (sender, receiver) = crossbeam_channel::bounded(slots);
        (vec![sender; writers], vec![receiver; readers])
    }

    #[inline]
    fn try_send(sender: &Self::Sending, value: M) -> Result<(), WriteRefused> {
        sender.try_send(value).map_err(|error| match error {
            crossbeam_channel::TrySendError::Full(_) => WriteRefused::Full,
            crossbeam_channel::TrySendError::Disconnected(_) => WriteRefused::Closed,
        })
    }

    #[inline]
    fn try_receive(receiver: &Self::Receiving) -> Result<M, ReadRefused> {
        receiver.try_recv().map_err(|error| match error {
            crossbeam_channel::TryRecvError::Empty => ReadRefused::Empty,
            crossbeam_channel::TryRecvError::Disconnected => ReadRefused::Closed,
        })
    }

    fn send(sender: &Self::Sending, value: M, timeout: Duration) -> Option<Result<(), WriteError>> {
        Some(sender.send_timeout(value, timeout).map_err(|error| match error {
            crossbeam_channel::SendTimeoutError::Timeout(_) => WriteError::TimedOut { after: timeout },
            crossbeam_channel::SendTimeoutError::Disconnected(_) => WriteError::Closed,
        }))
    }

    fn receive(receiver: &Self::Receiving, timeout: Duration) -> Option<Result<M, ReadError>> {
        Some(receiver.recv_timeout(timeout).map_err(|error| match error {
            crossbeam_channel::RecvTimeoutError::Timeout => ReadError::TimedOut { after: timeout },
            crossbeam_channel::RecvTimeoutError::Disconnected => ReadError::Closed,
        }))
    }
}

/// kanal, bounded.
pub(crate) struct Kanal<M>(std::marker::PhantomData<M>);

impl<M: Message> Carrier for Kanal<M> {
    const NAME: &'static str = "kanal";
    const MANY_READERS: bool = true;
    type Value = M;
    type Sending = kanal::Sender<M>;
    type Receiving = kanal::Receiver<M>;

    fn ends(slots: usize, writers: usize, readers: usize) -> (Vec<Self::Sending>, Vec<Self::Receiving>) {
        let (sender, receiver) = kanal::bounded(slots);
        (vec![sender; writers], vec![receiver; readers])
    }

    #[inline]
    fn try_send(sender: &Self::Sending, value: M) -> Result<(), WriteRefused> {
        match sender.try_send(value) {
            Ok(true) => Ok(()),
            Ok(false) => Err(WriteRefused::Full),
            Err(_) => Err(WriteRefused::Closed),
        }
    }

    #[inline]
    fn try_receive(receiver: &Self::Receiving) -> Result<M, ReadRefused> {
        match receiver.try_recv() {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(ReadRefused::Empty),
            Err(_) => Err(ReadRefused::Closed),
        }
    }

    fn send(sender: &Self::Sending, value: M, timeout: Duration) -> Option<Result<(), WriteError>> {
        Some(sender.send_timeout(value, timeout).map_err(|error| match error {
            kanal::SendErrorTimeout::Timeout => WriteError::TimedOut { after: timeout },
            _ => WriteError::Closed,
        }))
    }

    fn receive(receiver: &Self::Receiving, timeout: Duration) -> Option<Result<M, ReadError>> {
        Some(receiver.recv_timeout(timeout).map_err(|error| match error {
            kanal::ReceiveErrorTimeout::Timeout => ReadError::TimedOut { after: timeout },
            _ => ReadError::Closed,
        }))
    }
}

/// The standard library's bounded channel: one receiver.
pub(crate) struct Std<M>(std::marker::PhantomData<M>);

impl<M: Message> Carrier for Std<M> {
    const NAME: &'static str = "sync_channel";
    const MANY_READERS: bool = false;
    type Value = M;
    type Sending = mpsc::SyncSender<M>;
    type Receiving = mpsc::Receiver<M>;

    fn ends(slots: usize, writers: usize, _: usize) -> (Vec<Self::Sending>, Vec<Self::Receiving>) {
        let (sender, receiver) = mpsc::sync_channel(slots);
        (vec![sender; writers], vec![receiver])
    }

    #[inline]
    fn try_send(sender: &Self::Sending, value: M) -> Result<(), WriteRefused> {
        sender.try_send(value).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => WriteRefused::Full,
            mpsc::TrySendError::Disconnected(_) => WriteRefused::Closed,
        })
    }

    #[inline]
    fn try_receive(receiver: &Self::Receiving) -> Result<M, ReadRefused> {
        receiver.try_recv().map_err(|error| match error {
            mpsc::TryRecvError::Empty => ReadRefused::Empty,
            mpsc::TryRecvError::Disconnected => ReadRefused::Closed,
        })
    }

    fn receive(receiver: &Self::Receiving, timeout: Duration) -> Option<Result<M, ReadError>> {
        Some(receiver.recv_timeout(timeout).map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => ReadError::TimedOut { after: timeout },
            mpsc::RecvTimeoutError::Disconnected => ReadError::Closed,
        }))
    }
}
