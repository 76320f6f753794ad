//! iceoryx2 between processes: publish-subscribe, loaned samples, a full subscriber refuses.
//!
//! Its single-threaded service (`ipc::Service`), whose ports stay on the thread that made them:
//! `Fragile` asserts that, for one comparison an transfer. Messages are slices of words, of one
//! length.
#![allow(unsafe_code, reason = "a loan is filled in place")]

use crate::message::{other_length, typed_slice};
use fragile::Fragile;
use harness::engine::{Engine, EngineReader, EngineWriter, Sink};
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use harness::wait::wait_for;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use std::error::Error;
use std::mem::MaybeUninit;
use std::time::Duration;
use zerocopy::IntoBytes;

/// A service of messages of `WORDS` words.
pub(crate) struct Iceoryx<const WORDS: usize> {
    service: Fragile<(Node<ipc::Service>, Service)>,
}

type Service = PortFactory<ipc::Service, [u64], ()>;

// The trait requires it, for rings that threads share.
// SAFETY: no transfer without `Fragile::get`, which panics on any thread but the one that made the
// service.
unsafe impl<const WORDS: usize> Sync for Iceoryx<WORDS> {}

pub(crate) struct Publishing<const WORDS: usize>(Fragile<Publisher<ipc::Service, [u64], ()>>);

pub(crate) struct Subscribed<const WORDS: usize>(Fragile<Subscriber<ipc::Service, [u64], ()>>);

fn failed(attempt: &str, error: impl Error + Send + Sync + 'static) -> EngineError {
    EngineError::failed(attempt, error)
}

impl<const WORDS: usize> Engine for Iceoryx<WORDS> {
    const NAME: &'static str = "iceoryx2";
    const CAPABILITIES: Capabilities = Capabilities {
        between_processes: true,
        gated: true,
        many_readers: true,
        writes_in_place: true,
        reads_in_place: true,
        ..Capabilities::NONE
    };
    type Writer = Publishing<WORDS>;
    type Reader = Subscribed<WORDS>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let Place::Named(name) = place else {
            return Err(EngineError::Unsupported { what: "rings without a name" });
        };
        let node = node()?;
        let name = name.as_str().try_into().map_err(|error| failed("name the service", error))?;
        let service = node
            .service_builder(&name)
            .publish_subscribe::<[u64]>()
            .enable_safe_overflow(false)
            .history_size(0)
            .subscriber_max_buffer_size(spec.slots)
            .max_publishers(1)
            .max_subscribers(spec.readers)
            .create()
            .map_err(|error| failed("create the service", error))?;
        Ok(Self { service: Fragile::new((node, service)) })
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        let node = node()?;
        let name = name.try_into().map_err(|error| failed("name the service", error))?;
        let service = node.service_builder(&name).publish_subscribe::<[u64]>();
        let service = service.open().map_err(|error| failed("open the service", error))?;
        Ok(Self { service: Fragile::new((node, service)) })
    }

    fn writer(&self) -> Result<Self::Writer, EngineError> {
        let (_, service) = self.service.get();
        let publisher = service
            .publisher_builder()
            .initial_max_slice_len(WORDS)
            .backpressure_strategy(BackpressureStrategy::DiscardData)
            .create();
        Ok(Publishing(Fragile::new(publisher.map_err(|error| failed("publish", error))?)))
    }

    fn reader(&self) -> Result<Self::Reader, EngineError> {
        let (_, service) = self.service.get();
        let subscriber = service.subscriber_builder().create();
        Ok(Subscribed(Fragile::new(subscriber.map_err(|error| failed("subscribe", error))?)))
    }
}

fn node() -> Result<Node<ipc::Service>, EngineError> {
    set_log_level(LogLevel::Error);
    NodeBuilder::new().create::<ipc::Service>().map_err(|error| failed("create a node", error))
}

impl<const WORDS: usize> Publishing<WORDS> {
    fn send(&mut self, fill: impl FnOnce(&mut [MaybeUninit<u64>])) -> Result<(), Refusal> {
        let lost = |error: EngineError| Refusal::Failed(Box::new(error));
        let loan = self.0.get().loan_slice_uninit(WORDS);
        let mut sample = loan.map_err(|error| lost(failed("loan a sample", error)))?;
        fill(sample.payload_mut());
        // SAFETY: `fill` put every word, or the memory holds what an earlier message or the kernel
        // left there: shared memory has no bytes that are not initialised, and every bit pattern is
        // a word.
        let sample = unsafe { sample.assume_init() };
        match sample.send() {
            Ok(0) => Err(Refusal::Full),
            Ok(_) => Ok(()),
            Err(error) => Err(lost(failed("send a sample", error))),
        }
    }
}

impl<const WORDS: usize> EngineWriter for Publishing<WORDS> {
    #[inline]
    fn put(&mut self, message: &[u8], timeout: Option<Duration>) -> Result<(), Refusal> {
        let words = typed_slice::<u64>(message)?;
        if words.len() != WORDS {
            return Err(other_length(message.len(), 8 * WORDS));
        }
        wait_for(timeout, || {
            self.send(|room| {
                room.write_copy_of_slice(words);
            })
        })
    }

    /// It is not waited for room: a loan that no subscriber takes is filled for nothing.
    #[inline]
    fn put_with(
        &mut self,
        bytes: usize,
        _: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        if bytes != 8 * WORDS {
            return Err(other_length(bytes, 8 * WORDS));
        }
        self.send(|room| {
            // SAFETY: as in `send`; the loan is this thread's alone.
            let words = unsafe { room.assume_init_mut() };
            fill(&mut words.as_mut_bytes());
        })
    }
}

impl<const WORDS: usize> EngineReader for Subscribed<WORDS> {
    #[inline]
    fn get_with<T>(
        &mut self,
        timeout: Option<Duration>,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        let sample = wait_for(timeout, || match self.0.get().receive() {
            Ok(sample) => sample.ok_or(Refusal::Empty),
            Err(error) => Err(Refusal::Failed(Box::new(failed("receive a sample", error)))),
        })?;
        Ok(view(sample.payload().as_bytes()))
    }
}
