//! A case: a victim process stops itself at a point, and the others continue meanwhile.

use crate::message::{Deliveries, SLOT_BYTES, message, numbers, read_all, take_all};
use crate::victim::{self, Fate, TIMEOUT, text};
use seqring::failpoints::Failpoint;
use seqring::wait::WaitSet;
use seqring::{
    Config, Delivery, Reader, Ring, SlotClass, Start, Taker, TryReadError, WaitStrategy, WriteError, Writers,
};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The number of the victim as a writer; the others have higher ones.
const VICTIM: u64 = 0;
/// The messages that a victim handles; more, if its point depends on the state of another
/// participant.
const VICTIM_MESSAGES: u64 = 2_000;
const PARTICIPANTS: usize = 16;
/// The others move at most so many messages after a victim continues, or if it is going to be
/// killed.
const AFTERWARDS: u64 = 10_000;

/// The role of a victim, and its ring.
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

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) role: Role,
    pub(crate) point: Failpoint,
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
        let config =
            Config::slots(4).of_bytes(SLOT_BYTES).delivery(self.delivery()).participants(PARTICIPANTS);
        match self {
            Role::OneOfMany(_) => config.writers(Writers::Many),
            Role::Writer(class, _) | Role::Reader(class, _) => config.slot_class(class),
            Role::Taker => config,
        }
    }

    /// Whether a victim in this role reaches the point.
    pub(crate) fn reaches(self, point: Failpoint) -> bool {
        let gated = self.delivery() == Delivery::Gated;
        let reads = matches!(self, Role::Reader(..));
        let takes = self == Role::Taker;
        match point {
            Failpoint::EntryTaken => true,
            Failpoint::StreamOpened | Failpoint::LeaveMarked | Failpoint::StreamEnded => !reads && !takes,
            Failpoint::ReaderVacated => reads,
            // In a lossy ring of many writers the reader never sleeps.
            Failpoint::SleepCleared => !reads && !takes && self != Role::OneOfMany(Delivery::Lossy),
            Failpoint::PublishMarked => self == Role::Writer(SlotClass::Packed, Delivery::Lossy),
            Failpoint::PublishStored => matches!(self, Role::Writer(SlotClass::Packed | SlotClass::Lines, _)),
            Failpoint::PublishFilled => matches!(self, Role::Writer(SlotClass::Arena, _)),
            Failpoint::PublishDone => matches!(self, Role::Writer(..)),
            Failpoint::BufferWithdrawn => self == Role::Writer(SlotClass::Arena, Delivery::Gated),
            Failpoint::ExchangeLoaded
            | Failpoint::ExchangeIntended
            | Failpoint::ExchangeDone
            | Failpoint::ExchangeOwned
            | Failpoint::ExchangeSettled => matches!(self, Role::OneOfMany(_)),
            Failpoint::TakeIntended
            | Failpoint::TakeDone
            | Failpoint::TakeOwned
            | Failpoint::TakeSettled
            | Failpoint::MessageAdopted => takes,
            Failpoint::LimitAnnounced => !reads && gated,
            Failpoint::JoinCursorStored | Failpoint::ReadCopied => reads,
            Failpoint::SleepAnnounced => reads || takes,
            Failpoint::OneSleepAnnounced => reads,
            Failpoint::ReadPinned => self == Role::Reader(SlotClass::Arena, Delivery::Gated),
            // In `recovery`, `park`, `eviction`, `gap`, `call` and `segment`.
            Failpoint::GapStored
            | Failpoint::DeathRecorded
            | Failpoint::QuestionTaken
            | Failpoint::QuestionRefused
            | Failpoint::DeadFound
            | Failpoint::ReaderParking
            | Failpoint::ReaderParked
            | Failpoint::ReaderResuming
            | Failpoint::ReaderEvicted
            | Failpoint::PinnedSetAside
            | Failpoint::SegmentFilled
            | Failpoint::SegmentNamed
            | Failpoint::SegmentEntered
            | Failpoint::SegmentLeft
            | Failpoint::SegmentUnused => false,
        }
    }

    /// Whether the others can continue while the victim is stopped: not without the one writer, and
    /// not behind a gated reader.
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

