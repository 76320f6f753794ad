//! The writer of a ring is stopped and killed in the middle of a gap, while a reader looks.
//!
//! The reader gets the message before the gap, the exact length of the gap once, and the messages
//! after it: from the victim, or from a successor, which continues behind the gap.

use crate::case::afterwards;
use crate::message::{SLOT_BYTES, message, numbers};
use crate::victim::{self, Fate, TIMEOUT, text};
use seqring::failpoints::Failpoint;
use seqring::{Config, Lagged, ReadError, Reader, Ring, SlotClass, Start, TryReadError};

/// The victim's message after the gap has this number. The one before the gap has number 0.
const BEHIND: u64 = 1_000;

pub(crate) const CLASSES: [SlotClass; 2] = [SlotClass::Packed, SlotClass::Arena];

pub(crate) fn reaches(point: Failpoint) -> bool {
    point == Failpoint::GapStored
}

/// The victim.
pub(crate) fn be_victim(point: Failpoint, name: &str) {
    victim::stop_at(point, 0);
    let mut writer = Ring::open(name).expect("the parent created it").writer().expect("there is an entry");
    writer.write(&message(0, 0)).expect("there is room");
    writer.skip_to(BEHIND).expect("the ring stays open");
    writer.write(&message(0, BEHIND)).expect("the reader has read all before");
}

/// Runs a case. Returns how often the reader looked while the victim was stopped.
pub(crate) fn run(point: Failpoint, class: SlotClass, fate: Fate, messages: u64) -> Result<u64, String> {
    let name = format!("stop-test-{}-gap-{class:?}-{fate:?}", std::process::id());
    let config = Config::slots(4).of_bytes(SLOT_BYTES).participants(8).slot_class(class);
    let ring = Ring::create(&name, &config).map_err(text)?;
    let mut reader = ring.reader(Start::Next).map_err(text)?;
    let mut victim = victim::start("gap-writer", point, &[&name])?;
    victim::await_stop(&mut victim)?;
    expect(&mut reader, 0)?;
    // The writer's registration is news to the reader, so it looks for a gap already.
    let gap = Lagged { lost: BEHIND - 1 };
    match reader.read_timeout(&mut [0; SLOT_BYTES], TIMEOUT) {
        Err(ReadError::Lagged(lagged)) if lagged == gap => {}
        other => return Err(format!("the gap is {gap:?}, and the reader got {other:?}")),
    }
    for _ in 0..messages {
        match reader.try_read(&mut [0; SLOT_BYTES]) {
            Err(TryReadError::Empty) => {}
            other => return Err(format!("behind a gap, the reader of a stopped writer got {other:?}")),
        }
    }
    let pid = victim.id();
    victim::end(&mut victim, fate)?;
    let mut successor = None;
    if fate == Fate::Killed {
        let mut writer = ring.writer().map_err(|error| format!("no successor: {error}"))?;
        match reader.read_timeout(&mut [0; SLOT_BYTES], TIMEOUT) {
            Err(ReadError::WriterDied { pid: dead }) if dead == pid => {}
            other => return Err(format!("{pid} died, and the reader got {other:?}")),
        }
        match writer.write_timeout(&message(0, BEHIND), TIMEOUT) {
            Ok(BEHIND) => successor = Some(writer),
            other => return Err(format!("the successor wrote {other:?}, not {BEHIND}")),
        }
    }
    expect(&mut reader, BEHIND)?;
    let mut writer = match successor {
        Some(writer) => writer,
        None => ring.writer().map_err(text)?,
    };
    for number in BEHIND + 1..=BEHIND + afterwards(messages) {
        writer.write_timeout(&message(0, number), TIMEOUT).map_err(text)?;
        expect(&mut reader, number)?;
    }
    Ok(messages)
}

/// Reads the message of that number.
fn expect(reader: &mut Reader, number: u64) -> Result<(), String> {
    let mut out = [0; SLOT_BYTES];
    let received = reader.read_timeout(&mut out, TIMEOUT).map_err(text)?;
    match (received.sequence, numbers(&out[..received.len])?) {
        (sequence, (0, n)) if (sequence, n) == (number, number) => Ok(()),
        other => Err(format!("the reader got {other:?}, not message {number}")),
    }
}
