//! Where a sequence number lies in a ring: which slot, in which round.

/// A sequence with its slot and round. Steps without a division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of the message.
    pub(crate) sequence: u64,
    /// `sequence % slots`.
    index: usize,
    /// `sequence / slots`: how many messages went through the slot before this one.
    round: u64,
    slots: usize,
}

impl Place {
    /// # Cost
    /// A division: for joins and jumps, never for a step.
    pub(crate) fn of(sequence: u64, slots: usize) -> Self {
        let slots_u64 = slots as u64;
        Place { sequence, index: (sequence % slots_u64) as usize, round: sequence / slots_u64, slots }
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
        *self = Place::of(sequence, self.slots);
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn stepping_and_dividing_agree() {
        for slots in [1, 2, 3, 10, 50, 64] {
            for start in [0, 1, 49, (1 << 40) - 7, (1 << 62) - 130] {
                let mut place = Place::of(start, slots);
                for n in 0..130 {
                    assert_eq!(place, Place::of(start + n, slots), "slots {slots}, start {start}, step {n}");
                    place.step();
                }
            }
        }
    }
}
