//! One act: a ring, its workers, the faults, and the final check.

use super::Tally;
use super::ledger::{ACCOUNTS, Ledger, Part, Stage};
use super::mode::Mode;
use super::schedule::{self, Event, Step};
use super::worker::NEVER;
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};
use seqring::{Ring, Start};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// Readers or takers at a time.
const READERS: usize = 3;
/// Observers at a time, where there are any.
const OBSERVERS: usize = 2;

struct Act {
    mode: Mode,
    name: String,
    file: PathBuf,
    ledger: Ledger,
    posts: Vec<Post>,
    accounts: usize,
    tally: Tally,
}

/// A post of a worker, and its holder.
struct Post {
    part: Part,
    first: bool,
    holder: Option<(Child, usize)>,
    /// A replacement starts as soon as its holder has gone.
    awaited: bool,
}

pub(crate) fn run(mode: Mode, seed: u64, number: u64) -> Result<Tally> {
    let name = format!("storm-{}-{number}", std::process::id());
    let file = std::env::temp_dir().join(format!("{name}.ledger"));
    let observers = observers(mode, number);
    let config = mode.config().observers(observers > 0);
    let ring = Ring::create(&name, &config).context("creating the ring")?;
    let ledger = Ledger::create(&file)?;
    let posts = posts(mode, observers);
    let mut act = Act { mode, name, file, ledger, posts, accounts: 0, tally: Tally::default() };
    act.play(&ring, seed, number)?;
    let path = ring.path().context("it has a name")?.to_owned();
    drop(ring);
    if act.tally.breaches.is_empty() && path.exists() {
        act.tally.breaches.push(format!("{} is left behind", path.display()));
    }
    Ok(std::mem::take(&mut act.tally))
}

/// How many observers an act has. Each kind of ring has them every second time: without them,
/// writers skip the work that only observers need.
fn observers(mode: Mode, number: u64) -> usize {
    let round = number / Mode::value_variants().len() as u64;
    if mode != Mode::Queue && (round + number).is_multiple_of(2) { OBSERVERS } else { 0 }
}

/// The first reader comes first.
fn posts(mode: Mode, observers: usize) -> Vec<Post> {
    let reads = if mode == Mode::Queue { Part::Taker } else { Part::Reader };
    let parts = [(reads, READERS), (Part::Writer, mode.writers()), (Part::Observer, observers)];
    let parts = parts.into_iter().flat_map(|(part, count)| std::iter::repeat_n(part, count));
    let post = |(index, part)| Post { part, first: index == 0, holder: None, awaited: false };
    parts.enumerate().map(post).collect()
}

impl Act {
    fn play(&mut self, ring: &Ring, seed: u64, number: u64) -> Result<()> {
        self.fill(0)?;
        self.await_first()?;
        for post in 1..self.posts.len() {
            self.fill(post)?;
        }
        let events = schedule::of(seed, number, self.posts.len(), 1);
        self.follow(&events)?;
        self.finish()?;
        self.settle(ring);
        Ok(())
    }

