//! Checks that a run lost and repeated nothing unreported. For each reader, the messages written
//! must be those that it read plus those that the ring reported as lost, and the numbers inside the
//! messages must confirm it. In a queue, all readers together must get each message exactly once.

use super::coordinator::Outcome;
use super::plan::Plan;
use super::protocol::{Reading, Writing};
use harness::ring_spec::Delivery;
use serde::{Deserialize, Serialize};

/// A reader's account of one writer's messages, from the numbers inside them. It is separate from
/// the losses that the ring reports, so that each can be checked against the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// The next number in order: one more than the highest that came.
    pub(crate) expects: u64,
    /// Numbers that were skipped: a higher one came first.
    pub(crate) missing: u64,
    /// Numbers that came late or twice.
    pub(crate) disordered: u64,
    /// The sum of the [`digest`]s of all numbers that came, in a queue.
    pub(crate) digest: u64,
}

impl Account {
    /// A whole message with this number came.
    #[inline]
    pub(crate) fn enter(&mut self, number: u64, delivery: Delivery) {
        if delivery == Delivery::Queue {
            self.digest = self.digest.wrapping_add(digest(number));
        }
        if number < self.expects {
            self.disordered += 1;
        } else {
            self.missing += number - self.expects;
            self.expects = number + 1;
        }
    }

    /// Messages that did not come, of `written` ones; `None` if more came than were written.
    fn lost_of(&self, written: u64) -> Option<u64> {
        Some(self.missing + written.checked_sub(self.expects)?)
    }
}

/// The hash of a number. The sum of the hashes identifies a collection of numbers: another one,
/// even one that has a number twice, gives the same sum only by a coincidence of 64-bit sums.
fn digest(number: u64) -> u64 {
    // The finalizer of MurmurHash3: every bit of the number reaches every bit of the digest.
    let mixed = number.wrapping_add(1).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ mixed >> 33
}

/// A description of each failed check; empty if the run is good.
pub fn failures(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let mut failures = Vec::new();
    let queue = plan.delivery == Delivery::Queue;
    for reading in &outcome.readings {
        let mut of_reading = damage(reading);
        if !queue {
            of_reading.extend(gaps(plan, reading, &outcome.writings));
        }
        let name = format!("reader {} (process {})", reading.result.number, reading.result.pid);
        failures.extend(of_reading.into_iter().map(|failure| format!("{name}: {failure}")));
    }
    if queue {
        let not_once = |writing| not_each_once(writing, &outcome.readings);
        failures.extend(outcome.writings.iter().filter_map(not_once));
    }
    failures
}

/// Faults in the messages that a reader got: torn, late or repeated.
fn damage(reading: &Reading) -> Vec<String> {
    let mut failures = Vec::new();
    if reading.torn > 0 {
        let first = reading.first_torn.as_deref().unwrap_or("not described");
        let (torn, messages) = (reading.torn, reading.result.messages);
        failures.push(format!("{torn} of {messages} messages were damaged; the first: {first}"));
    }
    let disordered: u64 = reading.accounts.iter().map(|account| account.disordered).sum();
    if disordered > 0 {
        failures.push(format!("{disordered} messages came late or twice"));
    }
    failures
}

/// Queue: the failure, unless each message of a writer came to exactly one reader, exactly once.
fn not_each_once(writing: &Writing, readings: &[Reading]) -> Option<String> {
    let (number, messages) = (writing.result.number, writing.result.messages);
    let came = readings.iter().filter_map(|reading| reading.accounts.get(number));
    let came = came.fold(0, |sum: u64, account| sum.wrapping_add(account.digest));
    let written = (0..messages).fold(0, |sum: u64, number| sum.wrapping_add(digest(number)));
    (came != written).then(|| {
        format!(
            "writer {number} wrote {messages} messages, and the readers did not get each of them exactly once"
        )
    })
}

