//! A peer is killed in the middle of its work: do the others go on?
//!
//! ```text
//! comparison            victim                        survivor
//! makes the ring
//! starts          ───▶  opens it, begins a write
//!                 ◀───  "inside", and stays there
//! SIGKILL         ───▶  ✝
//! starts          ──────────────────────────────▶    opens it, writes and reads
//! waits, not for ever   ◀─────────────────────────    "done"
//! ```
//! All are processes of their own, so whatever hangs is killed in the end and the comparison does not hang with it.
//! The ring is lossy: a dead reader's cursor holds nobody up, only what it held while it read.

use crate::engines::{EngineName, Task};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::refusal::ReadError;
use harness::ring_spec::{Delivery, Place, RingSpec, Writers};
use harness::sink::Scratch;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// The hidden command that makes a process a victim or a survivor.
pub(crate) const COMMAND: &str = "victim";

const BYTES: usize = 64;
const SLOTS: usize = 8;
/// So many messages a survivor writes and reads: laps enough to come upon whatever was left behind.
const MESSAGES: u64 = 10 * SLOTS as u64;
/// After it a survivor is taken for stuck. Going on takes milliseconds.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Who is killed, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Who {
    /// A writer, while it puts its message into the slot.
    Writer,
    /// A reader, while it looks at a message.
    Reader,
}

impl Who {
    pub(crate) const ALL: [Self; 2] = [Self::Writer, Self::Reader];
}

/// What became of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Death {
    pub(crate) engine: EngineName,
    pub(crate) killed: Who,
    /// Whether they went on; the time is how long that took, or how long they were waited for.
    pub(crate) went_on: bool,
    pub(crate) seconds: f64,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.killed {
            Who::Writer => "writer killed in the middle of a write",
            Who::Reader => "reader killed in the middle of a read",
        };
        let then = if self.went_on { "the others went on" } else { "not recovered" };
        write!(f, "{}: {who}: {then} ({:.2} s)", self.engine, self.seconds)
    }
}

/// What a victim or a survivor is told.
#[derive(Args, Clone, Debug)]
pub struct VictimOptions {
    #[arg(value_enum)]
    engine: EngineName,
    ring: String,
    /// Who is to stop in the middle; without it, survive
    #[arg(value_enum)]
    who: Option<Who>,
}

/// Kills one, and looks whether the others go on.
///
/// # Errors
/// If the ring cannot be made or the victim does not come as far as it should.
pub(crate) fn kill_one(engine: EngineName, who: Who) -> Result<Death> {
    let name = format!("death-{}-{engine}", std::process::id());
    let _ring = engine.run(Make(&name))?;
    let mut victim = Process::start(engine, &name, Some(who))?;
    if !victim.says("inside", PATIENCE) {
        bail!("{engine}: the {who:?} to be killed did not come to the middle of its work");
    }
    drop(victim); // Killed and reaped.
    let begin = Instant::now();
    let went_on = Process::start(engine, &name, None)?.says("done", PATIENCE);
    Ok(Death { engine, killed: who, went_on, seconds: begin.elapsed().as_secs_f64() })
}

struct Make<'n>(&'n str);

impl Task for Make<'_> {
    type Output = Result<Box<dyn std::any::Any>>;

    fn run<E: Engine + 'static>(self) -> Self::Output {
        let spec = RingSpec {
            slots: SLOTS,
            slot_bytes: BYTES,
            delivery: Delivery::Lossy,
            writers: Writers::Many(2),
            readers: 2,
        };
        Ok(Box::new(E::create(&spec, &Place::Named(self.0.into()))?))
    }
}

/// A victim or a survivor; killed and reaped on drop.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(engine: EngineName, ring: &str, who: Option<Who>) -> Result<Self> {
        let who = who.and_then(|who| who.to_possible_value()).map(|who| who.get_name().to_owned());
        let mut child = Command::new("/proc/self/exe")
            .args([COMMAND, engine.name(), ring])
            .args(who)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a process")?;
        let output = child.stdout.take().context("it has no output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line); // Nobody listens any more: it is being killed.
            }
        });
        Ok(Self { child, lines })
    }

    /// Whether it says `what`, within `patience`.
    fn says(&mut self, what: &str, patience: Duration) -> bool {
        self.lines.recv_timeout(patience).is_ok_and(|line| line == what)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may be gone already.
        let _ = self.child.wait();
    }
}

/// What a victim's or a survivor's process does.
///
/// # Errors
/// Whatever goes wrong: the comparison sees that nothing was said.
pub fn serve_victim(options: &VictimOptions) -> Result<()> {
    // The comparison starts us from its main thread, whose death the kernel tells us of.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    options.engine.run(Serve(options))
}

struct Serve<'o>(&'o VictimOptions);

impl Task for Serve<'_> {
    type Output = Result<()>;

    fn run<E: Engine + 'static>(self) -> Result<()> {
        let ring = E::open(&self.0.ring)?;
        match self.0.who {
            Some(Who::Writer) => {
                let mut writer = ring.writer()?;
                writer.try_write_with(BYTES, &mut Scratch::new(BYTES), |_| stay_inside())?;
            }
            Some(Who::Reader) => {
                let (mut reader, mut writer) = (ring.reader()?, ring.writer()?);
                writer.try_write(&[1; BYTES])?;
                reader.try_read_with(&mut Scratch::new(BYTES), |_| stay_inside())?;
            }
            None => survive(&ring)?,
        }
        Ok(())
    }
}

/// Says where we are, and waits to be killed.
fn stay_inside() {
    say("inside");
    let _ = io::stdin().read_line(&mut String::new()); // It ends with whoever should have killed us.
}

fn survive<E: Engine>(ring: &E) -> Result<()> {
    let (mut reader, mut writer) = (ring.reader()?, ring.writer()?);
    let mut buffer = [0; BYTES];
    for n in 0..MESSAGES {
        writer.write(&[n as u8; BYTES], PATIENCE)?;
        match reader.read(&mut buffer, PATIENCE) {
            Ok(_) if buffer == [n as u8; BYTES] => {}
            Ok(_) => bail!("another message than {n} came"),
            Err(error @ ReadError::TimedOut { .. }) => return Err(error.into()),
            Err(other) => return Err(other.into()),
        }
    }
    say("done");
    Ok(())
}

fn say(what: &str) {
    let mut output = io::stdout().lock();
    // Whoever does not hear it any more has no use for it.
    let _ = writeln!(output, "{what}").and_then(|()| output.flush());
}
