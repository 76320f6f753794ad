//! One case: a victim process that stops itself at a point, and others that go on meanwhile.

use crate::message::{Got, SLOT_BYTES, message, read_all};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use seqring::stopping::{Stop, on_stop};
use seqring::{Config, Delivery, Ring, SlotClass, Start, Waiting, WriteError, Writers};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The number under which the victim writes; others have higher ones.
const VICTIM: u64 = 0;
/// So many messages a writing victim has; more, if it gets to its point only when somebody else is in the right place.
const ERRANDS: u64 = 2_000;

/// What a victim is, and in which ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of several writers.
    OneOfMany(Delivery),
    /// The one writer.
    Writer(SlotClass, Delivery),
    /// A reader of a ring that others write.
    Reader(SlotClass, Delivery),
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
    pub(crate) stop: Stop,
    pub(crate) fate: Fate,
}

impl Role {
    pub(crate) const ALL: [Role; 10] = [
        Role::OneOfMany(Delivery::Lossy),
        Role::OneOfMany(Delivery::Gated),
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
        }
    }

    fn config(self) -> Config {
        let config = Config::new(4, SLOT_BYTES).delivery(self.delivery()).participants(8);
        match self {
            Role::OneOfMany(_) => config.writers(Writers::Many),
            Role::Writer(class, _) | Role::Reader(class, _) => config.slot_class(class),
        }
    }

    /// Whether a victim in this role gets to the point.
    pub(crate) fn passes(self, stop: Stop) -> bool {
        let gated = self.delivery() == Delivery::Gated;
        let reads = matches!(self, Role::Reader(..));
        match stop {
            Stop::SeatTaken => true,
            Stop::LeaveMarked | Stop::StreamEnded => !reads,
            Stop::ReaderVacated => reads,
            // In a lossy ring of many writers the reader never sleeps.
            Stop::BellCleared => !reads && self != Role::OneOfMany(Delivery::Lossy),
            Stop::PublishMarked => self == Role::Writer(SlotClass::Packed, Delivery::Lossy),
            Stop::PublishStored => matches!(self, Role::Writer(SlotClass::Packed | SlotClass::Lines, _)),
            Stop::PublishFilled => matches!(self, Role::Writer(SlotClass::Arena, _)),
            Stop::ExchangeLooked
            | Stop::ExchangeArmed
            | Stop::ExchangeDone
            | Stop::ExchangeOwned
            | Stop::HelpWitnessed => matches!(self, Role::OneOfMany(_)),
            Stop::GateAnnounced => !reads && gated,
            Stop::JoinCursor | Stop::ReadCopied | Stop::BellAnnounced => reads,
            // Of queues, which have no role here yet.
            Stop::TakeArmed | Stop::TakeDone | Stop::TakeOwned | Stop::HelpTakeWitnessed => false,
            Stop::ReadPinned => self == Role::Reader(SlotClass::Arena, Delivery::Gated),
        }
    }

    /// Whether others can go on while the victim is stopped: not without the one writer, and not behind a gated reader.
    fn is_dispensable(self) -> bool {
        !matches!(self, Role::Writer(..) | Role::Reader(_, Delivery::Gated))
    }

    /// Writers beside the victim.
    fn others(self) -> u64 {
        match self {
            Role::OneOfMany(_) => 2,
            Role::Writer(..) => 0,
            Role::Reader(..) => 1,
        }
    }
}

/// What the victim process does: its errands, and it stops itself at the point that its parent named.
pub(crate) fn be_victim(role: usize, stop: usize, name: &str) {
    static TARGET: AtomicU64 = AtomicU64::new(u64::MAX);
    static PASSES: AtomicU64 = AtomicU64::new(0);
    TARGET.store(stop as u64, Ordering::Relaxed);
    on_stop(|stop| {
        if Stop::ALL[TARGET.load(Ordering::Relaxed) as usize] == stop {
            // Where a victim passes often, not at the first time: by then everybody is at work.
            let passed = PASSES.fetch_add(1, Ordering::Relaxed);
            if passed == if is_rare(stop) { 0 } else { 20 } {
                kill_process(rustix::process::getpid(), Signal::STOP).expect("a process may stop itself");
            }
        }
    });
    let ring = Ring::open(name).expect("the parent made it");
    match Role::ALL[role] {
        Role::OneOfMany(_) | Role::Writer(..) => {
            let mut writer = ring.writer().expect("there is an entry");
            let mut n = 0;
            while n < ERRANDS || (needs_others(Stop::ALL[stop]) && PASSES.load(Ordering::Relaxed) == 0) {
                writer.write(&message(VICTIM, n)).expect("nobody closes the ring");
                n += 1;
            }
        }
        Role::Reader(..) => {
            let mut reader = ring.reader(Start::Next).expect("there is an entry");
            reader.set_waiting(Waiting::SLEEPING);
            if Stop::ALL[stop] == Stop::ReaderVacated {
                reader.read(&mut [0; SLOT_BYTES]).expect("others write");
                return; // It leaves.
            }
            let got = read_all(&mut reader, &AtomicU64::new(0), &AtomicBool::new(true));
            got.expect("whole messages");
        }
    }
}

