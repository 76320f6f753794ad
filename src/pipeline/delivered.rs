//! The numbers of the results that came, for results in any order: finds repetitions.

use crate::types::error::Corrupt;
use std::collections::BTreeSet;

/// The set of numbers that came: all below `next` except `missing`. Its size is bounded by the
/// number of commands in flight.
#[derive(Debug)]
pub(crate) struct Delivered {
    next: u64,
    missing: BTreeSet<u64>,
    /// The longest gap between two results that come one after the other.
    max_gap: u64,
}

impl Delivered {
    pub(crate) fn new(max_gap: usize) -> Self {
        Delivered { next: 0, missing: BTreeSet::new(), max_gap: max_gap as u64 }
    }

    /// Adds a number. False if it came before.
    pub(crate) fn is_first(&mut self, number: u64) -> Result<bool, Corrupt> {
        if number < self.next {
            return Ok(self.missing.remove(&number));
        }
        if number - self.next > self.max_gap {
            return Err(Corrupt { what: "a result has the number of a command that was not issued" });
        }
        self.missing.extend(self.next..number);
        self.next = number + 1;
        Ok(true)
    }

    /// Whether all numbers below `number` have come.
    pub(crate) fn has_all_below(&self, number: u64) -> bool {
        self.next >= number && self.missing.first().is_none_or(|first| *first >= number)
    }
}

#[cfg(test)]
mod tests {
    use super::Delivered;

    #[test]
    fn a_number_is_the_first_once() {
        let mut delivered = Delivered::new(2);
        let answers = [2, 0, 2, 1, 1, 0, 5, 3, 5, 4].map(|number| delivered.is_first(number).unwrap());
        assert_eq!(answers, [true, true, false, true, false, false, true, true, false, true]);
        assert!(delivered.missing.is_empty(), "only missing numbers are stored");
        assert!(delivered.is_first(9).is_err(), "three numbers are missing");
    }

    #[test]
    fn all_below_have_come_when_none_is_missing() {
        let mut delivered = Delivered::new(9);
        for (number, all_below) in
            [(0, [true, true, false]), (3, [true, true, false]), (1, [true, true, true])]
        {
            delivered.is_first(number).unwrap();
            assert_eq!([0, 1, 2].map(|below| delivered.has_all_below(below)), all_below, "after {number}");
        }
    }
}
