//! What the others learn when a process is killed or stopped, and that they go on.
//!
//! The other processes are this very test binary, run again for the one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;
#[path = "common/peer.rs"]
mod peer;

use common::{CLASSES, fresh_name, message};
use peer::{Peer, answer, order, wait_for_parent};
use rustix::process::{Signal, kill_process};
use seqring::{
    Config, Delivery, Lagged, Participant, ReadError, Reader, RegisterError, Ring, Role, SlotClass, Start,
    TryReadError, WriteError, Writers,
};
use std::time::{Duration, Instant};

const SLOT_BYTES: usize = 64;
/// How long a call that must not hang may take before the test says that it hangs.
const NEVER: Duration = Duration::from_secs(20);

#[test]
#[ignore = "this is what the children of the other tests run"]
fn child() {
    let Some((what, name)) = order() else { return };
    let ring = Ring::open(&name).unwrap();
    match what.as_str() {
        "write-2" | "write-3" => {
            let mut writer = ring.writer().unwrap();
            for _ in 0..if what == "write-2" { 2 } else { 3 } {
                writer.write(&message(writer.next_sequence(), SLOT_BYTES)).unwrap();
            }
            answer("written");
            wait_for_parent();
        }
        "read-1" => {
            let mut reader = ring.reader(Start::Oldest).unwrap();
            reader.read(&mut [0; SLOT_BYTES]).unwrap();
            answer("read");
            wait_for_parent();
            // Skipped to message 5 for it, and to 9 for that.
            let told = reader.read(&mut [0; SLOT_BYTES]);
            assert_eq!(told, Err(ReadError::Lagged(Lagged { missed: 8 })));
            assert_eq!(reader.read(&mut [0; SLOT_BYTES]).unwrap().sequence, 9);
            assert_eq!(reader.read(&mut [0; SLOT_BYTES]), Err(ReadError::Closed));
        }
        other => panic!("unknown order {other}"),
    }
}

fn create(what: &str, config: &Config) -> (String, Ring) {
    let name = fresh_name(what);
    let ring = Ring::create(&name, config).unwrap();
    (name, ring)
}

/// Reads `count` messages, then what the reader is told first.
fn told_after(reader: &mut Reader, count: u64) -> ReadError {
    let mut out = [0; SLOT_BYTES];
    for _ in 0..count {
        reader.read_timeout(&mut out, NEVER).unwrap();
    }
    reader.read_timeout(&mut out, NEVER).unwrap_err()
}

/// Fails if a death is told before the last message, twice, or as an end; or if it is lost when a successor comes first.
#[test]
fn each_reader_is_told_once_of_each_writer_that_died_after_it_read_everything() {
    for class in CLASSES {
        let (name, ring) = create("died", &Config::new(8, SLOT_BYTES).slot_class(class));
        let mut early = ring.reader(Start::Next).unwrap();
        let mut late = ring.reader(Start::Next).unwrap();
        let writer = Peer::ready("write-3", &name);
        let first = writer.pid();
        writer.kill();
        assert_eq!(told_after(&mut early, 3), ReadError::WriterDied { pid: first }, "{class:?}");
        assert_eq!(told_after(&mut early, 0), ReadError::Closed, "{class:?}");
        assert_eq!(early.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Closed));
        // The second one goes on while `late` knows of nothing.
        let writer = Peer::ready("write-3", &name);
        let second = writer.pid();
        writer.kill();
        let heir = ring.writer().unwrap();
        for pid in [first, second] {
            let count = if pid == first { 6 } else { 0 };
            assert_eq!(told_after(&mut late, count), ReadError::WriterDied { pid }, "{class:?}");
        }
        assert_eq!(late.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Empty), "the heir lives");
        assert_eq!(told_after(&mut early, 3), ReadError::WriterDied { pid: second }, "{class:?}");
        drop(heir);
        for reader in [&mut early, &mut late] {
            assert_eq!(told_after(reader, 0), ReadError::Closed, "{class:?}");
        }
    }
}

