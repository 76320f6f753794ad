//! Stops and kills processes at every failpoint of the protocols, while other processes continue.
//!
//! `cargo run --release` runs every case with 10^4 messages and prints a table. `-- MESSAGES` sets
//! another number, and `-- MESSAGES POINT…` runs the points whose names contain one of
//! these.
//!
//! A case is a role in a ring, a point, and a fate. The victim process stops itself (SIGSTOP) at
//! the point. The others, if they can, move that many messages (10^4 if the victim is going to be
//! killed). Then the victim is continued and finishes its messages, or it is killed and a successor
//! takes its place; and 10^4 more messages are moved. A case fails if a message is torn,
//! duplicated, foreign, or lost where the ring promises otherwise; if a process hangs; or if a
//! victim does not reach its point.
//!
//! These have cases of their own: recovery of dead participants (`recovery`), parking of readers
//! (`park`), eviction of readers (`eviction`), a writer that skips numbers (`gap`), servers and
//! callers (`call`), the writer of a table (`table`), workers of a pipeline (`pipeline`), and the
//! creation and removal of segments (`segment`).

mod call;
mod case;
mod eviction;
mod gap;
#[path = "../../../tests/common/numbered.rs"]
mod message;
mod park;
mod pipeline;
mod recovery;
mod segment;
mod table;
mod victim;

use case::{Case, Role, be_victim};
use recovery::Recovery;
use seqring::Writers;
use seqring::failpoints::Failpoint;
use std::process::ExitCode;
use std::time::Instant;
use victim::{Fate, point_of};

const MESSAGES: u64 = 10_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["victim", point, role, name] => be_victim(point_of(point), Role::ALL[index(role)], name),
        ["unlinker", point, name] => segment::unlink(point_of(point), name),
        ["opener", point, backend, name] => {
            segment::open_and_leave(point_of(point), segment::BACKENDS[index(backend)], name);
        }
        ["recovery-first", _, recovery, name] => recovery::be_first(Recovery::ALL[index(recovery)], name),
        ["recovery-victim", point, recovery, name] => {
            recovery::be_victim(point_of(point), Recovery::ALL[index(recovery)], name);
        }
        ["parker", point, name] => park::be_parker(point_of(point), name),
        ["resumer", point, name, entry, state] => {
            park::be_resumer(point_of(point), name, park::ticket(entry, state).expect("a ticket"));
        }
        ["call", point, side, name] => call::be_victim(point_of(point), call::SIDES[index(side)], name),
        ["evicter", point, name] => eviction::be_victim(point_of(point), name),
        ["gap-writer", point, name] => gap::be_victim(point_of(point), name),
        ["table-writer", point, name] => table::be_victim(point_of(point), name),
        ["evicted", point, name] => eviction::be_evicted(point_of(point), name),
        ["pipeline-worker", "-", ticket] => pipeline::be_worker(None, ticket),
        ["pipeline-worker", point, ticket] => pipeline::be_worker(Some(point_of(point)), ticket),
        [] => return run(MESSAGES, &[]),
        [messages, ref points @ ..] => {
            let Ok(messages) = messages.parse() else {
                eprintln!("usage: stop-tests [MESSAGES [POINT…]]");
                return ExitCode::from(2);
            };
            return run(messages, points);
        }
    }
    ExitCode::SUCCESS
}

fn index(number: &str) -> usize {
    number.parse().expect("a number")
}

/// The results of all cases of one point.
#[derive(Default)]
struct Outcome {
    stops: u64,
    kills: u64,
    moved: u64,
    failures: Vec<String>,
}

impl Outcome {
    /// Adds the result of a case: how many messages were moved.
    fn add(&mut self, what: &str, fate: Fate, result: Result<u64, String>) {
        match (result, fate) {
            (Err(error), fate) => self.failures.push(format!("{what} {fate:?}: {error}")),
            (Ok(moved), Fate::Continued) => (self.stops, self.moved) = (self.stops + 1, self.moved + moved),
            (Ok(moved), Fate::Killed) => (self.kills, self.moved) = (self.kills + 1, self.moved + moved),
        }
    }

