//! `perf` over every engine.

use crate::support::{Directory, text};

#[test]
fn every_engine_adds_up_between_processes() {
    let directory = Directory::new();
    for engine in [
        "seqring",
        "semaphore-rwlock",
        "semaphore",
        "mutex-condvar",
        "pthread-rwlock",
        "sysv-semaphore",
        "slot-locks",
        "flock",
        "ticket",
    ] {
        let output = directory.run(&format!(
            "perf --engine {engine} --slot-bytes 200 --slots 3 --writers 2 --readers 2 --on-full wait \
             --duration 0.03 --json"
        ));
        let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&record["engine"], &record["ok"]), (&engine.into(), &true.into()));
        let written =
            record["writers"].as_array().unwrap().iter().map(|one| one["messages"].as_u64().unwrap());
        assert!(written.sum::<u64>() > 0, "{engine}");
    }
}

#[test]
fn an_engine_for_threads_only_and_one_that_does_not_exist_are_bad_input() {
    let directory = Directory::new();
    for (engine, said) in [
        ("std-rwlock", "the engine std-rwlock does not support use between processes"),
        ("abacus", "invalid value"),
    ] {
        let refused = directory.lab(&format!("perf --engine {engine} --duration 0.03"));
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains(said), "{}", text(&refused.stderr));
    }
}
