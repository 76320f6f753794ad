//! Messages that show whether they arrived whole.
//!
//! # Form
//! All numbers are little-endian. From [`FULL_BYTES`] (16) on:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | CRC-32 of all bytes behind it |
//! | 4..8 | writer |
//! | 8..16 | the writer's own sequence |
//! | 16.. | body: `base(offset)` in words, always the same; *marked* words are XOR the mark |
//!
//! The mark is a word made of writer and sequence, another for each (below 2^16 writers and 2^48
//! messages). Marked are the first word of every 64-byte line behind the first, and the last word
//! of the message; the end may cut a word short. So two messages differ in *every cache line* (but
//! for a cut word that happens to be equal), and yet a writer makes the next message of the last by
//! changing one word a line ([`crate::restamp`]).
//!
//! From 8 to 15 bytes there is one word: 40 bits of sequence, 8 of the writer, 16 of check; the
//! bytes behind it are those of a mark. Shorter messages cannot be checked.
//!
//! # What is detected
//! - *A mix of messages of one writer*, cut at any multiple of 8 and anywhere behind the header, in
//!   any number of pieces: always. Every marked byte is compared with what the sequence in the
//!   header calls for, and all other body bytes are the same in both. What passes is, byte for
//!   byte, the message that the header names.
//! - *A mix of two writers, or one cut inside a number of the header*: all but 1 in 2^32, by the
//!   CRC.
//! - *Anything else* (bytes of another ring, flipped bits, content that moved), by the CRC:
//!   certainly up to 32 bits in a row, and all but 1 in 2^32 beyond.
//! - In the 8-byte form all but 1 in 2^16. It is stored by one access, so it cannot be torn at all.
//!
//! Not detected: another message, whole. The reader has to know which one is due.

use std::fmt;

/// From here on a message has the full form.
pub const FULL_BYTES: usize = 16;

/// The shortest message that can be checked.
pub const SHORTEST_BYTES: usize = 8;

/// Every line but the first, which has the header, starts with a marked word.
const LINE_BYTES: usize = 64;

const SHORT_SEQUENCE_BITS: u32 = 40;
const SHORT_WRITER_BITS: u32 = 8;
const SHORT_STAMP_BITS: u32 = SHORT_SEQUENCE_BITS + SHORT_WRITER_BITS;

/// The identity of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamped {
    /// The writer; modulo 2^8 in the 8-byte form.
    pub writer: u32,
    /// The writer's own sequence; modulo 2^40 in the 8-byte form.
    pub sequence: u64,
}

impl Stamped {
    /// What is left of it in a message of `bytes` bytes: the 8-byte form has less room.
    #[must_use]
    pub const fn in_message_of(self, bytes: usize) -> Self {
        if bytes >= FULL_BYTES {
            return self;
        }
        Self {
            writer: self.writer & ((1 << SHORT_WRITER_BITS) - 1),
            sequence: self.sequence & ((1 << SHORT_SEQUENCE_BITS) - 1),
        }
    }

    /// A word that no other writer and sequence has, below 2^16 writers and 2^48 messages.
    pub(crate) const fn mark(self) -> u64 {
        scramble(self.sequence ^ ((self.writer as u64) << 48))
    }
}

impl fmt::Display for Stamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of writer {}", self.sequence, self.writer)
    }
}

/// Why a message is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Torn {
    /// Too short to be checked.
    #[error("{bytes} bytes cannot be checked: it takes {SHORTEST_BYTES}")]
    TooShort {
        /// Its length.
        bytes: usize,
    },
    /// A marked word is not the one that the header calls for.
    #[error("torn at byte {offset}: the header says {header}, and the bytes there are not of it")]
    Mark {
        /// The identity in the header.
        header: Stamped,
        /// Where the first such word is, from the start of the message.
        offset: usize,
    },
    /// The check is not that of the bytes.
    #[error(
        "torn or foreign: the check of what the header calls {header} is {stored:#x} and must be {computed:#x}"
    )]
    Check {
        /// The identity in the header.
        header: Stamped,
        /// The check in the message.
        stored: u32,
        /// The check of its bytes.
        computed: u32,
    },
}

/// Makes `message` the message `sequence` of `writer`, all of it.
///
/// # Panics
/// Below [`SHORTEST_BYTES`].
///
/// # Cost
/// One pass that writes and one that computes the CRC: slower than a copy.
/// [`crate::restamp::Restamper`] makes the same bytes for less.
#[inline]
pub fn fill(message: &mut [u8], writer: u32, sequence: u64) {
    let stamped = Stamped { writer, sequence };
    if message.len() < FULL_BYTES {
        fill_short(message, stamped);
    } else {
        fill_full(message, stamped);
    }
}

