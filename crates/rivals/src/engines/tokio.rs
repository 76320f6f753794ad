//! tokio's broadcast channel: lossy, by polling. Its own waits need a runtime, or do not end.

use crate::message::{Message, put, typed};
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::refusal::{EngineError, ReadRefused, WriteRefused};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

pub(crate) struct Tokio<M>(Sender<M>);

pub(crate) struct Sending<M>(Sender<M>);

pub(crate) struct Receiving<M>(Receiver<M>);

impl<M: Message> Engine for Tokio<M> {
    const NAME: &'static str = "tokio-broadcast";
    const CAPABILITIES: Capabilities =
        Capabilities { lossy: true, many_writers: true, many_readers: true, ..Capabilities::NONE };
    type Writer = Sending<M>;
    type Reader = Receiving<M>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        Ok(Self(channel(spec.slots).0))
    }

    fn open(_: &str) -> Result<Self, EngineError> {
        Err(EngineError::Unsupported { what: "use between processes" })
    }

    fn writer(&self) -> Result<Self::Writer, EngineError> {
        Ok(Sending(self.0.clone()))
    }

    fn reader(&self) -> Result<Self::Reader, EngineError> {
        Ok(Receiving(self.0.subscribe()))
    }
}

impl<M: Message> EngineWriter for Sending<M> {
    #[inline]
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        self.0.send(typed(message)?).map(drop).map_err(|_| WriteRefused::Closed)
    }
}

impl<M: Message> EngineReader for Receiving<M> {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        let message = self.0.try_recv().map_err(|error| match error {
            TryRecvError::Empty => ReadRefused::Empty,
            TryRecvError::Lagged(missed) => ReadRefused::Lagged { missed },
            TryRecvError::Closed => ReadRefused::Closed,
        })?;
        put(&message, buffer)
    }
}
