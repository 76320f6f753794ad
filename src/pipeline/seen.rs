//! Which numbers have come, each once, in almost their order.

use std::collections::BTreeSet;

/// Remembers the gaps: as many numbers as are on their way.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    next: u64,
    missing: BTreeSet<u64>,
}

impl Seen {
    /// Whether this number did not come before.
    pub(crate) fn is_first(&mut self, number: u64) -> bool {
        if number < self.next {
            return self.missing.remove(&number);
        }
        self.missing.extend(self.next..number);
        self.next = number + 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn a_number_is_the_first_once() {
        let mut seen = Seen::default();
        let answers = [2, 0, 2, 1, 1, 0, 5, 3, 5, 4].map(|number| seen.is_first(number));
        assert_eq!(answers, [true, true, false, true, false, false, true, true, false, true]);
        assert!(seen.missing.is_empty(), "as many are remembered as are missing");
    }
}
