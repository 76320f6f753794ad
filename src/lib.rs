//! Lock-free ring buffers in shared memory.
//!
//! A [`Ring`] moves messages from one [`Writer`] or many to any number of [`Reader`]s, between the
//! threads of a process or the processes of a machine. It is for streams that must not stall: video
//! frames, market data, sensor samples, work for a pool of processes. No message takes a lock or a
//! system call. A participant that is suspended or killed does not stop the others, except where
//! the mode requires it: writers wait for readers when a [gated](Delivery::Gated) ring is full, and
//! for takers when a [queue](Delivery::Queue) is.
//!
//! ```
//! use seqring::{Config, ReadError, Ring, Start};
//!
//! // 64 messages of at most 1 KiB. Between processes, instead: `Ring::create("name", …)` in one,
//! // `Ring::open("name")` in the others.
//! let ring = Ring::heap(&Config::slots(64).of_bytes(1024))?;
//! let mut reader = ring.reader(Start::Next)?;
//! let mut writer = ring.writer()?;
//!
//! let writing = std::thread::spawn(move || {
//!     for n in 0..1000u32 {
//!         writer.write(&n.to_le_bytes()).unwrap();
//!     }
//! }); // The writer is dropped here: the stream ends.
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
//! # Modes
//! - [`Delivery::Gated`], the default: writers wait for the slowest registered reader, and readers
//!   get every message.
//! - [`Delivery::Lossy`]: writers never wait, and one writer is wait-free. An overtaken reader gets
//!   [`Lagged`] with the number of messages that it lost.
//! - [`Delivery::Queue`]: each message goes to exactly one [`Taker`], and writers wait for takers.
//! - [`Writers::Many`]: any number of writers, instead of one at a time. Messages are in the order
//!   in which their writes end.
//! - [`Config::calls`]: no stream, but questions. Each [`Caller`] asks the one [`Server`], and gets
//!   its answer, in one cache line.
//!
//! A gated ring awaits its first reader, or [as many](Config::await_readers) as its creator says:
//! until they have registered, nothing is overwritten, and each of them gets every message. Later
//! readers start with the next message. A named ring goes with the last process that has it open: a
//! writer that may end before its reader has opened the ring calls [`Writer::wait_for_readers`]
//! first, or the ring [is kept](Config::keep).
//!
//! # Verbs
//! Every verb has three forms: `read` waits, `try_read` does not, and `read_timeout` waits for at
//! most a duration. [`Writer`] and [`Reader`] have lists of all their verbs.
//!
//! | to                          | write                   | read                               |
//! |-----------------------------|-------------------------|------------------------------------|
//! | copy a message              | [`Writer::write`]       | [`Reader::read`]                   |
//! | use large messages in place | [`Writer::claim`]       | [`Reader::view`], [`Taker::take`]  |
//! | read in place, validated    |                         | [`Reader::read_in_place`]          |
//! | copy many, of one length    | [`Writer::write_batch`] | [`Reader::read_batch`]             |
//! | copy many, of any length    | [`Writer::write_each`]  | [`Reader::read_each`]              |
//! | add a tag or metadata       | [`Writer::write_with`]  | [`Received`], [`Reader::metadata`] |
//! | pass values, slices, frames | [`Writer::typed`]       | [`Reader::typed`], [`View::value`] |
//! | use numbers assigned before | [`Writer::assigned`]    | [`Taker::take`]                    |
//!
//! # More
//! - [`recipes`]: which mode, which wait, and small programs for common tasks.
//! - Named rings: [`Ring::create`], [`Ring::open`], [`Location`], [`OpenOptions`]. Rings without a
//!   name, sent as descriptors: [`Ring::anonymous`], [`process::send_descriptor`].
//! - [`WaitStrategy`]: whether a wait spins (sees a change after 0.07 µs; costs a core) or sleeps
//!   (20–30 µs).
//! - [`Config::evict_after`]: how long writers of a gated ring wait for a living reader that does
//!   not move.
//! - [`Config::frame`], [`Config::timestamp`]: an array description for all payloads; the time of
//!   each message.
//! - [`table`]: a table of latest values by key; readers never block, and see the age of each value
//!   and whether its writer lives.
//! - [`fan_in`]: many writers at the speed of one, by a ring for each; order per writer.
//! - [`wait`]: one thread waits for several rings, and for descriptors; it reads several rings as
//!   one, as messages come or in the order of their time stamps.
//! - [`Reader::notifier`]: a descriptor that becomes readable when there is something to read, for
//!   event loops; takers, writers and readers of tables have one, too.
//! - [`Reader::park`], [`Ring::resume`]: a reader handed over to another process.
//! - [`Ring::stats`], [`inspect`], [`Observer`]: figures, inspection, and reading without being
//!   registered.
//! - [`Ring::unlink_unused`]: removes what killed processes left.
//! - [`pipeline`]: work of several producers on numbered commands, in threads or processes.
//!
//! [`Ring::capabilities`] lists what a ring's backend offers.
//!
//! # How it works
//! Each slot carries the sequence number of its message. Readers copy the payload, then re-check
//! the number and retry if it changed (a per-slot seqlock). So the only writer of a lossy ring
//! executes no instruction for its readers; their cost to it is the cache lines that they fetch.
//! `cargo doc --document-private-items` shows the steps of each protocol; `ARCHITECTURE.md` and
//! `FORMAT.md` in the repository describe what spans modules, the one window that is not lock-free
//! (recovery after a death), and every byte of a segment.
//!
//! # When not to use it
//! - Between machines: shared memory ends at the machine. The program `seqring-mirror`
//!   (`crates/mirror` in the repository) copies a ring to other machines over zenoh.
//! - For one writer and one reader of tiny messages in one process: a plain queue of two indices is
//!   smaller.
//! - For rare messages: a pipe does as well, because a sleep and its wake cost more than either.
//!
//! # Features
//! None is on by default. The oldest Rust is 1.89 (`File::lock`, of 1.89, is the newest call used).
//!
//! - `portable`: rings in memory of the crate `shared_memory`
//!   ([`Backend::Portable`]); outside Linux the only ones for processes.
//! - `async` (Linux): reads, takes and writes as futures, messages as streams, for any executor.
//! - `tracing`: joins, leaves, deaths, evictions and timeouts as events of the crate `tracing`.

