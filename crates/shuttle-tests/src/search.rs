//! Runs scenarios under random schedules, in batches, each from its own seed.

use crate::scenarios::{ALL, Scenario};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler, UrwRandomScheduler};
use shuttle::{Config, FailurePersistence, Runner};
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Schedules per batch.
const BATCH: usize = 100;

pub(crate) fn fresh_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::from(since.subsec_nanos()))
}

pub(crate) fn named(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

/// Runs each scenario for a time; stops at the first failure.
pub(crate) fn all(time: Duration, seed: u64) -> ExitCode {
    println!("seed {seed}");
    println!("{:<16} {:>10}  verdict", "scenario", "schedules");
    for scenario in ALL {
        let (start, mut schedules) = (Instant::now(), 0);
        for seed in seed.. {
            if catch_unwind(|| batch(scenario, seed)).is_err() {
                let name = scenario.name;
                println!("{name:<16} {schedules:>10}  FAILS; reproduce with: {name} {seed}");
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

/// The batch of a seed, with one of three schedulers: uniform choice of the next thread;
/// probabilistic concurrency testing with few preemptions; or uniform choice among schedules.
pub(crate) fn batch(scenario: &'static Scenario, seed: u64) {
    match seed % 3 {
        0 => run(scenario, RandomScheduler::new_from_seed(seed, BATCH)),
        1 => run(scenario, PctScheduler::new_from_seed(seed, 4, BATCH)),
        _ => run(scenario, UrwRandomScheduler::new_from_seed(seed, BATCH)),
    }
}

fn run(scenario: &'static Scenario, scheduler: impl Scheduler + 'static) {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None; // The seed reproduces the failure.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(scenario.body);
}
