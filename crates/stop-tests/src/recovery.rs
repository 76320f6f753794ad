//! Processes are stopped and killed while they recover the entry of a dead one.
//!
//! A writer or reader is killed. A second process finds it dead, and is stopped or killed in the
//! middle of the recovery. This process, the third, waits while the second is stopped, and no
//! longer: then it must get the first one's death as if the second had not been interrupted.

use crate::message::{SLOT_BYTES, message};
use crate::victim::{self, Fate, TIMEOUT, text};
use seqring::failpoints::Failpoint;
use seqring::{Config, Delivery, ReadError, Ring, SlotClass, Start, WaitStrategy, WriteError, Writers};
use std::time::Duration;

/// Long enough for several checks for the dead.
const A_WHILE: Duration = Duration::from_millis(150);

/// The role of the dead process, and of the one that recovers its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// A reader that waits for a dead writer.
    WriterByReader,
    /// The successor of a dead writer.
    WriterBySuccessor,
    /// A writer that waits for a dead reader.
    ReaderByWriter,
}

impl Recovery {
    pub(crate) const ALL: [Recovery; 3] =
        [Recovery::WriterByReader, Recovery::WriterBySuccessor, Recovery::ReaderByWriter];

    pub(crate) fn reaches(self, point: Failpoint) -> bool {
        match point {
            Failpoint::DeadFound => true,
            Failpoint::LeaveMarked | Failpoint::StreamEnded => self != Recovery::ReaderByWriter,
            Failpoint::ReaderVacated => self == Recovery::ReaderByWriter,
            // The successor's registration replaces the end of the stream.
            Failpoint::DeathRecorded => self == Recovery::WriterBySuccessor,
            _ => false,
        }
    }

    /// The configurations in which it happens.
    fn rings(self) -> Vec<Config> {
        let config = Config::slots(4).of_bytes(SLOT_BYTES).participants(8);
        let one = [SlotClass::Packed, SlotClass::Lines, SlotClass::Arena];
        let one = one.map(|class| config.clone().slot_class(class));
        let gated: Vec<_> = one.into_iter().chain([config.writers(Writers::Many)]).collect();
        if self == Recovery::ReaderByWriter {
            return gated;
        }
        let lossy: Vec<_> = gated.iter().map(|ring| ring.clone().delivery(Delivery::Lossy)).collect();
        [gated, lossy].concat()
    }
}

/// The first process: it registers and waits to be killed.
pub(crate) fn be_first(recovery: Recovery, name: &str) {
    let ring = Ring::open(name).expect("the parent created it");
    let _registered = if recovery == Recovery::ReaderByWriter {
        (Some(ring.reader(Start::Next).expect("there is an entry")), None)
    } else {
        let mut writer = ring.writer().expect("there is an entry");
        writer.write(&message(0, 0)).expect("there is room");
        (None, Some(writer))
    };
    println!();
    std::thread::park();
}

/// The second process: it recovers the entry of the first.
pub(crate) fn be_victim(point: Failpoint, recovery: Recovery, name: &str) {
    let ring = Ring::open(name).expect("the parent created it");
    match recovery {
        Recovery::WriterByReader => {
            victim::stop_at(point, 0); // In a ring of many writers, it may get the very entry.
            let mut reader = ring.reader(Start::Next).expect("there is an entry");
            reader.set_wait_strategy(WaitStrategy::SLEEPING);
            while !matches!(reader.read(&mut [0; SLOT_BYTES]), Err(ReadError::WriterDied { .. })) {}
        }
        Recovery::WriterBySuccessor => {
            victim::stop_at(point, 0);
            // While it is stopped, another successor may take the entry.
            drop(ring.writer());
        }
        Recovery::ReaderByWriter => {
            let mut writer = ring.writer().expect("there is an entry");
            writer.set_wait_strategy(WaitStrategy::SLEEPING);
            victim::stop_at(point, 0);
            for n in 0..10 {
                writer.write(&message(1, n)).expect("the ring stays open");
            }
        }
    }
}

/// Runs a case in each configuration. Returns how many there were.
pub(crate) fn run(recovery: Recovery, point: Failpoint, fate: Fate) -> Result<u64, String> {
    let rings = recovery.rings();
    for config in &rings {
        run_in(config, recovery, point, fate).map_err(|error| format!("{error}, in {config:?}"))?;
    }
    Ok(rings.len() as u64)
}

fn run_in(config: &Config, recovery: Recovery, point: Failpoint, fate: Fate) -> Result<(), String> {
    let name = format!("stop-test-{}-recovery-{point:?}-{fate:?}", std::process::id());
    let ring = Ring::create(&*name, config).map_err(text)?;
    let number = Recovery::ALL.iter().position(|one| *one == recovery).expect("it is one of all").to_string();
    let mut reader = ring.reader(Start::Next).map_err(text)?;
    reader.set_wait_strategy(WaitStrategy::SLEEPING);
    let mut first = victim::start("recovery-first", point, &[&number, &name])?;
    victim::await_output(&mut first)?;
    let pid = first.id();
    victim::kill(&mut first)?;
    if recovery == Recovery::ReaderByWriter {
        // Without a reader here, the second process waits for the dead reader only. It registers
        // in the entry that this leaves. If it came first, it would register in the dead reader's
        // entry, and recover that before it stops at any point.
        drop(reader);
        let mut second = victim::start("recovery-victim", point, &[&number, &name])?;
        victim::await_stop(&mut second)?;
        if point == Failpoint::DeadFound && config.writers == Writers::Many {
            waits_for_the_dead(&ring, pid)?;
        }
        victim::end(&mut second, fate)?;
        return victim::succeed(&ring, 2, 10);
    }
    let mut out = [0; SLOT_BYTES];
    let mut second = victim::start("recovery-victim", point, &[&number, &name])?;
    victim::await_stop(&mut second)?;
    reader.read_timeout(&mut out, TIMEOUT).map_err(text)?;
    if point == Failpoint::DeadFound {
        match reader.read_timeout(&mut out, A_WHILE) {
            Err(ReadError::TimedOut { writers, .. }) if writers.pids() == [pid] => {}
            other => return Err(format!("while the finder was stopped, the reader got {other:?}")),
        }
    }
    victim::end(&mut second, fate)?;
    match reader.read_timeout(&mut out, TIMEOUT) {
        Err(ReadError::WriterDied { pid: dead }) if dead == pid => {}
        other => return Err(format!("{pid} died, and the reader got {other:?}")),
    }
    match (recovery, fate, reader.read_timeout(&mut out, TIMEOUT)) {
        // A killed successor may have been registered already: then it is a dead writer, too.
        (Recovery::WriterBySuccessor, Fate::Killed, Err(ReadError::WriterDied { pid: dead }))
            if dead == second.id() =>
        {
            Ok(())
        }
        (_, _, Err(ReadError::Closed)) => Ok(()),
        (_, _, other) => Err(format!("after the death, the reader got {other:?}")),
    }
}

/// A writer finds the ring full, and the error names the dead reader.
fn waits_for_the_dead(ring: &Ring, dead: u32) -> Result<(), String> {
    let mut writer = ring.writer().map_err(text)?;
    match writer.write_timeout(&message(3, 0), A_WHILE) {
        Err(WriteError::TimedOut { slowest: Some(peer), .. }) if peer.pid == dead => Ok(()),
        other => Err(format!("while the finder was stopped, the other writer got {other:?}")),
    }
}
