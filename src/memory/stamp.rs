//! The two words that slots are judged by.

/// The stamp of an inline slot: `[sequence | full:1 | len]`, one word that says which message, whether it is
/// whole, and how long it is.
///
/// A reader that waits for sequence `n` compares the upper part with `n, full`: equal, the message is there;
/// behind, not yet; ahead, overtaken, and the word says by how much. While a message is written the stamp says
/// `n, not full`, which no reader accepts. The length takes as many bits as the slot size needs, the sequence
/// the rest: 59 bits for 8-byte slots, 52 for 1 KiB. They wrap; the comparison is made modulo, and it errs
/// only for a reader that slept through exactly that many messages (52 bits at 10⁸ a second: 1.4 years).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExpectedStamp {
    /// The sequence is there, no bytes of it.
    holds: u64,
    /// The bit above the length.
    full: u64,
}

/// The stamps of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InlineStamp {
    /// The bit above the length.
    full: u64,
    sequence_shift: u32,
}

impl InlineStamp {
    /// For slots of at most `slot_bytes` bytes.
    pub(crate) fn new(slot_bytes: usize) -> Self {
        let len_bits = usize::BITS - slot_bytes.leading_zeros();
        InlineStamp { full: 1 << len_bits, sequence_shift: len_bits + 1 }
    }

    /// The stamp of message `sequence`.
    #[inline(always)]
    pub(crate) fn of(self, sequence: u64) -> ExpectedStamp {
        ExpectedStamp { holds: sequence << self.sequence_shift | self.full, full: self.full }
    }
}

/// What a stamp or word says to somebody who waits for a certain sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The message is not there yet.
    NotYet,
    /// A later message stands there, or is being written there.
    Overtaken {
        /// How many sequences later.
        by: u64,
    },
}

impl ExpectedStamp {
    /// The stamp of the message after this one.
    #[inline(always)]
    pub(crate) fn next(self) -> Self {
        // Above the bit that says whether it is there.
        ExpectedStamp { holds: self.holds.wrapping_add(self.full << 1), full: self.full }
    }

    /// The message is there, `len` bytes of it.
    #[inline(always)]
    pub(crate) fn holds(self, len: usize) -> u64 {
        debug_assert!((len as u64) < self.full);
        self.holds | len as u64
    }

    /// The message is being written.
    #[inline(always)]
    pub(crate) fn writing(self) -> u64 {
        self.holds - self.full
    }

    /// The length, if `stamp` says that the message is there. May exceed the slot: a peer may have written
    /// anything.
    #[inline(always)]
    pub(crate) fn len_in(self, stamp: u64) -> Option<usize> {
        let rest = stamp ^ self.holds;
        (rest < self.full).then_some(rest as usize)
    }

    /// What a stamp says that does not hold the message.
    #[cold]
    pub(crate) fn seen(self, stamp: u64) -> Mismatch {
        let ahead = (stamp & !(self.full - 1)).wrapping_sub(self.holds).cast_signed();
        if ahead < 0 {
            Mismatch::NotYet
        } else {
            // `writing(later)` is one half step short of `holds(later)`: round up.
            Mismatch::Overtaken { by: (ahead.cast_unsigned() / self.full).div_ceil(2) }
        }
    }
}

/// Where the word of a slot is, seen by somebody who is at a certain round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// The message of that round is not there yet.
    Before,
    /// It is there.
    There,
    /// It is taken (queues).
    Taken,
    /// It was there.
    Beyond,
}

/// The word of an arena slot: `[round | state:2 | buffer]`. A message is there by this one word; its length and
/// options lie with the buffer it names. States: 0 awaited, 1 there, 2 taken (queues) or taken back (a gated ring's one
/// writer); 3 is reserved.
///
/// The round counts the messages that went through the slot. The index takes the bits that the ring's buffers
/// need; the round has the rest (128 buffers: 55 bits; one slot at 10⁷ messages a second: 114 years; with 65536
/// participants and one slot 45 bits: 40 days).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArenaStamp {
    buffer_bits: u32,
    buffer_mask: u64,
}

impl ArenaStamp {
    /// For a ring of `buffers` buffers.
    pub(crate) fn new(buffers: usize) -> Self {
        let buffer_bits = usize::BITS - buffers.saturating_sub(1).leading_zeros();
        ArenaStamp { buffer_bits, buffer_mask: (1 << buffer_bits) - 1 }
    }

    /// The message of `round` is there, in `buffer`.
    #[inline(always)]
    pub(crate) fn holds(self, round: u64, buffer: usize) -> u64 {
        self.awaits(round, buffer) | 1 << self.buffer_bits
    }

    /// The message of `round` was taken, and `buffer` left for it.
    #[inline(always)]
    pub(crate) fn taken(self, round: u64, buffer: usize) -> u64 {
        self.awaits(round, buffer) | 2 << self.buffer_bits
    }

