//! What the participants of a case write, and how whoever reads knows that it is that, whole and in order.

use seqring::{Lagged, ReadError, Reader};
use std::collections::BTreeMap;
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
}

/// Reads until the stream has ended and it is `over`, and counts in `progress`. Each message must be whole and each writer's in its order;
/// and where nothing was missed, without gap or repetition.
pub(crate) fn read_all(reader: &mut Reader, progress: &AtomicU64, over: &AtomicBool) -> Result<Got, String> {
    let mut out = [0; SLOT_BYTES];
    let (mut got, mut expected) = (Got::default(), reader.position());
    let from_the_start = expected == 0;
    loop {
        match reader.read(&mut out) {
            Ok(received) => {
                let word = |at: usize| u64::from_le_bytes(out[8 * at..][..8].try_into().expect("8 bytes"));
                let (writer, n) = (word(0), word(1));
                if received.sequence != expected || out[..received.len] != message(writer, n) {
                    return Err(format!(
                        "message {expected} is torn or another: {received:?}, {writer}, {n}"
                    ));
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
