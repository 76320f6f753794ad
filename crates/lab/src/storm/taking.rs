//! A taker of the storm: records every message that it takes.

use super::ledger::{Ledger, Stage};
use super::reading::verify;
use super::source::Idle;
use super::worker::{Breach, NEVER, PATIENCE, Work, hold, insist};
use seqring::{ReadError, Ring};
use std::time::{Duration, Instant};

/// Takes until it is dismissed, or to the end of the act.
pub(crate) fn run(work: &Work<'_>, ring: &Ring) -> Result<(), Breach> {
    let account = work.account();
    let mut taker = insist("joining as a taker", || ring.taker())?;
    account.joined().set(1);
    let (mut read, mut silent_since, mut idle) = (0_u64, None, Idle::new()?);
    while !work.is_dismissed() {
        let finishing = work.ledger.stage() == Stage::ReadersFinish;
        let in_set = read % 2 == 1;
        if in_set {
            idle.wait_with(&mut taker);
        }
        match taker.take_timeout(if in_set { Duration::ZERO } else { PATIENCE }) {
            Ok(taken) => {
                let (writer, n) = verify(taken.received(), &taken)?;
                let place = Ledger::place(writer, n);
                account.in_hand().set(place + 1);
                let first = work.ledger.mark(place) || died_with_it(work, place);
                hold!(first, "message {n} of writer {writer} was taken twice");
                drop(taken);
                account.in_hand().set(0);
                read += 1;
                account.read().set(read);
            }
            Err(ReadError::Closed) if finishing => return Ok(()),
            Err(ReadError::Closed | ReadError::WriterDied { .. }) => {
                std::thread::sleep(Duration::from_micros(200)); // Another writer will join.
            }
            Err(ReadError::TimedOut { .. }) if !finishing => {}
            Err(ReadError::TimedOut { writers, .. }) => {
                let since = *silent_since.get_or_insert_with(Instant::now);
                hold!(since.elapsed() < NEVER, "no writer is left, and the queue does not end: {writers}");
            }
            Err(error) => return Err(Breach(format!("a take failed: {error}"))),
        }
    }
    Ok(())
}

/// Whether a taker was killed that had this message in hand: then it may come again.
fn died_with_it(work: &Work<'_>, place: u64) -> bool {
    let me = work.assignment.account;
    let takers = work.ledger.of(super::ledger::Part::Taker);
    takers.filter(|(index, _)| *index != me).any(|(_, account)| account.in_hand().get() == place + 1)
}
