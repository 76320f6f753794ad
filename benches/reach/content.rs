//! What messages carry, so that a reader can tell whether it got the right one, whole, for next to nothing.
//!
//! | bytes | content | a check reads |
//! |---|---|---|
//! | 8, 64 | every word is the sequence | every word |
//! | more  | the first word of each 4-KiB page, and the last word, are the sequence | those |
//!
//! A small message is therefore checked wholly. Of a large one a mixture is found if it is cut at a page or
//! more; that the copies themselves are whole at every length is what the tests of the library show.

use seqring::Received;
use zerocopy::IntoBytes;

const WORD_BYTES: usize = 8;
const PAGE_WORDS: usize = 4096 / WORD_BYTES;
const LINE_BYTES: usize = 64;

/// A message to be written, and room for one that is read.
pub(crate) trait Content {
    /// The bytes of message `sequence`.
    fn message(&mut self, sequence: u64) -> &[u8];

    /// Where to read to.
    fn out(&mut self) -> &mut [u8];

    /// Whether what was read is what `received` says it is.
    fn is_whole(&self, received: Received) -> bool;
}

/// A message of a few words.
pub(crate) struct Small<const WORDS: usize> {
    message: [u64; WORDS],
    out: [u64; WORDS],
}

impl<const WORDS: usize> Small<WORDS> {
    pub(crate) fn new() -> Self {
        Self { message: [0; WORDS], out: [0; WORDS] }
    }
}

impl<const WORDS: usize> Content for Small<WORDS> {
    #[inline(always)]
    fn message(&mut self, sequence: u64) -> &[u8] {
        self.message = [sequence; WORDS];
        self.message.as_bytes()
    }

    #[inline(always)]
    fn out(&mut self) -> &mut [u8] {
        self.out.as_mut_bytes()
    }

    #[inline(always)]
    fn is_whole(&self, received: Received) -> bool {
        // No `==` of arrays: it calls `memcmp`, whose wide loads wait until the copy's stores have left the store buffer,
        // and so takes longer than the read.
        let differences = self.out.iter().fold(0, |all, word| all | (word ^ received.sequence));
        received.len == WORDS * WORD_BYTES && differences == 0
    }
}

/// A message of pages.
pub(crate) struct Large {
    message: Aligned,
    out: Aligned,
}

impl Large {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { message: Aligned::new(bytes), out: Aligned::new(bytes) }
    }
}

impl Content for Large {
    fn message(&mut self, sequence: u64) -> &[u8] {
        let words = self.message.words_mut();
        for page in words.chunks_mut(PAGE_WORDS) {
            page[0] = sequence;
        }
        words[words.len() - 1] = sequence;
        words.as_bytes()
    }

    fn out(&mut self) -> &mut [u8] {
        self.out.words_mut().as_mut_bytes()
    }

    fn is_whole(&self, received: Received) -> bool {
        let words = self.out.words();
        let sequence = received.sequence;
        let ends = words[words.len() - 1] == sequence && received.len == size_of_val(words);
        ends && words.chunks(PAGE_WORDS).all(|page| page[0] == sequence)
    }
}

/// Whole words that start on a cache line, as a page-aligned buffer of the copy floors does.
struct Aligned {
    room: Vec<u64>,
    start: usize,
    words: usize,
}

impl Aligned {
    fn new(bytes: usize) -> Self {
        let words = bytes / WORD_BYTES;
        // Filled with ones: zeroed memory would be the kernel's one zero page until it is written.
        let room = vec![1; words + LINE_BYTES / WORD_BYTES];
        let start = room.as_ptr().align_offset(LINE_BYTES);
        Self { room, start, words }
    }

    fn words(&self) -> &[u64] {
        &self.room[self.start..self.start + self.words]
    }

    fn words_mut(&mut self) -> &mut [u64] {
        &mut self.room[self.start..self.start + self.words]
    }
}
