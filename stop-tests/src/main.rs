//! Stops and kills processes at every named point of the protocols, while others go on.
//!
//! `cargo run --release` runs every case with 10^4 messages, `-- MESSAGES` with so many, and prints a table. A case is
//! a role in a ring, a point, and a fate: the victim process stops itself (SIGSTOP) at the point; the others move that
//! many messages; then the victim is continued and ends its errands, or it is killed and an heir takes its place. It
//! fails if anything is torn, lost where the ring promises otherwise, doubled or foreign, if somebody hangs, or if a
//! victim never gets to its point. The points at which segments come and go have cases of their own (`segment`).

mod case;
mod message;
mod segment;

use case::{Case, Fate, Role, be_victim};
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
        [] => run(MESSAGES),
        [messages] if messages.parse::<u64>().is_ok() => run(messages.parse().expect("it is a number")),
        _ => {
            eprintln!("usage: stop-tests [MESSAGES]");
            ExitCode::from(2)
        }
    }
}

fn run(messages: u64) -> ExitCode {
    let mut sound = true;
    println!("{:<16} {:>6} {:>6} {:>12}  verdict", "point", "stops", "kills", "messages");
    for stop in Stop::ALL {
        let (mut stops, mut kills, mut moved) = (0, 0, 0);
        let mut failures = Vec::new();
        for role in Role::ALL.into_iter().filter(|role| role.passes(stop)) {
            for fate in [Fate::Continued, Fate::Killed] {
                match (Case { role, stop, fate }).run(messages) {
                    Ok(messages) => {
                        moved += messages;
                        match fate {
                            Fate::Continued => stops += 1,
                            Fate::Killed => kills += 1,
                        }
                    }
                    Err(error) => failures.push(format!("{role:?} {fate:?}: {error}")),
                }
            }
        }
        if segment::passes(stop) {
            let fates = [Fate::Continued, Fate::Killed];
            for (backend, fate) in segment::BACKENDS.into_iter().flat_map(|one| fates.map(|fate| (one, fate)))
            {
                match segment::run(stop, backend, fate, messages) {
                    Ok(messages) => {
                        moved += messages;
                        match fate {
                            Fate::Continued => stops += 1,
                            Fate::Killed => kills += 1,
                        }
                    }
                    Err(error) => failures.push(format!("{backend:?} {fate:?}: {error}")),
                }
            }
        }
        let verdict = match (failures.is_empty(), stops > 0 && kills > 0) {
            (false, _) => "FAILS",
            (true, false) => "NEVER HIT",
            (true, true) => "holds",
        };
        sound &= verdict == "holds";
        println!("{:<16} {stops:>6} {kills:>6} {moved:>12}  {verdict}", format!("{stop:?}"));
        for failure in failures {
            println!("  {failure}");
        }
    }
    println!("{}", if sound { "sound: whoever was stopped, the others went on" } else { "NOT SOUND" });
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
