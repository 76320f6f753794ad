//! The content of messages, by which a reader checks at almost no cost that it got the right
//! message, whole.
//!
//! | bytes | content | a check reads |
//! |---|---|---|
//! | few ([`Small`]) | every word is the sequence | every word |
//! | many ([`Large`]) | the first word of each 4-KiB page, and the last word, are the sequence | those |
//!
//! A small message is therefore checked wholly. Of a large one a mixture is found if it is cut at a
//! page or more; that the copies themselves are whole at every length is what the tests of the
//! library show.

use zerocopy::IntoBytes;

const WORD_BYTES: usize = 8;
const PAGE_WORDS: usize = 4096 / WORD_BYTES;
const LINE_BYTES: usize = 64;

/// A message to be written, and room for one that is read.
pub trait Content {
    /// The bytes of message `sequence`.
    fn message(&mut self, sequence: u64) -> &[u8];

    /// Where to read to.
    fn out(&mut self) -> &mut [u8];

    /// Whether what was read is message `sequence`, and has `bytes` bytes.
    fn is_whole(&self, sequence: u64, bytes: usize) -> bool;
}

/// A message of a few words, each checked.
#[derive(Debug)]
pub struct Small<const WORDS: usize> {
    message: [u64; WORDS],
    out: [u64; WORDS],
}

impl<const WORDS: usize> Default for Small<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const WORDS: usize> Small<WORDS> {
    /// A message and room for one.
    pub fn new() -> Self {
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
    fn is_whole(&self, sequence: u64, bytes: usize) -> bool {
        // No `==` of arrays: it calls `memcmp`, whose wide loads wait until the copy's stores have
        // left the store buffer, and so takes longer than the read.
        let differences = self.out.iter().fold(0, |all, word| all | (word ^ sequence));
        bytes == WORDS * WORD_BYTES && differences == 0
    }
}

/// A message of pages, a word of each checked.
#[derive(Debug)]
pub struct Large {
    message: Aligned,
    out: Aligned,
}

impl Large {
    /// A message of `bytes` bytes (a multiple of 8) and room for one.
    pub fn new(bytes: usize) -> Self {
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

    fn is_whole(&self, sequence: u64, bytes: usize) -> bool {
        let words = self.out.words();
        let ends = words[words.len() - 1] == sequence && bytes == size_of_val(words);
        ends && words.chunks(PAGE_WORDS).all(|page| page[0] == sequence)
    }
}

/// Whole words that start on a cache line, as a page-aligned buffer of the copy floors does.
#[derive(Debug)]
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
