//! The other end of a measurement, in a thread or in a process of its own.
//!
//! A process is this program again, told by `--part` what to do and which rings to open: it has mappings of its
//! own, as two programs have. Both kinds run the same functions.

use crate::place::{Closing, SharedRing};
use crate::recovery::Victim;
use crate::wait::Wait;
use crate::{audience, idle, wait, wakes, zero_copy};
use harness::child;
use harness::content::{Content, Large, Small};
use harness::patience::Stop;
use harness::peer::Peers;
use harness::pin::{CorePair, pin_to};
use harness::receiver::Got;
use seqring::{Ring, Start};
use std::process::Command;
use std::str::FromStr;
use std::thread;

/// What another process does.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// Writes to the first ring until it is closed.
    Write(Wait),
    /// Answers each message of the first ring by the same in the second.
    Echo(Wait),
    /// Claims, stamps and publishes in the first ring until it is closed.
    Claim,
    /// Reads one message of the first ring and says what waiting for it cost.
    Idle,
    /// Writes to sleeping readers, under the eyes of strace.
    Wake,
    /// Writes to so many idle readers, under the eyes of valgrind.
    Count,
    /// Gets into the way of who has the first ring, and stays there until it is killed.
    Victim(Victim),
}

impl Part {
    fn arguments(self) -> [String; 2] {
        let (name, wait) = match self {
            Self::Write(wait) => ("write", wait.argument()),
            Self::Echo(wait) => ("echo", wait.argument()),
            Self::Claim => ("claim", String::new()),
            Self::Idle => ("idle", String::new()),
            Self::Wake => ("wake", String::new()),
            Self::Count => ("count", String::new()),
            Self::Victim(victim) => ("victim", victim.name().into()),
        };
        ["--part".into(), format!("{name}:{wait}")]
    }

    /// This program again, to play this part; arguments are the names of rings, or what the part needs.
    pub(crate) fn command(self) -> Result<Command, String> {
        let program =
            std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
        let mut command = Command::new(program);
        command.args(self.arguments());
        Ok(command)
    }

    /// Plays the part in this process, which was started for it.
    pub(crate) fn play_here(self, arguments: &[String]) -> Result<(), String> {
        match self {
            Self::Wake => return wakes::write_to_sleepers(),
            Self::Count => return audience::write_counted(arguments),
            Self::Write(_) | Self::Echo(_) | Self::Claim | Self::Idle | Self::Victim(_) => {}
        }
        die_with_parent()?;
        let rings: Result<Vec<_>, _> = arguments.iter().map(|name| SharedRing::open(name)).collect();
        let rings = rings?;
        match self {
            Self::Idle => return idle::report(&rings[0].ring),
            Self::Victim(victim) => return victim.stay(&rings[0].ring),
            _ => {}
        }
        let cores = CorePair::first_allowed().map_err(|error| error.to_string())?;
        self.play(cores, &rings)
    }

    fn play(self, cores: CorePair, rings: &[SharedRing]) -> Result<(), String> {
        let _closing = Closing(rings);
        pin_to(cores.theirs()).map_err(|error| error.to_string())?;
        let end = match self {
            Self::Write(wait) => write(&rings[0].ring, wait),
            Self::Echo(wait) => echo(&rings[0].ring, &rings[1].ring, wait),
            Self::Claim => zero_copy::claim(&rings[0].ring),
            Self::Idle | Self::Wake | Self::Count | Self::Victim(_) => {
                Err(Stop::Failed("this part is alone".into()))
            }
        };
        match end {
            Ok(()) | Err(Stop::Closed) => Ok(()),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("write", wait)) => Ok(Self::Write(wait.parse()?)),
            Some(("echo", wait)) => Ok(Self::Echo(wait.parse()?)),
            Some(("claim", "")) => Ok(Self::Claim),
            Some(("idle", "")) => Ok(Self::Idle),
            Some(("wake", "")) => Ok(Self::Wake),
            Some(("count", "")) => Ok(Self::Count),
            Some(("victim", victim)) => Ok(Self::Victim(victim.parse()?)),
            _ => Err(format!("no such part: {text}")),
        }
    }
}

