//! A participant of `seqring-lab deaths`: it writes or reads until it is ordered to stop or meets
//! its fault, and leaves an account of every message that outlives it.
//!
//! ```text
//! lab      makes a file of words for each participant, and starts
//!          PROGRAM CONTESTANT NAME DIRECTORY INDEX:ROLE…
//! worker   READY ── Go ──▶ joins ──▶ JOINED: an event for each message ── Stop ──▶ leaves: LEFT
//! ```
//! What its library reports in words goes to standard output: `INDEX NANOSECONDS TEXT`, unbuffered.

mod account;

pub use account::{Account, Event, Kind, Order, State};

use crate::clock::Moment;
use crate::engine::{Engine, EngineReader, EngineWriter};
use crate::refusal::Refusal;
use std::fmt::Display;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How long a call waits that can be given a time limit.
pub const PATIENCE: Duration = Duration::from_millis(50);
/// A reader that is to stop leaves when no message came for so long.
const SILENCE: Duration = Duration::from_millis(120);
/// Different reports of a participant that are printed.
const REPORTS: usize = 8;

/// What a call to a library returned, if neither a success nor "full" or "empty" in time.
#[derive(Debug)]
pub enum Answer {
    /// Nothing to be done at the moment: full, empty, timed out.
    Nothing,
    /// Its library says that so many messages are lost.
    Lost(u64),
    /// Something else that its library reports, in its words.
    Report(String),
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full | Refusal::Empty | Refusal::TimedOut { .. } => Self::Nothing,
            Refusal::Lagged { missed } => Self::Lost(missed),
            other => Self::Report(other.to_string()),
        }
    }
}

/// The end of a contestant that a participant has, as a small interface. Calls take [`PATIENCE`] at
/// most, if the library has a time limit.
pub trait End {
    /// Writes a message; `inside` is called in the middle of the access, if there is one in place.
    ///
    /// # Errors
    /// That it was not written, and may be written again.
    fn send(&mut self, message: &[u8], inside: &mut dyn FnMut()) -> Result<(), Answer> {
        let _ = (message, inside);
        Err(Answer::Report("this end does not write".into()))
    }

    /// Reads a message; `seen` gets its bytes, and whether it may have been read before.
    ///
    /// # Errors
    /// That there was none.
    fn receive(&mut self, seen: &mut dyn FnMut(&[u8], bool)) -> Result<(), Answer> {
        let _ = seen;
        Err(Answer::Report("this end does not read".into()))
    }
}

/// What a participant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It writes.
    Writer,
    /// It reads, or takes.
    Reader,
}

/// A participant, as its command line names it: `INDEX:ROLE`.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its account, and the number of a writer.
    pub index: usize,
    /// What it does.
    pub role: Role,
}

impl std::str::FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (index, role) = text.split_once(':').ok_or("a participant is INDEX:ROLE")?;
        let role = match role {
            "writer" => Role::Writer,
            "reader" => Role::Reader,
            other => return Err(format!("no role {other}")),
        };
        Ok(Self { index: index.parse().map_err(|_| format!("no index {index}"))?, role })
    }
}

/// Whether participants are threads: then one ends alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    /// Each has a process.
    Processes,
    /// All are threads of this one.
    Threads,
}

struct Participant<'a> {
    account: &'a Account,
    part: Part,
    kin: Kin,
    reports: Vec<String>,
    /// Calls begun since an order to exit or panic.
    calls_since_order: u32,
}

/// Calls in which a participant that is to end seeks an access in place. A call may be refused.
const CALLS_TO_AN_ACCESS: u32 = 5;

/// Marks the panic that makes a thread end without dropping its end.
struct Vanish;

/// Waits for the first order, joins by `join`, and works, with messages of `bytes`.
///
/// # Errors
/// That there is no account.
pub fn serve<E: End, J: Display>(
    directory: &Path,
    part: Part,
    bytes: usize,
    kin: Kin,
    join: impl FnOnce() -> Result<E, J>,
) -> io::Result<()> {
    let account = Account::open(directory, part.index)?;
    let mut participant =
        Participant { account: &account, part, kin, reports: Vec::new(), calls_since_order: 0 };
    if kin == Kin::Threads {
        account.set(3, u64::from(std::process::id()));
        account.set(4, rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs().into());
    }
    account.set(0, State::Ready as u64);
    while account.ordered() == Order::Wait {
        thread::sleep(Duration::from_micros(200));
    }
    let mut end = match join() {
        Ok(end) => std::mem::ManuallyDrop::new(end),
        Err(error) => {
            participant.report(&error);
            account.set(0, State::Refused as u64);
            return Ok(());
        }
    };
    account.set(0, State::Joined as u64);
    let worked = catch_unwind(AssertUnwindSafe(|| match part.role {
        Role::Writer => participant.write(&mut *end, bytes),
        Role::Reader => participant.read(&mut *end),
    }));
    if !worked.is_err_and(|panic| panic.is::<Vanish>()) {
        std::mem::ManuallyDrop::into_inner(end); // After a panic as after the last message.
    }
    account.set(0, State::Left as u64);
    Ok(())
}

