//! The writer stopped and killed while it evicts a reader that shows a message, and sets that message's buffer aside.
//!
//! What the view shows stays the same, whether the writer goes on or an heir does; and in the end the reader has been told
//! of every message that it did not get.
//!
//! And a reader stopped and killed in the middle of a read, in a ring of arena slots: that pins its message, as a view does.
//! The one writer goes on all the same, in its second buffer, and so does its heir. Many wait, and name the reader.

use crate::case::{Fate, afterwards};
use crate::message::{SLOT_BYTES, message, numbers, read_all};
use crate::victim::{self, NEVER};
use seqring::failpoints::Failpoint;
use seqring::{Config, Lagged, ReadError, Reader, Ring, SlotClass, Start, WriteError, Writer, Writers};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// So many messages the victim has.
const ERRANDS: u64 = 2_000;
const SLOTS: usize = 4;
const EVICT_AFTER: Duration = Duration::from_millis(5);

pub(crate) fn passes(stop: Failpoint, class: SlotClass) -> bool {
    match stop {
        Failpoint::ReaderEvicted => true,
        Failpoint::SetAside => class == SlotClass::Arena,
        _ => false,
    }
}

/// The victim: it writes, and somebody is in its way.
pub(crate) fn be_victim(stop: usize, name: &str) {
    victim::stop_at(Failpoint::ALL[stop], 0);
    let ring = Ring::open(name).expect("the parent made it");
    let mut writer = ring.writer().expect("there is an entry");
    for n in 0..ERRANDS {
        writer.write(&message(1, n)).expect("nobody closes the ring");
    }
}

/// Runs a case. Returns how many messages the heir moved, or the victim when it went on.
pub(crate) fn run(stop: Failpoint, class: SlotClass, fate: Fate, messages: u64) -> Result<u64, String> {
    let messages = afterwards(messages);
    let name = format!("stop-test-{}-eviction-{stop:?}-{fate:?}", std::process::id());
    let config = Config::new(SLOTS, SLOT_BYTES).participants(8).slot_class(class).evict_after(EVICT_AFTER);
    let ring = Ring::create(&name, &config).map_err(text)?;
    let mut slow = ring.reader(Start::Next).map_err(text)?;
    let mut other = ring.reader(Start::Next).map_err(text)?;
    let (progress, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| read_all(&mut other, &progress, &over));
        let moved = evicted(&ring, &name, stop, &mut slow, fate, messages);
        over.store(true, Ordering::Relaxed);
        if moved.is_err() {
            ring.close(); // Whatever the reason is, nobody waits for more.
        }
        let got = reading.join().map_err(|_| "the other reader panicked")?;
        let moved = moved?;
        got?;
        add_up(&ring, &mut slow, 1)?;
        Ok(moved)
    })
}

/// The slow reader shows message 0 until the victim has met its fate, and others have written over it.
fn evicted(
    ring: &Ring,
    name: &str,
    stop: Failpoint,
    slow: &mut Reader,
    fate: Fate,
    messages: u64,
) -> Result<u64, String> {
    let mut victim = victim::start(&["evicter", &victim::number_of(stop).to_string(), name])?;
    let view = slow.view_timeout(NEVER).map_err(text)?;
    let is_whole = || match numbers(&view)? {
        (1, 0) => Ok(()),
        other => Err(format!("the view shows message {other:?}")),
    };
    victim::await_stop(&mut victim)?;
    is_whole()?;
    let moved = match fate {
        Fate::Continued => {
            victim::resume(&victim)?;
            victim::ends_well(&mut victim)?;
            ERRANDS
        }
        Fate::Killed => {
            victim::kill(&mut victim)?;
            let mut heir = ring.writer().map_err(|error| format!("no heir: {error}"))?;
            for n in 0..messages {
                heir.write_timeout(&message(2, n), NEVER).map_err(|error| format!("the heir: {error}"))?;
            }
            messages
        }
    };
    is_whole()?;
    Ok(moved)
}

/// What the slow reader gets from message `next` on and what it is told that it missed are all that was published.
fn add_up(ring: &Ring, slow: &mut Reader, mut next: u64) -> Result<(), String> {
    let mut out = [0; SLOT_BYTES];
    loop {
        match slow.read_timeout(&mut out, NEVER) {
            Ok(received) if received.sequence == next => {
                numbers(&out[..received.len])?;
                next += 1;
            }
            Ok(received) => return Err(format!("{received:?} came where message {next} was next")),
            Err(ReadError::Lagged(Lagged { missed })) => next += missed,
            Err(ReadError::WriterDied { .. }) => {}
            Err(ReadError::Closed) if next == ring.next_sequence() => return Ok(()),
            Err(error) => return Err(format!("at {next} of {}: {error}", ring.next_sequence())),
        }
    }
}

/// Whether the point lies in a read that pins.
pub(crate) fn is_in_a_read(stop: Failpoint) -> bool {
    matches!(stop, Failpoint::ReadPinned | Failpoint::ReadCopied)
}

/// The reader that is stopped in the middle of a read.
pub(crate) fn be_evicted(stop: usize, name: &str) {
    let ring = Ring::open(name).expect("the parent made it");
    let mut reader = ring.reader(Start::Next).expect("there is an entry");
    victim::stop_at(Failpoint::ALL[stop], 0);
    println!();
    add_up(&ring, &mut reader, 0).expect("all that was published");
}

/// Runs a case with such a reader. Returns how many messages went past it.
pub(crate) fn run_in_a_read(stop: Failpoint, writers: Writers, fate: Fate, messages: u64) -> Result<u64, String> {
    let messages = afterwards(messages);
    let name = format!("stop-test-{}-read-{stop:?}-{fate:?}", std::process::id());
    let config = Config::new(SLOTS, SLOT_BYTES).participants(8).slot_class(SlotClass::Arena);
    let ring = Ring::create(&name, &config.writers(writers).evict_after(EVICT_AFTER)).map_err(text)?;
    let mut victim = victim::start(&["evicted", &victim::number_of(stop).to_string(), &name])?;
    victim::await_word(&mut victim)?;
    let write = |writer: &mut Writer, count: u64| {
        (0..count).try_for_each(|n| writer.write_timeout(&message(1, n), NEVER).map(drop).map_err(text))
    };
    let mut writer = ring.writer().map_err(text)?;
    write(&mut writer, 1)?;
    victim::await_stop(&mut victim)?;
    match writers {
        Writers::One => {
            write(&mut writer, messages)?;
            drop(writer);
            writer = ring.writer().map_err(|error| format!("no heir: {error}"))?;
        }
        Writers::Many => {
            write(&mut writer, SLOTS as u64 - 1)?;
            match writer.write_timeout(&message(1, 0), 20 * EVICT_AFTER) {
                Err(WriteError::TimedOut { slowest: Some(peer) }) if peer.pid == victim.id() => {}
                other => return Err(format!("a writer went past what is read: {other:?}")),
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

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
