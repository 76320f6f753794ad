//! How fast bytes can be copied at all: the floors that rings are compared with.
//!
//! - [`one_core_copy`]: one `memcpy` from one private buffer to another.
//! - [`two_core_copy`]: the writer copies a private source into slot `i`, the reader copies slot `i` out to a
//!   private buffer. They hand a slot over by one sequence word and nothing else: no length, no metadata, no
//!   registration, no waiting but spinning, no one else to serve. A ring that copies in and out does all of
//!   this and more.
//!
//! Both use the `memcpy` of the C library; it picks its instructions by size. Both ends are pinned, the pages
//! present, and every slot was used twice before the clock starts, so neither page faults nor cold starts count.
//! The source and the destination are one message each: if that fits into a cache, they stay there.
//!
//! # Bytes counted
//! A byte that arrives counts once. In `two_core_copy` it was copied twice by then, once by each core: 10 GB/s
//! that arrive are 20 GB/s copied, or 40 GB/s of loads and stores.
//!
//! # When a ring is faster
//! The smaller the slot, the more the lines of the hand-over are the limit and not the copy. A ring that hands
//! over in batches, or never waits for its reader, passes fewer of them and can beat this floor: seen at 1 KiB
//! and below. So can one with better instructions than `memcpy` chooses, where the slots exceed the L3.
#![allow(unsafe_code, reason = "with_peer, and the copy that is measured")]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;
use crate::pages::{Kind, Pages};
use crate::peer::{Peer, PeerGone, Peers, with_peer};
use crate::pin::CorePair;
use crate::slots::{SlotReader, Slots, copy};

pub use crate::slots::Geometry;

/// The clock (22 ns) is read once for this many bytes (20 µs and more), or for one message if that is larger.
const BYTES_BETWEEN_CLOCKS: usize = 1 << 20;

/// However small they are: 10 µs and more. One byte a message would be a million, which a neighbour on our core
/// can make last for seconds.
const MESSAGES_BETWEEN_CLOCKS: usize = 4096;

/// Every slot is written and read this often before the clock starts.
const WARM_UP_LAPS: u64 = 2;

/// How much was copied in how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CopyRate {
    /// Messages that arrived.
    pub messages: u64,
    /// Bytes that arrived, each counted once.
    pub bytes: u64,
    /// How long that took.
    pub elapsed: Duration,
}

impl CopyRate {
    /// Bytes a second, each byte counted once.
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.elapsed.as_secs_f64()
    }

    /// Messages a second.
    pub fn messages_per_second(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }
}

/// Copies `bytes` from one private buffer to another, again and again for `duration`, on the core that the
/// caller is on.
///
/// # Errors
/// What mapping the two buffers reports.
pub fn one_core_copy(bytes: usize, duration: Duration) -> io::Result<CopyRate> {
    let bytes = bytes.max(1);
    let (source, destination) = (filled_source(bytes)?, Pages::new(bytes, Kind::Private)?);
    let copy_many = |copies: u64| {
        for _ in 0..copies {
            // SAFETY: two mappings of at least `bytes` bytes, which only this function uses.
            unsafe { copy(source.start(), destination.start(), bytes) };
        }
        Ok(())
    };
    copy_many(1).and_then(|()| repeat_for(duration, bytes, copy_many)).map_err(|gone: PeerGone| gone.into())
}

/// Copies messages through slots from one core to another for `duration` (see the module).
///
/// Between threads the slots are in private memory, between processes in shared memory, as a ring's are.
/// The reader takes the time. The writer is ahead by up to all slots when it starts and when it ends, so what
/// was filled before is made up by what is filled and not counted.
///
/// # Errors
/// What mapping, forking or pinning reports; `BrokenPipe` if the child is killed meanwhile.
///
/// # Cost
/// One thread and one peer are started and joined, and all slots mapped; both cores are busy meanwhile.
pub fn two_core_copy(
    geometry: Geometry,
    peers: Peers,
    cores: CorePair,
    duration: Duration,
) -> io::Result<CopyRate> {
    let kind = match peers {
        Peers::Threads => Kind::Private,
        Peers::Processes => Kind::Shared,
    };
    let slots = Slots::new(geometry, kind)?;
    let (source, destination) = (filled_source(slots.bytes())?, Pages::new(slots.bytes(), Kind::Private)?);
    let stop = Pages::new(size_of::<AtomicU64>(), kind)?;
    let stop = &stop.words()[0];
    let theirs = || slots.write_until(stop, &source);
    let ours = |peer: &Peer<'_>| {
        let rate = read_for(duration, slots.reader(&destination, peer), &slots);
        // Relaxed: a request, orders nothing.
        stop.store(1, Ordering::Relaxed);
        Ok(rate?)
    };
    // SAFETY: `theirs` copies between mappings that exist already, and loads and stores words; it ends when it
    // sees `stop`. `ours` has nothing that panics.
    unsafe { with_peer(peers, cores, theirs, ours) }
}

fn read_for(duration: Duration, mut reader: SlotReader<'_>, slots: &Slots) -> Result<CopyRate, PeerGone> {
    reader.read(WARM_UP_LAPS * slots.count() as u64)?;
    repeat_for(duration, slots.bytes(), |messages| reader.read(messages))
}

/// Copies batches until `duration` is over, and counts what the clock saw.
fn repeat_for(
    duration: Duration,
    message_bytes: usize,
    mut copy_many: impl FnMut(u64) -> Result<(), PeerGone>,
) -> Result<CopyRate, PeerGone> {
    let batch = (BYTES_BETWEEN_CLOCKS / message_bytes).clamp(1, MESSAGES_BETWEEN_CLOCKS) as u64;
    let begin = Moment::now();
    let mut messages = 0;
    loop {
        copy_many(batch)?;
        messages += batch;
        let elapsed = begin.elapsed();
        if elapsed >= duration {
            return Ok(CopyRate { messages, bytes: messages * message_bytes as u64, elapsed });
        }
    }
}

/// A private buffer that holds something: a copy of zeros may be recognised for one.
fn filled_source(bytes: usize) -> io::Result<Pages> {
    let source = Pages::new(bytes, Kind::Private)?;
    // SAFETY: the mapping has at least `bytes` bytes and nobody else knows of it yet.
    unsafe { ptr::write_bytes(source.start(), 0x5a, bytes) };
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    #[test]
    fn any_geometry_copies_whole_messages_between_threads_and_processes() {
        let cores = CorePair::first_allowed().unwrap();
        for (slots, slot_bytes) in [(1, 1), (3, 64), (2, 4097), (7, 1 << 20)] {
            for peers in [Peers::Threads, Peers::Processes] {
                let rate = two_core_copy(Geometry { slots, slot_bytes }, peers, cores, SHORT).unwrap();
                assert_eq!(rate.bytes, rate.messages * slot_bytes as u64);
                assert!(rate.messages > 0 && rate.elapsed >= SHORT, "{slots} x {slot_bytes} {peers:?}");
            }
        }
    }

    #[test]
    fn one_core_counts_every_byte_once() {
        let rate = one_core_copy(1000, SHORT).unwrap();
        assert_eq!(rate.bytes, rate.messages * 1000);
        assert!(rate.bytes_per_second() > 0.0 && rate.messages_per_second() > 0.0);
    }
}
