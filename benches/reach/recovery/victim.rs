//! Whoever is killed: a process that gets into others' way and stays there.

use crate::part::Part;
use seqring::{Ring, Start};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Victim {
    /// Joins, and reads nothing.
    Reader,
    /// Joins at the newest message, and keeps it in view.
    Viewer,
    /// Joins, and writes one message.
    Writer,
    /// Takes a message, and is not done with it.
    Taker,
}

const READY: &str = "ready";

impl Victim {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Victim::Reader => "reader",
            Victim::Viewer => "viewer",
            Victim::Writer => "writer",
            Victim::Taker => "taker",
        }
    }

    /// Starts it, and waits until it is in the way.
    pub(super) fn start(self, ring: &str) -> Result<Child, String> {
        let mut command = Part::Victim(self).command()?;
        let child = command.arg(ring).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| error.to_string())?;
        let mut said = String::new();
        let output = child.stdout.take().ok_or("it has an output")?;
        BufReader::new(output).read_line(&mut said).map_err(|error| error.to_string())?;
        if said.trim_end() == READY {
            return Ok(child);
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(format!("the victim said {said:?}"))
    }

    /// What the process does: gets there, says so, and stays.
    pub(crate) fn stay(self, ring: &Ring) -> Result<(), String> {
        match self {
            Victim::Reader => {
                let reader = ring.reader(Start::Next).map_err(text)?;
                stay_with(reader)
            }
            Victim::Viewer => {
                let mut reader = ring.reader(Start::Newest).map_err(text)?;
                let view = reader.view().map_err(text)?;
                stay_with(view)
            }
            Victim::Writer => {
                let mut writer = ring.writer().map_err(text)?;
                writer.write(&[7; super::BYTES]).map_err(text)?;
                stay_with(writer)
            }
            Victim::Taker => {
                let mut taker = ring.taker().map_err(text)?;
                let taken = taker.take().map_err(text)?;
                stay_with(taken)
            }
        }
    }
}

/// Until it is killed; by its parent, or because that is gone.
fn stay_with<T>(_held: T) -> Result<(), String> {
    let mut output = std::io::stdout();
    writeln!(output, "{READY}").and_then(|()| output.flush()).map_err(text)?;
    loop {
        thread::sleep(Duration::from_mins(1));
    }
}

impl FromStr for Victim {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Victim::Reader, Victim::Viewer, Victim::Writer, Victim::Taker];
        all.into_iter().find(|known| known.name() == name).ok_or_else(|| format!("no such victim: {name}"))
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