/// Fails if a taker is told nothing, or of a death that left others at work.
#[test]
fn takers_are_told_of_the_last_writer_s_death_and_of_no_other() {
    let (name, ring) = create("died-queue", &Config::new(8, SLOT_BYTES).delivery(Delivery::Queue));
    let mut taker = ring.taker().unwrap();
    let (one, other) = (Peer::ready("write-3", &name), Peer::ready("write-3", &name));
    let last = other.pid();
    one.kill();
    for _ in 0..6 {
        taker.take_timeout(NEVER).unwrap();
    }
    let error = taker.take_timeout(Duration::from_millis(60)).unwrap_err();
    let ReadError::TimedOut { writers } = error else { panic!("{error}") };
    assert_eq!(writers.pids(), [last], "the dead one is cleared, the other named");
    other.kill();
    assert_eq!(taker.take_timeout(NEVER).unwrap_err(), ReadError::WriterDied { pid: last });
    assert_eq!(taker.take_timeout(NEVER).unwrap_err(), ReadError::Closed);
}

/// Fails if a successor in another entry hides a death that is found only later.
#[test]
fn the_last_of_many_is_told_of_although_its_successor_came_before_anybody_looked() {
    let config = Config::new(8, SLOT_BYTES).writers(Writers::Many).participants(4);
    let (name, ring) = create("died-many", &config);
    let first = ring.reader(Start::Next).unwrap(); // Has the entry that the successor will take.
    let mut reader = ring.reader(Start::Next).unwrap();
    let writer = Peer::ready("write-3", &name);
    let pid = writer.pid();
    drop(first);
    writer.kill();
    let _heir = ring.writer().unwrap();
    assert_eq!(told_after(&mut reader, 3), ReadError::WriterDied { pid });
    assert_eq!(reader.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Empty), "the heir lives");
}

/// Fails if who waits for no time at all, again and again, never finds out.
#[test]
fn who_only_ever_waits_for_a_moment_finds_the_dead_too() {
    let (name, ring) = create("died-moment", &Config::new(2, SLOT_BYTES));
    let mut writer = ring.writer().unwrap();
    writer.write(&message(0, SLOT_BYTES)).unwrap();
    Peer::ready("read-1", &name).kill();
    let begin = Instant::now();
    for n in 1..4 {
        while writer.write_timeout(&message(n, SLOT_BYTES), Duration::ZERO).is_err() {
            assert!(begin.elapsed() < NEVER, "the dead reader holds the writer back");
        }
    }
    drop(writer);
    let mut reader = ring.reader(Start::Next).unwrap();
    let writer = Peer::ready("write-2", &name);
    let pid = writer.pid();
    writer.kill();
    let died = loop {
        match reader.read_timeout(&mut [0; SLOT_BYTES], Duration::ZERO) {
            Err(ReadError::TimedOut { .. }) => assert!(begin.elapsed() < NEVER, "the death is not told"),
            Err(other) => break other,
            Ok(_) => {}
        }
    };
    assert_eq!(died, ReadError::WriterDied { pid });
}

/// Fails if who takes a reader up is told again what that one was told, or not of what happened meanwhile.
#[test]
fn a_parked_reader_is_told_of_each_death_once_whoever_it_is_by_then() {
    let (name, ring) = create("died-parked", &Config::new(8, SLOT_BYTES));
    let mut reader = ring.reader(Start::Next).unwrap();
    let dies = || {
        let writer = Peer::ready("write-2", &name);
        let pid = writer.pid();
        writer.kill();
        ReadError::WriterDied { pid }
    };
    let first = dies();
    assert_eq!(told_after(&mut reader, 2), first);
    let parked = reader.park().unwrap();
    let mut reader = ring.resume(parked.ticket()).unwrap();
    drop(parked);
    assert_eq!(told_after(&mut reader, 0), ReadError::Closed);
    let parked = reader.park().unwrap();
    let second = dies();
    let _heir = ring.writer().unwrap();
    let mut reader = ring.resume(parked.ticket()).unwrap();
    assert_eq!(told_after(&mut reader, 2), second);
    assert_eq!(reader.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Empty), "the heir lives");
}

/// Fails if the table shows the dead as living or the living as dead.
#[test]
fn the_table_says_who_lives_and_when_each_process_started() {
    let (name, ring) = create("table", &Config::new(8, SLOT_BYTES));
    let _reader = ring.reader(Start::Next).unwrap();
    let writer = Peer::ready("write-3", &name);
    let of = |role| -> Participant {
        *ring.participants().iter().find(|participant| participant.role == role).unwrap()
    };
    assert!(of(Role::Writer).alive && of(Role::Reader).alive);
    assert_eq!((of(Role::Writer).pid, of(Role::Reader).lag), (writer.pid(), 3));
    assert!(of(Role::Writer).started >= of(Role::Reader).started && of(Role::Reader).started > 0);
    writer.kill();
    assert!(!of(Role::Writer).alive && of(Role::Reader).alive);
}

