//! When a process is killed or stopped, the other participants are informed and continue.
//!
//! The peer processes are this test binary, run again for its one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::peer::{Peer, answer, order, wait_for_parent};
use common::{CLASSES, TEST_TIMEOUT, create, message};
use rustix::process::{Pid, Signal, kill_process};
use seqring::inspect::Participant;
use seqring::{
    Config, Delivery, Lagged, ReadError, Reader, RegisterError, Ring, Role, SlotClass, Start, TryReadError,
    WriteError, Writers,
};
use std::time::{Duration, Instant};

const SLOT_BYTES: usize = 64;
const EVICT_AFTER: Duration = Duration::from_millis(50);

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    let ring = Ring::open(&name).unwrap();
    match verb.as_str() {
        "write-2" | "write-3" => {
            let mut writer = ring.writer().unwrap();
            for _ in 0..if verb == "write-2" { 2 } else { 3 } {
                writer.write(&message(writer.next_sequence(), SLOT_BYTES)).unwrap();
            }
            answer("written");
            wait_for_parent();
        }
        "take-1" => {
            let mut taker = ring.taker().unwrap();
            let taken = taker.take().unwrap();
            answer("taken");
            wait_for_parent();
            drop(taken);
        }
        "read-1" => {
            let mut reader = ring.reader(Start::Oldest).unwrap();
            reader.read(&mut [0; SLOT_BYTES]).unwrap();
            answer("read");
            wait_for_parent();
            // The eviction moved it to message 5. The writer has overwritten that one: the reader
            // continues at 9.
            let lagged = reader.read(&mut [0; SLOT_BYTES]);
            assert_eq!(lagged, Err(ReadError::Lagged(Lagged { lost: 8 })));
            assert_eq!(reader.read(&mut [0; SLOT_BYTES]).unwrap().sequence, 9);
            assert_eq!(reader.read(&mut [0; SLOT_BYTES]), Err(ReadError::Closed));
        }
        other => panic!("unknown order {other}"),
    }
}

/// A writer process publishes two or three messages and is killed. Returns its number.
fn writer_dies(verb: &str, name: &str) -> u32 {
    let writer = Peer::ready(verb, name);
    let pid = writer.pid();
    writer.kill();
    pid
}

fn signal(peer: &Peer, signal: Signal) {
    kill_process(Pid::from_raw(peer.pid().cast_signed()).unwrap(), signal).unwrap();
}

/// Reads `count` messages. Returns the error that follows them.
fn error_after(reader: &mut Reader, count: u64) -> ReadError {
    let mut out = [0; SLOT_BYTES];
    for _ in 0..count {
        reader.read_timeout(&mut out, TEST_TIMEOUT).unwrap();
    }
    reader.read_timeout(&mut out, TEST_TIMEOUT).unwrap_err()
}

/// Fails if a death is reported before the last message, twice, or as an end; or if it is lost when
/// a successor registers before the readers check.
#[test]
fn each_reader_gets_each_death_of_a_writer_once_after_its_messages() {
    for class in CLASSES {
        let (name, ring) = create("died", &Config::slots(8).of_bytes(SLOT_BYTES).slot_class(class));
        let mut early = ring.reader(Start::Next).unwrap();
        let mut late = ring.reader(Start::Next).unwrap();
        let first = writer_dies("write-3", &name);
        assert_eq!(error_after(&mut early, 3), ReadError::WriterDied { pid: first }, "{class:?}");
        assert_eq!(error_after(&mut early, 0), ReadError::Closed, "{class:?}");
        assert_eq!(early.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Closed));
        // A second writer continues while `late` has read nothing.
        let second = writer_dies("write-3", &name);
        let successor = ring.writer().unwrap();
        for pid in [first, second] {
            let count = if pid == first { 6 } else { 0 };
            assert_eq!(error_after(&mut late, count), ReadError::WriterDied { pid }, "{class:?}");
        }
        assert_eq!(late.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Empty), "the successor lives");
        assert_eq!(error_after(&mut early, 3), ReadError::WriterDied { pid: second }, "{class:?}");
        drop(successor);
        for reader in [&mut early, &mut late] {
            assert_eq!(error_after(reader, 0), ReadError::Closed, "{class:?}");
        }
    }
}

