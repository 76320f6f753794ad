//! Where a sequence number lies in a ring: which slot, in which round.

/// A sequence with its slot and round. Steps without a division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotIndex {
    /// The number of the message.
    pub(crate) sequence: u64,
    /// `sequence % slots`.
    index: usize,
    /// `sequence / slots`: how many messages went through the slot before this one.
    round: u64,
    slots: usize,
}

impl SlotIndex {
    /// # Cost
    /// A division: for joins and jumps, never for a step.
    pub(crate) fn of(sequence: u64, slots: usize) -> Self {
        let slots_u64 = slots as u64;
        SlotIndex { sequence, index: (sequence % slots_u64) as usize, round: sequence / slots_u64, slots }
    }

    /// Below the number of slots that this place was made for.
    #[inline(always)]
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    #[inline(always)]
    pub(crate) fn round(&self) -> u64 {
        self.round
    }

    /// The place of the next sequence.
    #[inline(always)]
    pub(crate) fn step(&mut self) {
        self.sequence += 1;
        self.index += 1;
        if self.index == self.slots {
            self.index = 0;
            self.round += 1;
        }
    }

    /// The place of another sequence of the same ring.
    pub(crate) fn jump(&mut self, sequence: u64) {
        *self = SlotIndex::of(sequence, self.slots);
    }
}

/// The messages of one round: those that lie in the slots from the first to the last, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lap {
    /// The message in the first slot.
    pub(crate) first: u64,
    round: u64,
    slots: usize,
}

impl Lap {
    /// The lap of `sequence`.
    ///
    /// # Cost
    /// A division.
    pub(crate) fn of(sequence: u64, slots: usize) -> Self {
        let slots_u64 = slots as u64;
        Lap { first: sequence - sequence % slots_u64, round: sequence / slots_u64, slots }
    }

    /// Behind the message in the last slot.
    #[inline(always)]
    pub(crate) fn end(&self) -> u64 {
        self.first + self.slots as u64
    }

    /// The lap after this one.
    #[inline(always)]
    pub(crate) fn next(&self) -> Self {
        Lap { first: self.end(), round: self.round + 1, slots: self.slots }
    }

    /// Goes to the lap of `sequence`, and says where that lies; without a division, if it is in this lap or the next.
    #[inline(always)]
    pub(crate) fn seek(&mut self, sequence: u64) -> SlotIndex {
        if sequence.wrapping_sub(self.first) >= self.slots as u64 {
            self.turn_to(sequence);
        }
        self.place(sequence)
    }

    #[inline(never)]
    fn turn_to(&mut self, sequence: u64) {
        let next = self.next();
        let is_next = (next.first..next.end()).contains(&sequence);
        *self = if is_next { next } else { Lap::of(sequence, self.slots) };
    }

    /// The place of a message of this lap.
    #[inline(always)]
    pub(crate) fn place(&self, sequence: u64) -> SlotIndex {
        debug_assert!((self.first..self.end()).contains(&sequence));
        SlotIndex { sequence, index: (sequence - self.first) as usize, round: self.round, slots: self.slots }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lap, SlotIndex};

    #[test]
    fn stepping_and_dividing_agree() {
        for slots in [1, 2, 3, 10, 50, 64] {
            for start in [0, 1, 49, (1 << 40) - 7, (1 << 62) - 130] {
                let (mut place, mut lap) = (SlotIndex::of(start, slots), Lap::of(start, slots));
                for sequence in start..start + 130 {
                    if sequence == lap.end() {
                        lap = lap.next();
                    }
                    let divided = SlotIndex::of(sequence, slots);
                    assert_eq!(place, divided, "slots {slots}, start {start}");
                    assert_eq!(lap.place(sequence), divided, "slots {slots}, start {start}");
                    assert_eq!(lap, Lap::of(sequence, slots), "slots {slots}, start {start}");
                    place.step();
                }
            }
        }
    }
}
