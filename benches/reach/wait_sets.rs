//! Rows: a thread that waits for several rings.

use crate::text;
use harness::child::{die_with_parent, other_end_of};
use harness::repeat::Contestant;
use harness::table::judge::{Bound, by_ratio};
use harness::table::{Figures, Finding, Row, Session};
use harness::usage::{Usage, Who};
use rustix::thread::futex;
use seqring::wait::{Merge, WaitError, WaitSet};
use seqring::{Config, Reader, Ring, Start, WaitStrategy};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Wakes of one repetition.
const WAKES: usize = 500;
/// Long enough for the waiting thread to sleep.
const PAUSE: Duration = Duration::from_micros(200);
const IDLE_RINGS: usize = 64;
const MERGED: usize = 8;
/// Messages of one repetition of the merge.
const MESSAGES: u64 = 2_000_000;
const IDLE: &str = "wait-set-idle";

pub(crate) fn rows() -> Vec<Row> {
    let wakes = [("wake-1", 1, 1.1), ("wake-8", 8, 1.1), ("wake-64", 64, 1.1), ("wake-128", 128, 1.5)];
    let wakes = wakes.into_iter().map(|(name, rings, bound)| {
        let what = format!(
            "median time from a write to the return of a wait for {rings} heap rings, in two threads"
        );
        let required = format!("<= {bound} x the wake of a plain futex");
        Row::new(name, what, required, move |session| {
            let mut contestants = [
                Contestant::new("plain futex", || median_wake(&mut PlainFutex::default())),
                Contestant::new("WaitSet", || median_wake(&mut Rings::new(rings)?)),
            ];
            let record = session.interleave(name, "us", None, &mut contestants)?;
            by_ratio(session, &record, Bound::at_most(bound), "us")
        })
    });
    let idle = Row::new(
        IDLE,
        format!(
            "a wait of 10 s (--quick: 2 s) for {IDLE_RINGS} rings in /dev/shm, whose writers are in another process"
        ),
        "< 10 ms of CPU time in 10 s",
        idle,
    );
    let merge = Row::new(
        "merge",
        format!(
            "{MESSAGES} messages of 8 B of one writing thread, to {MERGED} rings in turn that a Merge reads"
        ),
        ">= 0.9 x the rate of one ring and one reader",
        |session| {
            let mut contestants = [
                Contestant::new("one reader", || rate(1, one_reader)),
                Contestant::new("Merge", || rate(MERGED, merge)),
            ];
            let record = session.interleave("merge", "messages/s", None, &mut contestants)?;
            by_ratio(session, &record, Bound::at_least(0.9), "messages/s")
        },
    );
    wakes.chain([idle.with_other_end(hold_writers), merge]).collect()
}

/// What one thread waits for, and another wakes.
trait Sleeper: Sync {
    type Waiter: FnMut() -> Result<(), String> + Send;

    fn waiter(&mut self) -> Result<Self::Waiter, String>;

    fn wake(&mut self, number: usize) -> Result<(), String>;
}

#[derive(Default)]
struct PlainFutex(std::sync::Arc<AtomicU32>);

impl Sleeper for PlainFutex {
    type Waiter = Box<dyn FnMut() -> Result<(), String> + Send>;

    fn waiter(&mut self) -> Result<Self::Waiter, String> {
        let (word, mut seen) = (std::sync::Arc::clone(&self.0), 0);
        Ok(Box::new(move || {
            while word.load(Ordering::Acquire) == seen {
                let _ = futex::wait(&word, futex::Flags::PRIVATE, seen, None);
            }
            seen += 1;
            Ok(())
        }))
    }

    fn wake(&mut self, _: usize) -> Result<(), String> {
        self.0.fetch_add(1, Ordering::Release);
        futex::wake(&self.0, futex::Flags::PRIVATE, 1).map(drop).map_err(text)
    }
}

struct Rings {
    rings: Vec<Ring>,
    writers: Vec<seqring::Writer>,
}

impl Rings {
    fn new(count: usize) -> Result<Self, String> {
        let rings = (0..count).map(|_| Ring::heap(&Config::slots(8).of_bytes(8)));
        let rings: Vec<_> = rings.collect::<Result<_, _>>().map_err(text)?;
        let writers = rings.iter().map(Ring::writer).collect::<Result<_, _>>().map_err(text)?;
        Ok(Rings { rings, writers })
    }
}

impl Sleeper for Rings {
    type Waiter = Box<dyn FnMut() -> Result<(), String> + Send>;

    fn waiter(&mut self) -> Result<Self::Waiter, String> {
        let mut set = WaitSet::new();
        set.set_wait_strategy(WaitStrategy::SLEEPING);
        for ring in &self.rings {
            set.add(ring.reader(Start::Next).map_err(text)?);
        }
        Ok(Box::new(move || {
            let ready = set.wait().map_err(text)?;
            set[ready[0]].try_read(&mut [0; 8]).map(drop).map_err(text)
        }))
    }

    fn wake(&mut self, number: usize) -> Result<(), String> {
        let index = number % self.writers.len();
        self.writers[index].try_write(b"wake").map(drop).map_err(text)
    }
}

