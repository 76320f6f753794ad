//! Wakes between threads and between processes. No sleep times out here: a notification that is
//! lost leaves a sleeper asleep, and the test fails after [`GUARD`].
//!
//! A sleeper is a thread, or this test binary, run again for its one test `child`. It says that it
//! is about to sleep. The test waits until the sleeper's count of sleeps rises, acts, and expects
//! the sleeper's result.

mod litmus;
mod scenarios;

use crate::sync::Relaxed;
use crate::sync::event_count::SLEEPS_TIME_OUT;
use crate::wait::WaitSet;
use crate::{Config, Reader, Ring, Start, WaitStrategy, Writer};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A wake that takes longer is lost.
const GUARD: Duration = Duration::from_secs(10);
/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(1 << 20);
const TASK: &str = "SEQRING_WAKES";

/// Where the sleepers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Threads,
    Processes,
}

/// A ring, and a number of sleepers on it.
struct Sleepers {
    ring: Ring,
    lines: Receiver<String>,
    children: Vec<Child>,
    count: usize,
}

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let (name, verb) = task.split_once(' ').expect("a name and a verb");
    SLEEPS_TIME_OUT.store(false, Relaxed); // Relaxed: before any wait.
    sleep_as(verb, &Ring::open(name).unwrap(), &|line| eprintln!("child: {line}"));
}

/// Says that it is about to sleep, sleeps in one call, and says its result.
fn sleep_as(verb: &str, ring: &Ring, say: &dyn Fn(String)) {
    let ready = || say("ready".into());
    let result = match verb {
        "read" => {
            let mut reader = sleeping_reader(ring);
            ready();
            format!("{:?}", reader.read(&mut [0; 64]).map(drop))
        }
        "view" => {
            let mut reader = sleeping_reader(ring);
            ready();
            format!("{:?}", reader.view().map(drop))
        }
        "ready to read" => {
            let mut reader = sleeping_reader(ring);
            ready();
            format!("{:?}", reader.ready_within(FOREVER))
        }
        "wait in a set" => {
            let idle = Ring::heap(&Config::slots(1).of_bytes(1)).unwrap();
            let mut set = WaitSet::new();
            set.set_wait_strategy(WaitStrategy::SLEEPING);
            set.add(idle.reader(Start::Next).unwrap());
            let token = set.add(ring.reader(Start::Next).unwrap());
            ready();
            format!("{}", set.wait().unwrap() == [token])
        }
        "wait for a value" => {
            let mut reader = ring.table_reader().unwrap();
            reader.set_wait_strategy(WaitStrategy::SLEEPING);
            ready();
            format!("{:?}", reader.ready_within(FOREVER))
        }
        "poll" => {
            let mut reader = ring.reader(Start::Next).unwrap();
            let notifier = reader.notifier().unwrap();
            let _ = reader.try_read(&mut [0; 64]);
            ready();
            let polled = poll(&mut [PollFd::new(&notifier, PollFlags::IN)], None);
            format!("{polled:?} {:?}", reader.try_read(&mut [0; 64]).map(drop))
        }
        "take" => {
            let mut taker = ring.taker().unwrap();
            taker.set_wait_strategy(WaitStrategy::SLEEPING);
            ready();
            format!("{:?}", taker.take().map(drop))
        }
        "write" => {
            let mut writer = full(ring);
            ready();
            format!("{:?}", writer.write(b"more").map(drop))
        }
        "claim" => {
            let mut writer = full(ring);
            ready();
            format!("{:?}", writer.claim(4).map(drop))
        }
        "ready to write" => {
            let mut writer = full(ring);
            ready();
            format!("{:?}", writer.ready_within(FOREVER))
        }
        "wait for readers" => {
            let mut writer = sleeping_writer(ring);
            ready();
            format!("{:?}", writer.wait_for_readers(1, FOREVER))
        }
        "hold a writer" => {
            let _writer = ring.writer().unwrap();
            ready();
            wait_to_be_killed()
        }
        "hold a reader" => {
            let _reader = ring.reader(Start::Oldest).unwrap();
            ready();
            wait_to_be_killed()
        }
        other => panic!("{other}"),
    };
    say(result);
}

fn sleeping_reader(ring: &Ring) -> Reader {
    let mut reader = ring.reader(Start::Next).unwrap();
    reader.set_wait_strategy(WaitStrategy::SLEEPING);
    reader
}

fn sleeping_writer(ring: &Ring) -> Writer {
    let mut writer = ring.writer().unwrap();
    writer.set_wait_strategy(WaitStrategy::SLEEPING);
    writer
}

/// A writer in a full ring.
fn full(ring: &Ring) -> Writer {
    let mut writer = sleeping_writer(ring);
    while writer.try_write(b"message").is_ok() {}
    writer
}

fn wait_to_be_killed() -> ! {
    loop {
        thread::park();
    }
}

impl Sleepers {
    /// A new ring, without sleepers.
    fn on(place: Place, config: &Config) -> (Self, Sender<String>, String) {
        static USED: AtomicUsize = AtomicUsize::new(0);
        let number = USED.fetch_add(1, Ordering::Relaxed); // Relaxed: only has to differ.
        let name = format!("test-wakes-{}-{number}", std::process::id());
        let ring = match place {
            Place::Threads => Ring::heap(config),
            Place::Processes => Ring::create(&name, config),
        };
        let (say, lines) = channel();
        (Sleepers { ring: ring.unwrap(), lines, children: Vec::new(), count: 0 }, say, name)
    }

    /// Starts a sleeper, and waits until it is about to sleep.
    fn start(&mut self, place: Place, verb: &'static str, say: &Sender<String>, name: &str) {
        let say = say.clone();
        match place {
            Place::Threads => {
                let ring = self.ring.clone();
                // Detached: a sleeper that is never woken ends with the process.
                thread::spawn(move || sleep_as(verb, &ring, &|line| drop(say.send(line))));
            }
            Place::Processes => {
                let mut child = Command::new(std::env::current_exe().unwrap())
                    .args(["testing::wakes::child", "--exact", "--ignored", "--nocapture"])
                    .env(TASK, format!("{name} {verb}"))
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
                thread::spawn(move || {
                    for line in lines {
                        let _ = say.send(line.trim_start_matches("child: ").to_owned());
                    }
                });
                self.children.push(child);
            }
        }
        assert_eq!(self.line(), "ready", "{verb}");
        self.count += 1;
    }

    /// What a sleeper says next.
    fn line(&self) -> String {
        self.lines.recv_timeout(GUARD).expect("a sleeper is asleep: a wake is lost")
    }

    /// Waits until `count` sleepers have announced a sleep.
    fn wait_until_asleep(&self, count: usize) {
        let begin = Instant::now();
        while self.ring.participants().iter().filter(|one| one.sleeps > 0).count() < count {
            assert!(begin.elapsed() < GUARD, "the sleepers do not sleep");
            thread::yield_now();
        }
    }

    fn kill(&mut self, child: usize) -> u32 {
        let child = &mut self.children[child];
        child.kill().unwrap();
        child.wait().unwrap();
        child.id()
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
