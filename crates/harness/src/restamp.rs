//! The next message made of the last: one word a cache line, and a CRC that is corrected, not
//! computed.
//!
//! # The correction
//! A CRC is linear: if two messages of the same length differ by `d` (their XOR), their CRCs differ
//! by `L(d) = crc(d) ^ crc(0)`, both of that length. Two messages of one writer differ in their
//! sequence word and in their marked words, and all whole marked words differ by the same 64 bits.
//! So
//!
//! ```text
//! crc(new) = crc(old) ^ L(XOR of the sequences, at 8)
//!                     ^ L(XOR of the marks, at every whole marked word)
//!                     ^ L(XOR of the marks, at the last word if it is cut short)
//! ```
//!
//! The first two are sums over the 64 bits of a word, and the summand of a bit need not be computed
//! by a pass over the message for each: moving a bit one place towards the front of the message
//! multiplies its CRC by x, which is one step of the CRC's shift register. One pass for the last
//! bit gives all 64 (`WordCrc`). The third is the CRC of at most 7 bytes, since zeros in front do
//! not count.

use crate::payload::{FULL_BYTES, Stamped, change_marks, fill, last_word};

/// The polynomial of CRC-32 (IEEE 802.3), in the bit order of its register.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// Below it a message is filled anew, which costs less than the correction.
const CORRECTED_FROM_BYTES: usize = 64;

/// Makes one writer's messages of one length, each of the one before it.
#[derive(Clone, Debug)]
pub struct Restamper {
    /// The checked bytes, and the caller's own behind them.
    message: Vec<u8>,
    checked_bytes: usize,
    now: Stamped,
    correction: Option<Correction>,
}

impl Restamper {
    /// A message of `bytes` bytes by `writer`.
    ///
    /// # Panics
    /// Below 8 bytes ([`crate::payload::SHORTEST_BYTES`]).
    ///
    /// # Cost
    /// Five passes over the message: once for each writer, before anything is measured.
    pub fn new(bytes: usize, writer: u32) -> Self {
        Self::with_trailer(bytes, 0, writer)
    }

    /// A message of `bytes` checked bytes by `writer`, and `trailer_bytes` behind them that are the
    /// caller's own: no check covers them.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    ///
    /// # Cost
    /// As [`new`](Self::new).
    pub fn with_trailer(bytes: usize, trailer_bytes: usize, writer: u32) -> Self {
        let mut message = vec![0; bytes + trailer_bytes];
        fill(&mut message[..bytes], writer, 0);
        let correction = (bytes >= CORRECTED_FROM_BYTES).then(|| Correction::new(bytes));
        Self { message, checked_bytes: bytes, now: Stamped { writer, sequence: 0 }, correction }
    }

    /// The message `sequence`: the bytes that [`fill`] makes.
    ///
    /// # Cost
    /// One word changed in each cache line, and some 20 ns for the CRC; a small message is filled
    /// anew.
    #[inline]
    pub fn message(&mut self, sequence: u64) -> &[u8] {
        let next = Stamped { sequence, ..self.now };
        let message = &mut self.message[..self.checked_bytes];
        if next != self.now {
            match &self.correction {
                None => fill(message, next.writer, sequence),
                Some(correction) => correction.apply(message, self.now, next),
            }
            self.now = next;
        }
        message
    }

    /// The message `sequence`, and `trailer` behind it.
    ///
    /// # Panics
    /// If `trailer` has not the length that was announced.
    ///
    /// # Cost
    /// As [`message`](Self::message); the same sequence again costs the trailer alone.
    #[inline]
    pub fn message_with_trailer(&mut self, sequence: u64, trailer: &[u8]) -> &[u8] {
        self.message(sequence);
        self.message[self.checked_bytes..].copy_from_slice(trailer);
        &self.message
    }
}

/// How the CRC of messages of one length follows the changes.
#[derive(Clone, Debug)]
struct Correction {
    sequence: WordCrc,
    marks: WordCrc,
    /// `crc(0)` of the last word, if that is cut short.
    cut_zeros: Option<u32>,
}

