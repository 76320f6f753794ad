//! A reader or observer of the storm: checks every message on arrival, and all of them in the end.

use super::ledger::{Part, Stage};
use super::source::Source;
use super::worker::{Breach, NEVER, Work, hold};
use harness::payload::{self, Stamped};
use seqring::{Lagged, ReadError, Received};
use std::collections::BTreeMap;
use std::time::Instant;

#[derive(Debug, Default)]
struct Got {
    /// The sequence that comes next.
    next: u64,
    read: u64,
    missed: u64,
    /// By writer, the number that comes next.
    of: BTreeMap<usize, u64>,
    /// Processes of writers whose deaths were reported to it.
    deaths: Vec<u64>,
}

/// Reads until it is dismissed, or to the end of the act.
pub(crate) fn run(work: &Work<'_>, source: Result<Source, Breach>) -> Result<(), Breach> {
    let mut source = source?;
    let loses_nothing = work.assignment.part == Part::Reader && work.assignment.mode.loses_nothing();
    let mut got = Got { next: source.position(), ..Got::default() };
    work.account().joined().set(1);
    let mut out = vec![0; work.assignment.mode.message_bytes()];
    let mut silent_since = None;
    loop {
        if work.is_dismissed() {
            return Ok(());
        }
        let finishing = work.ledger.stage() == Stage::ReadersFinish;
        match source.read(&mut out, got.read) {
            Ok(received) => got.enter(work, received, &out)?,
            Err(ReadError::Lagged(Lagged { lost })) => {
                hold!(!loses_nothing, "{lost} messages were lost");
                (got.missed, got.next) = (got.missed + lost, got.next + lost);
                work.account().missed().set(got.missed);
            }
            Err(ReadError::WriterDied { pid }) => {
                got.deaths.push(pid.into());
                work.account().deaths_reported().set(got.deaths.len() as u64);
            }
            Err(ReadError::Closed) if finishing => return check(work, &source, &got),
            // Another writer will join.
            Err(ReadError::Closed) => std::thread::sleep(std::time::Duration::from_micros(200)),
            Err(ReadError::TimedOut { .. }) if !finishing => {}
            Err(ReadError::TimedOut { writers, .. }) => {
                let since = *silent_since.get_or_insert_with(Instant::now);
                hold!(since.elapsed() < NEVER, "no writer is left, and the stream does not end: {writers}");
            }
            Err(error) => return Err(Breach(format!("a read failed: {error}"))),
        }
    }
}

/// The writer and the number of a message, if it is whole.
pub(crate) fn verify(received: Received, bytes: &[u8]) -> Result<(usize, u64), Breach> {
    let sequence = received.sequence;
    hold!(received.len == bytes.len(), "message {sequence} has {} bytes, not {}", received.len, bytes.len());
    let stamped = payload::check(bytes).map_err(|torn| Breach(format!("message {sequence}: {torn}")))?;
    let Stamped { writer, sequence } = stamped;
    Ok((writer as usize, sequence))
}

impl Got {
    fn enter(&mut self, work: &Work<'_>, received: Received, out: &[u8]) -> Result<(), Breach> {
        hold!(
            received.sequence == self.next,
            "message {} came where {} was next",
            received.sequence,
            self.next
        );
        let (writer, n) = verify(received, out)?;
        let first = if work.assignment.first { 0 } else { n };
        let expected = self.of.entry(writer).or_insert(first);
        let gap = n > *expected && self.missed == 0;
        hold!(n >= *expected && !gap, "message {n} of writer {writer} came where {expected} was next");
        *expected = n + 1;
        (self.next, self.read) = (self.next + 1, self.read + 1);
        work.account().read().set(self.read);
        Ok(())
    }
}

/// In the end: the messages that this reader got against the ledger.
fn check(work: &Work<'_>, source: &Source, got: &Got) -> Result<(), Breach> {
    let (mut least, mut most) = (0, 0);
    for (index, account) in work.ledger.of(Part::Writer) {
        let (done, begun) = (account.done().get(), account.begun().get());
        (least, most) = (least + done, most + begun);
        match got.of.get(&index) {
            Some(next) if got.missed == 0 => {
                hold!(
                    (done..=begun).contains(next),
                    "of writer {index} there came {next}, not {done} to {begun}"
                );
            }
            Some(next) => hold!(*next <= begun, "of writer {index} there came {next} of {begun}"),
            None if work.assignment.first && got.missed == 0 => {
                hold!(done == 0, "of {done} messages of writer {index} none came");
            }
            None => {}
        }
    }
    let published = source.position() + source.lag();
    hold!((least..=most).contains(&published), "{published} were published, {least} to {most} written");
    hold!(source.lag() == 0, "the stream ended at {} of {published}", got.next);
    check_deaths(work, got)
}

/// Each death of a last writer once: with one writer, of every one that was killed.
fn check_deaths(work: &Work<'_>, got: &Got) -> Result<(), Breach> {
    // One that was to leave may have left when it was killed.
    let killed = |certainly: bool| -> Vec<u64> {
        let writers = work.ledger.of(Part::Writer).map(|(_, account)| account);
        let killed = writers.filter(|account| account.killed().get() == 1);
        killed
            .filter(|account| !certainly || (account.joined().get() == 1 && account.dismissed().get() == 0))
            .map(|account| account.pid().get())
            .collect()
    };
    let all = killed(false);
    for (index, pid) in got.deaths.iter().enumerate() {
        hold!(all.contains(pid), "the death of {pid}, which is alive, was reported");
        hold!(!got.deaths[..index].contains(pid), "the death of {pid} was reported twice");
    }
    if work.assignment.first && !work.assignment.mode.has_many_writers() {
        for pid in killed(true) {
            hold!(
                got.deaths.contains(&pid),
                "the death of {pid} was not reported, only those of {:?}",
                got.deaths
            );
        }
    }
    Ok(())
}
