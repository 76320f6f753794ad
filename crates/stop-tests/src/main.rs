//! Stops and kills processes at every named point of the protocols, while others go on.
//!
//! `cargo run --release` runs every case with 10^4 messages, `-- MESSAGES` with so many, and prints a table; `-- MESSAGES
//! POINT…` runs the cases of the points whose names contain one of these. A case is
//! a role in a ring, a point, and a fate: the victim process stops itself (SIGSTOP) at the point; the others, if they can,
//! move that many messages (10^4 if it is going to be killed); then the victim is continued and ends its errands, or it is
//! killed and an heir takes its place; and 10^4 more are moved. It
//! fails if anything is torn, lost where the ring promises otherwise, doubled or foreign, if somebody hangs, or if a
//! victim never gets to its point. Clearing up after the dead (`recovery`), handing readers over (`handover`), evicting them
//! (`eviction`), workers of a pipeline (`pipeline`), and the points at which segments come and go (`segment`) have cases
//! of their own.

mod case;
mod eviction;
mod handover;
mod message;
mod pipeline;
mod recovery;
mod segment;
mod victim;

use case::{Case, Fate, Role, be_victim};
use recovery::Clearing;
use seqring::failpoints::Failpoint;
use seqring::{ParkTicket, Writers};
use std::process::ExitCode;
use std::time::Instant;

const MESSAGES: u64 = 10_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["victim", role, stop, name] => {
            be_victim(role.parse().expect("a number"), stop.parse().expect("a number"), name);
            ExitCode::SUCCESS
        }
        ["comer", stop, backend, name] => {
            segment::come_and_go(stop.parse().expect("a number"), backend.parse().expect("a number"), name);
            ExitCode::SUCCESS
        }
        ["recovery-first", clearing, name] => {
            recovery::be_first(clearing.parse().expect("a number"), name);
            ExitCode::SUCCESS
        }
        ["recovery-victim", clearing, stop, name] => {
            recovery::be_victim(clearing.parse().expect("a number"), stop.parse().expect("a number"), name);
            ExitCode::SUCCESS
        }
        ["parker", stop, name] => {
            handover::be_parker(stop.parse().expect("a number"), name);
            ExitCode::SUCCESS
        }
        ["resumer", stop, name, entry, state] => {
            let ticket =
                ParkTicket { entry: entry.parse().expect("a number"), state: state.parse().expect("a number") };
            handover::be_resumer(stop.parse().expect("a number"), name, ticket);
            ExitCode::SUCCESS
        }
        ["evicter", stop, name] => {
            eviction::be_victim(stop.parse().expect("a number"), name);
            ExitCode::SUCCESS
        }
        ["evicted", stop, name] => {
            eviction::be_evicted(stop.parse().expect("a number"), name);
            ExitCode::SUCCESS
        }
        ["pipeline-worker", stop, ticket] => {
            pipeline::be_worker(stop.parse().ok(), ticket);
            ExitCode::SUCCESS
        }
        [] => run(MESSAGES, &[]),
        [messages, ref points @ ..] => match messages.parse() {
            Ok(messages) => run(messages, points),
            Err(_) => {
                eprintln!("usage: stop-tests [MESSAGES [POINT…]]");
                ExitCode::from(2)
            }
        },
    }
}

/// What came of all cases of one point.
#[derive(Default)]
struct Outcome {
    stops: u64,
    kills: u64,
    moved: u64,
    failures: Vec<String>,
}

impl Outcome {
    /// Enters a case, and what it moved.
    fn enter(&mut self, what: &str, fate: Fate, result: Result<u64, String>) {
        match (result, fate) {
            (Err(error), fate) => self.failures.push(format!("{what} {fate:?}: {error}")),
            (Ok(moved), Fate::Continued) => (self.stops, self.moved) = (self.stops + 1, self.moved + moved),
            (Ok(moved), Fate::Killed) => (self.kills, self.moved) = (self.kills + 1, self.moved + moved),
        }
    }

    /// Prints it. Whether everything held, and happened at all.
    fn report(&self, stop: Failpoint) -> bool {
        let Outcome { stops, kills, moved, failures } = self;
        let verdict = match (failures.is_empty(), *stops > 0 && *kills > 0) {
            (false, _) => "FAILS",
            (true, false) => "NEVER HIT",
            (true, true) => "holds",
        };
        println!("{:<17} {stops:>6} {kills:>6} {moved:>12}  {verdict}", format!("{stop:?}"));
        failures.iter().for_each(|failure| println!("  {failure}"));
        verdict == "holds"
    }
}

/// Runs the cases of the points whose names contain one of `names`, or of all.
fn run(messages: u64, names: &[&str]) -> ExitCode {
    let wanted =
        |stop: &Failpoint| names.is_empty() || names.iter().any(|name| format!("{stop:?}").contains(name));
    let begin = Instant::now();
    let mut all = Outcome::default();
    let (mut points, mut sound) = (0, true);
    println!("{:<17} {:>6} {:>6} {:>12}  verdict", "point", "stops", "kills", "messages");
    for stop in Failpoint::ALL.into_iter().filter(wanted) {
        let outcome = outcome(stop, messages);
        sound &= outcome.report(stop);
        points += 1;
        (all.stops, all.kills, all.moved) =
            (all.stops + outcome.stops, all.kills + outcome.kills, all.moved + outcome.moved);
    }
    let Outcome { stops, kills, moved, .. } = all;
    let (seconds, points_in_all) = (begin.elapsed().as_secs(), Failpoint::ALL.len());
    println!(
        "{points} of {points_in_all} points: {stops} stops and {kills} kills; {moved} messages went past them; {seconds} s"
    );
    sound &= points > 0;
    println!(
        "{}",
        if sound { "sound: whoever was stopped, the others went on as promised" } else { "NOT SOUND" }
    );
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all cases of a point.
fn outcome(stop: Failpoint, messages: u64) -> Outcome {
    let mut outcome = Outcome::default();
    for fate in [Fate::Continued, Fate::Killed] {
        for role in Role::ALL.into_iter().filter(|role| role.passes(stop)) {
            outcome.enter(&format!("{role:?}"), fate, (Case { role, stop, fate }).run(messages));
        }
        for backend in segment::BACKENDS.into_iter().filter(|_| segment::passes(stop)) {
            outcome.enter(&format!("{backend:?}"), fate, segment::run(stop, backend, fate, messages));
        }
        for clearing in Clearing::ALL.into_iter().filter(|clearing| clearing.passes(stop)) {
            outcome.enter(&format!("{clearing:?}"), fate, recovery::run(clearing, stop, fate));
        }
        if fate == Fate::Killed && pipeline::passes(stop) {
            outcome.enter("a pipeline's producer", fate, pipeline::run(stop));
        }
        if fate == Fate::Killed && pipeline::commander_passes(stop) {
            outcome.enter("a pipeline's commander", fate, pipeline::run_commander(stop));
        }
        for class in handover::CLASSES.into_iter().filter(|_| handover::passes(stop)) {
            outcome.enter(&format!("{class:?}"), fate, handover::run(stop, class, fate, messages));
        }
        for class in handover::CLASSES.into_iter().filter(|class| eviction::passes(stop, *class)) {
            outcome.enter(&format!("{class:?}"), fate, eviction::run(stop, class, fate, messages));
        }
        for writers in [Writers::One, Writers::Many].into_iter().filter(|_| eviction::is_in_a_read(stop)) {
            let what = format!("a read, {writers:?}");
            outcome.enter(&what, fate, eviction::run_in_a_read(stop, writers, fate, messages));
        }
    }
    outcome
}
