//! Lock-free ring buffers in shared memory.
//!
//! A [`Ring`] moves messages from one [`Writer`] or many to any number of [`Reader`]s, between the threads of a process or
//! the processes of a machine. Every slot says which message it holds; a reader copies first and then looks whether
//! that changed meanwhile. No message takes a lock, and nobody who is stopped, preempted or killed stops the others,
//! except where the mode says so: writers wait for readers where a [`Delivery::Gated`] ring is full, and for takers where a
//! [`Delivery::Queue`] is. (`ARCHITECTURE.md` has the two moments, of clearing up after a death and of the last one out, for
//! which that is not so.)
//!
//! # The trade
//! Readers that find nothing or too much must be written for: an overtaken reader of a lossy ring gets
//! [`Lagged`] with the number of messages it lost, and goes on. In return the one writer of a lossy ring is wait-free
//! whatever the readers do: it executes no instruction for them. What a reader costs it is the cache lines that the reader
//! fetches from it.
//!
//! Nothing is lost in a gated ring for readers that are *registered*: let them join before the writer writes. Without any, the
//! ring is overwritten lap by lap.
//!
//! # How to use it
//! ```
//! use seqring::{Config, Delivery, ReadError, Ring, Start};
//!
//! // 64 messages of at most 1 KiB; `Ring::create("name", …)` for other processes to `Ring::open("name")`.
//! let ring = Ring::heap(&Config::new(64, 1024).delivery(Delivery::Gated))?;
//! let mut reader = ring.reader(Start::Next)?;
//! let mut writer = ring.writer()?;
//!
//! let writing = std::thread::spawn(move || {
//!     for n in 0..1000u32 {
//!         writer.write(&n.to_le_bytes()).unwrap();
//!     }
//! }); // The writer leaves here: the stream ends.
//!
//! let (mut buffer, mut sum) = ([0; 1024], 0);
//! loop {
//!     match reader.read(&mut buffer) {
//!         Ok(message) => sum += u32::from_le_bytes(buffer[..message.len].try_into()?),
//!         Err(ReadError::Closed) => break,
//!         Err(error) => return Err(error.into()),
//!     }
//! }
//! writing.join().unwrap();
//! assert_eq!(sum, 499_500);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What there is
//! | | |
//! |---|---|
//! | [`Delivery::Gated`], [`Lossy`](Delivery::Lossy), [`Queue`](Delivery::Queue) | nothing is lost; writers never wait, and slow readers are told what they lost; each message goes to one [`Taker`] |
//! | [`Writers::Many`] | as many [`Ring::writer`]s as come, in the order in which their writes end |
//! | [`Writer::write`], [`Reader::read`], [`Taker::take`] | wait; with `try_` they do not, with `_timeout` only so long |
//! | [`WaitStrategy`], [`Reader::set_wait_strategy`] | whether a wait spins (a change is seen 0.07 µs after it; costs a core) or sleeps (20–30 µs) |
//! | [`Config::evict_after`] | how long writers of a gated ring wait for a reader that lives and does not move |
//! | [`Writer::claim`], [`Reader::view`], [`Taken`] | large messages, filled and looked at where they lie |
//! | [`Writer::write_batch`], [`Writer::write_each`], [`Reader::read_batch`], [`Reader::read_into`] | many messages in one go |
//! | [`Writer::write_value`], [`Reader::read_value`], [`View::value`] | types that [`zerocopy`] vouches for, as themselves |
//! | [`Config::frame`], [`Writer::write_frame`], [`Reader::read_frame`] | arrays of the element type and shape that the ring describes |
//! | [`MessageHeader`] | a tag and metadata with a message; [`Config::timestamp`] adds the time |
//! | [`Writer::assigned`] | messages under numbers that were assigned beforehand, in any order |
//! | [`Reader::notifier`] | a descriptor that becomes readable when there is something to read, for event loops |
//! | [`Reader::park`], [`Ring::resume`] | a reader's place, left by one process and taken up by another |
//! | [`Ring::create`], [`Ring::open`], [`Location`], [`OpenOptions`] | rings under a name: where, with which rights and pages |
//! | [`Ring::anonymous`], [`send_descriptor`] | rings without a name, passed on as descriptors |
//! | [`Ring::stats`], [`Segment`], [`Observer`] | who takes part and how far everybody is; a look, or reading along, without taking part |
//! | [`Ring::unlink_unused`] | removes what killed processes left |
//! | [`pipeline`] | work of several producers on numbered commands, in threads or processes |
//!
//! [`Ring::capabilities`] says what a ring's backend offers.
//!
//! # Features
//! - `portable`, on by default: rings in memory of the crate `shared_memory` ([`Backend::Portable`]); elsewhere than on
//!   Linux the only ones for processes.
//! - `tracing`: joins, leaves, deaths, evictions and timeouts as events of the crate `tracing`.
//!
//! # When not to use it
//! - Between machines: shared memory ends at the machine.
//! - For one writer and one reader of tiny messages in one process, a plain queue of two indices is smaller.
//! - For rare messages a pipe does as well: a sleep and its wake cost more than either.
//!
//! # How it works
//! The module documentation has the steps (`cargo doc --document-private-items`); `ARCHITECTURE.md` and `FORMAT.md` in the
//! repository say what spans modules and what every byte of a segment means.

