//! Row: waking 100 sleeping readers is one system call of the writer.
//!
//! Counted by strace: this program again, with 100 threads that sleep in `read` and a writer that
//! waits until all of them sleep before each message. Every wake of the library is for all sleepers
//! (count 2147483647), those of the standard library's locks are for one: so the call itself shows
//! whose it is.

use crate::text;
use harness::child::{other_end_of, under};
use harness::table::{Finding, Row};
use seqring::{Config, Delivery, ReadError, Ring, Role, SlotClass, Start, WaitStrategy};
use std::thread;
use std::time::{Duration, Instant};

const READERS: u64 = 100;
const MESSAGES: u64 = 20;
const BYTES: usize = 64;
const WAKES_ALL: &str = ", 2147483647";

const NAME: &str = "wakes";

pub(crate) fn row() -> Row {
    Row::new(
        NAME,
        format!(
            "{MESSAGES} messages to {READERS} readers, each asleep in read before each message; threads, heap, \
             lossy, 64 slots x {BYTES} B; futex calls of all threads by strace"
        ),
        "at most one wake call a message",
        |_| measure(),
    )
    .with_other_end(|_| write_to_sleepers())
}

fn measure() -> Result<Finding, String> {
    let trace = under("strace", &["-f", "-qq", "-e", "trace=futex"], &other_end_of(NAME)?)?;
    let calls = trace.lines().filter(|line| line.contains("FUTEX_WAKE") && line.contains(WAKES_ALL));
    let calls = calls.count() as u64;
    if calls == 0 {
        return Err("strace showed no wake call at all: is ptrace allowed here?".into());
    }
    // One more: the last writer's leaving is a change that readers are woken for.
    let measured = format!("{calls} wake calls for {MESSAGES} messages and the end of the stream");
    Ok(Finding::new(calls <= MESSAGES + 1, measured))
}

/// The program under strace.
fn write_to_sleepers() -> Result<(), String> {
    let config = Config::slots(64).of_bytes(BYTES).slot_class(SlotClass::Lines).delivery(Delivery::Lossy);
    let ring = Ring::heap(&config).map_err(text)?;
    let mut writer = ring.writer().map_err(text)?;
    thread::scope(|scope| {
        for _ in 0..READERS {
            let mut reader = ring.reader(Start::Next).map_err(text)?;
            reader.set_wait_strategy(WaitStrategy::SLEEPING);
            scope.spawn(move || {
                let mut out = [0; BYTES];
                while !matches!(reader.read(&mut out), Err(ReadError::Closed)) {}
            });
        }
        for message in 1..=MESSAGES {
            // Each has slept once a message, and announced that before its last check.
            wait_until(|| sleeps(&ring) >= READERS * message)?;
            writer.try_write(&[7; BYTES]).map_err(text)?;
        }
        wait_until(|| sleeps(&ring) >= READERS * (MESSAGES + 1))?;
        drop(writer);
        Ok(())
    })
}

/// How often the readers have gone to sleep, together.
fn sleeps(ring: &Ring) -> u64 {
    let participants = ring.participants();
    participants.iter().filter(|one| one.role == Role::Reader).map(|one| one.sleeps).sum()
}

fn wait_until(mut ready: impl FnMut() -> bool) -> Result<(), String> {
    let begin = Instant::now();
    while !ready() {
        if begin.elapsed() > Duration::from_secs(30) {
            return Err("the readers do not go to sleep".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    // The count is raised before the call that sleeps: give the last one time to make it.
    thread::sleep(Duration::from_millis(5));
    Ok(())
}
