//! Messages of several writers, each identified by its writer and number, and endpoints that check
//! what they receive.
#![allow(dead_code, reason = "each test binary uses its own part")]

use seqring::{Lagged, ReadError, Reader, Received, Taker};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub(crate) const SLOT_BYTES: usize = 200;

/// Message `n` of a writer: both numbers, repeated, in a length that depends on both.
pub(crate) fn message(writer: u64, n: u64) -> Vec<u8> {
    let words = 2 + (n * 7 + writer * 3) as usize % (SLOT_BYTES / 8 - 1);
    (0..words).flat_map(|word| if word % 2 == 0 { writer } else { n }.to_le_bytes()).collect()
}

/// Writer and number of a message, which must be whole.
pub(crate) fn numbers(bytes: &[u8]) -> Result<(u64, u64), String> {
    let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(8 * at..)?.first_chunk()?));
    match (word(0), word(1)) {
        (Some(writer), Some(n)) if bytes == message(writer, n) => Ok((writer, n)),
        _ => Err(format!("a message is torn or another: {bytes:?}")),
    }
}

/// The messages that endpoints received.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    /// Of each writer, the number after its last message.
    pub(crate) next: BTreeMap<u64, u64>,
    pub(crate) read: u64,
    pub(crate) lost: u64,
    /// Reports of dead writers.
    pub(crate) deaths: u64,
    /// Queue: messages, by writer and number, that did not come although later ones of their
    /// writers did.
    pub(crate) holes: BTreeSet<(u64, u64)>,
}

impl Deliveries {
    /// Records message `n` of a writer, in any order. False if it was recorded before.
    pub(crate) fn record(&mut self, writer: u64, n: u64) -> bool {
        let next = self.next.entry(writer).or_insert(0);
        if n < *next {
            return self.holes.remove(&(writer, n));
        }
        self.holes.extend((*next..n).map(|hole| (writer, hole)));
        *next = n + 1;
        true
    }
}

/// Takes until the stream has ended and it is `over`; counts in `progress`. Each message must be
/// whole and come once.
pub(crate) fn take_all(
    taker: &mut Taker,
    progress: &AtomicU64,
    over: &AtomicBool,
) -> Result<Deliveries, String> {
    let mut taken_so_far = Deliveries::default();
    loop {
        match taker.take() {
            Ok(taken) => {
                let (writer, n) = numbers(&taken)?;
                if !taken_so_far.record(writer, n) {
                    return Err(format!("message {n} of writer {writer} came twice"));
                }
            }
            Err(ReadError::Closed) if over.load(Ordering::Relaxed) => return Ok(taken_so_far),
            Err(ReadError::Closed) => std::thread::yield_now(), // Another writer may continue it.
            Err(other) => return Err(other.to_string()),
        }
        progress.fetch_add(1, Ordering::Relaxed);
    }
}

/// The next message, copied or viewed in place.
fn read(reader: &mut Reader, out: &mut [u8], in_place: bool) -> Result<Received, ReadError> {
    if !in_place {
        return reader.read(out);
    }
    let view = reader.view()?;
    out[..view.len()].copy_from_slice(&view);
    Ok(view.received())
}

/// Reads until the stream has ended and it is `over`; counts in `progress`. Each message must be
/// whole, and the messages of each writer in order; where nothing was lost, without gaps and
/// repetitions.
pub(crate) fn read_all(
    reader: &mut Reader,
    progress: &AtomicU64,
    over: &AtomicBool,
) -> Result<Deliveries, String> {
    let mut out = [0; SLOT_BYTES];
    let (mut read_so_far, mut expected) = (Deliveries::default(), reader.position());
    let from_the_start = expected == 0;
    loop {
        match read(reader, &mut out, expected.is_multiple_of(2)) {
            Ok(received) => {
                let (writer, n) = numbers(&out[..received.len])?;
                if received.sequence != expected {
                    return Err(format!("{received:?} came where message {expected} was next"));
                }
                let next = read_so_far.next.entry(writer).or_insert(if from_the_start { 0 } else { n });
                if n < *next || (n > *next && read_so_far.lost == 0) {
                    return Err(format!("message {n} of writer {writer} came where {next} was next"));
                }
                *next = n + 1;
                (read_so_far.read, expected) = (read_so_far.read + 1, expected + 1);
            }
            Err(ReadError::Lagged(Lagged { lost })) => {
                read_so_far.lost += lost;
                expected += lost;
            }
            Err(ReadError::Closed) if over.load(Ordering::Relaxed) => return Ok(read_so_far),
            Err(ReadError::Closed) => std::thread::yield_now(), // Another writer may continue it.
            Err(ReadError::WriterDied { .. }) => read_so_far.deaths += 1,
            Err(other) => return Err(other.to_string()),
        }
        progress.fetch_add(1, Ordering::Relaxed);
    }
}
