//! Random schedules of seqring's own functions, with more threads and messages than the models of
//! `loom-tests` can explore.
//!
//! `cargo run --release` runs each scenario for five seconds, `-- SECONDS [SEED]` for that time
//! from that seed on. A failure prints the scenario and the seed of its batch; `-- NAME SEED`
//! repeats the same schedules of that batch and shows the failure.
//!
//! Every run of a scenario draws its ring, its participants, and their deaths at failpoints.
//! Schedules are sequentially consistent: these tests find errors of logic; the models find wrong
//! memory orderings.

mod deaths;
mod ledger;
mod linearizable;
mod scenarios;
mod search;

use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => search::all(Duration::from_secs(5), search::fresh_seed()),
        [one] => match one.parse() {
            Ok(seconds) => search::all(Duration::from_secs(seconds), search::fresh_seed()),
            Err(_) => usage(),
        },
        [first, second] => match (first.parse(), second.parse(), search::named(first)) {
            (Ok(seconds), Ok(seed), _) => search::all(Duration::from_secs(seconds), seed),
            (_, Ok(seed), Some(scenario)) => {
                search::batch(scenario, seed);
                ExitCode::SUCCESS
            }
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    let names: Vec<_> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
    eprintln!("usage: shuttle-tests [SECONDS [SEED]] | NAME SEED\nscenarios: {}", names.join(" "));
    ExitCode::from(2)
}
