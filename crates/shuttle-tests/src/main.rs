//! Random schedules of seqring's own functions: more threads and messages than the models of `loom-tests` can explore.
//!
//! `cargo run --release` searches each scenario for five seconds, `-- SECONDS [SEED]` for so long, from that seed on. A
//! failure prints the scenario and the seed of its batch; `-- NAME SEED` runs that batch again, schedule by schedule the
//! same, and shows how it fails.
//!
//! Every run of a scenario draws its own ring, participants, and who dies at which point. Schedules are sequentially
//! consistent: what is found here is wrong logic; wrong orderings are the models' business.

mod ledger;
mod linearizable;
mod lives;
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
