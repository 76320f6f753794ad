//! ringfire: a ring of stamped slots in `/dev/shm`, between threads as between processes: it has no
//! other.
//!
//! The producer makes the ring, and no other process can take it over. So between processes the
//! engine that is created only names the ring. The end that writes makes it, and the end that reads
//! attaches as soon as it is there, and reads from the oldest message on.

use crate::message::{Message, room_for, typed, typed_slice};
use harness::engine::{Batch, Engine, EngineReader, EngineWriter, Sink};
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Delivery, Place, RingSpec};
use harness::wait::wait_for;
use ringfire::{FlowControl, RecvStatus, RingConsumer, RingProducer, RingProducerBuilder};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A ring of such messages.
pub(crate) struct Ringfire<M: Message> {
    path: PathBuf,
    slots: usize,
    delivery: Delivery,
    /// Between threads: readers attach before the writer begins.
    producer: Mutex<Option<RingProducer<M>>>,
}

/// The slots of rings between processes, whose other end knows only a name.
const SLOTS: usize = 1024;

pub(crate) struct Pushing<M: Message>(RingProducer<M>);

/// Attached, or not yet; and a message that came with the news of a loss.
pub(crate) struct Receiving<M: Message> {
    path: PathBuf,
    consumer: Option<RingConsumer<M>>,
    behind_loss: Option<M>,
}

fn path(name: &str) -> PathBuf {
    Path::new("/dev/shm").join(format!("{name}.ringfire"))
}

impl<M: Message> Ringfire<M> {
    fn produce(&self) -> Result<RingProducer<M>, EngineError> {
        let flow = match self.delivery {
            Delivery::Lossy => FlowControl::LossyLatestWins,
            _ => FlowControl::LosslessBackpressure,
        };
        let builder = RingProducerBuilder::new(self.slots as u64).flow_control(flow);
        builder.build(&self.path).map_err(|error| EngineError::failed("create the ring", error))
    }
}

impl<M: Message> Engine for Ringfire<M> {
    const NAME: &'static str = "ringfire";
    const CAPABILITIES: Capabilities = Capabilities {
        between_processes: true,
        lossy: true,
        gated: true,
        many_readers: true,
        ..Capabilities::NONE
    };
    type Writer = Pushing<M>;
    type Reader = Receiving<M>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        static CREATED: AtomicUsize = AtomicUsize::new(0);
        spec.check(place, Self::CAPABILITIES)?;
        let number = CREATED.fetch_add(1, Ordering::Relaxed); // Relaxed: a number of its own, orders nothing.
        let own_name = || format!("rivals-{}-{number}", std::process::id());
        let path = match place {
            Place::Heap => path(&own_name()),
            Place::Named(name) => path(name),
        };
        let ring = Self { path, slots: spec.slots, delivery: spec.delivery, producer: Mutex::default() };
        let producer = matches!(place, Place::Heap).then(|| ring.produce()).transpose()?;
        *ring.producer.lock().unwrap_or_else(PoisonError::into_inner) = producer;
        Ok(ring)
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        let (delivery, producer) = (Delivery::Gated, Mutex::default());
        Ok(Self { path: path(name), slots: SLOTS, delivery, producer })
    }

    fn writer(&self) -> Result<Self::Writer, EngineError> {
        let there = self.producer.lock().unwrap_or_else(PoisonError::into_inner).take();
        there.map_or_else(|| self.produce(), Ok).map(Pushing)
    }

    fn reader(&self) -> Result<Self::Reader, EngineError> {
        let mut reader = Receiving { path: self.path.clone(), consumer: None, behind_loss: None };
        let _ = reader.attach(); // Between processes it is made later.
        Ok(reader)
    }
}

impl<M: Message> EngineWriter for Pushing<M> {
    #[inline]
    fn put(&mut self, message: &[u8], timeout: Option<Duration>) -> Result<(), Refusal> {
        let message = typed(message)?;
        wait_for(timeout, || self.0.try_push(&message).map_err(|_| Refusal::Full))
    }

    fn put_with(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        let mut message = vec![0; bytes];
        fill(&mut message.as_mut_slice());
        self.put(&message, timeout)
    }

    #[inline]
    fn put_batch(&mut self, _: usize, messages: &[u8]) -> Result<usize, Refusal> {
        // It waits for room, for as long as it takes: both sides of a measurement run all the time.
        let messages: &[M] = typed_slice(messages)?;
        self.0.push_batch(messages);
        Ok(messages.len())
    }
}

impl<M: Message> Receiving<M> {
    #[cold]
    fn attach(&mut self) -> Result<(), Refusal> {
        let attach = || RingConsumer::builder().start_from_oldest().attach(&self.path);
        // Not there yet, or not yet complete.
        self.consumer = Some(attach().map_err(|_| Refusal::Empty)?);
        Ok(())
    }

    #[inline]
    fn next(&mut self) -> Result<M, Refusal> {
        if let Some(message) = self.behind_loss.take() {
            return Ok(message);
        }
        let Some(consumer) = &mut self.consumer else {
            return self.attach().and(Err(Refusal::Empty));
        };
        match consumer.recv_status() {
            RecvStatus::Ok(message) => Ok(message),
            RecvStatus::Empty => Err(Refusal::Empty),
            RecvStatus::Lapped { skipped, item } => {
                self.behind_loss = Some(item);
                Err(Refusal::Lagged { missed: skipped })
            }
        }
    }
}

impl<M: Message> EngineReader for Receiving<M> {
    #[inline]
    fn get_with<T>(
        &mut self,
        timeout: Option<Duration>,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        let message = wait_for(timeout, || self.next())?;
        Ok(view(message.as_bytes()))
    }

    #[inline]
    fn get_batch(&mut self, _: usize, buffer: &mut [u8]) -> Result<Batch, Refusal> {
        let Some(consumer) = &mut self.consumer else {
            return self.attach().and(Err(Refusal::Empty));
        };
        let lapped = consumer.lapped_count();
        let messages = consumer.recv_batch(room_for::<M>(buffer)?);
        let missed = consumer.lapped_count() - lapped;
        if messages == 0 && missed == 0 { Err(Refusal::Empty) } else { Ok(Batch { messages, missed }) }
    }
}
