//! A cell of the comparison: which participant meets which fault.

use super::contestants::{Contestant, Kin};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What befalls the victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGKILL; each participant is in a pid namespace of its own.
    KillApart,
    /// SIGSTOP, for ever.
    Stop,
    /// SIGSTOP, and SIGCONT after a second.
    Pause,
    /// It ends without leaving.
    Exit,
    /// It panics, or throws.
    Panic,
    /// All readers make no call for a second.
    Full,
    /// Its names in the file system are removed.
    Unlink,
}

/// The participant that meets the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Victim {
    Writer,
    /// In a queue, a taker.
    Reader,
    /// No participant.
    Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) fault: Fault,
    pub(crate) victim: Victim,
}

impl Cell {
    pub(crate) const ALL: [Self; 14] = [
        Self::of(Fault::Kill, Victim::Writer),
        Self::of(Fault::Kill, Victim::Reader),
        Self::of(Fault::KillApart, Victim::Writer),
        Self::of(Fault::KillApart, Victim::Reader),
        Self::of(Fault::Stop, Victim::Writer),
        Self::of(Fault::Stop, Victim::Reader),
        Self::of(Fault::Pause, Victim::Writer),
        Self::of(Fault::Pause, Victim::Reader),
        Self::of(Fault::Exit, Victim::Writer),
        Self::of(Fault::Exit, Victim::Reader),
        Self::of(Fault::Panic, Victim::Writer),
        Self::of(Fault::Panic, Victim::Reader),
        Self::of(Fault::Full, Victim::Reader),
        Self::of(Fault::Unlink, Victim::Name),
    ];

    const fn of(fault: Fault, victim: Victim) -> Self {
        Self { fault, victim }
    }

    /// Whether the fault exists for the contestant: threads are not killed alone, and what has no
    /// name does not lose it.
    pub(crate) fn is_for(self, contestant: &Contestant) -> bool {
        match self.fault {
            Fault::Kill => contestant.kin != Kin::Threads,
            Fault::KillApart | Fault::Unlink => contestant.kin == Kin::Named,
            _ => true,
        }
    }

    /// Whether the victim is gone for ever, so that another participant takes its place.
    pub(crate) fn is_replaced(self) -> bool {
        !matches!(self.fault, Fault::Pause | Fault::Full)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let victim = match self.victim {
            Victim::Writer => "writer",
            Victim::Reader => "reader",
            Victim::Name => "",
        };
        f.write_str(&match self.fault {
            Fault::Kill => format!("{victim} killed"),
            Fault::KillApart => format!("{victim} killed, pid namespaces"),
            Fault::Stop => format!("{victim} stopped for ever"),
            Fault::Pause => format!("{victim} stopped for 1 s"),
            Fault::Exit => format!("{victim} exits without leaving"),
            Fault::Panic => format!("{victim} panics"),
            Fault::Full => "no reads for 1 s".into(),
            Fault::Unlink => "name removed".into(),
        })
    }
}
