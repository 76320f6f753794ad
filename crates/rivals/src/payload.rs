//! What the messages of a row carry, by type: [`harness::content`] with a length, and to be seen in place.

use harness::content::{Content, Large, Small};
use harness::sink::Sink;
use zerocopy::IntoBytes;

const WORD_BYTES: usize = 8;
const PAGE_BYTES: usize = 4096;

/// Messages of one length.
pub(crate) trait Payload: Content + Send {
    const BYTES: usize;

    fn fresh() -> Self;

    /// Puts message `word` into its slot.
    fn fill(sink: &mut dyn Sink, word: u64);

    /// Whether `bytes` are message `word`.
    fn shows(bytes: &[u8], word: u64) -> bool;
}

impl<const WORDS: usize> Payload for Small<WORDS> {
    const BYTES: usize = WORDS * WORD_BYTES;

    fn fresh() -> Self {
        Self::new()
    }

    #[inline(always)]
    fn fill(sink: &mut dyn Sink, word: u64) {
        sink.put(0, [word; WORDS].as_bytes());
    }

    #[inline(always)]
    fn shows(bytes: &[u8], word: u64) -> bool {
        bytes.len() == Self::BYTES && differences(bytes, word) == 0
    }
}

/// The bits in which the words of `bytes` differ from `word`.
#[inline(always)]
pub(crate) fn differences(bytes: &[u8], word: u64) -> u64 {
    bytes.chunks_exact(WORD_BYTES).fold(0, |all, found| all | (word_of(found) ^ word))
}

/// The word at the start of `bytes`; all ones if there is none.
#[inline(always)]
pub(crate) fn word_of(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(u64::MAX, |bytes| u64::from_ne_bytes(*bytes))
}

/// 1 MiB, of which a word of each page and the last word are looked at.
pub(crate) struct Mebibyte(Large);

impl Content for Mebibyte {
    fn message(&mut self, word: u64) -> &[u8] {
        self.0.message(word)
    }

    fn out(&mut self) -> &mut [u8] {
        self.0.out()
    }

    fn is_whole(&self, word: u64, bytes: usize) -> bool {
        self.0.is_whole(word, bytes)
    }
}

impl Payload for Mebibyte {
    const BYTES: usize = 1 << 20;

    fn fresh() -> Self {
        Self(Large::new(Self::BYTES))
    }

    fn fill(sink: &mut dyn Sink, word: u64) {
        for offset in looked_at() {
            sink.put(offset, word.as_bytes());
        }
    }

    fn shows(bytes: &[u8], word: u64) -> bool {
        bytes.len() == Self::BYTES && looked_at().all(|offset| word_of(&bytes[offset..]) == word)
    }
}

fn looked_at() -> impl Iterator<Item = usize> {
    (0..Mebibyte::BYTES).step_by(PAGE_BYTES).chain([Mebibyte::BYTES - WORD_BYTES])
}
