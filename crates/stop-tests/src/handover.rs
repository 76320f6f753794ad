//! Processes stopped and killed while they hand a reader over, or take one up.
//!
//! While nobody has the reader, the writer waits for it: so what others can do while the victim is stopped is to see that
//! nothing is lost and nobody else gets it. What goes on, goes on when the victim does, or is dead.

use crate::case::{Fate, afterwards};
use crate::message::{SLOT_BYTES, message, numbers};
use crate::victim::{self, NEVER};
use seqring::failpoints::Failpoint;
use seqring::{Config, RegisterError, ReadError, Reader, Ring, SlotClass, Start, ParkTicket, TryWriteError, Writer};
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

/// The kinds of ring in which readers are handed over.
pub(crate) const CLASSES: [SlotClass; 2] = [SlotClass::Lines, SlotClass::Arena];

const SLOTS: u64 = 4;

pub(crate) fn passes(stop: Failpoint) -> bool {
    matches!(stop, Failpoint::ReaderParking | Failpoint::ReaderParked | Failpoint::ReaderResuming)
}

/// The victim that parks a reader, says its ticket, and waits until somebody has taken it up.
pub(crate) fn be_parker(stop: usize, name: &str) {
    let ring = Ring::open(name).expect("the parent made it");
    let reader = ring.reader(Start::Next).expect("there is an entry");
    victim::stop_at(Failpoint::ALL[stop], 0);
    let parked = reader.park().expect("nobody parked it before");
    let ParkTicket { entry, state } = parked.ticket();
    println!("{entry} {state}");
    while ring.position_of(parked.ticket()) == Some(0) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The victim that takes a reader up, and reads to the end.
pub(crate) fn be_resumer(stop: usize, name: &str, ticket: ParkTicket) {
    let ring = Ring::open(name).expect("the parent made it");
    victim::stop_at(Failpoint::ALL[stop], 0);
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
pub(crate) fn run(stop: Failpoint, class: SlotClass, fate: Fate, messages: u64) -> Result<u64, String> {
    let name = format!("stop-test-{}-handover-{stop:?}-{fate:?}", std::process::id());
    let messages = afterwards(messages);
    let config = Config::new(SLOTS as usize, SLOT_BYTES).participants(8).slot_class(class);
    let ring = Ring::create(&name, &config).map_err(text)?;
    let writer = ring.writer().map_err(text)?;
    match stop {
        Failpoint::ReaderResuming => resume(&ring, &name, writer, fate, messages),
        _ => park(&ring, &name, stop, writer, fate, messages),
    }
}

/// Somebody is stopped or killed that parks a reader.
fn park(
    ring: &Ring,
    name: &str,
    stop: Failpoint,
    mut writer: Writer,
    fate: Fate,
    messages: u64,
) -> Result<u64, String> {
    let mut victim = victim::start(&["parker", &victim::number_of(stop).to_string(), name])?;
    victim::await_stop(&mut victim)?;
    fill(&mut writer)?;
    if fate == Fate::Killed {
        victim::kill(&mut victim)?;
        for n in SLOTS..SLOTS + messages {
            writer
                .write_timeout(&message(1, n), NEVER)
                .map_err(|error| format!("it is still waited for: {error}"))?;
        }
        return Ok(messages);
    }
    victim::resume(&victim)?;
    let mut reader = ring.resume(ticket_of(&mut victim)?).map_err(text)?;
    let moved = exchange(&mut writer, &mut reader, messages)?;
    victim::ends_well(&mut victim)?;
    Ok(moved)
}

/// Somebody is stopped or killed that takes a reader up.
fn resume(ring: &Ring, name: &str, mut writer: Writer, fate: Fate, messages: u64) -> Result<u64, String> {
    let parked = ring.reader(Start::Next).map_err(text)?.park();
    let parked = parked.map_err(|_| "nobody parked it before")?;
    let ticket = parked.ticket();
    let number = victim::number_of(Failpoint::ReaderResuming).to_string();
    let (entry, state) = (ticket.entry.to_string(), ticket.state.to_string());
    let mut victim = victim::start(&["resumer", &number, name, &entry, &state])?;
    victim::await_stop(&mut victim)?;
    fill(&mut writer)?;
    match ring.resume(ticket) {
        Err(RegisterError::NotParked { .. }) => {}
        other => return Err(format!("one reader in two hands: {other:?}")),
    }
    if fate == Fate::Killed {
        victim::kill(&mut victim)?;
        let mut reader = ring.resume(ticket).map_err(text)?;
        return exchange(&mut writer, &mut reader, messages);
    }
    victim::resume(&victim)?;
    for n in SLOTS..SLOTS + messages {
        writer.write_timeout(&message(1, n), NEVER).map_err(text)?;
    }
    drop(writer);
    victim::ends_well(&mut victim)?;
    Ok(messages)
}

/// As many messages as there is room for, and one more that there is not.
fn fill(writer: &mut Writer) -> Result<(), String> {
    for n in 0..SLOTS {
        writer.try_write(&message(1, n)).map_err(text)?;
    }
    match writer.try_write(&message(1, SLOTS)) {
        Err(TryWriteError::Full) => Ok(()),
        other => Err(format!("a reader on its way is not waited for: {other:?}")),
    }
}

/// Reads what [`fill`] wrote, and then that many more.
fn exchange(writer: &mut Writer, reader: &mut Reader, messages: u64) -> Result<u64, String> {
    let mut out = [0; SLOT_BYTES];
    for n in 0..SLOTS + messages {
        let received = reader.read_timeout(&mut out, NEVER).map_err(text)?;
        if numbers(&out[..received.len])? != (1, n) {
            return Err(format!("{received:?} is not message {n}"));
        }
        if n < messages {
            writer.write_timeout(&message(1, SLOTS + n), NEVER).map_err(text)?;
        }
    }
    Ok(messages)
}

/// The ticket that a parker says.
fn ticket_of(victim: &mut Child) -> Result<ParkTicket, String> {
    let mut said = String::new();
    let output = victim.stdout.take().ok_or("it has an output")?;
    BufReader::new(output).read_line(&mut said).map_err(text)?;
    let ticket = said.trim_end().split_once(' ');
    let ticket = ticket
        .and_then(|(entry, state)| Some(ParkTicket { entry: entry.parse().ok()?, state: state.parse().ok()? }));
    ticket.ok_or_else(|| format!("no ticket: {said:?}"))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
