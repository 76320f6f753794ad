//! One case: a victim process that stops itself at a point, and others that go on meanwhile.

use crate::message::{Got, SLOT_BYTES, message, numbers, read_all, take_all};
use crate::victim::{self, NEVER};
use seqring::failpoints::Failpoint;
use seqring::{Config, Delivery, Reader, Ring, SlotClass, Start, Taker, WaitStrategy, WriteError, Writers};
use std::io::{Read, Write};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The number under which the victim writes; others have higher ones.
const VICTIM: u64 = 0;
/// So many messages a writing victim has; more, if it gets to its point only when somebody else is in the right place.
const ERRANDS: u64 = 2_000;
const PARTICIPANTS: usize = 16;
/// Once a victim goes on, or is about to be killed, the others move at most so many.
const AFTERWARDS: u64 = 10_000;

/// What a victim is, and in which ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of several writers.
    OneOfMany(Delivery),
    /// The one writer.
    Writer(SlotClass, Delivery),
    /// A reader of a ring that others write.
    Reader(SlotClass, Delivery),
    /// A taker of a queue that others write.
    Taker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on once the others have made their progress.
    Continued,
    Killed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) role: Role,
    pub(crate) stop: Failpoint,
    pub(crate) fate: Fate,
}

impl Role {
    pub(crate) const ALL: [Role; 12] = [
        Role::OneOfMany(Delivery::Lossy),
        Role::OneOfMany(Delivery::Gated),
        Role::OneOfMany(Delivery::Queue),
        Role::Taker,
        Role::Writer(SlotClass::Packed, Delivery::Lossy),
        Role::Writer(SlotClass::Lines, Delivery::Gated),
        Role::Writer(SlotClass::Arena, Delivery::Lossy),
        Role::Writer(SlotClass::Arena, Delivery::Gated),
        Role::Reader(SlotClass::Packed, Delivery::Lossy),
        Role::Reader(SlotClass::Lines, Delivery::Gated),
        Role::Reader(SlotClass::Arena, Delivery::Lossy),
        Role::Reader(SlotClass::Arena, Delivery::Gated),
    ];

    fn delivery(self) -> Delivery {
        match self {
            Role::OneOfMany(delivery) | Role::Writer(_, delivery) | Role::Reader(_, delivery) => delivery,
            Role::Taker => Delivery::Queue,
        }
    }

    fn config(self) -> Config {
        let config = Config::new(4, SLOT_BYTES).delivery(self.delivery()).participants(PARTICIPANTS);
        match self {
            Role::OneOfMany(_) => config.writers(Writers::Many),
            Role::Writer(class, _) | Role::Reader(class, _) => config.slot_class(class),
            Role::Taker => config,
        }
    }

    /// Whether a victim in this role gets to the point.
    pub(crate) fn passes(self, stop: Failpoint) -> bool {
        let gated = self.delivery() == Delivery::Gated;
        let reads = matches!(self, Role::Reader(..));
        let takes = self == Role::Taker;
        match stop {
            Failpoint::SeatTaken => true,
            Failpoint::StreamOpened | Failpoint::LeaveMarked | Failpoint::StreamEnded => !reads && !takes,
            Failpoint::ReaderVacated => reads,
            // In a lossy ring of many writers the reader never sleeps.
            Failpoint::BellCleared => !reads && !takes && self != Role::OneOfMany(Delivery::Lossy),
            Failpoint::PublishMarked => self == Role::Writer(SlotClass::Packed, Delivery::Lossy),
            Failpoint::PublishStored => matches!(self, Role::Writer(SlotClass::Packed | SlotClass::Lines, _)),
            Failpoint::PublishFilled => matches!(self, Role::Writer(SlotClass::Arena, _)),
            Failpoint::PublishDone => matches!(self, Role::Writer(..)),
            Failpoint::Withdrawn => self == Role::Writer(SlotClass::Arena, Delivery::Gated),
            Failpoint::ExchangeLooked
            | Failpoint::ExchangeArmed
            | Failpoint::ExchangeDone
            | Failpoint::ExchangeOwned
            | Failpoint::HelpWitnessed => matches!(self, Role::OneOfMany(_)),
            Failpoint::TakeArmed | Failpoint::TakeDone | Failpoint::TakeOwned | Failpoint::MessageAdopted => takes,
            Failpoint::HelpTakeWitnessed => takes || self == Role::OneOfMany(Delivery::Queue),
            Failpoint::GateAnnounced => !reads && gated,
            Failpoint::JoinCursor | Failpoint::ReadCopied => reads,
            Failpoint::BellAnnounced => reads || takes,
            Failpoint::ReadPinned => self == Role::Reader(SlotClass::Arena, Delivery::Gated),
            // In `recovery`, `handover`, `eviction` and `segment`.
            Failpoint::DeathKept
            | Failpoint::DeadFound
            | Failpoint::ReaderParking
            | Failpoint::ReaderParked
            | Failpoint::ReaderResuming
            | Failpoint::ReaderEvicted
            | Failpoint::SetAside
            | Failpoint::SegmentFilled
            | Failpoint::SegmentNamed
            | Failpoint::SegmentEntered
            | Failpoint::SegmentLeft
            | Failpoint::SegmentDeserted => false,
        }
    }

