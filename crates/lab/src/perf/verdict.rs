//! Whether a run adds up: for each reader, what was written is what it read and what it was told it lost, and
//! the numbers inside the messages say the same. In a queue, what was written is what all readers got together, each
//! message once.

use super::coordinator::Outcome;
use super::options::Delivery;
use super::plan::Plan;
use super::protocol::{Reading, Writing, digest};

/// Everything that does not add up, in words; empty if the run is good.
pub(crate) fn failures(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let mut failures = Vec::new();
    let queue = plan.delivery == Delivery::Queue;
    for reading in &outcome.readings {
        let mut of_reading = damage(reading);
        if !queue {
            of_reading.extend(gaps(plan, reading, &outcome.writings));
        }
        let name = format!("reader {} (process {})", reading.number, reading.pid);
        failures.extend(of_reading.into_iter().map(|failure| format!("{name}: {failure}")));
    }
    if queue {
        failures
            .extend(outcome.writings.iter().filter_map(|writing| not_each_once(writing, &outcome.readings)));
    }
    failures
}

/// What is wrong with the messages that a reader got, whichever they are.
fn damage(reading: &Reading) -> Vec<String> {
    let mut failures = Vec::new();
    let Reading { slots, torn, .. } = *reading;
    if torn > 0 {
        let first = reading.first_torn.as_deref().unwrap_or("not described");
        failures.push(format!("{torn} of {slots} messages are not whole; the first: {first}"));
    }
    let disordered: u64 = reading.accounts.iter().map(|account| account.disordered).sum();
    if disordered > 0 {
        failures.push(format!("{disordered} messages came late or twice"));
    }
    failures
}

/// Queue: whether the messages of a writer came to the readers each once; in words, if not.
fn not_each_once(writing: &Writing, readings: &[Reading]) -> Option<String> {
    let came = readings.iter().filter_map(|reading| reading.accounts.get(writing.number));
    let came = came.fold(0, |sum: u64, account| sum.wrapping_add(account.digest));
    let written = (0..writing.slots).fold(0, |sum: u64, number| sum.wrapping_add(digest(number)));
    (came != written).then(|| {
        let Writing { number, slots, .. } = writing;
        format!("the {slots} messages of writer {number} did not come to the readers each once")
    })
}

/// Broadcast: what a reader did not get and was not told of.
fn gaps(plan: &Plan, reading: &Reading, writings: &[Writing]) -> Vec<String> {
    let mut failures = Vec::new();
    let Reading { slots, lost, .. } = *reading;
    let written: u64 = writings.iter().map(|writing| writing.slots).sum();
    if slots + lost != written {
        failures.push(format!("{slots} read and {lost} lost are not the {written} written"));
    }
    match missing(reading, writings) {
        None => failures.push("the numbers inside the messages go beyond what was written".into()),
        Some(missing) if missing != lost => failures.push(format!(
            "the ring reported {lost} messages as lost, and by the numbers inside the messages {missing} are missing"
        )),
        Some(_) => {}
    }
    if plan.delivery == Delivery::Gated && lost > 0 {
        failures.push(format!("{lost} messages were lost, in a gated ring"));
    }
    failures
}

/// Messages that `reading` misses by the numbers inside those that it got; `None` if these go beyond what was
/// written.
pub(crate) fn missing(reading: &Reading, writings: &[Writing]) -> Option<u64> {
    let of = |writing: &Writing| reading.accounts.get(writing.number)?.lost_of(writing.slots);
    writings.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::super::protocol::{Account, Effort};
    use super::*;

    const EFFORT: Effort = Effort { cpu_seconds: 0.0, voluntary_switches: 0, involuntary_switches: 0 };

    /// A lossy run of 10 messages of which a reader got 7 and lost 3, spoilt by `spoil`.
    fn failures_after(spoil: impl FnOnce(&mut Reading)) -> Vec<String> {
        failures_of(Delivery::Lossy, spoil)
    }

    fn failures_of(delivery: Delivery, spoil: impl FnOnce(&mut Reading)) -> Vec<String> {
        let options = Options { delivery: Some(delivery), ..Options::default() };
        let writing = Writing {
            number: 0,
            pid: 1,
            slots: 10,
            seconds: 1.0,
            refused: 0,
            waited_seconds: 0.0,
            latency: None,
            effort: EFFORT,
        };
        let mut reading = Reading {
            number: 0,
            pid: 2,
            slots: 7,
            seconds: 1.0,
            lost: 3,
            torn: 0,
            first_torn: None,
            accounts: vec![Account { expects: 9, missing: 2, disordered: 0, digest: 0 }],
            waited_seconds: 0.0,
            latency: None,
            effort: EFFORT,
        };
        spoil(&mut reading);
        let outcome = Outcome { writings: vec![writing], readings: vec![reading], ..Outcome::default() };
        failures(&Plan::new(&options).unwrap(), &outcome)
    }

    #[test]
    fn a_run_that_adds_up_is_good() {
        assert_eq!(failures_after(|_| ()), [""; 0]);
    }

    #[test]
    fn what_comes_to_two_readers_or_to_none_is_not_each_once() {
        let written = (0..10).fold(0, |sum: u64, number| sum.wrapping_add(digest(number)));
        for (theirs, whole) in [
            (written, true),
            (written.wrapping_add(digest(3)), false),
            (written.wrapping_sub(digest(9)), false),
        ] {
            let failures = failures_of(Delivery::Queue, |reading| reading.accounts[0].digest = theirs);
            assert_eq!(failures.is_empty(), whole, "{failures:?}");
        }
    }

    #[test]
    fn each_thing_that_does_not_add_up_is_named() {
        type Spoil = fn(&mut Reading);
        let spoilt: [(Spoil, &str); 5] = [
            (|reading| reading.torn = 1, "not whole"),
            (|reading| reading.slots = 6, "are not the 10 written"),
            (|reading| reading.accounts[0].missing = 1, "2 are missing"),
            (|reading| reading.accounts[0].expects = 11, "beyond"),
            (|reading| reading.accounts[0].disordered = 1, "late or twice"),
        ];
        for (spoil, said) in spoilt {
            let failures = failures_after(spoil);
            assert!(matches!(&failures[..], [only] if only.contains(said)), "{said}: {failures:?}");
        }
    }
}
