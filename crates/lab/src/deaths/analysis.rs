//! What the accounts of a run say: which messages are missing, doubled, torn or out of order, and
//! how long each survivor was silent.

use harness::deaths::{Account, Event, Kind, Role};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The account of a participant after a run.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    pub(crate) role: Role,
    pub(crate) events: Vec<Event>,
    /// Messages that its library reported as lost.
    pub(crate) reported_lost: u64,
    /// It ended by itself, so that it has read what there was.
    pub(crate) left: bool,
}

impl Witness {
    pub(crate) fn of(account: &Account, role: Role, left: bool) -> Self {
        let events = (0..account.len()).filter_map(|index| account.event(index)).collect();
        Self { role, events, reported_lost: account.reported_lost(), left }
    }

    fn read(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.kind != Kind::Sent)
    }

    /// Its longest time without a message, of those that began or ended within `span`.
    pub(crate) fn silence(&self, span: Range<u64>) -> u64 {
        let times = self.events.iter().map(|event| event.nanos).filter(|nanos| span.contains(nanos));
        let mut last = span.start;
        let mut longest = 0;
        for nanos in times.chain([span.end]) {
            longest = longest.max(nanos.saturating_sub(last));
            last = nanos;
        }
        longest
    }
}

/// The messages of a run that are not where they should be, once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Balance {
    pub(crate) sent: u64,
    pub(crate) read: u64,
    /// The write returned, no reader got it that should have, and no library reported the loss.
    pub(crate) lost: u64,
    /// The library reported the loss.
    pub(crate) reported_lost: u64,
    /// Read twice by one reader, or by two takers, without a mark.
    pub(crate) doubled: u64,
    pub(crate) torn: u64,
    /// Behind a later message of the same writer.
    pub(crate) disordered: u64,
    /// Of a queue: taken by the victim, perhaps, and not yet in its account.
    pub(crate) in_hand: u64,
}

/// Balances the accounts of a run. In a queue each message goes to one reader. The `victim` is an
/// index of a participant whose reads may lack from its account, and which need not have read all.
/// Of messages written before `since`, readers may lack some: they may have joined meanwhile.
pub(crate) fn balance(witnesses: &[Witness], is_queue: bool, victim: Option<usize>, since: u64) -> Balance {
    let mut balance = Balance::default();
    let writes =
        |one: &Witness| one.events.iter().filter(|event| event.kind == Kind::Sent).copied().collect();
    let writes: Vec<Vec<Event>> = witnesses.iter().map(writes).collect();
    let sent: Vec<u64> = writes.iter().map(|writes| writes.len() as u64).collect();
    // A reader that reports losses is held to its count from its first message on.
    let from = |writer: usize, reported: u64| {
        if reported > 0 { 0 } else { writes[writer].partition_point(|write| write.nanos < since) }
    };
    balance.sent = sent.iter().sum();
    let readers = witnesses.iter().enumerate().filter(|(_, one)| one.role == Role::Reader);
    let mut together = Copies::new(witnesses.len());
    for (index, reader) in readers {
        let mut alone = Copies::new(witnesses.len());
        let mut newest = vec![None; witnesses.len()];
        for event in reader.read() {
            balance.read += 1;
            let writer = event.writer as usize;
            if event.kind == Kind::Torn || writer >= witnesses.len() {
                balance.torn += 1;
                continue;
            }
            let copies = if is_queue { &mut together } else { &mut alone };
            let is_new = copies.add(writer, event.number);
            if event.kind == Kind::Got {
                balance.doubled += u64::from(!is_new);
                balance.disordered +=
                    u64::from(is_new && newest[writer].is_some_and(|newest| event.number < newest));
                newest[writer] = newest[writer].max(Some(event.number));
            }
        }
        balance.reported_lost += reader.reported_lost;
        if !is_queue && Some(index) != victim && reader.left {
            let missing = |(writer, sent): (usize, &u64)| {
                let first = alone.first(writer)?.max(from(writer, reader.reported_lost));
                Some(alone.missing(writer, *sent, first))
            };
            let missing: u64 = sent.iter().enumerate().filter_map(missing).sum();
            balance.lost += missing.saturating_sub(reader.reported_lost);
        }
    }
    if is_queue && witnesses.iter().any(|one| one.role == Role::Reader && one.left) {
        let missing = sent.iter().enumerate().map(|(writer, sent)| together.missing(writer, *sent, 0));
        let missing: u64 = missing.sum();
        let taking = victim.is_some_and(|victim| witnesses[victim].role == Role::Reader);
        balance.in_hand = missing.min(u64::from(taking));
        balance.lost = missing - balance.in_hand;
    }
    balance
}

/// Which messages of each writer were read.
struct Copies(Vec<Vec<bool>>);

impl Copies {
    fn new(writers: usize) -> Self {
        Self(vec![Vec::new(); writers])
    }

    /// Whether it was not there yet.
    fn add(&mut self, writer: usize, number: u64) -> bool {
        let read = &mut self.0[writer];
        let number = (number as usize).min(2 * Account::EVENTS); // A number beyond is no writer's.
        if read.len() <= number {
            read.resize(number + 1, false);
        }
        !std::mem::replace(&mut read[number], true)
    }

