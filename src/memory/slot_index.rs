//! Which slot a sequence number lies in, and in which lap.

/// A sequence number with its slot and lap. Advances without a division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotIndex {
    /// The number of the message.
    pub(crate) sequence: u64,
    /// `sequence % slots`.
    index: usize,
    /// `sequence / slots`: how many messages went through the slot before this one.
    lap: u64,
    slots: usize,
}

impl SlotIndex {
    /// # Cost
    /// A division: for joins and jumps, never for a step.
    pub(crate) fn new(sequence: u64, slots: usize) -> Self {
        let slots_u64 = slots as u64;
        SlotIndex { sequence, index: (sequence % slots_u64) as usize, lap: sequence / slots_u64, slots }
    }

    /// One of the slots of a table, which hold no sequence of messages.
    #[inline(always)]
    pub(crate) fn in_table(index: usize, slots: usize) -> Self {
        assert!(index < slots, "a table has two slots for each key");
        SlotIndex { sequence: 0, index, lap: 0, slots }
    }

    /// Below the number of slots that this was made for.
    #[inline(always)]
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    #[inline(always)]
    pub(crate) fn lap(&self) -> u64 {
        self.lap
    }

    /// Goes to the next sequence.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        self.sequence += 1;
        self.index += 1;
        if self.index == self.slots {
            self.index = 0;
            self.lap += 1;
        }
    }

    /// Goes to another sequence of the same ring.
    pub(crate) fn seek(&mut self, sequence: u64) {
        *self = SlotIndex::new(sequence, self.slots);
    }
}

/// The messages that lie in the slots from the first to the last, in order: one pass over the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lap {
    /// The message in the first slot.
    pub(crate) first: u64,
    number: u64,
    slots: usize,
}

impl Lap {
    /// The lap of `sequence`.
    ///
    /// # Cost
    /// A division.
    pub(crate) fn new(sequence: u64, slots: usize) -> Self {
        let slots_u64 = slots as u64;
        Lap { first: sequence - sequence % slots_u64, number: sequence / slots_u64, slots }
    }

    /// One more than the message in the last slot.
    #[inline(always)]
    pub(crate) fn end(&self) -> u64 {
        self.first + self.slots as u64
    }

    /// The lap after this one.
    #[inline(always)]
    pub(crate) fn next(&self) -> Self {
        Lap { first: self.end(), number: self.number + 1, slots: self.slots }
    }

    /// Goes to the lap of `sequence` and returns the slot; without a division if it is in this lap
    /// or the next.
    #[inline(always)]
    pub(crate) fn locate(&mut self, sequence: u64) -> SlotIndex {
        if sequence.wrapping_sub(self.first) >= self.slots as u64 {
            self.seek(sequence);
        }
        self.slot_index(sequence)
    }

    #[inline(never)]
    fn seek(&mut self, sequence: u64) {
        let next = self.next();
        let is_next = (next.first..next.end()).contains(&sequence);
        *self = if is_next { next } else { Lap::new(sequence, self.slots) };
    }

    /// The slot of a message of this lap.
    #[inline(always)]
    pub(crate) fn slot_index(&self, sequence: u64) -> SlotIndex {
        debug_assert!((self.first..self.end()).contains(&sequence));
        SlotIndex { sequence, index: (sequence - self.first) as usize, lap: self.number, slots: self.slots }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lap, SlotIndex};

    /// Fails if a jump of several laps ends in the next one.
    #[test]
    fn each_jump_finds_the_slot() {
        for slots in [1, 3, 64] {
            let mut lap = Lap::new(0, slots);
            for sequence in (0..10).map(|n| n * n * slots as u64 + n) {
                assert_eq!(lap.locate(sequence), SlotIndex::new(sequence, slots), "{slots}: {sequence}");
            }
        }
    }

    #[test]
    fn stepping_and_dividing_agree() {
        for slots in [1, 2, 3, 10, 50, 64] {
            for start in [0, 1, 49, (1 << 40) - 7, (1 << 62) - 130] {
                let (mut stepped, mut lap) = (SlotIndex::new(start, slots), Lap::new(start, slots));
                for sequence in start..start + 130 {
                    if sequence == lap.end() {
                        lap = lap.next();
                    }
                    let divided = SlotIndex::new(sequence, slots);
                    assert_eq!(stepped, divided, "slots {slots}, start {start}");
                    assert_eq!(lap.slot_index(sequence), divided, "slots {slots}, start {start}");
                    assert_eq!(lap, Lap::new(sequence, slots), "slots {slots}, start {start}");
                    stepped.advance();
                }
            }
        }
    }
}
