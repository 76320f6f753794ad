//! Runs that are ended: by Ctrl-C, by a killed worker, by a killed coordinator.

use crate::support::{Running, path_of, unique_name};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

#[test]
fn ctrl_c_ends_a_run_with_its_results_also_when_workers_get_it() {
    for transport in ["process", "thread"] {
        let name = unique_name();
        let mut run = Running::start(&format!(
            "--slot-bytes 1000 --slots 4 --readers 2 --writes-per-second 1000 --duration 100000 --json \
             --debug --name {name} --transport {transport}"
        ));
        run.await_line("running");
        assert!(path_of(&name).exists(), "a ring with a name can be looked at");
        if transport == "process" {
            for role in ["writer 0", "reader 0", "reader 1"] {
                kill_process(run.worker(role), Signal::INT).unwrap();
            }
        }
        kill_process(run.coordinator(), Signal::INT).unwrap();
        let (code, printed, errors) = run.end();
        assert_eq!(code, Some(0), "{errors}");
        let record: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!((&record["interrupted"], &record["ok"]), (&true.into(), &true.into()));
        assert_eq!(record["readers"][1]["messages"], record["writers"][0]["messages"]);
        assert!(!path_of(&name).exists());
    }
}

#[test]
fn a_second_ctrl_c_ends_a_run_that_does_not_end() {
    let name = unique_name();
    // The reader would take days for its two messages.
    let mut run = Running::start(&format!(
        "--slot-bytes 64 --slots 2 --reader-burn-cpu 100000000 --duration 100000 \
         --writes-per-second 10 --debug --name {name}"
    ));
    run.await_line("running");
    kill_process(run.coordinator(), Signal::INT).unwrap();
    run.await_line("stopping");
    let reader = run.worker("reader 0");
    kill_process(run.coordinator(), Signal::INT).unwrap();
    let (code, printed, errors) = run.end();
    assert_eq!(code, Some(130), "{errors}");
    assert_eq!(printed, "");
    assert!(test_kill_process(reader).is_err(), "the reader was ended and reaped");
    assert!(!path_of(&name).exists());
}

#[test]
fn a_killed_worker_is_named_and_ends_the_run() {
    for role in ["writer 0", "reader 1"] {
        let name = unique_name();
        let mut run = Running::start(&format!(
            "--slot-bytes 1000 --slots 4 --readers 2 --writes-per-second 100 --duration 100000 --debug \
             --on-full wait --name {name}"
        ));
        run.await_line("running");
        let worker = run.worker(role);
        kill_process(worker, Signal::KILL).unwrap();
        let (code, printed, errors) = run.end();
        assert_eq!(code, Some(1), "{errors}");
        assert_eq!(printed, "");
        let last = errors.lines().last().unwrap();
        assert!(last.contains(&format!("{role} (process {worker}) failed")), "{last}");
        assert!(last.contains("SIGKILL"), "{last}");
        assert!(!path_of(&name).exists());
    }
}

#[test]
fn a_killed_coordinator_takes_its_workers_along_and_leaves_nothing() {
    let mut run = Running::start("--slot-bytes 1000 --slots 4 --duration 100000 --debug");
    run.await_line("running");
    let coordinator = run.coordinator();
    let left = || {
        let names = std::fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(&format!("perf-{coordinator}-"))).count()
    };
    assert_eq!(left(), 0, "a ring without a name of the user's has none while it is used");
    kill_process(coordinator, Signal::KILL).unwrap();
    // Workers hold the write ends of nothing of ours, so the end of this stream is the
    // coordinator's end; that of the workers is awaited by asking for them.
    let workers = ["writer 0", "reader 0"].map(|role| run.worker(role));
    run.end();
    for worker in workers {
        while is_alive(worker) {
            std::thread::yield_now();
        }
    }
}

/// Whether a process still runs: a zombie does not.
fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, fields)| !fields.trim_start().starts_with(['Z', 'X']))
}