/// The messages that are moved while no process is stopped.
pub(crate) fn afterwards(messages: u64) -> u64 {
    messages.min(AFTERWARDS)
}

/// The victim process: it handles its messages, and stops itself at the point.
pub(crate) fn be_victim(point: Failpoint, role: Role, name: &str) {
    // At a frequent point not at the first pass: the other participants are at work by then.
    victim::stop_at(point, if is_rare(point) { 0 } else { 20 });
    let ring = Ring::open(name).expect("the parent created it");
    match role {
        Role::OneOfMany(_) | Role::Writer(..) => {
            let mut writer = ring.writer().expect("there is an entry");
            let mut n = 0;
            while n < VICTIM_MESSAGES || (needs_others(point) && victim::passes() == 0) {
                writer.write(&message(VICTIM, n)).expect("the ring stays open");
                n += 1;
            }
        }
        Role::Reader(..) => {
            let mut reader = ring.reader(Start::Next).expect("there is an entry");
            reader.set_wait_strategy(WaitStrategy::SLEEPING);
            if point == Failpoint::ReaderVacated {
                let _ = reader.read(&mut [0; SLOT_BYTES]); // A message or a gap.
                return; // It leaves.
            }
            if point == Failpoint::OneSleepAnnounced {
                read_by_set(reader);
                return;
            }
            let read = read_all(&mut reader, &AtomicU64::new(0), &AtomicBool::new(true));
            read.expect("whole messages");
        }
        Role::Taker => {
            let mut taker = ring.taker().expect("there is an entry");
            taker.set_wait_strategy(WaitStrategy::SLEEPING);
            let mut log = std::io::stdout().lock();
            let mut n = 0;
            while n < VICTIM_MESSAGES || (needs_others(point) && victim::passes() == 0) {
                let taken = taker.take().expect("the ring stays open");
                let (writer, number) = numbers(&taken).expect("whole messages");
                // Logged before it is finished: a message that is not in the log goes to another
                // taker.
                let logged = log.write_all([writer, number].map(u64::to_le_bytes).as_flattened());
                logged.and_then(|()| log.flush()).expect("the parent reads");
                n += 1;
            }
        }
    }
}

