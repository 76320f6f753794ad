//! The participants that this program plays: those of this library, and of the lock-based rings.

use super::contestants::{CONTESTANTS, Contestant};
use crate::engines::{EngineName, Task};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use harness::child::die_with_parent;
use harness::deaths::{Answer, End, Kin, OfEngine, PATIENCE, Part, Role, serve};
use harness::engine::Engine;
use harness::ring_spec::{Delivery, Place, RingSpec};
use seqring::{Config, ReadError, Reader, Ring, Start, Taker, WriteError, Writer, Writers};
use std::path::PathBuf;
use std::time::Duration;

const SLOTS: usize = 64;
/// Entries for participants: those of a run, its replacement, and those that died.
const PARTICIPANTS: usize = 16;

#[derive(Args, Clone, Debug)]
pub(crate) struct WorkerOptions {
    contestant: String,
    ring: String,
    directory: PathBuf,
    /// `INDEX:ROLE`; without one, what is left of the ring is removed
    part: Option<Part>,
}

/// Plays a participant.
///
/// # Errors
/// Bad arguments. What befalls it later is in its account.
pub(crate) fn work(options: &WorkerOptions) -> Result<()> {
    let contestant =
        CONTESTANTS.iter().find(|one| one.name == options.contestant).context("no such contestant")?;
    let engine = EngineName::from_str(contestant.name, false).ok();
    let Some(part) = options.part else {
        if engine.is_none() {
            Ring::unlink_unused(options.ring.as_str())?; // As `seqring gc --remove`.
        }
        return Ok(());
    };
    die_with_parent().map_err(anyhow::Error::msg)?;
    let (directory, bytes) = (options.directory.as_path(), contestant.bytes);
    match engine {
        Some(engine) => engine.run(Join { options, part, bytes }),
        None => Ok(serve(directory, part, bytes, Kin::Processes, || {
            Ours::join(contestant, &options.ring, part.role)
        })?),
    }
}

struct Join<'o> {
    options: &'o WorkerOptions,
    part: Part,
    bytes: usize,
}

impl Task for Join<'_> {
    type Output = Result<()>;

    fn run<E: Engine + 'static>(self) -> Result<()> {
        let (mut ring, options) = (None, self.options);
        let join = || OfEngine::join(ring.insert(E::open(&options.ring)?), self.part.role);
        Ok(serve(&options.directory, self.part, self.bytes, Kin::Processes, join)?)
    }
}

/// Makes the ring of a lock-based contestant, which stays while the returned value lives. Others
/// are made by their participants.
///
/// # Errors
/// What the engine reports.
pub(crate) fn make(contestant: &Contestant, ring: &str) -> Result<Option<Box<dyn std::any::Any>>> {
    let engine = EngineName::from_str(contestant.name, false).ok();
    engine.map(|engine| engine.run(Make { ring, contestant })).transpose()
}

struct Make<'m> {
    ring: &'m str,
    contestant: &'m Contestant,
}

impl Task for Make<'_> {
    type Output = Result<Box<dyn std::any::Any>>;

    fn run<E: Engine + 'static>(self) -> Self::Output {
        let (writers, readers) = (self.contestant.writers + 1, self.contestant.readers + 1);
        let spec = RingSpec {
            slots: SLOTS,
            slot_bytes: self.contestant.bytes,
            delivery: if self.contestant.lossy { Delivery::Lossy } else { Delivery::Gated },
            writers,
            readers,
        };
        Ok(Box::new(E::create(&spec, &Place::Named(self.ring.into()))?))
    }
}

/// An end of a ring of this library.
enum Ours {
    Writer(Writer),
    /// Of a lossy ring, whose messages are copied.
    Copying(Reader, Vec<u8>),
    /// And whether a wait can only be for the one writer, which its timeout then names.
    Viewing(Reader, bool),
    Taker(Taker),
}

impl Ours {
    fn join(contestant: &Contestant, ring: &str, role: Role) -> Result<Self> {
        let delivery = match (contestant.queue, contestant.lossy) {
            (true, _) => seqring::Delivery::Queue,
            (_, true) => seqring::Delivery::Lossy,
            (_, false) => seqring::Delivery::Gated,
        };
        let mut config =
            Config::slots(SLOTS).of_bytes(contestant.bytes).delivery(delivery).participants(PARTICIPANTS);
        if contestant.writers > 1 {
            config = config.writers(Writers::Many);
        }
        if contestant.name == "seqring-evicting" {
            config = config.evict_after(Duration::from_millis(200));
        }
        let ring = Ring::open_or_create(ring, &config)?;
        Ok(match role {
            Role::Writer => Self::Writer(ring.writer()?),
            Role::Reader if contestant.queue => Self::Taker(ring.taker()?),
            Role::Reader if contestant.lossy => {
                Self::Copying(ring.reader(Start::Next)?, vec![0; contestant.bytes])
            }
            Role::Reader => Self::Viewing(ring.reader(Start::Next)?, contestant.writers == 1),
        })
    }
}

fn unwritten(error: WriteError) -> Answer {
    match error {
        WriteError::TimedOut { slowest: None, awaited_readers: 0, .. } => Answer::Nothing,
        error => Answer::Report(error.to_string()),
    }
}

fn unread(error: ReadError, names_writer: bool) -> Answer {
    match error {
        ReadError::Lagged(lagged) => Answer::Lost(lagged.lost),
        ReadError::TimedOut { .. } if !names_writer => Answer::Nothing,
        error => Answer::Report(error.to_string()),
    }
}

impl End for Ours {
    fn send(&mut self, message: &[u8], inside: &mut dyn FnMut()) -> Result<(), Answer> {
        let Self::Writer(writer) = self else { return Err(Answer::Report("this end does not write".into())) };
        let mut claim = writer.claim_timeout(message.len(), PATIENCE).map_err(unwritten)?;
        let half = message.len() / 2;
        claim[..half].copy_from_slice(&message[..half]);
        inside();
        claim[half..].copy_from_slice(&message[half..]);
        claim.publish_timeout(PATIENCE).map(drop).map_err(|unpublished| unwritten(unpublished.error))
    }

    fn receive(&mut self, seen: &mut dyn FnMut(&[u8], bool)) -> Result<(), Answer> {
        match self {
            Self::Writer(_) => return Err(Answer::Report("this end does not read".into())),
            Self::Copying(reader, room) => {
                let received = reader.read_timeout(room, PATIENCE).map_err(|error| unread(error, false))?;
                seen(&room[..received.len], false);
            }
            Self::Viewing(reader, names_writer) => {
                let shown = reader.view_timeout(PATIENCE).map_err(|error| unread(error, *names_writer))?;
                seen(&shown, false);
            }
            Self::Taker(taker) => {
                let taken = taker.take_timeout(PATIENCE).map_err(|error| unread(error, false))?;
                seen(&taken, taken.is_redelivered());
            }
        }
        Ok(())
    }
}
