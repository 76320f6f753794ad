//! What a reader learns from the numbers inside messages: which are missing, which came late or twice.
//!
//! It is kept apart from what the ring reports as lost, so that the one can be held against the other.

use super::protocol::{Account, digest};

/// The accounts of all writers.
#[derive(Debug)]
pub(crate) struct Tally {
    accounts: Vec<Account>,
}

impl Tally {
    /// Nothing seen yet of so many writers.
    pub(crate) fn new(writers: usize) -> Self {
        Tally { accounts: vec![Account::default(); writers] }
    }

    /// A whole message came: number `sequence` of `writer`. False if there is no such writer.
    #[must_use]
    pub(crate) fn saw(&mut self, writer: u32, sequence: u64) -> bool {
        let Some(account) = self.accounts.get_mut(writer as usize) else { return false };
        account.digest = account.digest.wrapping_add(digest(sequence));
        if sequence < account.expects {
            account.disordered += 1;
        } else {
            account.missing += sequence - account.expects;
            account.expects = sequence + 1;
        }
        true
    }

    pub(crate) fn into_accounts(self) -> Vec<Account> {
        self.accounts
    }
}

impl Account {
    /// Messages that did not come, of `written` ones; `None` if more came than were written.
    pub(crate) fn lost_of(&self, written: u64) -> Option<u64> {
        Some(self.missing + written.checked_sub(self.expects)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_missing_and_so_is_what_never_came_at_the_end() {
        let mut tally = Tally::new(1);
        assert!([0, 1, 5, 6].map(|sequence| tally.saw(0, sequence)).iter().all(|known| *known));
        let [account] = tally.into_accounts()[..] else { panic!("one writer") };
        assert_eq!((account.expects, account.missing, account.disordered), (7, 3, 0));
        assert_eq!(account.lost_of(7), Some(3));
        assert_eq!(account.lost_of(10), Some(6));
        assert_eq!(account.lost_of(6), None);
    }

    #[test]
    fn what_comes_twice_or_late_is_disordered_and_a_stranger_is_none_of_ours() {
        let mut tally = Tally::new(2);
        assert!(tally.saw(1, 3) && tally.saw(1, 3) && tally.saw(1, 2));
        assert!(!tally.saw(2, 0));
        let account = tally.into_accounts()[1];
        assert_eq!((account.expects, account.missing, account.disordered), (4, 3, 2));
    }
}