/// Fails if a taker does not get the death of the last writer, or gets a death that left other
/// writers alive.
#[test]
fn takers_get_the_death_of_the_last_writer_only() {
    let (name, ring) = create("died-queue", &Config::slots(8).of_bytes(SLOT_BYTES).delivery(Delivery::Queue));
    let mut taker = ring.taker().unwrap();
    let (one, other) = (Peer::ready("write-3", &name), Peer::ready("write-3", &name));
    let last = other.pid();
    one.kill();
    for _ in 0..6 {
        taker.take_timeout(TEST_TIMEOUT).unwrap();
    }
    let error = taker.take_timeout(Duration::from_millis(60)).unwrap_err();
    let ReadError::TimedOut { writers, .. } = error else { panic!("{error}") };
    assert_eq!(writers.pids(), [last], "the dead writer is cleared, the other is named");
    other.kill();
    assert_eq!(taker.take_timeout(TEST_TIMEOUT).unwrap_err(), ReadError::WriterDied { pid: last });
    assert_eq!(taker.take_timeout(TEST_TIMEOUT).unwrap_err(), ReadError::Closed);
}

/// Fails if the entry of a dead taker names the dead process when another taker has its message.
#[test]
fn the_table_names_the_taker_that_adopted_a_message() {
    let (name, ring) = create("adopted", &Config::slots(8).of_bytes(SLOT_BYTES).delivery(Delivery::Queue));
    let mut writer = ring.writer().unwrap();
    writer.write(&message(0, SLOT_BYTES)).unwrap();
    let victim = Peer::ready("take-1", &name);
    victim.kill();
    let mut taker = ring.taker().unwrap();
    let taken = taker.take_timeout(TEST_TIMEOUT).unwrap();
    assert!(taken.is_redelivered());
    assert!(ring.participants().iter().all(|one| one.pid == std::process::id()));
}

/// Fails if a successor in another entry hides a death that is detected later.
#[test]
fn the_death_of_the_last_of_many_writers_is_reported_even_if_its_successor_registers_first() {
    let config = Config::slots(8).of_bytes(SLOT_BYTES).writers(Writers::Many).participants(4);
    let (name, ring) = create("died-many", &config);
    let first = ring.reader(Start::Next).unwrap(); // Holds the entry that the successor will take.
    let mut reader = ring.reader(Start::Next).unwrap();
    let writer = Peer::ready("write-3", &name);
    let pid = writer.pid();
    drop(first);
    writer.kill();
    let _successor = ring.writer().unwrap();
    assert_eq!(error_after(&mut reader, 3), ReadError::WriterDied { pid });
    assert_eq!(reader.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Empty), "the successor lives");
}

/// Fails if repeated waits with a timeout of zero never detect a dead process.
#[test]
fn waits_with_a_zero_timeout_detect_the_dead_too() {
    let (name, ring) = create("died-moment", &Config::slots(2).of_bytes(SLOT_BYTES));
    let mut writer = ring.writer().unwrap();
    writer.write(&message(0, SLOT_BYTES)).unwrap();
    Peer::ready("read-1", &name).kill();
    let begin = Instant::now();
    for n in 1..4 {
        while writer.write_timeout(&message(n, SLOT_BYTES), Duration::ZERO).is_err() {
            assert!(begin.elapsed() < TEST_TIMEOUT, "the dead reader blocks the writer");
        }
    }
    drop(writer);
    let mut reader = ring.reader(Start::Next).unwrap();
    let pid = writer_dies("write-2", &name);
    let died = loop {
        match reader.read_timeout(&mut [0; SLOT_BYTES], Duration::ZERO) {
            Err(ReadError::TimedOut { .. }) | Ok(_) => {}
            Err(other) => break other,
        }
        assert!(begin.elapsed() < TEST_TIMEOUT, "the death is not reported");
    };
    assert_eq!(died, ReadError::WriterDied { pid });
}

/// Fails if a resumed reader gets a death that was reported before it was parked, or misses one
/// that happened meanwhile.
#[test]
fn a_parked_reader_gets_each_death_once_across_park_and_resume() {
    let (name, ring) = create("died-parked", &Config::slots(8).of_bytes(SLOT_BYTES));
    let mut reader = ring.reader(Start::Next).unwrap();
    let dies = || ReadError::WriterDied { pid: writer_dies("write-2", &name) };
    let first = dies();
    assert_eq!(error_after(&mut reader, 2), first);
    let parked = reader.park().unwrap();
    let mut reader = ring.resume(parked.ticket()).unwrap();
    drop(parked);
    assert_eq!(error_after(&mut reader, 0), ReadError::Closed);
    let parked = reader.park().unwrap();
    let second = dies();
    let _successor = ring.writer().unwrap();
    let mut reader = ring.resume(parked.ticket()).unwrap();
    assert_eq!(error_after(&mut reader, 2), second);
    assert_eq!(reader.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Empty), "the successor lives");
}

