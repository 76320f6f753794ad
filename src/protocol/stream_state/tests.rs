use super::{
    DEATHS_KEPT, Death, Exit, Phase, StateWord, StreamObserver, StreamStatus, Transition, changes_between,
    close, end_if_last, keep_death, open,
};
use crate::api::ring::Ring;
use crate::memory::Memory;
use crate::sync::Relaxed;
use crate::types::config::Config;

fn memory() -> Memory {
    Ring::heap(&Config::slots(2).of_bytes(8)).unwrap().attachment.memory.clone()
}

fn die(memory: &Memory, pid: u32) {
    assert!(open(memory));
    end_if_last(memory, Exit::Died { pid }, || false);
}

/// The deaths that an observer reports, and the first status after them.
fn reports(observer: &mut StreamObserver, memory: &Memory) -> (Vec<u32>, StreamStatus) {
    let mut pids = Vec::new();
    loop {
        match observer.status(memory) {
            StreamStatus::Died(death) => {
                observer.set_reported(death);
                pids.push(death.pid);
            }
            other => return (pids, other),
        }
    }
}

/// Fails if a death is lost when the next state replaces it, or reported twice.
#[test]
fn each_observer_reports_each_death_once_whenever_it_checks() {
    let memory = memory();
    let (mut early, mut late) = (StreamObserver::new(&memory), StreamObserver::new(&memory));
    for pid in [7, 8, 9] {
        die(&memory, pid);
        assert_eq!(reports(&mut early, &memory), (vec![pid], StreamStatus::Ended));
        assert_eq!(reports(&mut early, &memory), (vec![], StreamStatus::Ended));
    }
    assert!(open(&memory));
    assert!(late.has_news(&memory));
    assert_eq!(reports(&mut late, &memory), (vec![7, 8, 9], StreamStatus::Live));
    assert!(!late.has_news(&memory));
    end_if_last(&memory, Exit::Left, || false);
    assert_eq!(reports(&mut late, &memory), (vec![], StreamStatus::Ended));
    close(&memory);
    assert_eq!(reports(&mut early, &memory), (vec![], StreamStatus::Closed));
}

#[test]
fn an_observer_reports_an_earlier_death_only_if_it_is_the_present_state() {
    let memory = memory();
    die(&memory, 7);
    die(&memory, 8);
    assert_eq!(reports(&mut StreamObserver::new(&memory), &memory), (vec![8], StreamStatus::Ended));
    assert!(open(&memory));
    assert_eq!(reports(&mut StreamObserver::new(&memory), &memory), (vec![], StreamStatus::Live));
}

#[test]
fn an_observer_that_missed_many_deaths_reports_the_last_eight() {
    let memory = memory();
    let mut observer = StreamObserver::new(&memory);
    for pid in 1..=20 {
        die(&memory, pid);
    }
    assert!(open(&memory));
    // By a process that found the first death long ago.
    keep_death(&memory, 0, Death { change: 1, pid: 1 });
    let kept = DEATHS_KEPT as u32;
    assert_eq!(reports(&mut observer, &memory), ((21 - kept..=20).collect(), StreamStatus::Live));
}

/// Fails if changes are compared as numbers.
#[test]
fn the_count_of_changes_may_wrap() {
    let memory = memory();
    let last = StateWord(((1 << 31) - 2) << super::CHANGES_SHIFT | Phase::Ended.code());
    memory.control().table.stream_state.store(last.0, Relaxed);
    let mut observer = StreamObserver::new(&memory);
    for pid in 1..=5 {
        die(&memory, pid);
    }
    assert_eq!(reports(&mut observer, &memory), (vec![1, 2, 3, 4, 5], StreamStatus::Ended));
    assert_eq!(changes_between(3, 5), 2);
    assert_eq!(changes_between((1 << 31) - 1, 1), 2);
    assert_eq!(changes_between(1, (1 << 31) - 1), -2);
}

#[test]
fn the_largest_pid_survives_its_word() {
    let state = StateWord(Phase::Open.code()).after(Transition::Died { pid: (1 << 22) - 1 });
    assert_eq!(state.death().map(|death| death.pid), Some((1 << 22) - 1));
    assert_eq!((state.changes(), state.deaths(), state.phase()), (1, 1, Phase::Died));
}
