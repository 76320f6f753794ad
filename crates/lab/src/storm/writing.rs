//! A writer of the storm: one message after the other, each entered before and after.

use super::ledger::{BITS, Stage};
use super::mode::Mode;
use super::worker::{Breach, NEVER, PATIENCE, Work, insist};
use harness::payload;
use seqring::{Claim, Ring, TryWriteError, WriteError, Writer};
use std::time::{Duration, Instant};

/// Writes until it is dismissed or the act ends.
pub(crate) fn run(work: &Work<'_>, ring: &Ring) -> Result<(), Breach> {
    let account = work.account();
    if work.ledger.stage() != Stage::Running {
        return Ok(());
    }
    let mut writer = insist("joining as a writer", || ring.writer())?;
    account.joined().set(1);
    let number = work.assignment.account;
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut message = vec![0; work.assignment.mode.message_bytes()];
    let most = if work.assignment.mode == Mode::Queue { BITS } else { u64::MAX };
    for n in 0..most {
        if work.ledger.stage() != Stage::Running || work.is_dismissed() {
            break;
        }
        payload::fill(&mut message, number as u32, n);
        account.begun().set(n + 1);
        write(&mut writer, &message, n.is_multiple_of(3))?;
        account.done().set(n + 1);
        rest(&mut random, work.assignment.mode);
    }
    Ok(())
}

/// Sleeps now and then, so that readers fall asleep; and more often if writers never wait, so that
/// readers get messages.
fn rest(random: &mut fastrand::Rng, mode: Mode) {
    if random.u32(0..20_000) == 0 {
        std::thread::sleep(Duration::from_millis(random.u64(1..60)));
    } else if mode.overtakes() && random.u32(0..50) == 0 {
        std::thread::sleep(Duration::from_micros(random.u64(1..200)));
    }
}

/// Writes a message, filled in place or not; retries while other processes are stopped.
fn write(writer: &mut Writer, message: &[u8], in_place: bool) -> Result<(), Breach> {
    let begin = Instant::now();
    loop {
        let written = if in_place {
            writer.claim_timeout(message.len(), PATIENCE).and_then(|claim| publish(claim, message))
        } else {
            writer.write_timeout(message, PATIENCE).map(|_| true)
        };
        match written {
            Ok(true) => return Ok(()),
            Ok(false) => {} // Other writers took the room.
            Err(WriteError::TimedOut { .. }) if begin.elapsed() < NEVER => {}
            Err(error) => return Err(Breach(format!("a write failed after {:?}: {error}", begin.elapsed()))),
        }
    }
}

/// Whether there was still room.
fn publish(mut claim: Claim<'_>, message: &[u8]) -> Result<bool, WriteError> {
    claim.copy_from_slice(message);
    match claim.try_publish().map_err(|unpublished| unpublished.error) {
        Ok(_) => Ok(true),
        Err(TryWriteError::Full) => Ok(false),
        Err(TryWriteError::Corrupt(corrupt)) => Err(WriteError::Corrupt(corrupt)),
        Err(_) => Err(WriteError::Closed),
    }
}