/// Fails if the table lists a dead participant as alive or a live one as dead.
#[test]
fn the_table_lists_liveness_and_the_start_time_of_each_process() {
    let (name, ring) = create("table", &Config::slots(8).of_bytes(SLOT_BYTES));
    let _reader = ring.reader(Start::Next).unwrap();
    let writer = Peer::ready("write-3", &name);
    let of = |role| -> Participant {
        *ring.participants().iter().find(|participant| participant.role == role).unwrap()
    };
    assert!(of(Role::Writer).alive && of(Role::Reader).alive);
    assert_eq!((of(Role::Writer).pid, of(Role::Reader).lag), (writer.pid(), 3));
    assert!(of(Role::Writer).started >= of(Role::Reader).started && of(Role::Reader).started.is_some());
    writer.kill();
    assert!(!of(Role::Writer).alive && of(Role::Reader).alive);
}

/// Fails if an error names no participant, or a wrong one.
#[test]
fn errors_of_blocked_calls_name_the_participants_that_block_them() {
    let (name, ring) =
        create("named", &Config::slots(4).of_bytes(SLOT_BYTES).writers(Writers::Many).participants(2));
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

/// Fails if a stopped reader blocks the writer for good, if it does not get its loss reported, or
/// if the writer waits for it again.
#[test]
fn a_stopped_reader_is_evicted_if_the_ring_has_an_eviction_time() {
    for class in CLASSES {
        let config = Config::slots(4).of_bytes(SLOT_BYTES).slot_class(class);
        let (name, ring) = create("evict", &config.evict_after(EVICT_AFTER));
        let mut writer = ring.writer().unwrap();
        writer.write(&message(0, SLOT_BYTES)).unwrap();
        let reader = Peer::ready("read-1", &name);
        signal(&reader, Signal::STOP);
        for sequence in 1..5 {
            writer.write(&message(sequence, SLOT_BYTES)).unwrap();
        }
        let begin = Instant::now();
        writer.write_timeout(&message(5, SLOT_BYTES), TEST_TIMEOUT).unwrap();
        assert!(begin.elapsed() >= EVICT_AFTER, "the writer did not wait for it");
        for sequence in 6..10 {
            // The reader has not run since. The writer does not wait for it a second time.
            writer.try_write(&message(sequence, SLOT_BYTES)).unwrap();
        }
        drop(writer);
        signal(&reader, Signal::CONT);
        reader.finish();
    }
}

/// Fails if a reader is evicted although the ring has no eviction time.
#[test]
fn without_an_eviction_time_the_writer_waits_for_a_stopped_reader_and_names_it() {
    let (name, ring) = create("wait", &Config::slots(2).of_bytes(SLOT_BYTES).slot_class(SlotClass::Lines));
    let mut writer = ring.writer().unwrap();
    writer.write(&message(0, SLOT_BYTES)).unwrap();
    let reader = Peer::ready("read-1", &name);
    signal(&reader, Signal::STOP);
    let late =
        (1..).find_map(|n| writer.write_timeout(&message(n, SLOT_BYTES), Duration::from_millis(150)).err());
    let Some(WriteError::TimedOut { slowest: Some(slowest), .. }) = late else { panic!("{late:?}") };
    assert_eq!((slowest.pid, slowest.role, slowest.lag), (reader.pid(), Role::Reader, 2));
}

/// Fails if a writer sleeps until a wake: the reader does not wake it, so it must check by itself.
#[test]
fn a_sleeping_writer_evicts_a_reader_that_does_not_move() {
    for class in CLASSES {
        for writers in [Writers::One, Writers::Many] {
            let config = Config::slots(1).of_bytes(8).slot_class(class).writers(writers);
            let ring = Ring::heap(&config.evict_after(EVICT_AFTER)).unwrap();
            let mut writer = ring.writer().unwrap();
            let mut reader = ring.reader(Start::Next).unwrap();
            writer.write(b"0").unwrap();
            let begin = Instant::now();
            assert_eq!(writer.write_timeout(b"1", TEST_TIMEOUT), Ok(1), "{class:?} {writers:?}");
            assert!(begin.elapsed() >= EVICT_AFTER, "the writer did not wait for it");
            assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Lagged(Lagged { lost: 1 })));
        }
    }
}