    /// The first number of a writer that was read.
    fn first(&self, writer: usize) -> Option<usize> {
        self.0[writer].iter().position(|read| *read)
    }

    /// Messages of a writer, from `first` to below `sent`, that were not read.
    fn missing(&self, writer: usize, sent: u64, first: usize) -> u64 {
        let there = self.0[writer].iter().take(sent as usize).skip(first).filter(|read| **read).count();
        sent.saturating_sub((first + there) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness(role: Role, events: &[(Kind, u64)]) -> Witness {
        let event = |(index, &(kind, number)): (usize, &(Kind, u64))| Event {
            nanos: 10 * index as u64,
            kind,
            writer: 0,
            number,
        };
        Witness { role, events: events.iter().enumerate().map(event).collect(), reported_lost: 0, left: true }
    }

    fn writer(sent: u64) -> Witness {
        witness(Role::Writer, &(0..sent).map(|number| (Kind::Sent, number)).collect::<Vec<_>>())
    }

    fn reader(got: &[u64]) -> Witness {
        witness(Role::Reader, &got.iter().map(|number| (Kind::Got, *number)).collect::<Vec<_>>())
    }

    #[test]
    fn each_reader_gets_each_message_once_and_in_order() {
        let balance = balance(&[writer(3), reader(&[0, 1, 2]), reader(&[0, 1, 2])], false, None, 0);
        assert_eq!(balance, Balance { sent: 3, read: 6, ..Balance::default() });
    }

    #[test]
    fn a_message_that_one_reader_did_not_get_is_lost_unless_that_was_reported() {
        let mut accounts = [writer(3), reader(&[0, 1, 2]), reader(&[0, 2])];
        assert_eq!(balance(&accounts, false, None, 0).lost, 1);
        accounts[2].reported_lost = 1;
        assert_eq!(balance(&accounts, false, None, 0).lost, 0);
        assert_eq!(balance(&[writer(3), reader(&[0, 1])], false, None, 0).lost, 1, "the last one");
        assert_eq!(balance(&[writer(3), reader(&[2])], false, None, 0).lost, 0, "it joined later");
        assert_eq!(balance(&[writer(3), reader(&[0])], false, Some(1), 0).lost, 0, "it was killed");
    }

    #[test]
    fn what_a_reader_lacks_from_before_the_fault_is_not_counted() {
        let accounts = [writer(4), reader(&[0, 3])]; // Written at 0, 10, 20 and 30.
        assert_eq!([0, 15, 25].map(|since| balance(&accounts, false, None, since).lost), [2, 1, 0]);
    }

    #[test]
    fn a_queue_loses_what_no_taker_got_and_the_killed_one_may_have_had_one() {
        let accounts = [writer(4), reader(&[0, 3]), reader(&[1])];
        assert_eq!(balance(&accounts, true, None, 0).lost, 1);
        let with_victim = balance(&accounts, true, Some(2), 0);
        assert_eq!((with_victim.lost, with_victim.in_hand), (0, 1));
        assert_eq!(balance(&[writer(4), reader(&[0]), reader(&[1])], true, Some(2), 0).lost, 1);
    }

    #[test]
    fn a_message_that_comes_twice_is_doubled_unless_it_is_marked() {
        assert_eq!(balance(&[writer(2), reader(&[0, 0, 1])], false, None, 0).doubled, 1);
        assert_eq!(balance(&[writer(2), reader(&[0, 1]), reader(&[0])], true, None, 0).doubled, 1);
        assert_eq!(balance(&[writer(2), reader(&[0, 1]), reader(&[0, 1])], false, None, 0).doubled, 0);
        let again = witness(Role::Reader, &[(Kind::Got, 1), (Kind::Again, 0)]);
        let marked = balance(&[writer(2), reader(&[0]), again], true, None, 0);
        assert_eq!((marked.doubled, marked.disordered), (0, 0));
    }

    #[test]
    fn an_earlier_message_behind_a_later_one_is_out_of_order() {
        assert_eq!(balance(&[writer(3), reader(&[0, 2, 1])], false, None, 0).disordered, 1);
        assert_eq!(balance(&[writer(3), reader(&[1, 0, 2])], true, None, 0).disordered, 1);
        assert_eq!(balance(&[writer(3), reader(&[1]), reader(&[0, 2])], true, None, 0).disordered, 0);
    }

    #[test]
    fn a_mixture_is_torn_and_so_is_a_message_of_no_writer() {
        let torn = witness(Role::Reader, &[(Kind::Torn, 0), (Kind::Got, 1)]);
        assert_eq!(balance(&[writer(2), torn], true, None, 0).torn, 1);
        let mut foreign = reader(&[0]);
        foreign.events[0].writer = 9;
        assert_eq!(balance(&[writer(1), foreign], true, None, 0).torn, 1);
    }

    #[test]
    fn silence_is_the_longest_gap_and_lasts_to_the_end_for_a_reader_that_hangs() {
        let reader = reader(&[0, 1, 2]); // At 0, 10 and 20.
        assert_eq!(reader.silence(5..25), 10);
        assert_eq!(reader.silence(12..100), 80);
        assert_eq!(reader.silence(30..100), 70);
        assert_eq!(reader.silence(0..21), 10);
    }
}
