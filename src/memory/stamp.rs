//! The packed words that say what a slot holds: the stamp of an inline slot, the word of an arena
//! slot.

/// What an inline slot must hold for one message: a stamp is `[sequence | full:1 | len]`, one word
/// that says which message, whether it is complete, and how long it is.
///
/// A reader that waits for sequence `n` compares the upper part with `n, full`. Equal: the message
/// is there. Behind: not yet. Ahead: the reader is overtaken, and the difference says by how much.
/// While a message is written the stamp is `n, not full`, which no reader accepts. The length takes
/// as many bits as the slot size needs, the sequence the rest: 59 bits for 8-byte slots, 52 for 1
/// KiB. Sequences wrap and are compared modulo, which errs only for a reader that slept through
/// exactly that many messages (52 bits at 10⁸ a second: 1.4 years).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExpectedStamp {
    /// The stamp of the message, with length 0.
    empty: u64,
    /// The bit above the length.
    full: u64,
}

/// The stamps of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InlineStamp {
    /// The bit above the length.
    full: u64,
}

impl InlineStamp {
    /// For slots of at most `slot_bytes` bytes.
    pub(crate) const fn new(slot_bytes: usize) -> Self {
        let len_bits = usize::BITS - slot_bytes.leading_zeros();
        InlineStamp { full: 1 << len_bits }
    }

    /// The stamp of message `sequence`.
    #[inline(always)]
    pub(crate) fn of(self, sequence: u64) -> ExpectedStamp {
        // The sequence begins above `full`. A product, because shifts by a variable cost more.
        ExpectedStamp { empty: (sequence << 1 | 1).wrapping_mul(self.full), full: self.full }
    }

    /// Of the stamps of two slots whose sequences are at most one apart: the later one of a whole
    /// message, with its sequence.
    #[inline(always)]
    pub(crate) fn later_whole(self, one: u64, other: u64) -> Option<(u64, u64)> {
        let is_whole = |stamp: u64| stamp & self.full != 0;
        // Modulo: the sign decides.
        let is_later = other.wrapping_sub(one).cast_signed() > 0;
        let stamp = match (is_whole(one), is_whole(other)) {
            (true, true) if is_later => other,
            (true, _) => one,
            (false, true) => other,
            (false, false) => return None,
        };
        Some((self.sequence_in(stamp), stamp))
    }

    /// The sequence of an expected stamp: modulo, as stamps have it.
    #[inline(always)]
    pub(crate) fn sequence_of(self, stamp: ExpectedStamp) -> u64 {
        self.sequence_in(stamp.empty)
    }

    /// The sequence that a stamp names, whole or not.
    #[inline(always)]
    pub(crate) fn sequence_in(self, stamp: u64) -> u64 {
        stamp >> self.full.trailing_zeros() >> 1
    }
}

/// Why a slot does not hold the expected message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The message is not there yet.
    NotYet,
    /// A later message is there, or is being written there.
    Overtaken {
        /// How many sequences later.
        by: u64,
    },
}

impl ExpectedStamp {
    /// What is added from message to message.
    #[inline(always)]
    pub(crate) fn step(self) -> u64 {
        // The sequence begins above `full`.
        self.full << 1
    }

    /// Becomes the stamp of the next message.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        self.empty = self.empty.wrapping_add(self.step());
    }

    /// The stamp of the published message, of `len` bytes.
    #[inline(always)]
    pub(crate) fn published(self, len: usize) -> u64 {
        debug_assert!((len as u64) < self.full);
        self.empty.wrapping_add(len as u64)
    }

    /// Whether `stamp` is that of the published message, of `len` bytes, if a slot has so many.
    #[inline(always)]
    pub(crate) fn is_published_in(self, stamp: u64, len: usize) -> bool {
        stamp == self.empty.wrapping_add(len as u64)
    }

    /// The stamp while the message is written.
    #[inline(always)]
    pub(crate) fn writing(self) -> u64 {
        self.empty - self.full
    }

    /// The length, if `stamp` says that the message is there. May exceed the slot: a peer may store
    /// anything.
    #[inline(always)]
    pub(crate) fn len_in(self, stamp: u64) -> Option<usize> {
        let rest = stamp ^ self.empty;
        (rest < self.full).then_some(rest as usize)
    }

    /// Whether `stamp` is that of this message, published or being written.
    #[inline(always)]
    pub(crate) fn is_named_in(self, stamp: u64) -> bool {
        (stamp ^ self.empty) < self.full << 1
    }

    /// Whether `stamp` says that the message is not there yet.
    #[inline(always)]
    pub(crate) fn is_awaited_in(self, stamp: u64) -> bool {
        // The length is below `full`, so it does not change the sign.
        stamp.wrapping_sub(self.empty).cast_signed() < 0
    }

    #[inline(always)]
    fn ahead_in(self, stamp: u64) -> i64 {
        (stamp & !(self.full - 1)).wrapping_sub(self.empty).cast_signed()
    }

    /// How a stamp differs in which [`Self::len_in`] finds no length.
    #[cold]
    pub(crate) fn mismatch(self, stamp: u64) -> Mismatch {
        let ahead = self.ahead_in(stamp);
        if ahead < 0 {
            Mismatch::NotYet
        } else {
            // `writing` of a later message is half a sequence short of its `published`: round up.
            Mismatch::Overtaken { by: (ahead.cast_unsigned() / self.full).div_ceil(2) }
        }
    }
}