/// Reads to the end, and waits for two rings: the other one, of this process, stays empty.
fn read_by_set(reader: Reader) {
    let other = Ring::heap(&Config::slots(1).of_bytes(1)).expect("a small ring");
    let mut set = WaitSet::new();
    set.set_wait_strategy(WaitStrategy::SLEEPING);
    set.add(other.reader(Start::Next).expect("there is an entry"));
    let token = set.add(reader);
    loop {
        assert_eq!(set.wait().expect("it has sources"), [token]);
        match set[token].try_read(&mut [0; SLOT_BYTES]) {
            Ok(_) | Err(TryReadError::Lagged(_)) => {}
            Err(TryReadError::Closed) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Points that a victim passes once, or rarely.
fn is_rare(point: Failpoint) -> bool {
    matches!(
        point,
        Failpoint::EntryTaken
            | Failpoint::StreamOpened
            | Failpoint::LeaveMarked
            | Failpoint::StreamEnded
            | Failpoint::ReaderVacated
            | Failpoint::JoinCursorStored
    ) || needs_others(point)
}

/// Points that a victim passes when another participant is in the middle of an operation.
fn needs_others(point: Failpoint) -> bool {
    matches!(
        point,
        Failpoint::SleepAnnounced
            | Failpoint::OneSleepAnnounced
            | Failpoint::SleepCleared
            | Failpoint::MessageAdopted
    )
}

/// Receives the messages of a case, and checks them.
enum Survivor {
    Reader(Reader),
    Taker(Taker),
}

impl Survivor {
    fn join(ring: &Ring) -> Result<Self, String> {
        if ring.config().delivery == Delivery::Queue {
            let mut taker = ring.taker().map_err(text)?;
            taker.set_wait_strategy(WaitStrategy::SLEEPING);
            return Ok(Survivor::Taker(taker));
        }
        let mut reader = ring.reader(Start::Next).map_err(text)?;
        reader.set_wait_strategy(WaitStrategy::SLEEPING);
        Ok(Survivor::Reader(reader))
    }

    fn receive_all(self, progress: &AtomicU64, over: &AtomicBool) -> Result<Deliveries, String> {
        match self {
            Survivor::Reader(mut reader) => read_all(&mut reader, progress, over),
            Survivor::Taker(mut taker) => take_all(&mut taker, progress, over),
        }
    }
}

/// Leaves taken, unfinished messages behind, one at a time, as takers that die do. Returns the
/// messages that it finished: those that were redelivered to it.
fn leak_messages(ring: &Ring, leaking: &AtomicBool) -> Vec<(u64, u64)> {
    /// The survivor and the victim.
    const OTHERS: usize = 2;
    let takers = || ring.participants().iter().filter(|peer| peer.role == seqring::Role::Taker).count();
    let mut finished = Vec::new();
    while leaking.load(Ordering::Relaxed) {
        let mut taker = ring.taker().expect("there is an entry");
        match taker.take_timeout(Duration::from_millis(10)) {
            Ok(taken) if taken.is_redelivered() => finished.extend(numbers(&taken)),
            Ok(taken) => std::mem::forget(taken),
            Err(_) => {} // The others were faster.
        }
        drop(taker);
        while leaking.load(Ordering::Relaxed) && takers() > OTHERS {
            std::thread::yield_now();
        }
    }
    finished
}

/// The messages in a victim's log, by writer and number.
fn numbers_in(mut log: impl Read) -> Vec<(u64, u64)> {
    let mut bytes = Vec::new();
    log.read_to_end(&mut bytes).expect("a pipe can be read");
    let (pairs, _) = bytes.as_chunks::<16>();
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
    pairs.iter().map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect()
}

/// The result of a case with a victim.
struct Ended {
    /// Messages that the others moved while the victim was stopped, and after its death.
    moved: u64,
    /// The minimum of the victim's own messages that must have been read.
    least: u64,
    /// The messages that it took.
    log: Vec<(u64, u64)>,
}

impl Case {
    /// Runs the case. Returns how many messages the others read meanwhile.
    pub(crate) fn run(self, progress: u64) -> Result<u64, String> {
        let name = format!("stop-test-{}-{:?}-{:?}", std::process::id(), self.point, self.fate);
        let ring = Ring::create(&name, &self.role.config()).map_err(text)?;
        let (read, over, done) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
        let leaking = AtomicBool::new(self.point == Failpoint::MessageAdopted);
        let moved = std::thread::scope(|scope| {
            let survivor = Survivor::join(&ring)?;
            // Held by this process, so that the stream does not end with the victim.
            let writers: Result<Vec<_>, _> = (0..self.role.others()).map(|_| ring.writer()).collect();
            let reading = scope.spawn(|| {
                let received = survivor.receive_all(&read, &over);
                done.store(true, Ordering::Relaxed);
                received
            });
            let writing: Vec<_> = writers
                .map_err(text)?
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
            let finished = leaks.join().map_err(|_| "a leaking taker panicked")?;
            // The writers leave instead of closing the ring: all their messages are delivered. A
            // message that races with `close` might not be.
            over.store(true, Ordering::Relaxed);
            let mut received = reading.join().map_err(|_| "the reader panicked")??;
            if let Ok(ended) = &ended {
                let all_once = finished.iter().all(|(writer, n)| received.record(*writer, *n));
                all_once.then_some(()).ok_or("a message went to a leaking taker and to another")?;
                self.check_log(&mut received, &ended.log)?;
            }
            for (thread, name) in writing.into_iter().zip(VICTIM + 1..) {
                let written = thread.join().map_err(|_| "a writer panicked")?.map_err(text)?;
                self.check(&received, name, written, written)?;
            }
            let ended = ended?;
            if let Role::OneOfMany(_) | Role::Writer(..) = self.role {
                let most = if needs_others(self.point) { u64::MAX } else { VICTIM_MESSAGES };
                self.check(&received, VICTIM, ended.least, most)?;
            }
            Ok(ended.moved)
        });
        // Leaked takers keep the ring open as long as this process lives, and so its name.
        let _ = Ring::unlink(&name);
        moved
    }

    /// Starts the victim, and continues or kills it at its point.
    fn with_victim(
        self,
        ring: &Ring,
        name: &str,
        read: &AtomicU64,
        (over, done): (&AtomicBool, &AtomicBool),
        progress: u64,
    ) -> Result<Ended, String> {
        let role = Role::ALL.iter().position(|role| *role == self.role).expect("it is one of all");
        let mut victim = victim::start("victim", self.point, &[&role.to_string(), name])?;
        let log = victim.stdout.take().ok_or("it has one")?;
        let log = std::thread::spawn(|| numbers_in(log));
        let log = || log.join().map_err(|_| "the log cannot be read");
        let writes = !matches!(self.role, Role::Reader(..) | Role::Taker);
        let move_messages = |messages: u64| -> Result<(), String> {
            let from = read.load(Ordering::Relaxed);
            let begin = Instant::now();
            while read.load(Ordering::Relaxed) < from + messages {
                if done.load(Ordering::Relaxed) {
                    return Err("the reader failed".into());
                }
                if begin.elapsed() > TIMEOUT {
                    return Err(format!("only {} of {messages} came", read.load(Ordering::Relaxed) - from));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        };
        victim::await_stop(&mut victim)?;
        let named = ring.participants().iter().any(|one| one.pid == victim.id());
        let named = named || self.point != Failpoint::EntryTaken || !writes;
        let afterwards = afterwards(progress);
        let meanwhile = if self.fate == Fate::Killed { afterwards } else { progress };
        let passed = if self.role.is_dispensable() { meanwhile } else { 0 };
        move_messages(passed)?;
        let ended = match self.fate {
            Fate::Continued => {
                victim::resume(&victim)?;
                if let Role::Reader(..) = self.role {
                    move_messages(afterwards)?;
                    over.store(true, Ordering::Relaxed);
                }
                victim::ends_well(&mut victim)?;
                Ended { moved: passed, least: VICTIM_MESSAGES, log: log()? }
            }
            Fate::Killed => {
                victim::kill(&mut victim)?;
                if self.role.others() > 0 {
                    move_messages(afterwards)?;
                }
                if writes {
                    victim::succeed(ring, u64::MAX, afterwards)?;
                }
                Ended { moved: passed + afterwards, least: 0, log: log()? }
            }
        };
        named.then_some(ended).ok_or("the table does not name the process of a registered writer".into())
    }

    /// Adds the messages of the victim to those of the others: together, each message came once. A
    /// victim may be killed after it logged its last message and before it finished it: then
    /// another taker has that message, too.
    fn check_log(self, received: &mut Deliveries, log: &[(u64, u64)]) -> Result<(), String> {
        let twice = log.iter().filter(|(writer, n)| !received.record(*writer, *n)).count();
        if twice > usize::from(self.fate == Fate::Killed) {
            return Err(format!("{twice} messages of the victim went to another taker, too"));
        }
        match received.holes.first() {
            None => Ok(()),
            Some((writer, n)) => Err(format!("message {n} of writer {writer} was lost")),
        }
    }

    /// Whether a reader got the messages of a writer: all of them, in a gated ring.
    fn check(self, received: &Deliveries, writer: u64, least: u64, most: u64) -> Result<(), String> {
        let next = received.next.get(&writer).copied().unwrap_or(0);
        let least = if self.role.delivery() == Delivery::Lossy { 0 } else { least };
        if (least..=most).contains(&next) {
            return Ok(());
        }
        Err(format!("{next} messages of writer {writer} came, not {least} to {most}"))
    }
}