/// Fails if an error names nobody, or somebody else.
#[test]
fn who_cannot_go_on_is_told_whom_it_waits_for() {
    let (name, ring) = create("named", &Config::new(4, SLOT_BYTES).writers(Writers::Many).participants(2));
    let mut reader = ring.reader(Start::Next).unwrap();
    let writer = Peer::ready("write-2", &name);
    let Err(RegisterError::TableFull { holders }) = ring.writer() else { panic!("there are two entries") };
    let named: Vec<_> = holders.iter().map(|peer| (peer.pid, peer.role)).collect();
    assert_eq!(named, [(std::process::id(), Role::Reader), (writer.pid(), Role::Writer)]);
    reader.read(&mut [0; SLOT_BYTES]).unwrap();
    reader.read(&mut [0; SLOT_BYTES]).unwrap();
    let error = reader.read_timeout(&mut [0; SLOT_BYTES], Duration::from_millis(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("no message came within the timeout; waiting for the writer of process {}", writer.pid())
    );
}

/// Fails if a stopped reader holds a writer back for good, if it is not told what it missed, or if it must be waited for
/// again and again.
#[test]
fn a_reader_that_is_stopped_is_evicted_where_the_ring_says_so() {
    for class in CLASSES {
        let config = Config::new(4, SLOT_BYTES).slot_class(class);
        let (name, ring) = create("evict", &config.evict_after(Duration::from_millis(50)));
        let mut writer = ring.writer().unwrap();
        writer.write(&message(0, SLOT_BYTES)).unwrap();
        let reader = Peer::ready("read-1", &name);
        kill_process(reader.process(), Signal::STOP).unwrap();
        for sequence in 1..5 {
            writer.write(&message(sequence, SLOT_BYTES)).unwrap();
        }
        let begin = Instant::now();
        writer.write_timeout(&message(5, SLOT_BYTES), NEVER).unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(50), "it was not waited for");
        for sequence in 6..10 {
            // It has not noticed, and nobody waits for it a second time.
            writer.try_write(&message(sequence, SLOT_BYTES)).unwrap();
        }
        drop(writer);
        kill_process(reader.process(), Signal::CONT).unwrap();
        reader.finish();
    }
}

/// Fails if an eviction strikes somebody who moves, or happens where the ring does not say so.
#[test]
fn without_that_a_stopped_reader_is_waited_for_and_named() {
    let (name, ring) = create("wait", &Config::new(2, SLOT_BYTES).slot_class(SlotClass::Lines));
    let mut writer = ring.writer().unwrap();
    writer.write(&message(0, SLOT_BYTES)).unwrap();
    let reader = Peer::ready("read-1", &name);
    kill_process(reader.process(), Signal::STOP).unwrap();
    let late =
        (1..).find_map(|n| writer.write_timeout(&message(n, SLOT_BYTES), Duration::from_millis(150)).err());
    let Some(WriteError::TimedOut { slowest: Some(slowest) }) = late else { panic!("{late:?}") };
    assert_eq!((slowest.pid, slowest.role, slowest.lag), (reader.pid(), Role::Reader, 2));
}

/// Fails if a writer thread sleeps until somebody wakes it: nobody does, and it is to look.
#[test]
fn a_writer_thread_that_sleeps_evicts_a_reader_that_does_not_move() {
    for class in CLASSES {
        for writers in [Writers::One, Writers::Many] {
            let config = Config::new(1, 8).slot_class(class).writers(writers);
            let ring = Ring::heap(&config.evict_after(Duration::from_millis(50))).unwrap();
            let mut writer = ring.writer().unwrap();
            let mut reader = ring.reader(Start::Next).unwrap();
            writer.write(b"0").unwrap();
            let begin = Instant::now();
            assert_eq!(writer.write_timeout(b"1", NEVER), Ok(1), "{class:?} {writers:?}");
            assert!(begin.elapsed() >= Duration::from_millis(50), "it was not waited for");
            assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Lagged(Lagged { missed: 1 })));
        }
    }
}