/// The state of an arena slot, relative to one lap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// The message of that lap is not published yet.
    Awaited,
    /// It is published.
    Published,
    /// It is taken (queues), or withdrawn (the one writer of a gated ring).
    Taken,
    /// The slot is in a later lap.
    Lapped,
}

/// The word of an arena slot: `[lap | state:2 | buffer]`. This one word publishes a message; its
/// length and options lie with the buffer it names. States: 0 awaited, 1 published, 2 taken
/// (queues) or withdrawn (the one writer of a gated ring); 3 is reserved.
///
/// The lap counts the messages that went through the slot. The buffer takes the bits that the
/// ring's buffers need, the lap the rest (128 buffers: 55 bits; one slot at 10⁷ messages a second:
/// 114 years; with 65536 participants and one slot 45 bits: 40 days).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArenaStamp {
    buffer_bits: u32,
    /// The lowest bit of the state.
    unit: u64,
}

impl ArenaStamp {
    /// For a ring of `buffers` buffers.
    pub(crate) fn new(buffers: usize) -> Self {
        let buffer_bits = usize::BITS - buffers.saturating_sub(1).leading_zeros();
        ArenaStamp { buffer_bits, unit: 1 << buffer_bits }
    }

    /// Words of so many laps apart compare as earlier and later. That is half of what they could,
    /// so a caller may be wrong about the present lap by as much.
    pub(crate) fn laps_apart(self) -> u64 {
        1 << (60 - self.buffer_bits)
    }

    /// The message of `lap` is published, in `buffer`.
    #[inline(always)]
    pub(crate) fn published(self, lap: u64, buffer: usize) -> u64 {
        self.word(lap, 1, buffer)
    }

    /// The message of `lap` was taken, and `buffer` left for it.
    #[inline(always)]
    pub(crate) fn taken(self, lap: u64, buffer: usize) -> u64 {
        self.word(lap, 2, buffer)
    }

    /// The message that `word` says is published in `buffer` was taken, and `left` left for it.
    #[inline(always)]
    pub(crate) fn taken_from(self, word: u64, buffer: usize, left: usize) -> u64 {
        word - buffer as u64 + self.unit + left as u64
    }

    /// The message of `lap` is not published yet; meanwhile the slot keeps `buffer`.
    #[inline(always)]
    pub(crate) fn awaiting(self, lap: u64, buffer: usize) -> u64 {
        self.word(lap, 0, buffer)
    }

    #[inline(always)]
    fn word(self, lap: u64, state: u64, buffer: usize) -> u64 {
        // A product, because shifts by a variable cost more.
        (lap << 2).wrapping_mul(self.unit) + state * self.unit + buffer as u64
    }

    /// The buffer, if `word` says that the message of `lap` is published.
    #[inline(always)]
    pub(crate) fn buffer_of(self, word: u64, lap: u64) -> Option<usize> {
        let rest = word ^ self.published(lap, 0);
        (rest < self.unit).then_some(rest as usize)
    }

    /// The buffer that the slot keeps, whatever its state. May exceed the ring's: a peer may store
    /// anything.
    #[inline(always)]
    pub(crate) fn any_buffer(self, word: u64) -> usize {
        (word & (self.unit - 1)) as usize
    }

    /// How a word differs in which [`Self::buffer_of`] finds no buffer, in laps: by 0 if the
    /// message was there and is taken.
    #[cold]
    pub(crate) fn mismatch(self, word: u64, lap: u64) -> Mismatch {
        let ahead = (word & !(self.unit - 1)).wrapping_sub(self.published(lap, 0)).cast_signed();
        if ahead < 0 {
            Mismatch::NotYet
        } else {
            // `awaiting` is one state before `published` of the same lap, `taken` one behind it.
            Mismatch::Overtaken { by: ((ahead.cast_unsigned() >> self.buffer_bits) + 1) / 4 }
        }
    }

