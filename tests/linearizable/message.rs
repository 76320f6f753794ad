//! Messages that contain their writer and number, and a writer that records the result of each
//! call.

use super::history::{Clock, Event};
use seqring::{TryWriteError, Writer};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Message {
    pub(crate) writer: usize,
    pub(crate) n: usize,
}

impl Message {
    /// Two words, each of which has both numbers: a mixture of two messages is detected.
    pub(crate) fn bytes(self) -> [u8; 16] {
        let word = (self.writer as u64) << 32 | self.n as u64;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&word.to_le_bytes());
        bytes[8..].copy_from_slice(&(!word).to_le_bytes());
        bytes
    }

    #[track_caller]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        assert!(bytes.len() == 16 && word(0) == !word(8), "torn: {bytes:x?}");
        Message { writer: (word(0) >> 32) as usize, n: (word(0) & 0xffff_ffff) as usize }
    }
}

/// Makes so many calls. Each is recorded as `wrote` of its message and sequence, or as `full`.
pub(crate) fn write<C: Clone>(
    mut endpoint: Writer,
    writer: usize,
    calls: usize,
    clock: &Clock,
    wrote: impl Fn(Message, u64) -> C,
    full: &C,
) -> Vec<Event<C>> {
    let mut n = 0_usize;
    let mut one = || match endpoint.try_write(&Message { writer, n }.bytes()) {
        Ok(sequence) => {
            n += 1;
            wrote(Message { writer, n: n - 1 }, sequence)
        }
        Err(TryWriteError::Full) => full.clone(),
        Err(error) => panic!("{error}"),
    };
    (0..calls).map(|_| clock.time(&mut one)).collect()
}