/// Says which message this is, if it is whole.
///
/// # Errors
/// [`Torn`], with the identity in the header and the contradiction.
///
/// # Cost
/// One pass over the message, the CRC; it needs its bytes in private memory.
#[inline]
pub fn check(message: &[u8]) -> Result<Stamped, Torn> {
    match message.len() {
        bytes if bytes < SHORTEST_BYTES => Err(Torn::TooShort { bytes }),
        bytes if bytes < FULL_BYTES => check_short(message),
        _ => check_full(message),
    }
}

fn fill_full(message: &mut [u8], stamped: Stamped) {
    message[4..8].copy_from_slice(&stamped.writer.to_le_bytes());
    message[8..16].copy_from_slice(&stamped.sequence.to_le_bytes());
    fill_body(&mut message[FULL_BYTES..]);
    change_marks(message, stamped.mark());
    let crc = crc32fast::hash(&message[4..]);
    message[..4].copy_from_slice(&crc.to_le_bytes());
}

fn fill_body(body: &mut [u8]) {
    let mut offset = FULL_BYTES;
    let mut words = body.chunks_exact_mut(8);
    for word in &mut words {
        word.copy_from_slice(&base(offset).to_le_bytes());
        offset += 8;
    }
    let cut = words.into_remainder();
    cut.copy_from_slice(&base(offset).to_le_bytes()[..cut.len()]);
}

fn check_full(message: &[u8]) -> Result<Stamped, Torn> {
    let header = Stamped { writer: u32::from_le_bytes(bytes_at(message, 4)), sequence: word_at(message, 8) };
    let mark = header.mark();
    let whole_words = (LINE_BYTES..message.len() - 7).step_by(LINE_BYTES);
    if let Some(offset) = whole_words.into_iter().find(|&at| word_at(message, at) != base(at) ^ mark) {
        return Err(Torn::Mark { header, offset });
    }
    let last = last_word(message.len());
    if last >= FULL_BYTES && !(base(last) ^ mark).to_le_bytes().starts_with(&message[last..]) {
        return Err(Torn::Mark { header, offset: last });
    }
    let (stored, computed) = (u32::from_le_bytes(bytes_at(message, 0)), crc32fast::hash(&message[4..]));
    if stored == computed { Ok(header) } else { Err(Torn::Check { header, stored, computed }) }
}

/// XORs `change` into every marked word.
pub(crate) fn change_marks(message: &mut [u8], change: u64) {
    let last = last_word(message.len());
    for line in message[..last].chunks_mut(LINE_BYTES).skip(1) {
        // Of every line that starts before the last word, 8 bytes are before it: both are multiples
        // of 8.
        let word = word_at(line, 0) ^ change;
        line[..8].copy_from_slice(&word.to_le_bytes());
    }
    if last >= FULL_BYTES {
        for (byte, change) in message[last..].iter_mut().zip(change.to_le_bytes()) {
            *byte ^= change;
        }
    }
}

/// Where the last word of a message starts, whole or cut short.
pub(crate) const fn last_word(message_bytes: usize) -> usize {
    (message_bytes - 1) / 8 * 8
}

/// The word at `offset` of every body: neither constant nor repeated, so content that moved shows.
const fn base(offset: usize) -> u64 {
    (offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A one-to-one mix of all bits (the last steps of `SplitMix64`).
const fn scramble(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[inline]
fn fill_short(message: &mut [u8], stamped: Stamped) {
    let Stamped { writer, sequence } = stamped.in_message_of(message.len());
    let stamp = sequence | (u64::from(writer) << SHORT_SEQUENCE_BITS);
    let word = stamp | (u64::from(short_check(stamp)) << SHORT_STAMP_BITS);
    let (first, rest) = message.split_at_mut(SHORTEST_BYTES);
    first.copy_from_slice(&word.to_le_bytes());
    rest.copy_from_slice(&scramble(word).to_le_bytes()[..rest.len()]);
}

#[inline]
fn check_short(message: &[u8]) -> Result<Stamped, Torn> {
    let (word, rest) = (word_at(message, 0), &message[SHORTEST_BYTES..]);
    let stamp = word & ((1 << SHORT_STAMP_BITS) - 1);
    let header = Stamped { writer: (stamp >> SHORT_SEQUENCE_BITS) as u32, sequence: stamp };
    let header = header.in_message_of(message.len());
    let (stored, computed) = ((word >> SHORT_STAMP_BITS) as u16, short_check(stamp));
    if stored != computed {
        return Err(Torn::Check { header, stored: stored.into(), computed: computed.into() });
    }
    if *rest != scramble(word).to_le_bytes()[..rest.len()] {
        return Err(Torn::Mark { header, offset: SHORTEST_BYTES });
    }
    Ok(header)
}

/// The upper bits of a product depend on all bits below them; the constant makes the zero word no
/// message.
const fn short_check(stamp: u64) -> u16 {
    (stamp.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> SHORT_STAMP_BITS) as u16 ^ 0x5eed
}

fn bytes_at<const N: usize>(message: &[u8], offset: usize) -> [u8; N] {
    *message[offset..].first_chunk().expect("the caller keeps inside the message")
}

fn word_at(message: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes_at(message, offset))
}