#![cfg_attr(
    any(seqring_model, seqring_transfers),
    allow(dead_code, reason = "segments and raw copies are not modelled, and a simulation has no clock")
)]
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

#[cfg(not(any(seqring_model, seqring_fuzz)))]
#[doc = include_str!("../docs/RECIPES.md")]
pub mod recipes {}

/// The programs of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use api::assigned::{Assigned, AssignedClaim};
pub use api::batch::{Batch, BatchIter};
pub use api::call::{Caller, Question, Server};
pub use api::claim::{Claim, Unpublished};
#[cfg(all(feature = "async", target_os = "linux", not(seqring_model)))]
pub use api::futures::MessageStream;
#[cfg(target_os = "linux")]
pub use api::observer::Observer;
pub use api::reader::{Messages, Reader};
pub use api::ring::Ring;
pub use api::taker::{Taken, Taker};
pub use api::view::View;
pub use api::writer::Writer;
#[cfg(all(target_os = "linux", not(seqring_model)))]
pub use endpoint::notifier::Notifier;
pub use memory::RacyBytes;
pub use types::backend::{Backend, Capabilities};
pub use types::config::{Calls, Config, Delivery, Redelivery, SlotClass, Slots, Writers};
pub use types::error::{
    CallError, Corrupt, Lagged, ReadError, RegisterError, RingError, TryReadError, TryWriteError, Warning,
    WriteError,
};
pub use types::frame::{Frame, ShapeError};
pub use types::location::Location;
pub use types::message::{MessageHeader, PublishOutcome, Received, Start};
pub use types::open_options::OpenOptions;
pub use types::participant::{BlockedOn, Peer, Role};
pub use types::waiting::WaitStrategy;

/// Messages as values and slices: [`Writer::typed`] and [`Reader::typed`]; questions and answers as
/// values: [`Caller::typed`] and [`Server::typed`].
pub mod typed {
    pub use crate::api::call::typed::{TypedCaller, TypedQuestion, TypedServer};
    pub use crate::api::reader::typed::TypedReader;
    pub use crate::api::typed::MessageType;
    pub use crate::api::writer::typed::TypedWriter;
    pub use crate::types::frame::Element;
}

/// Tables of latest values: rings of [`Delivery::Latest`], by [`Ring::table_writer`] and
/// [`Ring::table_reader`].
pub mod table {
    pub use crate::api::table::{Latest, TableReader, TableWriter};
    pub use crate::types::error::TableError;
}

/// Several writers at the speed of one: rings of one writer each, under one name.
#[cfg(not(any(seqring_model, seqring_fuzz)))]
pub mod fan_in {
    pub use crate::api::fan_in::{FanIn, FanInReader, FanInTaker, FanInWriter};
}

/// A wait for several rings and descriptors; several rings read as one.
pub mod wait {
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub use crate::api::merge::{Merge, Merged};
    #[cfg(all(target_os = "linux", not(seqring_model)))]
    pub use crate::api::wait_set::Descriptor;
    pub use crate::api::wait_set::{Source, Token, WaitSet};
    pub use crate::types::error::WaitError;
}

/// Figures of a ring and its participants, and rings seen from outside.
pub mod inspect {
    #[cfg(target_os = "linux")]
    pub use crate::api::inspect::{Segment, SegmentEntry, remove_drafts_in, segments, segments_in};
    pub use crate::protocol::stats::{Participant, Stats, Stream};
    pub use crate::types::location::printable;
}

/// Handing rings and readers to other processes: descriptors, parked readers, forked children.
pub mod process {
    #[cfg(target_os = "linux")]
    pub use crate::api::descriptors::{receive_descriptor, send_descriptor};
    #[cfg(target_os = "linux")]
    pub use crate::api::membership::RingHold;
    pub use crate::api::membership::WeakRing;
    pub use crate::api::park::Parked;
    pub use crate::types::participant::ParkTicket;
}

/// The crate whose traits decide which types can be messages.
pub use zerocopy;

/// For the targets in `fuzz`, and for `crates/transfers`.
#[cfg(seqring_fuzz)]
pub use testing::fuzzing;

/// For `scripts/litmus`.
#[cfg(seqring_litmus)]
pub use testing::litmus;

/// For the tests in `crates/stop-tests`.
#[cfg(all(seqring_failpoints, not(seqring_model)))]
pub mod failpoints {
    pub use crate::sync::failpoint::{Failpoint, on_failpoint};
}

/// For the models in `loom-tests` and `shuttle-tests`.
#[cfg(seqring_model)]
pub use testing::model;