    /// Whether others can go on while the victim is stopped: not without the one writer, and not behind a gated reader.
    fn is_dispensable(self) -> bool {
        !matches!(self, Role::Writer(..) | Role::Reader(_, Delivery::Gated))
    }

    /// Writers beside the victim.
    fn others(self) -> u64 {
        match self {
            Role::OneOfMany(_) | Role::Taker => 2,
            Role::Writer(..) => 0,
            Role::Reader(..) => 1,
        }
    }
}

/// So many of `messages` are moved where nobody is stopped.
pub(crate) fn afterwards(messages: u64) -> u64 {
    messages.min(AFTERWARDS)
}

/// What the victim process does: its errands, and it stops itself at the point that its parent named.
pub(crate) fn be_victim(role: usize, stop: usize, name: &str) {
    // Where a victim passes often, not at the first time: by then everybody is at work.
    victim::stop_at(Failpoint::ALL[stop], if is_rare(Failpoint::ALL[stop]) { 0 } else { 20 });
    let ring = Ring::open(name).expect("the parent made it");
    match Role::ALL[role] {
        Role::OneOfMany(_) | Role::Writer(..) => {
            let mut writer = ring.writer().expect("there is an entry");
            let mut n = 0;
            while n < ERRANDS || (needs_others(Failpoint::ALL[stop]) && victim::passes() == 0) {
                writer.write(&message(VICTIM, n)).expect("nobody closes the ring");
                n += 1;
            }
        }
        Role::Reader(..) => {
            let mut reader = ring.reader(Start::Next).expect("there is an entry");
            reader.set_wait_strategy(WaitStrategy::SLEEPING);
            if Failpoint::ALL[stop] == Failpoint::ReaderVacated {
                let _ = reader.read(&mut [0; SLOT_BYTES]); // A message, or how many it missed.
                return; // It leaves.
            }
            let got = read_all(&mut reader, &AtomicU64::new(0), &AtomicBool::new(true));
            got.expect("whole messages");
        }
        Role::Taker => {
            let mut taker = ring.taker().expect("there is an entry");
            taker.set_wait_strategy(WaitStrategy::SLEEPING);
            let mut log = std::io::stdout().lock();
            let mut n = 0;
            while n < ERRANDS || (needs_others(Failpoint::ALL[stop]) && victim::passes() == 0) {
                let taken = taker.take().expect("nobody closes the ring");
                let (writer, number) = numbers(&taken).expect("whole messages");
                // Before it is done with: what is not in the log goes to another taker.
                let logged = log.write_all([writer, number].map(u64::to_le_bytes).as_flattened());
                logged.and_then(|()| log.flush()).expect("the parent reads");
                n += 1;
            }
        }
    }
}

/// Points that a victim passes once, or now and then.
fn is_rare(stop: Failpoint) -> bool {
    matches!(
        stop,
        Failpoint::SeatTaken
            | Failpoint::StreamOpened
            | Failpoint::LeaveMarked
            | Failpoint::StreamEnded
            | Failpoint::ReaderVacated
            | Failpoint::JoinCursor
    ) || needs_others(stop)
}

/// Points that a victim passes when somebody else is in the middle of something.
fn needs_others(stop: Failpoint) -> bool {
    matches!(
        stop,
        Failpoint::HelpWitnessed
            | Failpoint::BellAnnounced
            | Failpoint::BellCleared
            | Failpoint::HelpTakeWitnessed
            | Failpoint::MessageAdopted
    )
}

/// Who gets the messages of a case, and checks them.
enum Survivor {
    Reader(Reader),
    Taker(Taker),
}

