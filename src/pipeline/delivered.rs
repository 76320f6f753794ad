//! Which numbers have come, each once, in almost their order.

use crate::types::error::Corrupt;
use std::collections::BTreeSet;

/// Remembers the gaps: as many numbers as are on their way.
#[derive(Debug)]
pub(crate) struct Seen {
    next: u64,
    missing: BTreeSet<u64>,
    /// So many may be missing between two that come.
    most: u64,
}

impl Seen {
    pub(crate) fn new(most: usize) -> Self {
        Seen { next: 0, missing: BTreeSet::new(), most: most as u64 }
    }

    /// Whether this number did not come before.
    pub(crate) fn is_first(&mut self, number: u64) -> Result<bool, Corrupt> {
        if number < self.next {
            return Ok(self.missing.remove(&number));
        }
        if number - self.next > self.most {
            return Err(Corrupt { what: "a result has the number of a command that was not issued" });
        }
        self.missing.extend(self.next..number);
        self.next = number + 1;
        Ok(true)
    }

    /// Whether all numbers below that one have come.
    pub(crate) fn are_all_below(&self, number: u64) -> bool {
        self.next >= number && self.missing.first().is_none_or(|first| *first >= number)
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn a_number_is_the_first_once() {
        let mut seen = Seen::new(2);
        let answers = [2, 0, 2, 1, 1, 0, 5, 3, 5, 4].map(|number| seen.is_first(number).unwrap());
        assert_eq!(answers, [true, true, false, true, false, false, true, true, false, true]);
        assert!(seen.missing.is_empty(), "as many are remembered as are missing");
        assert!(seen.is_first(9).is_err(), "three were left out");
    }

    #[test]
    fn all_below_have_come_when_none_is_missing() {
        let mut seen = Seen::new(9);
        for (number, all_below) in
            [(0, [true, true, false]), (3, [true, true, false]), (1, [true, true, true])]
        {
            seen.is_first(number).unwrap();
            assert_eq!([0, 1, 2].map(|below| seen.are_all_below(below)), all_below, "after {number}");
        }
    }
}