/// Broadcast: failures if the messages read and the losses reported are not the messages written.
fn gaps(plan: &Plan, reading: &Reading, writings: &[Writing]) -> Vec<String> {
    let mut failures = Vec::new();
    let (read, lost) = (reading.result.messages, reading.lost);
    let written: u64 = writings.iter().map(|writing| writing.result.messages).sum();
    if read + lost != written {
        failures.push(format!(
            "{read} messages were read and {lost} were reported lost, but {written} were written"
        ));
    }
    match missing(reading, writings) {
        None => failures.push("a message has a number that no writer gave it".into()),
        Some(missing) if missing != lost => failures.push(format!(
            "the ring reported {lost} lost messages, but the numbers of {missing} messages are missing"
        )),
        Some(_) => {}
    }
    if plan.delivery == Delivery::Gated && lost > 0 {
        failures.push(format!("{lost} messages were lost, although a gated ring must not lose any"));
    }
    failures
}

/// Messages that `reading` lacks by the numbers inside those that it got; `None` if these go beyond
/// what was written.
pub(crate) fn missing(reading: &Reading, writings: &[Writing]) -> Option<u64> {
    let of =
        |writing: &Writing| reading.accounts.get(writing.result.number)?.lost_of(writing.result.messages);
    writings.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::super::WorkerResult;
    use super::*;

    /// The failures of a run of 10 messages, of which a reader got 7 and lost 3, after `spoil`.
    fn failures_of(delivery: &str, spoil: impl FnOnce(&mut Reading)) -> Vec<String> {
        let plan = Plan::of_flags(&format!("--delivery {delivery}"));
        let result = |messages| WorkerResult { messages, seconds: 1.0, ..WorkerResult::default() };
        let mut reading = Reading {
            result: result(7),
            lost: 3,
            accounts: vec![Account { expects: 9, missing: 2, ..Account::default() }],
            ..Reading::default()
        };
        spoil(&mut reading);
        let writings = vec![Writing { result: result(10), waited_for_readers: 0 }];
        let outcome = Outcome { writings, readings: vec![reading], ..Outcome::default() };
        failures(&plan, &outcome)
    }

    #[test]
    fn gaps_are_missing_and_so_are_messages_that_never_came_at_the_end() {
        let mut account = Account::default();
        for number in [0, 1, 5, 6, 3] {
            account.enter(number, Delivery::Gated);
        }
        assert_eq!((account.expects, account.missing, account.disordered), (7, 3, 1));
        assert_eq!([7, 10, 6].map(|written| account.lost_of(written)), [Some(3), Some(6), None]);
    }

    #[test]
    fn a_message_that_two_readers_got_or_none_is_a_failure_of_a_queue() {
        let written = (0..10).fold(0, |sum: u64, number| sum.wrapping_add(digest(number)));
        for (theirs, whole) in [
            (written, true),
            (written.wrapping_add(digest(3)), false),
            (written.wrapping_sub(digest(9)), false),
        ] {
            let failures = failures_of("queue", |reading| reading.accounts[0].digest = theirs);
            assert_eq!(failures.is_empty(), whole, "{failures:?}");
        }
    }

    #[test]
    fn each_thing_that_does_not_add_up_is_named() {
        type Spoil = fn(&mut Reading);
        let spoilt: [(Spoil, &str); 5] = [
            (|reading| reading.torn = 1, "damaged"),
            (|reading| reading.result.messages = 6, "but 10 were written"),
            (|reading| reading.accounts[0].missing = 1, "of 2 messages are missing"),
            (|reading| reading.accounts[0].expects = 11, "no writer gave it"),
            (|reading| reading.accounts[0].disordered = 1, "late or twice"),
        ];
        assert_eq!(failures_of("lossy", |_| ()), [""; 0]);
        for (spoil, said) in spoilt {
            let failures = failures_of("lossy", spoil);
            assert!(matches!(&failures[..], [only] if only.contains(said)), "{said}: {failures:?}");
        }
    }
}