impl Correction {
    fn new(bytes: usize) -> Self {
        let mut difference = vec![0; bytes];
        let zeros = crc_of(&difference);
        let last_bit = 1 << 63;
        difference[8..FULL_BYTES].copy_from_slice(&u64::to_le_bytes(last_bit));
        let sequence = WordCrc::from_last_bit(crc_of(&difference) ^ zeros);
        difference[8..FULL_BYTES].fill(0);
        change_marks(&mut difference, last_bit);
        let is_cut = !bytes.is_multiple_of(8);
        if is_cut {
            difference[last_word(bytes)..].fill(0);
        }
        let marks = WordCrc::from_last_bit(crc_of(&difference) ^ zeros);
        let cut_zeros = is_cut.then(|| crc32fast::hash(&vec![0; bytes % 8]));
        Self { sequence, marks, cut_zeros }
    }

    fn apply(&self, message: &mut [u8], old: Stamped, new: Stamped) {
        let change = old.mark() ^ new.mark();
        let mut crc = u32::from_le_bytes(*message.first_chunk().expect("a full message"));
        crc ^= self.sequence.of(old.sequence ^ new.sequence) ^ self.marks.of(change);
        if let Some(zeros) = self.cut_zeros {
            crc ^= crc32fast::hash(&change.to_le_bytes()[..message.len() % 8]) ^ zeros;
        }
        message[..4].copy_from_slice(&crc.to_le_bytes());
        message[8..FULL_BYTES].copy_from_slice(&new.sequence.to_le_bytes());
        change_marks(message, change);
    }
}

/// The CRC of what a message's CRC covers: all but the CRC itself.
fn crc_of(message: &[u8]) -> u32 {
    crc32fast::hash(&message[4..])
}

/// `L` of a word at certain places of the message, bit by bit.
#[derive(Clone, Debug)]
struct WordCrc([u32; 64]);

impl WordCrc {
    /// From `L` of the word's last bit: its most significant one, since words are little-endian and
    /// the register takes the least significant bit of a byte first.
    fn from_last_bit(mut crc: u32) -> Self {
        let mut bits = [0; 64];
        for bit in bits.iter_mut().rev() {
            *bit = crc;
            let carry = if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            crc = (crc >> 1) ^ carry;
        }
        Self(bits)
    }

    /// `L(word)`: the sum over its bits, without a branch on any of them.
    fn of(&self, word: u64) -> u32 {
        let mut sum = 0;
        for (bit, &crc) in self.0.iter().enumerate() {
            let is_set = (word >> bit) as u32 & 1;
            sum ^= crc & is_set.wrapping_neg();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_restamped_message_is_the_filled_one(
            bytes in 8_usize..3_000,
            writer: u32,
            sequences in prop::collection::vec(any::<u64>(), 1..6),
        ) {
            let mut restamper = Restamper::new(bytes, writer);
            let mut filled = vec![0; bytes];
            for sequence in sequences {
                fill(&mut filled, writer, sequence);
                prop_assert_eq!(restamper.message(sequence), &filled[..]);
            }
        }
    }

    #[test]
    fn a_trailer_is_the_callers_own_and_the_check_does_not_cover_it() {
        let mut restamper = Restamper::with_trailer(100, 3, 7);
        let mut plain = Restamper::new(100, 7);
        for sequence in [0, 5, 5, 1] {
            let message = restamper.message_with_trailer(sequence, b"end");
            assert_eq!(&message[..100], plain.message(sequence));
            assert_eq!(&message[100..], b"end");
        }
    }

    #[test]
    fn one_bit_is_enough_to_know_all() {
        let bytes = 1000;
        let correction = Correction::new(bytes);
        let zeros = crc_of(&vec![0; bytes]);
        for bit in 0..64 {
            let mut difference = vec![0; bytes];
            difference[8..16].copy_from_slice(&(1_u64 << bit).to_le_bytes());
            assert_eq!(correction.sequence.of(1 << bit), crc_of(&difference) ^ zeros, "bit {bit}");
        }
    }
}