/// A child whose parent is killed must not spin on.
fn die_with_parent() -> Result<(), String> {
    // Ctrl-C reaches the whole process group; only the parent acts on it, and ends us by closing the rings.
    ctrlc::set_handler(|| ()).map_err(|error| error.to_string())?;
    child::die_with_parent().map_err(|error| error.to_string())
}

/// Runs `ours` here and `part` at the other end, each on its core, until `ours` returns.
pub(crate) fn against<T: Send>(
    peers: Peers,
    cores: CorePair,
    part: Part,
    rings: &[SharedRing],
    ours: impl FnOnce() -> Result<T, String> + Send,
) -> Result<T, String> {
    let pinned = || {
        let _closing = Closing(rings);
        pin_to(cores.ours()).map_err(|error| error.to_string())?;
        ours()
    };
    let (ours, theirs) = match peers {
        Peers::Threads => thread::scope(|scope| {
            let theirs = scope.spawn(|| part.play(cores, rings));
            let ours = scope.spawn(pinned);
            (joined(ours.join()), joined(theirs.join()))
        }),
        Peers::Processes => {
            let names = rings.iter().filter_map(|shared| shared.name.as_deref());
            let child = part.command()?.args(names).spawn().map_err(|error| error.to_string())?;
            let ours = thread::scope(|scope| joined(scope.spawn(pinned).join()));
            (ours, child::ended(child))
        }
    };
    match (ours, theirs) {
        (Ok(measured), Ok(())) => Ok(measured),
        (Err(error), Ok(())) => Err(error),
        (_, Err(error)) => Err(format!("the other end: {error}")),
    }
}

fn joined<T>(result: thread::Result<Result<T, String>>) -> Result<T, String> {
    result.unwrap_or_else(|_| Err("panicked".into()))
}

fn write(ring: &Ring, wait: Wait) -> Result<(), Stop> {
    match ring.config().slot_bytes() {
        8 => write_content(ring, wait, Small::<1>::new()),
        64 => write_content(ring, wait, Small::<8>::new()),
        bytes => write_content(ring, wait, Large::new(bytes)),
    }
}

fn write_content(ring: &Ring, wait: Wait, mut content: impl Content) -> Result<(), Stop> {
    let mut writer = ring.writer().map_err(|error| Stop::Failed(error.to_string()))?;
    wait::set_writer(&mut writer, wait);
    let first = writer.next_sequence();
    // Two loops and not one that asks: at 2 ns a message the question would show.
    match wait {
        Wait::Pauses(pauses) => (first..)
            .try_for_each(|sequence| wait::polled_write(&mut writer, content.message(sequence), pauses)),
        Wait::Spinning => {
            (first..).try_for_each(|sequence| wait::blocking_write(&mut writer, content.message(sequence)))
        }
    }
}

fn echo(ask: &Ring, answer: &Ring, wait: Wait) -> Result<(), Stop> {
    match ask.config().slot_bytes() {
        8 => echo_content(ask, answer, wait, Small::<1>::new()),
        _ => echo_content(ask, answer, wait, Small::<8>::new()),
    }
}

fn echo_content(ask: &Ring, answer: &Ring, wait: Wait, mut content: impl Content) -> Result<(), Stop> {
    let failed = |error: seqring::RegisterError| Stop::Failed(error.to_string());
    let mut reader = ask.reader(Start::Next).map_err(failed)?;
    let mut writer = answer.writer().map_err(failed)?;
    wait::set_reader(&mut reader, wait);
    wait::set_writer(&mut writer, wait);
    // The greeting: whoever asks knows now that somebody listens.
    wait::blocking_write(&mut writer, content.message(0))?;
    loop {
        let got = match wait {
            Wait::Pauses(pauses) => wait::polled_read(&mut reader, content.out(), pauses)?,
            Wait::Spinning => wait::blocking_read(&mut reader, content.out())?,
        };
        match got {
            Got::Message(arrival) if content.is_whole(arrival.sequence, arrival.bytes) => {
                wait::blocking_write(&mut writer, content.out())?;
            }
            _ => return Err(Stop::Failed("a question is missing or torn".into())),
        }
    }
}
