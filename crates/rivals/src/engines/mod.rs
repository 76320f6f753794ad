//! The contestants. Each adapter translates and does nothing else: no buffering, no batching of its own, no cache.

mod bytes;
mod channels;
mod disruptor;
mod iceoryx;
mod multiqueue;
mod photon;
mod posix_queue;
mod ringbuf;
mod rtrb;
mod tokio;

pub(crate) use bytes::{Fifo, Socket};
pub(crate) use channels::{Array, Channel, Crossbeam, Kanal, Std};
pub(crate) use disruptor::{Disruptor, DisruptorForTwo};
pub(crate) use iceoryx::Iceoryx;
pub(crate) use multiqueue::{Broadcast, Shared};
pub(crate) use photon::Photon;
pub(crate) use posix_queue::PosixQueue;
pub(crate) use ringbuf::Ringbuf;
pub(crate) use rtrb::Rtrb;
pub(crate) use tokio::Tokio;
