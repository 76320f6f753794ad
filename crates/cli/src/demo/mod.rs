//! `seqring demo`: a writer and three readers, each a process, on one ring; keys kill, stop and
//! restart them.
//!

mod picture;
mod worker;

pub(crate) use worker::{DemoWorker, run as serve};

use crate::perf::Interrupts;
use crate::{output, reenter, units};
use anyhow::Result;
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use seqring::{Config, Delivery, Ring};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

const SLOTS: usize = 16;

/// Between two pictures.
const FRAME: Duration = Duration::from_millis(100);

/// How long a reader is stopped.
const STOPPED: Duration = Duration::from_secs(1);

/// The keys that a run with a duration presses itself.
const SCRIPT: &[u8] = b"1wrsq";

/// Shows a writer and three readers at work on one ring, each in a process of its own.
///
/// Keys: 1, 2 or 3 kills that reader with SIGKILL, w kills the writer, s stops reader 3 for a
/// second, r starts the killed ones again, q ends. If standard output is no terminal, or with
/// --duration, a line is printed for each event instead of the picture. Keys are read from standard
/// input in both cases; its end is q.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoOptions {
    /// Press the keys 1, w, r, s and q, distributed over this time
    #[arg(short, long, value_name = "TIME", value_parser = units::interval)]
    duration: Option<Duration>,

    /// Let the writer wait for readers: nothing is lost. Otherwise it overwrites unread messages
    #[arg(short, long)]
    gated: bool,
}

enum Event {
    Key(u8),
    /// A line of a worker.
    Said(String),
}

struct Demo {
    ring: Ring,
    name: String,
    /// The writer, and the readers 1 to 3.
    workers: [Option<Child>; 4],
    /// When the stopped reader goes on.
    stopped: Option<Instant>,
    /// The lines of the events, of which the picture shows the last ones.
    log: Vec<String>,
    events: Sender<Event>,
}

/// Runs until the key q, the end of the keys, or Ctrl-C.
pub(crate) fn run(options: &DemoOptions) -> Result<()> {
    let mut output = output::stdout();
    let interrupts = Interrupts::catch()?;
    let picture = output.is_terminal() && std::io::stdin().is_terminal() && options.duration.is_none();
    let _unbuffered = picture.then(picture::Unbuffered::new).transpose()?;
    let (sender, events) = mpsc::channel();
    let name = format!("demo-{}", std::process::id());
    let delivery = if options.gated { Delivery::Gated } else { Delivery::Lossy };
    let ring = Ring::create(name.as_str(), &Config::slots(SLOTS).of_bytes(8).delivery(delivery))?;
    let mut demo =
        Demo { ring, name, workers: [const { None }; 4], stopped: None, log: Vec::new(), events: sender };
    demo.start_missing()?;
    let (keys, duration) = (demo.events.clone(), options.duration);
    thread::Builder::new().name("keys".into()).spawn(move || press(duration, &keys))?;
    let mut printed = 0;
    // Relaxed: a request, orders nothing.
    while !interrupts.asked().load(Relaxed) {
        match events.recv_timeout(FRAME) {
            Ok(Event::Key(b'q')) => break,
            Ok(Event::Key(key)) => demo.press(key)?,
            Ok(Event::Said(line)) => demo.log.push(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(gone) => return Err(gone.into()),
        }
        demo.note_changes()?;
        if picture {
            write!(output, "{}", picture::Picture(&demo))?;
        } else {
            demo.log[printed..].iter().try_for_each(|line| writeln!(output, "{line}"))?;
            printed = demo.log.len();
        }
        output.flush()?;
    }
    Ok(())
}

/// Sends the keys of standard input, or those of the script.
fn press(duration: Option<Duration>, keys: &Sender<Event>) {
    let send = |key| _ = keys.send(Event::Key(key)); // The demonstration may be over.
    match duration {
        None => std::io::stdin().lock().bytes().map_while(Result::ok).chain([b'q']).for_each(send),
        Some(duration) => SCRIPT.iter().for_each(|key| {
            thread::sleep(duration / SCRIPT.len() as u32);
            send(*key);
        }),
    }
}

/// What a worker is called.
fn role(index: usize) -> String {
    if index == 0 { "writer".into() } else { format!("reader {index}") }
}

impl Demo {
    fn press(&mut self, key: u8) -> Result<()> {
        let (index, signal) = match key {
            b'w' => (0, Signal::KILL),
            b'1'..=b'3' => (usize::from(key - b'0'), Signal::KILL),
            b's' => (3, Signal::STOP),
            b'r' => return self.start_missing(),
            _ => return Ok(()),
        };
        let Some(child) = &mut self.workers[index] else { return Ok(()) };
        kill_process(Pid::from_child(child), signal)?;
        if signal == Signal::STOP {
            self.log.push(format!("reader 3 (process {}): stopped with SIGSTOP", child.id()));
            self.stopped = Some(Instant::now());
        } else {
            child.wait()?;
        }
        Ok(())
    }

    /// Starts the workers that do not run: the readers first.
    fn start_missing(&mut self) -> Result<()> {
        for index in (0..self.workers.len()).rev() {
            if self.workers[index].is_some() {
                continue;
            }
            let mut child = reenter::command()
                .args(["demo-worker", &std::process::id().to_string(), &self.name, &index.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()?;
            let who = format!("{} (process {})", role(index), child.id());
            let lines = child.stdout.take().map(BufReader::new);
            self.workers[index] = Some(child);
            let events = self.events.clone();
            thread::Builder::new().spawn(move || {
                for line in lines.into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
                    let _ = events.send(Event::Said(format!("{who}: {line}")));
                }
            })?;
        }
        Ok(())
    }

    /// Reports ended workers, and lets the stopped one go on when its time is over.
    fn note_changes(&mut self) -> Result<()> {
        for (index, worker) in self.workers.iter_mut().enumerate() {
            let Some(child) = worker else { continue };
            let Some(status) = child.try_wait()? else { continue };
            let of_it = |one: &seqring::inspect::Participant| one.pid == child.id() && one.alive;
            let counts = if self.ring.participants().iter().any(of_it) { "alive" } else { "dead" };
            self.log.push(format!(
                "{} (process {}): {status}; the ring counts it as {counts}; message {} is next",
                role(index),
                child.id(),
                self.ring.next_sequence()
            ));
            *worker = None;
        }
        if let (Some(since), Some(child)) = (self.stopped, &self.workers[3])
            && since.elapsed() >= STOPPED
        {
            kill_process(Pid::from_child(child), Signal::CONT)?;
            self.log.push(format!("reader 3 (process {}): goes on", child.id()));
            self.stopped = None;
        }
        Ok(())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        for child in self.workers.iter_mut().flatten() {
            let _ = child.kill(); // It may have ended already.
            let _ = child.wait();
        }
    }
}
