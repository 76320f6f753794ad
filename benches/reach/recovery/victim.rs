//! A process that gets into the way of others and stays there until it is killed.

use crate::text;
use harness::child::{die_with_parent, other_end_of};
use seqring::{Ring, Start};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(super) enum Victim {
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
    /// Starts the victim of `row`, and waits until it is in the way.
    pub(super) fn start(row: &str, ring: &str) -> Result<Child, String> {
        let mut child = other_end_of(row)?.arg(ring).stdout(Stdio::piped()).spawn().map_err(text)?;
        let mut printed = String::new();
        let output = child.stdout.take().ok_or("it has an output")?;
        BufReader::new(output).read_line(&mut printed).map_err(text)?;
        if printed.trim_end() == READY {
            return Ok(child);
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(format!("the victim printed {printed:?}"))
    }

    /// What its process does: gets there, prints that it is ready, and stays.
    pub(super) fn stay(self, arguments: &[String]) -> Result<(), String> {
        let [ring] = arguments else { return Err("the name of a ring".into()) };
        die_with_parent()?;
        let ring = Ring::open(ring).map_err(text)?;
        match self {
            Victim::Reader => stay_with(&ring.reader(Start::Next).map_err(text)?),
            Victim::Viewer => {
                let mut reader = ring.reader(Start::Newest).map_err(text)?;
                stay_with(&reader.view().map_err(text)?)
            }
            Victim::Writer => {
                let mut writer = ring.writer().map_err(text)?;
                writer.write(&[7; super::BYTES]).map_err(text)?;
                stay_with(&writer)
            }
            Victim::Taker => {
                let mut taker = ring.taker().map_err(text)?;
                stay_with(&taker.take().map_err(text)?)
            }
        }
    }
}

/// Until it is killed; by its parent, or because that is gone.
fn stay_with<T>(_held: &T) -> Result<(), String> {
    let mut output = std::io::stdout();
    writeln!(output, "{READY}").and_then(|()| output.flush()).map_err(text)?;
    loop {
        thread::sleep(Duration::from_secs(60));
    }
}