impl Participant<'_> {
    fn write(&mut self, end: &mut impl End, bytes: usize) {
        let mut message = vec![0; bytes];
        let mut number = 0;
        while self.goes_on() {
            let word = (self.part.index as u64) << 48 | number;
            message.chunks_exact_mut(8).for_each(|place| place.copy_from_slice(&word.to_le_bytes()));
            self.account.set(7, number + 1);
            match end.send(&message, &mut || self.meet_fault()) {
                Ok(()) => {
                    self.account.add(Kind::Sent, word);
                    number += 1;
                }
                Err(answer) => self.note(answer),
            }
            self.returned();
        }
    }

    fn read(&mut self, end: &mut impl End) {
        let mut last = Moment::now();
        while self.goes_on() || last.elapsed() < SILENCE {
            let got = end.receive(&mut |message, again| {
                self.meet_fault();
                let word = message.first_chunk().map_or(u64::MAX, |word| u64::from_le_bytes(*word));
                let is_whole = message.chunks_exact(8).all(|place| place == word.to_le_bytes());
                let kind = match (is_whole, again) {
                    (true, false) => Kind::Got,
                    (true, true) => Kind::Again,
                    (false, _) => Kind::Torn,
                };
                self.account.add(kind, word & !(0xff << 56));
            });
            match got {
                Ok(()) => last = Moment::now(),
                Err(answer) => self.note(answer),
            }
            self.returned();
        }
    }

    /// Whether there is no order to stop; waits as long as it is to pause.
    fn goes_on(&mut self) -> bool {
        if matches!(self.account.ordered(), Order::Exit | Order::Panic) {
            if self.calls_since_order == CALLS_TO_AN_ACCESS {
                self.meet_fault();
            }
            self.calls_since_order += 1;
        }
        while self.account.ordered() == Order::Pause {
            thread::sleep(Duration::from_millis(1));
        }
        self.account.ordered() != Order::Stop
    }

    /// Exits or panics if that was ordered.
    #[allow(unsafe_code, reason = "_exit")]
    fn meet_fault(&self) {
        match (self.account.ordered(), self.kin) {
            (Order::Panic, _) => panic!("as ordered"),
            (Order::Exit, Kin::Threads) => std::panic::panic_any(Vanish),
            // SAFETY: ends the process; nothing of it is used afterwards.
            (Order::Exit, Kin::Processes) => unsafe { libc::_exit(3) },
            _ => {}
        }
    }

    fn returned(&self) {
        self.account.set(5, self.account.calls() + 1);
    }

    fn note(&mut self, answer: Answer) {
        match answer {
            Answer::Nothing => {}
            Answer::Lost(count) => self.account.set(6, self.account.reported_lost() + count),
            Answer::Report(text) => {
                self.report(&text);
                thread::sleep(Duration::from_millis(1)); // It may say so at each call.
            }
        }
    }

    fn report(&mut self, text: &impl Display) {
        let text = text.to_string().replace('\n', " ");
        if self.reports.len() < REPORTS && !self.reports.contains(&text) {
            let line = format!("{} {} {text}\n", self.part.index, Moment::now().as_nanos());
            let _ = io::stdout().write_all(line.as_bytes()).and_then(|()| io::stdout().flush());
            self.reports.push(text);
        }
    }
}

/// An end of an [`Engine`].
pub enum OfEngine<E: Engine> {
    /// It writes.
    Writer(E::Writer),
    /// It reads.
    Reader(E::Reader),
}

impl<E: Engine> OfEngine<E> {
    /// Joins a ring as `role`.
    ///
    /// # Errors
    /// What the engine reports.
    pub fn join(ring: &E, role: Role) -> Result<Self, crate::refusal::EngineError> {
        Ok(match role {
            Role::Writer => Self::Writer(ring.writer()?),
            Role::Reader => Self::Reader(ring.reader()?),
        })
    }
}

impl<E: Engine> End for OfEngine<E> {
    fn send(&mut self, message: &[u8], inside: &mut dyn FnMut()) -> Result<(), Answer> {
        let Self::Writer(writer) = self else { return Err(Answer::Report("this end does not write".into())) };
        let half = message.len() / 2;
        let written = writer.put_with(message.len(), Some(PATIENCE), |sink| {
            sink.put(0, &message[..half]);
            inside();
            sink.put(half, &message[half..]);
        });
        Ok(written?)
    }

    fn receive(&mut self, seen: &mut dyn FnMut(&[u8], bool)) -> Result<(), Answer> {
        let Self::Reader(reader) = self else { return Err(Answer::Report("this end does not read".into())) };
        Ok(reader.get_with(Some(PATIENCE), |message| seen(message, false))?)
    }
}