impl Survivor {
    fn join(ring: &Ring) -> Result<Self, String> {
        if ring.delivery() == Delivery::Queue {
            let mut taker = ring.taker().map_err(|error| error.to_string())?;
            taker.set_wait_strategy(WaitStrategy::SLEEPING);
            return Ok(Survivor::Taker(taker));
        }
        let mut reader = ring.reader(Start::Next).map_err(|error| error.to_string())?;
        reader.set_wait_strategy(WaitStrategy::SLEEPING);
        Ok(Survivor::Reader(reader))
    }

    fn get_all(self, progress: &AtomicU64, over: &AtomicBool) -> Result<Got, String> {
        match self {
            Survivor::Reader(mut reader) => read_all(&mut reader, progress, over),
            Survivor::Taker(mut taker) => take_all(&mut taker, progress, over),
        }
    }
}

/// Leaves messages behind, taken and not done with, as takers do that die, one at a time. Returns those that it was done
/// with instead, because an earlier one came back.
fn leak_messages(ring: &Ring, leaking: &AtomicBool) -> Vec<(u64, u64)> {
    /// The survivor and the victim.
    const OTHERS: usize = 2;
    let takers = || ring.participants().iter().filter(|peer| peer.role == seqring::Role::Taker).count();
    let mut done = Vec::new();
    while leaking.load(Ordering::Relaxed) {
        let mut taker = ring.taker().expect("there is an entry");
        match taker.take_timeout(Duration::from_millis(10)) {
            Ok(taken) if taken.is_redelivered() => done.extend(numbers(&taken)),
            Ok(taken) => std::mem::forget(taken),
            Err(_) => {} // The others were faster.
        }
        drop(taker);
        while leaking.load(Ordering::Relaxed) && takers() > OTHERS {
            std::thread::yield_now();
        }
    }
    done
}

/// The messages in a victim's log, by writer and number.
fn numbers_in(mut log: impl Read) -> Vec<(u64, u64)> {
    let mut bytes = Vec::new();
    log.read_to_end(&mut bytes).expect("a pipe can be read");
    let (pairs, _) = bytes.as_chunks::<16>();
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
    pairs.iter().map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect()
}

/// How a case with a victim ended.
struct Ended {
    /// Messages that the others moved while the victim was stopped, and after its death.
    moved: u64,
    /// So many of the victim's own must have been read.
    least: u64,
    /// What it took.
    log: Vec<(u64, u64)>,
}

impl Case {
    /// Runs the case. Returns how many messages the others read meanwhile.
    pub(crate) fn run(self, progress: u64) -> Result<u64, String> {
        let name = format!("stop-test-{}-{:?}-{:?}", std::process::id(), self.stop, self.fate);
        let ring = Ring::create(&name, &self.role.config()).map_err(|error| error.to_string())?;
        let (read, over, done) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
        let leaking = AtomicBool::new(self.stop == Failpoint::MessageAdopted);
        let moved = std::thread::scope(|scope| {
            let survivor = Survivor::join(&ring)?;
            // Held by us, so that the stream does not end with the victim.
            let writers: Result<Vec<_>, _> = (0..self.role.others()).map(|_| ring.writer()).collect();
            let reading = scope.spawn(|| {
                let got = survivor.get_all(&read, &over);
                done.store(true, Ordering::Relaxed);
                got
            });
            let writing: Vec<_> = writers
                .map_err(|error| error.to_string())?
                .into_iter()
                .zip(VICTIM + 1..)
                .map(|(mut writer, name)| {
                    let over = &over;
                    scope.spawn(move || {
                        let mut n = 0;
                        while !over.load(Ordering::Relaxed) {
                            writer.write(&message(name, n))?;
                            n += 1;
                        }
                        Ok::<_, WriteError>(n)
                    })
                })
                .collect();
            let leaks = scope.spawn(|| leak_messages(&ring, &leaking));
            let ended = self.with_victim(&ring, &name, &read, (&over, &done), progress);
            leaking.store(false, Ordering::Relaxed);
            let done = leaks.join().map_err(|_| "a leaking taker panicked")?;
            // The writers leave, and so every message comes; after `close` one that raced it might not.
            over.store(true, Ordering::Relaxed);
            let mut got = reading.join().map_err(|_| "the reader panicked")??;
            if let Ok(ended) = &ended {
                let all_once = done.iter().all(|(writer, n)| got.take(*writer, *n));
                all_once.then_some(()).ok_or("a message went to a leaking taker and to somebody else")?;
                self.check_log(&mut got, &ended.log)?;
            }
            for (thread, name) in writing.into_iter().zip(VICTIM + 1..) {
                let written = thread.join().map_err(|_| "a writer panicked")?;
                let written = written.map_err(|error| error.to_string())?;
                self.check(&got, name, written, written)?;
            }
            let ended = ended?;
            if let Role::OneOfMany(_) | Role::Writer(..) = self.role {
                let most = if needs_others(self.stop) { u64::MAX } else { ERRANDS };
                self.check(&got, VICTIM, ended.least, most)?;
            }
            Ok(ended.moved)
        });
        // Takers that were leaked have the ring open as long as this process lives: its name would outlive them all.
        let _ = Ring::unlink(&name);
        moved
    }

