//! The writer is stopped and killed while it evicts a reader that holds a view, and while it
//! switches to its standby buffer.
//!
//! The view's bytes do not change, whether the writer or a successor continues. In the end the
//! reader has received each message or its loss was counted.
//!
//! Also, a reader is stopped and killed in the middle of a read in a ring of arena slots: a read
//! pins its message, as a view does. The one writer continues with its standby buffer, and so does
//! its successor. Many writers wait, and name the reader.

use crate::case::afterwards;
use crate::message::{SLOT_BYTES, message, numbers, read_all};
use crate::victim::{self, Fate, TIMEOUT, text};
use seqring::failpoints::Failpoint;
use seqring::{Config, Lagged, ReadError, Reader, Ring, SlotClass, Start, WriteError, Writer, Writers};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The messages that the victim writes.
const VICTIM_MESSAGES: u64 = 2_000;
const SLOTS: usize = 4;
const EVICT_AFTER: Duration = Duration::from_millis(5);

pub(crate) fn reaches(point: Failpoint, class: SlotClass) -> bool {
    match point {
        Failpoint::ReaderEvicted => true,
        Failpoint::PinnedSetAside => class == SlotClass::Arena,
        _ => false,
    }
}

/// The victim: a writer that a reader blocks.
pub(crate) fn be_victim(point: Failpoint, name: &str) {
    victim::stop_at(point, 0);
    let ring = Ring::open(name).expect("the parent created it");
    let mut writer = ring.writer().expect("there is an entry");
    for n in 0..VICTIM_MESSAGES {
        writer.write(&message(1, n)).expect("the ring stays open");
    }
}

/// Runs a case. Returns how many messages the successor moved, or the victim when it continued.
pub(crate) fn run(point: Failpoint, class: SlotClass, fate: Fate, messages: u64) -> Result<u64, String> {
    let messages = afterwards(messages);
    let name = format!("stop-test-{}-eviction-{point:?}-{fate:?}", std::process::id());
    let config =
        Config::slots(SLOTS).of_bytes(SLOT_BYTES).participants(8).slot_class(class).evict_after(EVICT_AFTER);
    let ring = Ring::create(&name, &config).map_err(text)?;
    let mut slow = ring.reader(Start::Next).map_err(text)?;
    let mut other = ring.reader(Start::Next).map_err(text)?;
    let (progress, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| read_all(&mut other, &progress, &over));
        let moved = evict(&ring, &name, point, &mut slow, fate, messages);
        over.store(true, Ordering::Relaxed);
        if moved.is_err() {
            ring.close(); // Ends the other reader's wait.
        }
        let read = reading.join().map_err(|_| "the other reader panicked")?;
        let moved = moved?;
        read?;
        check_total(&ring, &mut slow, 1)?;
        Ok(moved)
    })
}

/// The slow reader holds a view of message 0 until the victim has continued or died, and others
/// have written over it.
fn evict(
    ring: &Ring,
    name: &str,
    point: Failpoint,
    slow: &mut Reader,
    fate: Fate,
    messages: u64,
) -> Result<u64, String> {
    let mut victim = victim::start("evicter", point, &[name])?;
    let view = slow.view_timeout(TIMEOUT).map_err(text)?;
    let is_whole = || match numbers(&view)? {
        (1, 0) => Ok(()),
        other => Err(format!("the view shows message {other:?}")),
    };
    victim::await_stop(&mut victim)?;
    is_whole()?;
    victim::end(&mut victim, fate)?;
    if fate == Fate::Killed {
        victim::succeed(ring, 2, messages)?;
    }
    is_whole()?;
    Ok(if fate == Fate::Killed { messages } else { VICTIM_MESSAGES })
}

/// The messages that the slow reader gets from `next` on, and those that it lost, are all that
/// were published.
fn check_total(ring: &Ring, slow: &mut Reader, mut next: u64) -> Result<(), String> {
    let mut out = [0; SLOT_BYTES];
    loop {
        match slow.read_timeout(&mut out, TIMEOUT) {
            Ok(received) if received.sequence == next => {
                numbers(&out[..received.len])?;
                next += 1;
            }
            Ok(received) => return Err(format!("{received:?} came where message {next} was next")),
            Err(ReadError::Lagged(Lagged { lost })) => next += lost,
            Err(ReadError::WriterDied { .. }) => {}
            Err(ReadError::Closed) if next == ring.next_sequence() => return Ok(()),
            Err(error) => return Err(format!("at {next} of {}: {error}", ring.next_sequence())),
        }
    }
}

/// Whether the point lies in a read that pins.
pub(crate) fn is_in_a_read(point: Failpoint) -> bool {
    matches!(point, Failpoint::ReadPinned | Failpoint::ReadCopied)
}

/// The reader that is stopped in the middle of a read.
pub(crate) fn be_evicted(point: Failpoint, name: &str) {
    let ring = Ring::open(name).expect("the parent created it");
    let mut reader = ring.reader(Start::Next).expect("there is an entry");
    victim::stop_at(point, 0);
    println!();
    check_total(&ring, &mut reader, 0).expect("all messages that were published");
}

/// Runs a case with such a reader. Returns how many messages were written past it.
pub(crate) fn run_in_a_read(
    point: Failpoint,
    writers: Writers,
    fate: Fate,
    messages: u64,
) -> Result<u64, String> {
    let messages = afterwards(messages);
    let name = format!("stop-test-{}-read-{point:?}-{fate:?}", std::process::id());
    let config = Config::slots(SLOTS).of_bytes(SLOT_BYTES).participants(8).slot_class(SlotClass::Arena);
    let ring = Ring::create(&name, &config.writers(writers).evict_after(EVICT_AFTER)).map_err(text)?;
    let mut victim = victim::start("evicted", point, &[&name])?;
    victim::await_output(&mut victim)?;
    let write = |writer: &mut Writer, count: u64| {
        (0..count).try_for_each(|n| writer.write_timeout(&message(1, n), TIMEOUT).map(drop).map_err(text))
    };
    let mut writer = ring.writer().map_err(text)?;
    write(&mut writer, 1)?;
    victim::await_stop(&mut victim)?;
    match writers {
        Writers::One => {
            write(&mut writer, messages)?;
            drop(writer);
            writer = ring.writer().map_err(|error| format!("no successor: {error}"))?;
        }
        _ => {
            write(&mut writer, SLOTS as u64 - 1)?;
            match writer.write_timeout(&message(1, 0), 20 * EVICT_AFTER) {
                Err(WriteError::TimedOut { slowest: Some(peer), .. }) if peer.pid == victim.id() => {}
                other => return Err(format!("a writer overwrote a message that is being read: {other:?}")),
            }
        }
    }
    match fate {
        Fate::Continued => victim::resume(&victim)?,
        Fate::Killed => victim::kill(&mut victim)?,
    }
    write(&mut writer, messages)?;
    drop(writer);
    if fate == Fate::Continued {
        victim::ends_well(&mut victim)?;
    }
    Ok(messages)
}