    /// The state of a word, relative to `lap`.
    #[inline(always)]
    pub(crate) fn state(self, word: u64, lap: u64) -> SlotState {
        match self.ahead(word, lap) {
            1 => SlotState::Published,
            2 => SlotState::Taken,
            ..=3 => SlotState::Awaited,
            _ => SlotState::Lapped,
        }
    }

    /// By how many states a word is ahead of one that awaits the message of `lap`. A lap has four
    /// states: 1 means that its message is published, -2 that the message before was taken.
    #[inline(always)]
    pub(crate) fn ahead(self, word: u64, lap: u64) -> i64 {
        self.distance(word, lap) >> self.buffer_bits // Drops the buffer.
    }

    /// As [`Self::ahead`], to be compared with [`Self::distance_of`]: at least as far is as many
    /// states ahead.
    #[inline(always)]
    pub(crate) fn distance(self, word: u64, lap: u64) -> i64 {
        word.wrapping_sub(self.awaiting(lap, 0)).cast_signed() // Modulo: the sign decides.
    }

    /// The distance of so many states.
    #[inline(always)]
    pub(crate) fn distance_of(self, states: i64) -> i64 {
        states * self.unit.cast_signed()
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
        fn a_stamp_tells_published_from_not_yet_from_overtaken(
            n in sequences(), by in 1u64..1000, size in 1usize..5000, percent in 0usize..=100,
        ) {
            let stamp = |sequence| InlineStamp::new(size).of(sequence);
            let len = size * percent / 100;
            let later = n + by;
            let mut next = stamp(n);
            next.advance();
            prop_assert_eq!(next, stamp(n + 1));
            prop_assert_eq!(stamp(n).len_in(stamp(n).published(len)), Some(len));
            prop_assert_eq!(stamp(n).len_in(stamp(n).writing()), None);
            prop_assert_eq!(stamp(n).mismatch(stamp(n).writing()), Mismatch::NotYet);
            prop_assert_eq!(stamp(n).len_in(stamp(later).published(len)), None);
            prop_assert_eq!(stamp(n).mismatch(stamp(later).published(len)), Mismatch::Overtaken { by });
            prop_assert_eq!(stamp(n).mismatch(stamp(later).writing()), Mismatch::Overtaken { by });
            prop_assert_eq!(stamp(later).mismatch(stamp(n).published(len)), Mismatch::NotYet);
            prop_assert!(stamp(n).is_named_in(stamp(n).published(len)));
            prop_assert!(stamp(n).is_named_in(stamp(n).writing()));
            prop_assert!(!stamp(n).is_named_in(stamp(later).writing()));
            prop_assert!(stamp(n).is_awaited_in(stamp(n).writing()));
            prop_assert!(!stamp(n).is_awaited_in(stamp(n).published(len)));
        }

        #[test]
        fn a_word_tells_published_from_not_yet_from_overtaken(
            lap in sequences(), by in 1u64..1000, buffers in 1usize..5000, percent in 0usize..100,
        ) {
            let words = ArenaStamp::new(buffers);
            let buffer = buffers * percent / 100;
            let later = lap + by;
            prop_assert_eq!(words.buffer_of(words.published(lap, buffer), lap), Some(buffer));
            prop_assert_eq!(words.any_buffer(words.awaiting(lap, buffer)), buffer);
            prop_assert_eq!(words.buffer_of(words.awaiting(lap, buffer), lap), None);
            let taken = words.taken_from(words.published(lap, buffer), buffer, buffers - 1);
            prop_assert_eq!(taken, words.taken(lap, buffers - 1));
            prop_assert_eq!(words.mismatch(words.awaiting(lap, buffer), lap), Mismatch::NotYet);
            prop_assert_eq!(words.mismatch(words.published(later, buffer), lap), Mismatch::Overtaken { by });
            prop_assert_eq!(words.mismatch(words.awaiting(later, buffer), lap), Mismatch::Overtaken { by });
            prop_assert_eq!(words.mismatch(words.taken(later, buffer), lap), Mismatch::Overtaken { by });
            prop_assert_eq!(words.mismatch(words.taken(lap, buffer), lap), Mismatch::Overtaken { by: 0 });
            prop_assert_eq!(words.mismatch(words.taken(lap, buffer), later), Mismatch::NotYet);
            prop_assert_eq!(words.mismatch(words.published(lap, buffer), later), Mismatch::NotYet);
        }
    }
}
