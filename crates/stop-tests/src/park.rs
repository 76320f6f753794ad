//! Processes are stopped and killed while they park or resume a reader.
//!
//! The writer waits for a parked reader. While the victim is stopped, the others check that no
//! message is lost and that no other process gets the reader. They continue when the victim does,
//! or is dead.

use crate::case::afterwards;
use crate::message::{SLOT_BYTES, message, numbers};
use crate::victim::{self, Fate, TIMEOUT, text};
use seqring::failpoints::Failpoint;
use seqring::process::ParkTicket;
use seqring::{Config, ReadError, Reader, RegisterError, Ring, SlotClass, Start, TryWriteError, Writer};
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

/// The slot classes of the rings.
pub(crate) const CLASSES: [SlotClass; 2] = [SlotClass::Lines, SlotClass::Arena];

const SLOTS: u64 = 4;

pub(crate) fn reaches(point: Failpoint) -> bool {
    matches!(point, Failpoint::ReaderParking | Failpoint::ReaderParked | Failpoint::ReaderResuming)
}

/// The victim that parks a reader, prints its ticket, and waits until another process has resumed
/// it.
pub(crate) fn be_parker(point: Failpoint, name: &str) {
    let ring = Ring::open(name).expect("the parent created it");
    let reader = ring.reader(Start::Next).expect("there is an entry");
    victim::stop_at(point, 0);
    let parked = reader.park().expect("it is not parked");
    let ParkTicket { entry, state } = parked.ticket();
    println!("{entry} {state}");
    while ring.position_of(parked.ticket()) == Some(0) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The victim that resumes a reader and reads to the end.
pub(crate) fn be_resumer(point: Failpoint, name: &str, ticket: ParkTicket) {
    let ring = Ring::open(name).expect("the parent created it");
    victim::stop_at(point, 0);
    let mut reader = ring.resume(ticket).expect("it is parked");
    let (mut out, mut next) = ([0; SLOT_BYTES], 0);
    loop {
        match reader.read(&mut out) {
            Ok(received) => assert_eq!(numbers(&out[..received.len]), Ok((1, next))),
            Err(ReadError::Closed) => return,
            Err(error) => panic!("{error}"),
        }
        next += 1;
    }
}

/// Runs a case. Returns how many messages were moved past the victim.
pub(crate) fn run(point: Failpoint, class: SlotClass, fate: Fate, messages: u64) -> Result<u64, String> {
    let name = format!("stop-test-{}-park-{point:?}-{fate:?}", std::process::id());
    let messages = afterwards(messages);
    let config = Config::slots(SLOTS as usize).of_bytes(SLOT_BYTES).participants(8).slot_class(class);
    let ring = Ring::create(&name, &config).map_err(text)?;
    let writer = ring.writer().map_err(text)?;
    match point {
        Failpoint::ReaderResuming => resume(&ring, &name, writer, fate, messages),
        _ => park(&ring, &name, point, writer, fate, messages),
    }
}

/// The process that parks a reader is stopped or killed.
fn park(
    ring: &Ring,
    name: &str,
    point: Failpoint,
    mut writer: Writer,
    fate: Fate,
    messages: u64,
) -> Result<u64, String> {
    let mut victim = victim::start("parker", point, &[name])?;
    victim::await_stop(&mut victim)?;
    fill(&mut writer)?;
    if fate == Fate::Killed {
        victim::kill(&mut victim)?;
        for n in SLOTS..SLOTS + messages {
            let written = writer.write_timeout(&message(1, n), TIMEOUT);
            written.map_err(|error| format!("the writer waits for the dead reader: {error}"))?;
        }
        return Ok(messages);
    }
    victim::resume(&victim)?;
    let mut reader = ring.resume(ticket_of(&mut victim)?).map_err(text)?;
    let moved = exchange(&mut writer, &mut reader, messages)?;
    victim::ends_well(&mut victim)?;
    Ok(moved)
}

/// The process that resumes a reader is stopped or killed.
fn resume(ring: &Ring, name: &str, mut writer: Writer, fate: Fate, messages: u64) -> Result<u64, String> {
    let parked = ring.reader(Start::Next).map_err(text)?.park();
    let parked = parked.map_err(|_| "it is parked already")?;
    let ticket = parked.ticket();
    let (entry, state) = (ticket.entry.to_string(), ticket.state.to_string());
    let mut victim = victim::start("resumer", Failpoint::ReaderResuming, &[name, &entry, &state])?;
    victim::await_stop(&mut victim)?;
    fill(&mut writer)?;
    match ring.resume(ticket) {
        Err(RegisterError::NotParked { .. }) => {}
        other => return Err(format!("one reader was resumed twice: {other:?}")),
    }
    if fate == Fate::Killed {
        victim::kill(&mut victim)?;
        let mut reader = ring.resume(ticket).map_err(text)?;
        return exchange(&mut writer, &mut reader, messages);
    }
    victim::resume(&victim)?;
    for n in SLOTS..SLOTS + messages {
        writer.write_timeout(&message(1, n), TIMEOUT).map_err(text)?;
    }
    drop(writer);
    victim::ends_well(&mut victim)?;
    Ok(messages)
}

/// Fills the ring; a further message is refused.
fn fill(writer: &mut Writer) -> Result<(), String> {
    for n in 0..SLOTS {
        writer.try_write(&message(1, n)).map_err(text)?;
    }
    match writer.try_write(&message(1, SLOTS)) {
        Err(TryWriteError::Full) => Ok(()),
        other => Err(format!("the writer does not wait for a parked reader: {other:?}")),
    }
}

/// Reads the messages of [`fill`], and so many more.
fn exchange(writer: &mut Writer, reader: &mut Reader, messages: u64) -> Result<u64, String> {
    let mut out = [0; SLOT_BYTES];
    for n in 0..SLOTS + messages {
        let received = reader.read_timeout(&mut out, TIMEOUT).map_err(text)?;
        if numbers(&out[..received.len])? != (1, n) {
            return Err(format!("{received:?} is not message {n}"));
        }
        if n < messages {
            writer.write_timeout(&message(1, SLOTS + n), TIMEOUT).map_err(text)?;
        }
    }
    Ok(messages)
}

/// The ticket that a parker prints.
fn ticket_of(victim: &mut Child) -> Result<ParkTicket, String> {
    let mut line = String::new();
    let output = victim.stdout.take().ok_or("it has an output")?;
    BufReader::new(output).read_line(&mut line).map_err(text)?;
    let ticket = line.trim_end().split_once(' ').and_then(|(entry, state)| ticket(entry, state));
    ticket.ok_or_else(|| format!("no ticket: {line:?}"))
}

pub(crate) fn ticket(entry: &str, state: &str) -> Option<ParkTicket> {
    Some(ParkTicket { entry: entry.parse().ok()?, state: state.parse().ok()? })
}