/// The median time, in µs, from before a wake to the return of the wait.
fn median_wake(sleeper: &mut impl Sleeper) -> Result<Figures, String> {
    let (begin, sent, woken) = (Instant::now(), AtomicU64::new(0), AtomicU64::new(0));
    let now = || begin.elapsed().as_nanos() as u64;
    let mut wait = sleeper.waiter()?;
    let mut times = thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut times = Vec::with_capacity(WAKES);
            for _ in 0..WAKES {
                wait()?;
                times.push(now() - sent.load(Ordering::Relaxed)); // Relaxed: the wake orders it.
                woken.fetch_add(1, Ordering::Release);
            }
            Ok::<_, String>(times)
        });
        for number in 0..WAKES {
            while woken.load(Ordering::Acquire) < number as u64 {
                if waiting.is_finished() {
                    break;
                }
                thread::yield_now();
            }
            thread::sleep(PAUSE);
            sent.store(now(), Ordering::Relaxed);
            sleeper.wake(number)?;
        }
        waiting.join().map_err(|_| "the waiting thread panicked")?
    })?;
    times.sort_unstable();
    Ok(Figures::main(times[WAKES / 2] as f64 / 1000.0))
}

fn idle(session: &Session) -> Result<Finding, String> {
    let name = |number| format!("reach-wait-set-{}-{number}", std::process::id());
    let config = Config::slots(8).of_bytes(8);
    let rings = (0..IDLE_RINGS).map(|number| Ring::create(name(number), &config));
    let rings: Vec<_> = rings.collect::<Result<_, _>>().map_err(text)?;
    let mut other =
        other_end_of(IDLE)?.args((0..IDLE_RINGS).map(name)).stdin(Stdio::piped()).spawn().map_err(text)?;
    let mut set = WaitSet::new();
    for ring in &rings {
        while ring.participants().is_empty() {
            if other.try_wait().map_err(text)?.is_some() {
                return Err("the writing process ended".into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        set.add(ring.reader(Start::Next).map_err(text)?);
    }
    let before = Usage::of(Who::Thread);
    let ended = set.wait_timeout(session.effort.idle);
    let used = Usage::of(Who::Thread).since(&before);
    drop(other.stdin.take());
    other.wait().map_err(text)?;
    if !matches!(ended, Err(WaitError::TimedOut { .. })) {
        return Err(format!("the wait ended with {ended:?}"));
    }
    let allowed = Duration::from_millis(10).mul_f64(session.effort.idle.as_secs_f64() / 10.0);
    let measured = format!("{:?} of CPU time in {:?}", used.cpu, session.effort.idle);
    Ok(Finding::new(used.cpu < allowed, measured))
}

/// The process of the writers: holds one in each ring until its input ends.
fn hold_writers(names: &[String]) -> Result<(), String> {
    die_with_parent()?;
    let rings =
        names.iter().map(|name| Ring::open(name.as_str())).collect::<Result<Vec<_>, _>>().map_err(text)?;
    let _writers = rings.iter().map(Ring::writer).collect::<Result<Vec<_>, _>>().map_err(text)?;
    std::io::stdin().read_line(&mut String::new()).map(drop).map_err(text)
}

/// Messages per second of one writing thread and one that reads, over so many rings.
fn rate(rings: usize, read: fn(Vec<Reader>) -> Result<u64, String>) -> Result<Figures, String> {
    let config = Config::slots(1024 / rings).of_bytes(8);
    let rings = (0..rings).map(|_| Ring::heap(&config)).collect::<Result<Vec<_>, _>>().map_err(text)?;
    let readers =
        rings.iter().map(|ring| ring.reader(Start::Next)).collect::<Result<_, _>>().map_err(text)?;
    let mut writers = rings.iter().map(Ring::writer).collect::<Result<Vec<_>, _>>().map_err(text)?;
    let begin = Instant::now();
    let sum = thread::scope(|scope| {
        scope.spawn(move || {
            let count = writers.len() as u64;
            for n in 0..MESSAGES {
                writers[(n % count) as usize].write(&n.to_le_bytes()).expect("the ring stays open");
            }
        });
        read(readers)
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    if sum != MESSAGES * (MESSAGES - 1) / 2 {
        return Err(format!("the numbers that were read have the sum {sum}"));
    }
    Ok(Figures::main(MESSAGES as f64 / seconds))
}

fn one_reader(mut readers: Vec<Reader>) -> Result<u64, String> {
    let (mut sum, mut out) = (0, [0; 8]);
    for _ in 0..MESSAGES {
        readers[0].read(&mut out).map_err(text)?;
        sum += u64::from_le_bytes(out);
    }
    Ok(sum)
}

fn merge(readers: Vec<Reader>) -> Result<u64, String> {
    let (mut merge, mut sum, mut out) = (Merge::new(readers), 0, [0; 8]);
    while let Some((_, received)) = merge.read(&mut out).map_err(text)? {
        received.map_err(text)?;
        sum += u64::from_le_bytes(out);
    }
    Ok(sum)
}
