//! Stops and kills processes at every named point of the protocols, while others go on.
//!
//! `cargo run --release` runs every case with 10^4 messages, `-- MESSAGES` with so many, and prints a table. A case is
//! a role in a ring, a point, and a fate: the victim process stops itself (SIGSTOP) at the point; the others move that
//! many messages; then the victim is continued and ends its errands, or it is killed and an heir takes its place. It
//! fails if anything is torn, lost where the ring promises otherwise, doubled or foreign, if somebody hangs, or if a
//! victim never gets to its point. The points at which segments come and go have cases of their own (`segment`), and so has a
//! producer of a pipeline, which dies at each of its points (`pipeline`).

mod case;
mod message;
mod pipeline;
mod recovery;
mod segment;
mod victim;

use case::{Case, Fate, Role, be_victim};
use recovery::Clearing;
use seqring::stopping::Stop;
use std::process::ExitCode;

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
        ["pipeline-worker", stop, ticket] => {
            pipeline::be_worker(stop.parse().ok(), ticket);
            ExitCode::SUCCESS
        }
        [] => run(MESSAGES),
        [messages] if messages.parse::<u64>().is_ok() => run(messages.parse().expect("it is a number")),
        _ => {
            eprintln!("usage: stop-tests [MESSAGES]");
            ExitCode::from(2)
        }
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
    fn report(&self, stop: Stop) -> bool {
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

fn run(messages: u64) -> ExitCode {
    let mut sound = true;
    println!("{:<17} {:>6} {:>6} {:>12}  verdict", "point", "stops", "kills", "messages");
    for stop in Stop::ALL {
        let mut outcome = Outcome::default();
        for fate in [Fate::Continued, Fate::Killed] {
            for role in Role::ALL.into_iter().filter(|role| role.passes(stop)) {
                outcome.enter(&format!("{role:?}"), fate, (Case { role, stop, fate }).run(messages));
            }
            for backend in segment::BACKENDS.into_iter().filter(|_| segment::passes(stop)) {
                outcome.enter(&format!("{backend:?}"), fate, segment::run(stop, backend, fate, messages));
            }
            if fate == Fate::Killed && pipeline::passes(stop) {
                outcome.enter("a pipeline's producer", fate, pipeline::run(stop));
            }
            for clearing in Clearing::ALL.into_iter().filter(|clearing| clearing.passes(stop)) {
                outcome.enter(&format!("{clearing:?}"), fate, recovery::run(clearing, stop, fate));
            }
        }
        sound &= outcome.report(stop);
    }
    println!("{}", if sound { "sound: whoever was stopped, the others went on" } else { "NOT SOUND" });
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
