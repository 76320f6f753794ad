//! Running scenarios under random schedules, batch by batch, each from a seed of its own.

use crate::scenarios::{ALL, Scenario};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler, UrwRandomScheduler};
use shuttle::{Config, FailurePersistence, Runner};
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Schedules a batch.
const BATCH: usize = 100;

pub(crate) fn fresh_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::from(since.subsec_nanos()))
}

pub(crate) fn named(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

/// Searches every scenario for so long; stops at the first failure.
pub(crate) fn all(time: Duration, seed: u64) -> ExitCode {
    println!("seed {seed}");
    println!("{:<16} {:>10}  verdict", "scenario", "schedules");
    for scenario in ALL {
        let (start, mut schedules) = (Instant::now(), 0);
        for seed in seed.. {
            if catch_unwind(|| batch(scenario, seed)).is_err() {
                println!(
                    "{:<16} {schedules:>10}  FAILS; again with: {} {seed}",
                    scenario.name, scenario.name
                );
                return ExitCode::FAILURE;
            }
            schedules += BATCH;
            if start.elapsed() >= time {
                break;
            }
        }
        println!("{:<16} {schedules:>10}  holds", scenario.name);
    }
    ExitCode::SUCCESS
}

/// The batch of a seed: by turns any thread runs next; few changes, at the worst moments; or each schedule as likely as
/// another.
pub(crate) fn batch(scenario: &'static Scenario, seed: u64) {
    match seed % 3 {
        0 => run(scenario, RandomScheduler::new_from_seed(seed, BATCH)),
        1 => run(scenario, PctScheduler::new_from_seed(seed, 4, BATCH)),
        _ => run(scenario, UrwRandomScheduler::new_from_seed(seed, BATCH)),
    }
}

fn run(scenario: &'static Scenario, scheduler: impl Scheduler + 'static) {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None; // The seed does.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(scenario.body);
}