    /// The message of `round` is awaited; meanwhile the slot keeps `buffer`.
    #[inline(always)]
    pub(crate) fn awaits(self, round: u64, buffer: usize) -> u64 {
        round << (self.buffer_bits + 2) | buffer as u64
    }

    /// The buffer, if `word` says that the message of `round` is there.
    #[inline(always)]
    pub(crate) fn buffer_of(self, word: u64, round: u64) -> Option<usize> {
        let rest = word ^ self.holds(round, 0);
        (rest <= self.buffer_mask).then_some(rest as usize)
    }

    /// The buffer that the slot keeps, whatever its state. May exceed the ring's: a peer may have written
    /// anything.
    #[inline(always)]
    pub(crate) fn any_buffer(self, word: u64) -> usize {
        (word & self.buffer_mask) as usize
    }

    /// What a word says that does not hold `round`, in rounds of the slot: none, if the message was there and is taken.
    #[cold]
    pub(crate) fn seen(self, word: u64, round: u64) -> Mismatch {
        let ahead = (word & !self.buffer_mask).wrapping_sub(self.holds(round, 0)).cast_signed();
        if ahead < 0 {
            Mismatch::NotYet
        } else {
            // A state before or behind `there` is of the same round.
            Mismatch::Overtaken { by: ((ahead.cast_unsigned() >> self.buffer_bits) + 1) / 4 }
        }
    }

    /// Where a word is, seen by somebody who is at `round`.
    #[inline(always)]
    pub(crate) fn at(self, word: u64, round: u64) -> SlotState {
        // Modulo: the sign decides. A round has four states.
        let ahead = (word & !self.buffer_mask).wrapping_sub(self.awaits(round, 0)).cast_signed();
        match ahead >> self.buffer_bits {
            1 => SlotState::There,
            2 => SlotState::Taken,
            ..=3 => SlotState::Before,
            _ => SlotState::Beyond,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ArenaStamp, InlineStamp, Mismatch};
    use proptest::prelude::*;

    /// A sequence anywhere, above all around every power of two, where counters wrap.
    fn sequences() -> impl Strategy<Value = u64> {
        (0u32..62, -3i64..3).prop_map(|(bit, near)| (1u64 << bit).wrapping_add_signed(near) >> 1)
    }

    proptest! {
        #[test]
        fn a_stamp_tells_there_from_not_yet_from_overtaken(
            n in sequences(), by in 1u64..1000, size in 1usize..5000, percent in 0usize..=100,
        ) {
            let stamp = |sequence| InlineStamp::new(size).of(sequence);
            let len = size * percent / 100;
            let later = n + by;
            prop_assert_eq!(stamp(n).next(), stamp(n + 1));
            prop_assert_eq!(stamp(n).len_in(stamp(n).holds(len)), Some(len));
            prop_assert_eq!(stamp(n).len_in(stamp(n).writing()), None);
            prop_assert_eq!(stamp(n).seen(stamp(n).writing()), Mismatch::NotYet);
            prop_assert_eq!(stamp(n).len_in(stamp(later).holds(len)), None);
            prop_assert_eq!(stamp(n).seen(stamp(later).holds(len)), Mismatch::Overtaken { by });
            prop_assert_eq!(stamp(n).seen(stamp(later).writing()), Mismatch::Overtaken { by });
            prop_assert_eq!(stamp(later).seen(stamp(n).holds(len)), Mismatch::NotYet);
        }

        #[test]
        fn a_word_tells_there_from_not_yet_from_overtaken(
            round in sequences(), by in 1u64..1000, buffers in 1usize..5000, percent in 0usize..100,
        ) {
            let words = ArenaStamp::new(buffers);
            let buffer = buffers * percent / 100;
            let later = round + by;
            prop_assert_eq!(words.buffer_of(words.holds(round, buffer), round), Some(buffer));
            prop_assert_eq!(words.any_buffer(words.awaits(round, buffer)), buffer);
            prop_assert_eq!(words.buffer_of(words.awaits(round, buffer), round), None);
            prop_assert_eq!(words.seen(words.awaits(round, buffer), round), Mismatch::NotYet);
            prop_assert_eq!(words.seen(words.holds(later, buffer), round), Mismatch::Overtaken { by });
            prop_assert_eq!(words.seen(words.awaits(later, buffer), round), Mismatch::Overtaken { by });
            prop_assert_eq!(words.seen(words.taken(later, buffer), round), Mismatch::Overtaken { by });
            prop_assert_eq!(words.seen(words.taken(round, buffer), round), Mismatch::Overtaken { by: 0 });
            prop_assert_eq!(words.seen(words.taken(round, buffer), later), Mismatch::NotYet);
            prop_assert_eq!(words.seen(words.holds(round, buffer), later), Mismatch::NotYet);
        }
    }
}