    /// The first reader gets every message, because it joins before the writers.
    fn await_first(&mut self) -> Result<()> {
        let begin = Instant::now();
        while self.ledger.account(0).joined().get() == 0 {
            ensure!(begin.elapsed() < NEVER, "the first reader does not come");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn fill(&mut self, post: usize) -> Result<()> {
        ensure!(self.accounts < ACCOUNTS, "an act has at most {ACCOUNTS} workers");
        let account = self.accounts;
        self.accounts += 1;
        let Post { part, first, .. } = self.posts[post];
        self.ledger.enrol(account, part);
        let mut command = Command::new("/proc/self/exe");
        command.arg(super::COMMAND).args([
            "--mode",
            &self.mode.name(),
            "--part",
            &part.name(),
            "--ring",
            &self.name,
        ]);
        command.arg("--ledger").arg(&self.file).args(["--account", &account.to_string()]);
        if first {
            command.arg("--first");
        }
        self.posts[post].holder = Some((command.spawn().context("starting a worker")?, account));
        Ok(())
    }

    fn follow(&mut self, events: &[Event]) -> Result<()> {
        let begin = Instant::now();
        for event in events {
            std::thread::sleep(event.at.saturating_sub(begin.elapsed()));
            self.collect_the_ended()?;
            if !self.tally.breaches.is_empty() {
                return Ok(());
            }
            self.happen(*event)?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<()> {
        if event.step == Step::Replace {
            return self.replace(event.post);
        }
        let Some((child, account)) = &mut self.posts[event.post].holder else { return Ok(()) };
        let pid = Pid::from_child(child);
        match event.step {
            Step::Stop => {
                kill_process(pid, Signal::STOP)?;
                self.tally.stops += 1;
            }
            Step::Continue => kill_process(pid, Signal::CONT)?,
            Step::Kill => {
                self.ledger.account(*account).killed().set(1);
                child.kill()?;
                child.wait()?;
                self.tally.kills.count(self.posts[event.post].part);
                self.posts[event.post].holder = None;
            }
            // Not waited for: it may be waiting for a stopped process.
            Step::Dismiss | Step::Replace => self.ledger.account(*account).dismissed().set(1),
        }
        Ok(())
    }

    fn replace(&mut self, post: usize) -> Result<()> {
        if self.posts[post].holder.is_some() {
            self.posts[post].awaited = true;
            return Ok(());
        }
        self.posts[post].awaited = false;
        self.tally.restarts.count(self.posts[post].part);
        self.fill(post)
    }

    /// A worker that ends by itself during the act was dismissed, has found a breach, or is the
    /// writer of a queue and has written all its messages.
    fn collect_the_ended(&mut self) -> Result<()> {
        for post in 0..self.posts.len() {
            let Some((child, _)) = &mut self.posts[post].holder else { continue };
            if let Ok(Some(status)) = child.try_wait() {
                self.posts[post].holder = None;
                self.judge(post, status);
                if self.posts[post].awaited && self.tally.breaches.is_empty() {
                    self.replace(post)?;
                }
            }
        }
        Ok(())
    }

    fn judge(&mut self, post: usize, status: ExitStatus) {
        if !status.success() {
            let part = self.posts[post].part;
            self.tally.breaches.push(format!("{}: a {part:?} ended with {status}", self.mode.name()));
        }
    }

    /// All workers continue; writers leave, then readers drain the ring.
    fn finish(&mut self) -> Result<()> {
        for (child, _) in self.posts.iter_mut().filter_map(|post| post.holder.as_mut()) {
            // If it has ended meanwhile, it is reaped below.
            let _ = kill_process(Pid::from_child(child), Signal::CONT);
        }
        self.ledger.enter(Stage::WritersLeave);
        self.await_all(Part::Writer)?;
        self.ledger.enter(Stage::ReadersFinish);
        self.await_all(Part::Reader)?;
        self.await_all(Part::Observer)?;
        self.await_all(Part::Taker)
    }

    fn await_all(&mut self, part: Part) -> Result<()> {
        let begin = Instant::now();
        for post in 0..self.posts.len() {
            if self.posts[post].part != part {
                continue;
            }
            let Some((mut child, account)) = self.posts[post].holder.take() else { continue };
            let status = loop {
                if let Some(status) = child.try_wait()? {
                    break status;
                }
                // Its own timeout is shorter, if it runs at all.
                if begin.elapsed() > 2 * NEVER {
                    self.tally.breaches.push(format!("{}: {part:?} {account} hangs", self.mode.name()));
                    child.kill()?;
                    child.wait()?;
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(1));
            };
            self.judge(post, status);
        }
        Ok(())
    }

    /// The checks of the coordinator once all workers are gone.
    fn settle(&mut self, ring: &Ring) {
        for (_, account) in self.ledger.of(Part::Writer) {
            self.tally.written += account.done().get();
        }
        let get = [Part::Reader, Part::Taker, Part::Observer];
        for (_, account) in get.into_iter().flat_map(|part| self.ledger.of(part)) {
            self.tally.read += account.read().get();
            self.tally.missed += account.missed().get();
            self.tally.deaths_reported += account.deaths_reported().get();
        }
        if !self.tally.breaches.is_empty() {
            return;
        }
        let left: Vec<_> = ring.participants().into_iter().filter(|one| one.alive).collect();
        if !left.is_empty() {
            self.tally.breaches.push(format!(
                "{}: entries are held although all workers are gone: {left:?}",
                self.mode.name()
            ));
        }
        self.check_takes();
        if let Err(error) = self.try_once_more(ring) {
            self.tally.breaches.push(format!("{}: the ring no longer works: {error}", self.mode.name()));
        }
    }

    /// Each message came to a taker, also those that a killed taker had not finished.
    fn check_takes(&mut self) {
        if self.mode != Mode::Queue {
            return;
        }
        let lost: Vec<_> = self
            .ledger
            .of(Part::Writer)
            .flat_map(|(writer, account)| self.untaken(writer, account.done().get()))
            .collect();
        if let Some((writer, n)) = lost.first() {
            let count = lost.len();
            let breach = format!("queue: {count} messages came to no taker, first {n} of writer {writer}");
            self.tally.breaches.push(breach);
        }
    }

    fn untaken(&self, writer: usize, done: u64) -> impl Iterator<Item = (usize, u64)> {
        (0..done).filter(move |n| !self.ledger.is_marked(Ledger::place(writer, *n))).map(move |n| (writer, n))
    }

    fn try_once_more(&self, ring: &Ring) -> Result<()> {
        let message = vec![0; self.mode.message_bytes()];
        let mut writer = ring.writer()?;
        if self.mode == Mode::Queue {
            let mut taker = ring.taker()?;
            for _ in 0..3 * ring.config().slots {
                writer.write_timeout(&message, NEVER)?;
                taker.take_timeout(NEVER)?;
            }
            return Ok(());
        }
        let mut reader = ring.reader(Start::Next)?;
        for _ in 0..3 * ring.config().slots {
            writer.write_timeout(&message, NEVER)?;
            reader.read_timeout(&mut vec![0; message.len()], NEVER)?;
        }
        Ok(())
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        for (child, _) in self.posts.iter_mut().filter_map(|post| post.holder.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_file(&self.file);
    }
}
