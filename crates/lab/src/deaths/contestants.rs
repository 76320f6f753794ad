//! The contestants: a row for each, and the program that plays its participants.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program that plays a contestant's participants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// This one.
    Own,
    /// That of `crates/rivals`.
    Rivals,
    /// `participants.py`.
    Python,
}

/// How participants find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kin {
    /// By a name: each is a process of its own.
    Named,
    /// They are forked from a process that made the queue.
    Forked,
    /// They are threads of one process.
    Threads,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// Its package, whose version the record has.
    pub(crate) package: &'static str,
    /// What of it is used, and how.
    pub(crate) what: &'static str,
    pub(crate) program: Program,
    pub(crate) kin: Kin,
    /// Each message goes to one reader, which is then a taker.
    pub(crate) queue: bool,
    /// Writers never wait for readers.
    pub(crate) lossy: bool,
    pub(crate) writers: usize,
    pub(crate) readers: usize,
    /// Of a message.
    pub(crate) bytes: usize,
    /// Another participant can take the place of one that is gone.
    pub(crate) is_replaced: bool,
}

const BYTES: usize = 8192;

/// A row: two writers, two readers, 8 KiB; changed by what follows.
const fn row(
    name: &'static str,
    package: &'static str,
    program: Program,
    kin: Kin,
    what: &'static str,
) -> Contestant {
    Contestant {
        name,
        package,
        what,
        program,
        kin,
        queue: false,
        lossy: false,
        writers: 2,
        readers: 2,
        bytes: BYTES,
        is_replaced: true,
    }
}

impl Contestant {
    const fn queue(self) -> Self {
        Self { queue: true, ..self }
    }

    const fn lossy(self) -> Self {
        Self { lossy: true, ..self }
    }

    const fn of(self, writers: usize, readers: usize) -> Self {
        Self { writers, readers, ..self }
    }

    const fn without_successor(self) -> Self {
        Self { is_replaced: false, ..self }
    }

    const fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

use Kin::{Forked, Named, Threads};
use Program::{Own, Python, Rivals};

pub(crate) const CONTESTANTS: &[Contestant] = &[
    row("seqring-lossy", "seqring", Own, Named, "`Delivery::Lossy`, many writers").lossy(),
    row("seqring-gated", "seqring", Own, Named, "`Delivery::Gated`, many writers"),
    row("seqring-single", "seqring", Own, Named, "`Delivery::Gated`, one writer").of(1, 2),
    row("seqring-evicting", "seqring", Own, Named, "`Delivery::Gated`, many writers, `evict_after` 200 ms"),
    row("seqring-queue", "seqring", Own, Named, "`Delivery::Queue`").queue(),
    row(
        "iceoryx2",
        "iceoryx2",
        Rivals,
        Named,
        "publish-subscribe, no overflow, `RetryUntilDelivered`, dead nodes are removed by the readers",
    ),
    row("ringfire", "ringfire", Rivals, Named, "`LosslessBackpressure`, one producer").of(1, 2),
    row(
        "kickmsg",
        "kickmsg",
        Python,
        Named,
        "broadcast, blocking receive, diagnosis and repair by idle ends",
    )
    .lossy(),
    row("cloudtoid", "cloudtoid-interprocess", Rivals, Named, "queue, `try_send`, `recv_timeout`").queue(),
    row("subetha", "subetha-ipc", Python, Named, "`Channel`, `send_for`, `recv_for`").queue().bytes(48),
    row("faster-fifo", "faster-fifo", Python, Forked, "`Queue`, `put`, `get` with time limits").queue(),
    row("mp-queue", "python", Python, Forked, "`multiprocessing.Queue`, `put`, `get` with time limits")
        .queue(),
    row("mp-pipe", "python", Python, Forked, "`multiprocessing.Pipe`, unused ends closed")
        .queue()
        .of(1, 1)
        .without_successor(),
    row(
        "zeromq",
        "pyzmq",
        Python,
        Named,
        "PUSH and PULL over `ipc://`, time limits, a monitor of each socket",
    )
    .queue()
    .of(2, 1),
    row("aeron", "pyaeron", Python, Forked, "`aeron:ipc`, media driver in a process of its own"),
    row("vllm", "vllm", Python, Named, "`ShmRingBuffer`"),
    row("crossbeam", "crossbeam-channel", Rivals, Threads, "bounded channel").queue(),
    row("disruptor", "disruptor", Rivals, Threads, "one producer, event pollers").of(1, 2).bytes(1024),
    row("semaphore-rwlock", "glibc", Own, Named, "readers/writer lock of POSIX semaphores, lossy").lossy(),
    row("semaphore", "glibc", Own, Named, "one POSIX semaphore, lossy").lossy(),
    row("mutex-condvar", "glibc", Own, Named, "robust mutex and conditions, lossy").lossy(),
    row("pthread-rwlock", "glibc", Own, Named, "process-shared `pthread_rwlock`, lossy").lossy(),
    row("sysv-semaphore", "glibc", Own, Named, "System V semaphore with undo, lossy").lossy(),
    row("slot-locks", "glibc", Own, Named, "a semaphore for each slot, lossy").lossy(),
    row("flock", "glibc", Own, Named, "`flock`, lossy").lossy(),
    row("ticket", "glibc", Own, Named, "`fetch_add` tickets, no lock, lossy").lossy(),
];

/// Where the programs are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) rivals: PathBuf,
    pub(crate) python: PathBuf,
}

