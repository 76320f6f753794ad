//! A writer or a reader of the demonstration, as a process. What happens to it, it prints.

use super::role;
use crate::output;
use crate::perf::follow_parent;
use anyhow::{Result, bail, ensure};
use clap::Args;
use rustix::process::{Pid, getppid};
use seqring::{ReadError, Ring, Start};
use std::io::Write;
use std::thread;
use std::time::Duration;

/// Between two messages.
const PERIOD: Duration = Duration::from_millis(50);

/// A reader without a writer tries again after this time.
const RETRY: Duration = Duration::from_millis(10);

#[derive(Args, Debug)]
pub(crate) struct DemoWorker {
    parent: i32,
    ring: String,
    /// 0 is the writer.
    index: usize,
}

/// Writes or reads until the demonstration ends it.
pub(crate) fn run(worker: &DemoWorker) -> Result<()> {
    follow_parent()?;
    ensure!(getppid() == Pid::from_raw(worker.parent), "{}: the demonstration is over", role(worker.index));
    let (ring, mut output) = (Ring::open(worker.ring.as_str())?, output::stdout());
    if worker.index > 0 {
        return read(&ring, output);
    }
    let mut writer = ring.writer()?;
    writeln!(output, "writes from message {} on", writer.next_sequence())?;
    loop {
        let message = writer.next_sequence();
        writer.write(&message.to_le_bytes())?;
        thread::sleep(PERIOD);
    }
}

fn read(ring: &Ring, mut output: impl Write) -> Result<()> {
    let mut reader = ring.reader(Start::Next)?;
    writeln!(output, "reads from message {} on", reader.position())?;
    let (mut message, mut is_without_writer) = ([0; 8], false);
    loop {
        match reader.read(&mut message) {
            Ok(received) => {
                ensure!(
                    received.sequence == u64::from_le_bytes(message),
                    "message {} is damaged",
                    received.sequence
                );
                if std::mem::take(&mut is_without_writer) {
                    writeln!(output, "reads on with message {}", received.sequence)?;
                }
            }
            Err(ReadError::Lagged(lagged)) => writeln!(output, "lost {} messages", lagged.lost)?,
            Err(ReadError::WriterDied { pid }) => {
                is_without_writer = true;
                writeln!(output, "the writer, process {pid}, died")?;
            }
            Err(ReadError::Closed) => thread::sleep(RETRY),
            Err(other) => bail!(other),
        }
    }
}