    /// Prints the row of the point. Returns whether every case held, and there were stops and
    /// kills.
    fn report(&self, point: Failpoint) -> bool {
        let Outcome { stops, kills, moved, failures } = self;
        let verdict = match (failures.is_empty(), *stops > 0 && *kills > 0) {
            (false, _) => "FAILS",
            (true, false) => "NEVER HIT",
            (true, true) => "holds",
        };
        println!("{:<17} {stops:>6} {kills:>6} {moved:>12}  {verdict}", format!("{point:?}"));
        failures.iter().for_each(|failure| println!("  {failure}"));
        verdict == "holds"
    }
}

/// Runs the cases of the points whose names contain one of `names`, or of all.
fn run(messages: u64, names: &[&str]) -> ExitCode {
    let wanted =
        |point: &Failpoint| names.is_empty() || names.iter().any(|name| format!("{point:?}").contains(name));
    let begin = Instant::now();
    let mut all = Outcome::default();
    let (mut points, mut sound) = (0, true);
    println!("{:<17} {:>6} {:>6} {:>12}  verdict", "point", "stops", "kills", "messages");
    for point in Failpoint::ALL.into_iter().filter(wanted) {
        let outcome = outcome(point, messages);
        sound &= outcome.report(point);
        points += 1;
        (all.stops, all.kills, all.moved) =
            (all.stops + outcome.stops, all.kills + outcome.kills, all.moved + outcome.moved);
    }
    let Outcome { stops, kills, moved, .. } = all;
    let (seconds, points_in_all) = (begin.elapsed().as_secs(), Failpoint::ALL.len());
    println!(
        "{points} of {points_in_all} points: {stops} stops and {kills} kills; {moved} messages moved meanwhile; {seconds} s"
    );
    sound &= points > 0;
    println!("{}", if sound { "sound: the others continued as promised in every case" } else { "NOT SOUND" });
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all cases of a point.
fn outcome(point: Failpoint, messages: u64) -> Outcome {
    let mut outcome = Outcome::default();
    for fate in [Fate::Continued, Fate::Killed] {
        for role in Role::ALL.into_iter().filter(|role| role.reaches(point)) {
            outcome.add(&format!("{role:?}"), fate, (Case { role, point, fate }).run(messages));
        }
        for backend in segment::BACKENDS.into_iter().filter(|_| segment::reaches(point)) {
            outcome.add(&format!("{backend:?}"), fate, segment::run(point, backend, fate, messages));
        }
        if point == Failpoint::SegmentUnused {
            outcome.add("unlink", fate, segment::run_unlink(point, fate, messages));
        }
        for recovery in Recovery::ALL.into_iter().filter(|recovery| recovery.reaches(point)) {
            outcome.add(&format!("{recovery:?}"), fate, recovery::run(recovery, point, fate));
        }
        for class in gap::CLASSES.into_iter().filter(|_| gap::reaches(point)) {
            outcome.add(&format!("{class:?}"), fate, gap::run(point, class, fate, messages));
        }
        if table::reaches(point) {
            outcome.add("a table's writer", fate, table::run(point, fate, messages));
        }
        if fate == Fate::Killed && pipeline::reaches(point) {
            outcome.add("a pipeline's producer", fate, pipeline::run(point));
        }
        if fate == Fate::Killed && pipeline::commander_reaches(point) {
            outcome.add("a pipeline's commander", fate, pipeline::run_commander(point));
        }
        for side in call::SIDES.into_iter().filter(|side| call::reaches(point, *side)) {
            outcome.add(&format!("{side:?}"), fate, call::run(point, side, fate, messages));
        }
        for class in park::CLASSES.into_iter().filter(|_| park::reaches(point)) {
            outcome.add(&format!("{class:?}"), fate, park::run(point, class, fate, messages));
        }
        for class in park::CLASSES.into_iter().filter(|class| eviction::reaches(point, *class)) {
            outcome.add(&format!("{class:?}"), fate, eviction::run(point, class, fate, messages));
        }
        for writers in [Writers::One, Writers::Many].into_iter().filter(|_| eviction::is_in_a_read(point)) {
            let what = format!("a read, {writers:?}");
            outcome.add(&what, fate, eviction::run_in_a_read(point, writers, fate, messages));
        }
    }
    outcome
}