/// A file of the sources that this program was built from.
pub(crate) fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).join(path)
}

const SETUP: &str = "not built: run scripts/deaths --build";

impl Programs {
    /// The command that plays `contestant`, without its further arguments.
    ///
    /// # Errors
    /// That this program has no path.
    pub(crate) fn command(&self, contestant: &Contestant) -> Result<Vec<PathBuf>> {
        Ok(match contestant.program {
            Own => vec![std::env::current_exe().context("this program has no path")?, super::WORKER.into()],
            Rivals => vec![self.rivals.clone(), "deaths".into()],
            Python => vec![self.python.clone(), source("crates/lab/src/deaths/participants.py")],
        })
    }

    /// The version of `contestant` here, or why it cannot be run.
    pub(crate) fn version(&self, contestant: &Contestant) -> Result<String, String> {
        let package = contestant.package;
        match contestant.program {
            Own if package == "seqring" => Ok(env!("CARGO_PKG_VERSION").into()),
            Own => Ok("of this system".into()),
            Rivals if !self.rivals.exists() => Err(SETUP.into()),
            Rivals => locked(package).ok_or_else(|| format!("crates/rivals has no {package}")),
            Python if !self.python.exists() => Err(SETUP.into()),
            Python => {
                let script = source("crates/lab/src/deaths/participants.py");
                let command =
                    Command::new(&self.python).arg(script).args([contestant.name, "--version"]).output();
                let output = command.map_err(|error| error.to_string())?;
                let (said, error) = (lines(&output.stdout), lines(&output.stderr));
                let last = |text: String| text.lines().last().unwrap_or("it fails without a word").to_owned();
                if output.status.success() { Ok(last(said)) } else { Err(last(error)) }
            }
        }
    }
}

fn lines(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// The version of a package in the lock file of the rivals.
fn locked(package: &str) -> Option<String> {
    let lock = fs::read_to_string(source("crates/rivals/Cargo.lock")).ok()?;
    let (_, behind) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    behind.split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_contestant_has_a_name_of_its_own() {
        let names: BTreeSet<_> = CONTESTANTS.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), CONTESTANTS.len());
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_what_builds_it() {
        let programs = Programs { rivals: "/nowhere".into(), python: "/nowhere".into() };
        let versions = CONTESTANTS.iter().map(|one| (one.program, programs.version(one)));
        for (program, version) in versions {
            assert_eq!(version.is_ok(), program == Own);
            assert!(version.is_ok_and(|version| !version.is_empty()) || SETUP.contains("scripts/deaths"));
        }
    }
}