/// Points that a victim passes once, or now and then.
fn is_rare(stop: Stop) -> bool {
    matches!(
        stop,
        Stop::SeatTaken | Stop::LeaveMarked | Stop::StreamEnded | Stop::ReaderVacated | Stop::JoinCursor
    ) || needs_others(stop)
}

/// Points that a victim passes when somebody else is in the middle of something.
fn needs_others(stop: Stop) -> bool {
    matches!(stop, Stop::HelpWitnessed | Stop::BellCleared)
}

impl Case {
    /// Runs the case. Returns how many messages the others read meanwhile.
    pub(crate) fn run(self, progress: u64) -> Result<u64, String> {
        let name = format!("stop-test-{}-{:?}-{:?}", std::process::id(), self.stop, self.fate);
        let ring = Ring::create(&name, &self.role.config()).map_err(|error| error.to_string())?;
        let (read, over, done) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let mut reader = ring.reader(Start::Next).map_err(|error| error.to_string())?;
            reader.set_waiting(Waiting::SLEEPING);
            // Held by us, so that the stream does not end with the victim.
            let writers: Result<Vec<_>, _> = (0..self.role.others()).map(|_| ring.writer()).collect();
            let reading = scope.spawn(|| {
                let mut reader = reader;
                let got = read_all(&mut reader, &read, &over);
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
            let ended = self.with_victim(&ring, &name, &read, (&over, &done), progress);
            // The writers leave, and so every message comes; after `close` one that raced it might not.
            over.store(true, Ordering::Relaxed);
            let got = reading.join().map_err(|_| "the reader panicked")??;
            for (thread, name) in writing.into_iter().zip(VICTIM + 1..) {
                let written = thread.join().map_err(|_| "a writer panicked")?;
                let written = written.map_err(|error| error.to_string())?;
                self.check(&got, name, written, written)?;
            }
            let (ended, least) = ended?;
            if let Role::OneOfMany(_) | Role::Writer(..) = self.role {
                let most = if needs_others(self.stop) { u64::MAX } else { ERRANDS };
                self.check(&got, VICTIM, least, most)?;
            }
            Ok(ended)
        })
    }

    /// Starts the victim, lets it meet its fate, and says how many messages of its own must have been read at least.
    fn with_victim(
        self,
        ring: &Ring,
        name: &str,
        read: &AtomicU64,
        (over, done): (&AtomicBool, &AtomicBool),
        progress: u64,
    ) -> Result<(u64, u64), String> {
        /// How long something that must come may take before it is said that it does not.
        const NEVER: Duration = Duration::from_secs(60);
        let look_again = || std::thread::sleep(Duration::from_millis(1));
        let mut victim = self.start(name)?;
        let pid = Pid::from_child(&victim);
        let writes = !matches!(self.role, Role::Reader(..));
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
                look_again();
            }
            Ok(())
        };
        let begin = Instant::now();
        loop {
            match waitpid(Some(pid), WaitOptions::UNTRACED | WaitOptions::NOHANG) {
                Ok(Some((_, status))) if status.stopped() => break,
                Ok(Some((_, status))) => return Err(format!("the victim was not stopped: {status:?}")),
                Ok(None) if begin.elapsed() > NEVER => {
                    victim.kill().map_err(|error| error.to_string())?;
                    return Err("the victim never got there".into());
                }
                Ok(None) => look_again(),
                Err(error) => return Err(error.to_string()),
            }
        }
        let mut passed = 0;
        if self.role.is_dispensable() {
            go_on(progress)?;
            passed = progress;
        }
        match self.fate {
            Fate::Continued => {
                kill_process(pid, Signal::CONT).map_err(|error| error.to_string())?;
                if !writes {
                    go_on(progress)?;
                    over.store(true, Ordering::Relaxed);
                }
                let status = victim.wait().map_err(|error| error.to_string())?;
                if !status.success() {
                    return Err(format!("the victim went on and ended with {status}"));
                }
                Ok((passed, ERRANDS))
            }
            Fate::Killed => {
                victim.kill().map_err(|error| error.to_string())?;
                let _ = victim.wait();
                if self.role.others() > 0 {
                    go_on(progress)?;
                }
                if writes {
                    // Its heir finds a ring that works.
                    let mut heir = ring.writer().map_err(|error| format!("no heir: {error}"))?;
                    for n in 0..progress {
                        let wrote = heir.write_timeout(&message(u64::MAX, n), Duration::from_secs(20));
                        wrote.map_err(|error| format!("the heir: {error}"))?;
                    }
                }
                Ok((passed + progress, 0))
            }
        }
    }

    fn start(self, name: &str) -> Result<Child, String> {
        let role = Role::ALL.iter().position(|role| *role == self.role).expect("one of them");
        let stop = Stop::ALL.iter().position(|stop| *stop == self.stop).expect("one of them");
        let itself = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(itself);
        command.args(["victim", &role.to_string(), &stop.to_string(), name]);
        command.spawn().map_err(|error| error.to_string())
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
