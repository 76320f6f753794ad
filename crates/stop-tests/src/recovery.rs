//! Processes stopped and killed while they clear up after a dead one.
//!
//! A writer or reader is killed; a second process finds it dead, and is stopped or killed in the middle of clearing up. The
//! third, this one, waits on while the second is stopped, and no longer: then it must learn of the first one's death, as if
//! nothing had happened to the second.

use crate::case::Fate;
use crate::message::{SLOT_BYTES, message};
use crate::victim::{self, NEVER};
use seqring::failpoints::Failpoint;
use seqring::{Config, Delivery, ReadError, Ring, SlotClass, Start, WaitStrategy, WriteError, Writers};
use std::time::Duration;

/// So long it is seen that somebody waits on: several looks for the dead.
const A_WHILE: Duration = Duration::from_millis(150);

/// Whose death is cleared up after, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clearing {
    /// Of a writer, by a reader that waits for it.
    WriterByReader,
    /// Of a writer, by its successor.
    WriterByHeir,
    /// Of a reader, by a writer that waits for it.
    ReaderByWriter,
}

impl Clearing {
    pub(crate) const ALL: [Clearing; 3] =
        [Clearing::WriterByReader, Clearing::WriterByHeir, Clearing::ReaderByWriter];

    pub(crate) fn passes(self, stop: Failpoint) -> bool {
        match stop {
            Failpoint::DeadFound => true,
            Failpoint::LeaveMarked | Failpoint::StreamEnded => self != Clearing::ReaderByWriter,
            Failpoint::ReaderVacated => self == Clearing::ReaderByWriter,
            // The heir's coming replaces the verdict.
            Failpoint::DeathKept => self == Clearing::WriterByHeir,
            _ => false,
        }
    }

    /// The kinds of ring in which it happens.
    fn rings(self) -> Vec<Config> {
        let config = Config::new(4, SLOT_BYTES).participants(8);
        let one = [SlotClass::Packed, SlotClass::Lines, SlotClass::Arena]
            .map(|class| config.clone().slot_class(class));
        let many = config.writers(Writers::Many);
        match self {
            Clearing::ReaderByWriter => one.into_iter().chain([many]).collect(),
            _ => {
                let lossy =
                    one.clone().into_iter().chain([many.clone()]).map(|ring| ring.delivery(Delivery::Lossy));
                one.into_iter().chain([many.clone()]).chain(lossy).collect()
            }
        }
    }
}

/// The first process: it is killed where it is found then.
pub(crate) fn be_first(clearing: usize, name: &str) {
    let ring = Ring::open(name).expect("the parent made it");
    if Clearing::ALL[clearing] == Clearing::ReaderByWriter {
        let _reader = ring.reader(Start::Next).expect("there is an entry");
        println!();
        std::thread::park();
    } else {
        let mut writer = ring.writer().expect("there is an entry");
        writer.write(&message(0, 0)).expect("there is room");
        println!();
        std::thread::park();
    }
}

/// The second process: it clears up after the first.
pub(crate) fn be_victim(clearing: usize, stop: usize, name: &str) {
    let ring = Ring::open(name).expect("the parent made it");
    match Clearing::ALL[clearing] {
        Clearing::WriterByReader => {
            victim::stop_at(Failpoint::ALL[stop], 0); // Of many writers, it may get the very entry.
            let mut reader = ring.reader(Start::Next).expect("there is an entry");
            reader.set_wait_strategy(WaitStrategy::SLEEPING);
            while !matches!(reader.read(&mut [0; SLOT_BYTES]), Err(ReadError::WriterDied { .. })) {}
        }
        Clearing::WriterByHeir => {
            victim::stop_at(Failpoint::ALL[stop], 0);
            // Stopped, and overtaken by another heir, it may find the entry taken.
            drop(ring.writer());
        }
        Clearing::ReaderByWriter => {
            let mut writer = ring.writer().expect("there is an entry");
            writer.set_wait_strategy(WaitStrategy::SLEEPING);
            victim::stop_at(Failpoint::ALL[stop], 0);
            for n in 0..10 {
                writer.write(&message(1, n)).expect("nobody closes the ring");
            }
        }
    }
}

