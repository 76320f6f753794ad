//! A peer is killed in the middle of its work: do the others go on?
//!
//! ```text
//! comparison            victim                        survivor
//! makes the ring
//! starts          ───▶  opens it, begins a write
//!                 ◀───  "inside", and stays there
//! SIGKILL         ───▶  ✝
//! starts          ──────────────────────────────▶    opens it, writes and reads
//! waits, with a timeout ◀─────────────────────────    "done"
//! ```
//! All are processes, so a hanging one is killed in the end and the comparison does not hang. The
//! ring is lossy: writers do not wait for the cursor of a dead reader, only for what it held while
//! it read.

use crate::engines::{EngineName, Task};
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use harness::child::die_with_parent;
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::ring_spec::{Delivery, Place, RingSpec};
use seqring_cli::reenter;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const BYTES: usize = 64;
const SLOTS: usize = 8;
/// Messages that a survivor writes and reads: enough laps to reach every slot.
const MESSAGES: u64 = 10 * SLOTS as u64;
/// After it a survivor counts as stuck. Going on takes milliseconds.
const TIMEOUT: Duration = Duration::from_millis(1500);

/// The peer that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// A writer, while it puts its message into the slot.
    Writer,
    /// A reader, while it reads a message.
    Reader,
}

impl Role {
    pub(crate) const ALL: [Self; 2] = [Self::Writer, Self::Reader];
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Death {
    pub(crate) engine: EngineName,
    pub(crate) killed: Role,
    pub(crate) went_on: bool,
    /// Until the survivor was done, or the timeout.
    pub(crate) seconds: f64,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.killed {
            Role::Writer => "writer killed in the middle of a write",
            Role::Reader => "reader killed in the middle of a read",
        };
        let then = if self.went_on { "the others went on" } else { "not recovered" };
        write!(f, "{}: {what}: {then} ({:.2} s)", self.engine, self.seconds)
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct VictimOptions {
    #[arg(value_enum)]
    engine: EngineName,
    ring: String,
    /// The role of the victim; none for a survivor
    #[arg(value_enum)]
    role: Option<Role>,
}

/// Kills one, and checks whether the others go on.
///
/// # Errors
/// If the ring cannot be made, or the victim does not reach the middle of its work.
pub(crate) fn kill_one(engine: EngineName, role: Role) -> Result<Death> {
    let name = format!("death-{}-{engine}", std::process::id());
    let _ring = engine.run(Make(&name))?;
    let victim = Process::start(engine, &name, Some(role))?;
    ensure!(
        victim.says("inside"),
        "{engine}: the {role:?} to be killed did not reach the middle of its work"
    );
    drop(victim); // Kills and reaps it.
    let begin = Instant::now();
    let went_on = Process::start(engine, &name, None)?.says("done");
    Ok(Death { engine, killed: role, went_on, seconds: begin.elapsed().as_secs_f64() })
}

struct Make<'n>(&'n str);

impl Task for Make<'_> {
    type Output = Result<Box<dyn std::any::Any>>;

    fn run<E: Engine + 'static>(self) -> Self::Output {
        let spec =
            RingSpec { slots: SLOTS, slot_bytes: BYTES, delivery: Delivery::Lossy, writers: 2, readers: 2 };
        Ok(Box::new(E::create(&spec, &Place::Named(self.0.into()))?))
    }
}

/// A victim or a survivor; killed and reaped on drop.
struct Process(Child, mpsc::Receiver<String>);

impl Process {
    fn start(engine: EngineName, ring: &str, role: Option<Role>) -> Result<Self> {
        let role = role.and_then(|role| role.to_possible_value()).map(|role| role.get_name().to_owned());
        let mut child = reenter::command()
            .args(["victim", engine.name(), ring])
            .args(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a process")?;
        let output = child.stdout.take().context("it has no output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        Ok(Self(child, lines))
    }

    /// Whether its next line is `what`, within the timeout.
    fn says(&self, what: &str) -> bool {
        self.1.recv_timeout(TIMEOUT).is_ok_and(|line| line == what)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill(); // It may be gone already.
        let _ = self.0.wait();
    }
}

/// The process of a victim or a survivor.
///
/// # Errors
/// Its failure. The comparison then waits for its line until the timeout.
pub(crate) fn serve(options: &VictimOptions) -> Result<()> {
    die_with_parent().map_err(anyhow::Error::msg)?; // The comparison starts it from its main thread.
    options.engine.run(options)
}

impl Task for &VictimOptions {
    type Output = Result<()>;

    fn run<E: Engine + 'static>(self) -> Result<()> {
        let ring = E::open(&self.ring)?;
        let mut writer = ring.writer()?;
        match self.role {
            Some(Role::Writer) => {
                writer.put_with(BYTES, None, |_| stay_inside())?;
            }
            Some(Role::Reader) => {
                let mut reader = ring.reader()?;
                writer.put(&[1; BYTES], None)?;
                reader.get_with(None, |_| stay_inside())?;
            }
            None => {
                let (mut reader, mut buffer) = (ring.reader()?, [0; BYTES]);
                for n in 0..MESSAGES {
                    writer.put(&[n as u8; BYTES], Some(TIMEOUT))?;
                    reader.get(&mut buffer, Some(TIMEOUT))?;
                    ensure!(buffer == [n as u8; BYTES], "another message than {n} came");
                }
                say("done");
            }
        }
        Ok(())
    }
}

/// Waits in the middle of a write or read to be killed.
fn stay_inside() {
    say("inside");
    let _ = io::stdin().read_line(&mut String::new()); // It ends with the comparison.
}

fn say(what: &str) {
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "{what}").and_then(|()| output.flush()); // The comparison may be gone.
}