    /// Starts the victim, and lets it meet its fate.
    fn with_victim(
        self,
        ring: &Ring,
        name: &str,
        read: &AtomicU64,
        (over, done): (&AtomicBool, &AtomicBool),
        progress: u64,
    ) -> Result<Ended, String> {
        let mut victim = self.start(name)?;
        let log = victim.stdout.take().ok_or("it has one")?;
        let log = std::thread::spawn(|| numbers_in(log));
        let log = || log.join().map_err(|_| "the log cannot be read");
        let writes = !matches!(self.role, Role::Reader(..) | Role::Taker);
        let go_on = |messages: u64| -> Result<(), String> {
            let from = read.load(Ordering::Relaxed);
            let begin = Instant::now();
            while read.load(Ordering::Relaxed) < from + messages {
                if done.load(Ordering::Relaxed) {
                    return Err("the reader failed".into());
                }
                if begin.elapsed() > NEVER {
                    return Err(format!("only {} of {messages} came", read.load(Ordering::Relaxed) - from));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        };
        victim::await_stop(&mut victim)?;
        let afterwards = afterwards(progress);
        let meanwhile = if self.fate == Fate::Killed { afterwards } else { progress };
        let passed = if self.role.is_dispensable() { meanwhile } else { 0 };
        go_on(passed)?;
        match self.fate {
            Fate::Continued => {
                victim::resume(&victim)?;
                if let Role::Reader(..) = self.role {
                    go_on(afterwards)?;
                    over.store(true, Ordering::Relaxed);
                }
                victim::ends_well(&mut victim)?;
                Ok(Ended { moved: passed, least: ERRANDS, log: log()? })
            }
            Fate::Killed => {
                victim::kill(&mut victim)?;
                if self.role.others() > 0 {
                    go_on(afterwards)?;
                }
                if writes {
                    // Its heir finds a ring that works.
                    let mut heir = ring.writer().map_err(|error| format!("no heir: {error}"))?;
                    for n in 0..afterwards {
                        let wrote = heir.write_timeout(&message(u64::MAX, n), Duration::from_secs(20));
                        wrote.map_err(|error| format!("the heir: {error}"))?;
                    }
                }
                Ok(Ended { moved: passed + afterwards, least: 0, log: log()? })
            }
        }
    }

    fn start(self, name: &str) -> Result<Child, String> {
        let role = Role::ALL.iter().position(|role| *role == self.role).expect("one of them");
        victim::start(&["victim", &role.to_string(), &victim::number_of(self.stop).to_string(), name])
    }

    /// Adds what a victim took to what the others took: all of it together, each message once. A killed victim may
    /// have been about to say that it is done with the last one: then another taker has it too.
    fn check_log(self, got: &mut Got, log: &[(u64, u64)]) -> Result<(), String> {
        let twice = log.iter().filter(|(writer, n)| !got.take(*writer, *n)).count();
        if twice > usize::from(self.fate == Fate::Killed) {
            return Err(format!("{twice} messages of the victim's went to somebody else too"));
        }
        match got.holes.first() {
            None => Ok(()),
            Some((writer, n)) => Err(format!("message {n} of writer {writer} went to nobody")),
        }
    }

    /// Whether a reader got what a writer wrote: all of it, in a gated ring.
    fn check(self, got: &Got, writer: u64, least: u64, most: u64) -> Result<(), String> {
        let next = got.of.get(&writer).copied().unwrap_or(0);
        let least = if self.role.delivery() == Delivery::Lossy { 0 } else { least };
        if (least..=most).contains(&next) {
            return Ok(());
        }
        Err(format!("of writer {writer} there came {next} messages, not {least} to {most}"))
    }
}
