//! What messages carry, so that a check of one costs next to nothing.
//!
//! | content | a message carries its word in | a check reads |
//! |---|---|---|
//! | [`Small`] | every word | every word |
//! | [`Large`] | the first word of each step of 4 KiB, and the last word | those |
//! | [`Large`] with one step | the first word | the first word, and the length |
//!
//! A small message is therefore checked whole. In a large one a mixture of two messages is found if
//! it is cut at a page or more; that the copies themselves are whole at every length is what the
//! tests of the library show.

use crate::engine::Sink;
use zerocopy::IntoBytes;

const WORD_BYTES: usize = size_of::<u64>();
const LINE_BYTES: usize = 64;

/// Messages of one length: one to be written, and room for one that is read.
pub trait Content: Send {
    /// The length of each message.
    const BYTES: usize;

    /// A message, and room for one.
    fn new() -> Self;

    /// The bytes of message `word`.
    fn message(&mut self, word: u64) -> &[u8];

    /// Where to read to.
    fn out(&mut self) -> &mut [u8];

    /// Whether what was read to [`out`](Self::out) is message `word` and has `bytes` bytes.
    #[inline(always)]
    fn is_whole(&mut self, word: u64, bytes: usize) -> bool {
        bytes == Self::BYTES && Self::shows(self.out(), word)
    }

    /// Puts message `word` into its slot.
    fn fill(sink: &mut dyn Sink, word: u64);

    /// Whether `bytes` are message `word`.
    fn shows(bytes: &[u8], word: u64) -> bool;
}

/// The bits in which the words of `bytes` differ from `word`.
///
/// No `==` of slices: that calls `memcmp`, whose wide loads wait until the stores of the copy have
/// left the store buffer, and so takes longer than the read.
#[inline(always)]
pub(crate) fn differences(bytes: &[u8], word: u64) -> u64 {
    bytes.chunks_exact(WORD_BYTES).fold(0, |all, found| all | (word_of(found) ^ word))
}

/// The word at the start of `bytes`; all ones if there is none.
#[inline(always)]
pub(crate) fn word_of(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(u64::MAX, |bytes| u64::from_ne_bytes(*bytes))
}

/// A message of a few words, each checked.
#[derive(Debug)]
pub struct Small<const WORDS: usize> {
    message: [u64; WORDS],
    out: [u64; WORDS],
}

impl<const WORDS: usize> Content for Small<WORDS> {
    const BYTES: usize = WORDS * WORD_BYTES;

    fn new() -> Self {
        Self { message: [0; WORDS], out: [0; WORDS] }
    }

    #[inline(always)]
    fn message(&mut self, word: u64) -> &[u8] {
        self.message = [word; WORDS];
        self.message.as_bytes()
    }

    #[inline(always)]
    fn out(&mut self) -> &mut [u8] {
        self.out.as_mut_bytes()
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

/// A message of which one word in `STEP` bytes is written and checked.
#[derive(Debug)]
pub struct Large<const BYTES: usize, const STEP: usize = 4096> {
    message: Aligned,
    out: Aligned,
}

impl<const BYTES: usize, const STEP: usize> Large<BYTES, STEP> {
    fn marked() -> impl Iterator<Item = usize> {
        (0..BYTES).step_by(STEP).chain((STEP < BYTES).then_some(BYTES - WORD_BYTES))
    }
}

impl<const BYTES: usize, const STEP: usize> Content for Large<BYTES, STEP> {
    const BYTES: usize = BYTES;

    fn new() -> Self {
        Self { message: Aligned::new(BYTES), out: Aligned::new(BYTES) }
    }

    fn message(&mut self, word: u64) -> &[u8] {
        let message = self.message.bytes_mut();
        for offset in Self::marked() {
            message[offset..][..WORD_BYTES].copy_from_slice(word.as_bytes());
        }
        message
    }

    fn out(&mut self) -> &mut [u8] {
        self.out.bytes_mut()
    }

    fn fill(sink: &mut dyn Sink, word: u64) {
        for offset in Self::marked() {
            sink.put(offset, word.as_bytes());
        }
    }

    fn shows(bytes: &[u8], word: u64) -> bool {
        bytes.len() == BYTES && Self::marked().all(|offset| word_of(&bytes[offset..]) == word)
    }
}

/// Bytes that start on a cache line, as a page-aligned buffer of the copy floors does.
#[derive(Debug)]
pub(crate) struct Aligned {
    room: Vec<u8>,
    start: usize,
    bytes: usize,
}

impl Aligned {
    pub(crate) fn new(bytes: usize) -> Self {
        // Filled with ones: zeroed memory would be the kernel's one zero page until it is written.
        let room = vec![1; bytes + LINE_BYTES];
        let start = room.as_ptr().align_offset(LINE_BYTES);
        Self { room, start, bytes }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room[self.start..][..self.bytes]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..][..self.bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixtures_are_found<C: Content>(cut: usize) {
        let mut content = C::new();
        let message = content.message(5).to_vec();
        content.out().copy_from_slice(&message);
        assert!(content.is_whole(5, C::BYTES) && C::shows(&message, 5));
        assert!(!content.is_whole(4, C::BYTES) && !content.is_whole(5, C::BYTES - 1));
        let mut mixed = message;
        mixed[cut..].copy_from_slice(&content.message(6)[cut..]);
        assert!(!C::shows(&mixed, 5) && !C::shows(&mixed, 6));
        let mut filled = vec![1; C::BYTES];
        C::fill(&mut filled.as_mut_slice(), 6);
        assert_eq!(filled, content.message(6));
    }

    #[test]
    fn a_mixture_of_two_messages_is_neither() {
        mixtures_are_found::<Small<8>>(56);
        mixtures_are_found::<Large<10_000>>(4096);
    }

    #[test]
    fn one_step_marks_one_word() {
        assert_eq!(Large::<8192, 8192>::marked().collect::<Vec<_>>(), [0]);
        assert_eq!(Large::<8192>::marked().collect::<Vec<_>>(), [0, 4096, 8184]);
    }
}