#![cfg_attr(seqring_model, allow(dead_code, reason = "segments and raw copies are not modelled"))]
#![cfg_attr(
    not(any(target_os = "linux", feature = "portable")),
    allow(unused, reason = "only the heap is left")
)]

mod api;
mod endpoint;
mod memory;
#[cfg(not(any(seqring_model, seqring_fuzz)))]
pub mod pipeline;
mod protocol;
mod segment;
mod sync;
mod testing;
mod types;

pub use api::assigned::{Assigned, AssignedClaim};
pub use api::batch::Batch;
pub use api::claim::Claim;
#[cfg(target_os = "linux")]
pub use api::descriptors::{receive_descriptor, send_descriptor};
#[cfg(target_os = "linux")]
pub use api::inspect::{Segment, SegmentEntry, segments, segments_in};
#[cfg(target_os = "linux")]
pub use api::observer::Observer;
pub use api::park::Parked;
pub use api::reader::{Messages, Reader};
pub use api::ring::Ring;
pub use api::taker::{Taken, Taker};
pub use api::view::View;
pub use api::writer::Writer;
#[cfg(all(target_os = "linux", not(seqring_model)))]
pub use endpoint::notifier::Notifier;
pub use memory::RacyBytes;
pub use protocol::stats::{Participant, Stats, Stream};
pub use types::capabilities::Capabilities;
pub use types::config::{Config, Delivery, Redelivery, SlotClass, Writers};
pub use types::error::{
    Corrupt, Lagged, ReadError, RegisterError, RingError, TryReadError, TryWriteError, Warning, WriteError,
};
pub use types::frame::{Element, Frame, FrameError, ShapeError};
pub use types::location::{Backend, Location};
pub use types::message::{MessageHeader, PublishOutcome, Received, Start};
pub use types::open_options::OpenOptions;
pub use types::participant::{BlockedOn, ParkTicket, Peer, Role};
pub use types::waiting::WaitStrategy;
/// The crate by whose traits types say that they may be messages.
pub use zerocopy;

/// What the targets in `fuzz` need beside the public API.
#[cfg(seqring_fuzz)]
pub use testing::fuzzing;

/// What the tests in `crates/stop-tests` need beside the public API.
#[cfg(all(seqring_failpoints, not(seqring_model)))]
pub mod failpoints {
    pub use crate::sync::failpoint::{Failpoint, on_failpoint};
}

/// What the models in `loom-tests` and `shuttle-tests` need beside the public API.
#[cfg(seqring_model)]
pub use testing::model;
