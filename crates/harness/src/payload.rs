//! Messages that show whether they arrived whole: every byte follows from writer and sequence.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | the stamp: 40 bits of the writer's own sequence, 16 of the writer, 8 of check |
//! | 8.. | body: `base(offset)` in words, always the same; *marked* words are XOR the mark |
//!
//! All numbers are little-endian. The mark is a word made of the stamp, another for each stamp.
//! Marked are the first word of every 64-byte line behind the first, and the last word of the
//! message; the end may cut a word short. So two messages differ in *every cache line* (but for a
//! cut word that happens to be equal), and yet a writer makes the next message of the last by
//! changing one word a line ([`restamp`]).
//!
//! # What is detected
//! [`check`] compares every byte behind the stamp with what the stamp calls for. So what passes is,
//! byte for byte, the message that the stamp names, whatever it is a mixture of. A stamp alone (a
//! message of 8 bytes) is stored by one access, so it cannot be torn; of other words 1 in 256
//! passes for one.
//!
//! Not detected: another message, whole. The reader has to know which one is due.

use std::fmt;
use std::ops::Range;

/// The shortest message that can be checked: a stamp.
pub const SHORTEST_BYTES: usize = 8;

/// Every line but the first, which has the stamp, starts with a marked word.
const LINE_BYTES: usize = 64;

const SEQUENCE_BITS: u32 = 40;
const WRITER_BITS: u32 = 16;

/// Odd, and without a pattern: content that moved shows.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The identity of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamped {
    /// The writer, modulo 2^16.
    pub writer: u32,
    /// The writer's own sequence, modulo 2^40.
    pub sequence: u64,
}

impl Stamped {
    /// The word of this identity. The upper bits of a product depend on all bits below them; the
    /// constant makes the zero word no stamp.
    const fn word(self) -> u64 {
        let sequence = self.sequence & ((1 << SEQUENCE_BITS) - 1);
        let identity = sequence | ((self.writer as u64 & ((1 << WRITER_BITS) - 1)) << SEQUENCE_BITS);
        identity | ((identity.wrapping_mul(STEP) ^ (0x5e << 56)) & (0xff << 56))
    }

    const fn of_word(word: u64) -> Self {
        let writer = (word >> SEQUENCE_BITS) as u32 & ((1 << WRITER_BITS) - 1);
        Self { writer, sequence: word & ((1 << SEQUENCE_BITS) - 1) }
    }
}

impl fmt::Display for Stamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of writer {}", self.sequence, self.writer)
    }
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Torn {
    /// Too short to be checked.
    #[error("{bytes} bytes cannot be checked: it takes {SHORTEST_BYTES}")]
    TooShort {
        /// Its length.
        bytes: usize,
    },
    /// Of another length than all messages of its run.
    #[error("it has {bytes} bytes, not {expected}")]
    OtherLength {
        /// Its length.
        bytes: usize,
        /// That of the others.
        expected: usize,
    },
    /// It does not start with a stamp.
    #[error("torn or foreign: {word:#x} is no stamp")]
    Stamp {
        /// Its first word.
        word: u64,
    },
    /// A word is not the one that the stamp calls for.
    #[error("torn at byte {offset}: the stamp says {stamped}, and the bytes there are not of it")]
    Body {
        /// The identity in the stamp.
        stamped: Stamped,
        /// Where the first such word is, from the start of the message.
        offset: usize,
    },
}

/// Makes `message` the message `sequence` of `writer`, all of it.
///
/// # Panics
/// Below [`SHORTEST_BYTES`].
pub fn fill(message: &mut [u8], writer: u32, sequence: u64) {
    let word = Stamped { writer, sequence }.word();
    let (last, mark) = (last_word(message.len()), mix(word));
    let (words, cut) = message.as_chunks_mut();
    for (place, offset) in words.iter_mut().zip((0..).step_by(8)) {
        *place = body(offset, last, mark).to_le_bytes();
    }
    cut.copy_from_slice(&body(last, last, mark).to_le_bytes()[..cut.len()]);
    message[..8].copy_from_slice(&word.to_le_bytes());
}

/// Makes a message that [`fill`] made, and nothing else changed, the message `sequence` of
/// `writer`: one word changes in each cache line.
///
/// # Panics
/// As [`fill`].
#[inline]
pub fn restamp(message: &mut [u8], writer: u32, sequence: u64) {
    let word = Stamped { writer, sequence }.word();
    if let Ok(stamp) = <&mut [u8; SHORTEST_BYTES]>::try_from(&mut *message) {
        *stamp = word.to_le_bytes();
        return;
    }
    let change = (mix(word) ^ mix(word_at(message, 0))).to_le_bytes();
    let last = last_word(message.len());
    for offset in (LINE_BYTES..last).step_by(LINE_BYTES).chain([last]) {
        message[offset..].iter_mut().zip(change).for_each(|(byte, change)| *byte ^= change);
    }
    message[..8].copy_from_slice(&word.to_le_bytes());
}

/// Says which message this is, if it is whole.
///
/// # Errors
/// [`Torn`], with the identity in the stamp and the contradiction.
///
/// # Cost
/// One pass over the message; it needs its bytes in private memory.
#[inline]
pub fn check(message: &[u8]) -> Result<Stamped, Torn> {
    let Some(&stamp) = message.first_chunk() else {
        return Err(Torn::TooShort { bytes: message.len() });
    };
    let word = u64::from_le_bytes(stamp);
    let stamped = Stamped::of_word(word);
    if stamped.word() != word {
        return Err(Torn::Stamp { word });
    }
    if message.len() == SHORTEST_BYTES {
        return Ok(stamped);
    }
    let (last, mark) = (last_word(message.len()), mix(word));
    let find_wrong = |places: Range<usize>| {
        let is_wrong = |&at: &usize| {
            let place = &message[at..message.len().min(at + 8)];
            body(at, last, mark).to_le_bytes()[..place.len()] != *place
        };
        places.step_by(8).find(is_wrong)
    };
    // Whole lines between the first and the last word: without a branch for each word.
    let (lines, _) = message[..last].as_chunks::<LINE_BYTES>();
    let mut differences = 0;
    for (line, start) in lines.iter().zip((0..).step_by(LINE_BYTES)).skip(1) {
        for (index, place) in line.as_chunks::<8>().0.iter().enumerate() {
            let mark = if index == 0 { mark } else { 0 };
            let base = ((start + 8 * index) as u64).wrapping_mul(STEP);
            differences |= u64::from_le_bytes(*place) ^ base ^ mark;
        }
    }
    let checked = LINE_BYTES * lines.len().max(1);
    let wrong = if differences == 0 {
        find_wrong(8..message.len().min(LINE_BYTES)).or_else(|| find_wrong(checked..message.len()))
    } else {
        find_wrong(8..message.len())
    };
    wrong.map_or(Ok(stamped), |offset| Err(Torn::Body { stamped, offset }))
}

/// The word at `offset` of a body whose last word is at `last`.
#[inline(always)]
const fn body(offset: usize, last: usize, mark: u64) -> u64 {
    let base = (offset as u64).wrapping_mul(STEP);
    if offset.is_multiple_of(LINE_BYTES) || offset == last { base ^ mark } else { base }
}

/// Where the last word of a message starts, whole or cut short.
const fn last_word(message_bytes: usize) -> usize {
    (message_bytes - 1) / 8 * 8
}

/// A one-to-one mix of all bits of a stamp (the last steps of `SplitMix64`).
pub(crate) const fn mix(stamp: u64) -> u64 {
    let word = (stamp ^ (stamp >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn word_at(message: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(*message[offset..].first_chunk().expect("a whole word"))
}