/// Runs a case in every kind of ring. Says how many there were.
pub(crate) fn run(clearing: Clearing, stop: Failpoint, fate: Fate) -> Result<u64, String> {
    let rings = clearing.rings();
    for config in &rings {
        run_in(config, clearing, stop, fate).map_err(|error| format!("{error}, in {config:?}"))?;
    }
    Ok(rings.len() as u64)
}

fn run_in(config: &Config, clearing: Clearing, stop: Failpoint, fate: Fate) -> Result<(), String> {
    let name = format!("stop-test-{}-recovery-{stop:?}-{fate:?}", std::process::id());
    let ring = Ring::create(&*name, config).map_err(|error| error.to_string())?;
    let number = Clearing::ALL.iter().position(|one| *one == clearing).expect("one of them").to_string();
    let mut reader = ring.reader(Start::Next).map_err(|error| error.to_string())?;
    reader.set_wait_strategy(WaitStrategy::SLEEPING);
    let mut first = victim::start(&["recovery-first", &number, &name])?;
    victim::await_word(&mut first)?;
    let pid = first.id();
    victim::kill(&mut first)?;
    let point = victim::number_of(stop).to_string();
    let mut second = victim::start(&["recovery-victim", &number, &point, &name])?;
    let mut out = [0; SLOT_BYTES];
    if clearing == Clearing::ReaderByWriter {
        // It writes as many as there is room for, and we read none meanwhile.
        drop(reader);
        victim::await_stop(&mut second)?;
        if stop == Failpoint::DeadFound && config.writers_mode() == Writers::Many {
            waits_for_the_dead(&ring, pid)?;
        }
        end(&mut second, fate)?;
        let mut writer = ring.writer().map_err(|error| error.to_string())?;
        for n in 0..10 {
            writer.write_timeout(&message(2, n), NEVER).map_err(|error| error.to_string())?;
        }
        return Ok(());
    }
    victim::await_stop(&mut second)?;
    reader.read_timeout(&mut out, NEVER).map_err(|error| error.to_string())?;
    if stop == Failpoint::DeadFound {
        match reader.read_timeout(&mut out, A_WHILE) {
            Err(ReadError::TimedOut { writers }) if writers.pids() == [pid] => {}
            other => return Err(format!("while its finder was stopped, its reader was told {other:?}")),
        }
    }
    end(&mut second, fate)?;
    match reader.read_timeout(&mut out, NEVER) {
        Err(ReadError::WriterDied { pid: told }) if told == pid => {}
        other => return Err(format!("{pid} died, and its reader was told {other:?}")),
    }
    match (clearing, fate, reader.read_timeout(&mut out, NEVER)) {
        // The heir, killed before it had joined or after, may have been a writer that died, too.
        (Clearing::WriterByHeir, Fate::Killed, Err(ReadError::WriterDied { pid: told }))
            if told == second.id() =>
        {
            Ok(())
        }
        (_, _, Err(ReadError::Closed)) => Ok(()),
        (_, _, other) => Err(format!("then its reader was told {other:?}")),
    }
}

/// A writer finds the ring full, and whom it waits for.
fn waits_for_the_dead(ring: &Ring, dead: u32) -> Result<(), String> {
    let mut writer = ring.writer().map_err(|error| error.to_string())?;
    match writer.write_timeout(&message(3, 0), A_WHILE) {
        Err(WriteError::TimedOut { slowest: Some(peer) }) if peer.pid == dead => Ok(()),
        other => Err(format!("while its finder was stopped, the other writer was told {other:?}")),
    }
}

fn end(second: &mut std::process::Child, fate: Fate) -> Result<(), String> {
    match fate {
        Fate::Continued => victim::resume(second).and_then(|()| victim::ends_well(second)),
        Fate::Killed => victim::kill(second),
    }
}
