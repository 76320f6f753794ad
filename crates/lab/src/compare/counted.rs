//! The process whose system calls are counted ([`super::calls`]): a writer and readers that wait, as threads.
//!
//! A call that no engine makes, `getppid`, marks where counting begins and ends: around every write, and around all reads
//! of a reader. So the writer's pace and the harness are not counted.

use crate::engines::{EngineName, Task};
use anyhow::{Result, bail};
use clap::Args;
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::refusal::ReadError;
use harness::ring_spec::{Delivery, Place, RingSpec, Writers};
use rustix::process::getppid;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// The hidden command that makes a process be counted.
pub(crate) const COMMAND: &str = "counted";

/// What it says when it is ready to be attached to.
pub(crate) const READY: &str = "ready";

pub(crate) const READERS: usize = 2;
pub(crate) const MESSAGES: u64 = 200;

/// Between two writes.
const PERIOD: Duration = Duration::from_millis(1);

/// After it the process gives up; what is left of a run takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(10);

const SPEC: RingSpec = RingSpec {
    slots: 1024,
    slot_bytes: 64,
    delivery: Delivery::Gated,
    writers: Writers::One,
    readers: READERS,
};

/// What a counted process is told.
#[derive(Args, Clone, Debug)]
pub struct CountedOptions {
    #[arg(value_enum)]
    engine: EngineName,
}

/// What a counted process does.
///
/// # Errors
/// What the engine reports: the comparison sees that fewer messages came than were written.
pub fn serve_counted(options: &CountedOptions) -> Result<()> {
    options.engine.run(Serve)
}

struct Serve;

impl Task for Serve {
    type Output = Result<()>;

    fn run<E: Engine + 'static>(self) -> Result<()> {
        let ring = E::create(&SPEC, &Place::Heap)?;
        let readers: Vec<_> = (0..READERS).map(|_| ring.reader()).collect::<Result<_, _>>()?;
        let writer = ring.writer()?;
        let mut output = io::stdout();
        writeln!(output, "{READY}").and_then(|()| output.flush())?;
        io::stdin().read_line(&mut String::new())?; // By then somebody counts.
        thread::scope(|scope| {
            let reading: Vec<_> =
                readers.into_iter().map(|reader| scope.spawn(move || read(reader))).collect();
            scope.spawn(move || write(writer)).join().expect("no panic")?;
            reading.into_iter().try_for_each(|reading| reading.join().expect("no panic"))
        })
    }
}

/// Counting begins, or ends.
fn mark() {
    let _ = getppid(); // What counts is that it was called.
}

fn write(mut writer: impl EngineWriter) -> Result<()> {
    for _ in 0..MESSAGES {
        thread::sleep(PERIOD);
        mark();
        writer.write(&[7; 64], PATIENCE)?;
        mark();
    }
    Ok(())
}

fn read(mut reader: impl EngineReader) -> Result<()> {
    let (begin, mut buffer, mut messages) = (Instant::now(), [0; 64], 0);
    mark();
    while messages < MESSAGES {
        match reader.read(&mut buffer, PATIENCE) {
            Ok(_) => messages += 1,
            Err(ReadError::TimedOut { .. }) if begin.elapsed() < PATIENCE => {}
            Err(error) => bail!("after {messages} messages: {error}"),
        }
    }
    mark();
    Ok(())
}
