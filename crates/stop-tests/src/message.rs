//! What the participants of a case write, and how whoever reads knows that it is that, whole and in order.

use seqring::{Lagged, ReadError, Reader, Received, Taker};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub(crate) const SLOT_BYTES: usize = 128;

/// Message `n` of a writer: both numbers, over and over, in a length that they decide.
pub(crate) fn message(writer: u64, n: u64) -> Vec<u8> {
    let words = 2 + (n * 7 + writer * 3) as usize % (SLOT_BYTES / 8 - 1);
    (0..words).flat_map(|word| if word % 2 == 0 { writer } else { n }.to_le_bytes()).collect()
}

/// What a reader got: the messages of each writer, from the first to before the last, and how many it missed.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) of: BTreeMap<u64, u64>,
    pub(crate) missed: u64,
    /// Queue: messages, by writer and number, that did not come although later ones of their writers did.
    pub(crate) holes: BTreeSet<(u64, u64)>,
}

impl Got {
    /// Message `n` of a writer came, in whatever order. False if it came before.
    pub(crate) fn take(&mut self, writer: u64, n: u64) -> bool {
        let next = self.of.entry(writer).or_insert(0);
        if n < *next {
            return self.holes.remove(&(writer, n));
        }
        self.holes.extend((*next..n).map(|hole| (writer, hole)));
        *next = n + 1;
        true
    }
}

/// Writer and number of a message, which must be whole.
pub(crate) fn numbers(bytes: &[u8]) -> Result<(u64, u64), String> {
    let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(8 * at..)?.first_chunk()?));
    match (word(0), word(1)) {
        (Some(writer), Some(n)) if bytes == message(writer, n) => Ok((writer, n)),
        _ => Err(format!("a message is torn or another: {bytes:?}")),
    }
}

/// Takes until the stream has ended and it is `over`, and counts in `progress`. Each message must be whole, and come once.
pub(crate) fn take_all(taker: &mut Taker, progress: &AtomicU64, over: &AtomicBool) -> Result<Got, String> {
    let mut got = Got::default();
    loop {
        match taker.take() {
            Ok(taken) => {
                let (writer, n) = numbers(&taken)?;
                if !got.take(writer, n) {
                    return Err(format!("message {n} of writer {writer} came twice"));
                }
            }
            Err(ReadError::Closed) if over.load(Ordering::Relaxed) => return Ok(got),
            Err(ReadError::Closed) => std::thread::yield_now(), // Another writer may continue it.
            Err(other) => return Err(other.to_string()),
        }
        progress.fetch_add(1, Ordering::Relaxed);
    }
}

/// The next message, copied or looked at in place.
fn read(reader: &mut Reader, out: &mut [u8], in_place: bool) -> Result<Received, ReadError> {
    if !in_place {
        return reader.read(out);
    }
    let view = reader.view()?;
    out[..view.len()].copy_from_slice(&view);
    Ok(view.received())
}

/// Reads until the stream has ended and it is `over`, and counts in `progress`. Each message must be whole and each writer's in its order;
/// and where nothing was missed, without gap or repetition.
pub(crate) fn read_all(reader: &mut Reader, progress: &AtomicU64, over: &AtomicBool) -> Result<Got, String> {
    let mut out = [0; SLOT_BYTES];
    let (mut got, mut expected) = (Got::default(), reader.position());
    let from_the_start = expected == 0;
    loop {
        match read(reader, &mut out, expected.is_multiple_of(2)) {
            Ok(received) => {
                let (writer, n) = numbers(&out[..received.len])?;
                if received.sequence != expected {
                    return Err(format!("{received:?} came where message {expected} was next"));
                }
                let next = got.of.entry(writer).or_insert(if from_the_start { 0 } else { n });
                if n < *next || (n > *next && got.missed == 0) {
                    return Err(format!("message {n} of writer {writer} came where {next} was next"));
                }
                *next = n + 1;
                expected += 1;
            }
            Err(ReadError::Lagged(Lagged { missed })) => {
                got.missed += missed;
                expected += missed;
            }
            Err(ReadError::Closed) if over.load(Ordering::Relaxed) => return Ok(got),
            // Another writer may continue it.
            Err(ReadError::Closed | ReadError::WriterDied { .. }) => std::thread::yield_now(),
            Err(other) => return Err(other.to_string()),
        }
        progress.fetch_add(1, Ordering::Relaxed);
    }
}
