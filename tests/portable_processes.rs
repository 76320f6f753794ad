//! Rings of the portable backend between processes, on every system that has it: what
//! `processes.rs`, `process_deaths.rs` and `queue.rs` show of files on Linux.
//!
//! The peer processes are this test binary, run again for its one test `child`.
#![cfg(feature = "portable")]
#![allow(missing_docs)]

mod common;

use common::peer::{Peer, answer, order, wait_for_parent};
use common::{CLASSES, Counts, TEST_TIMEOUT, assert_whole, fresh_name, kinds, message, read_until_closed};
use seqring::{
    Config, Delivery, Location, ReadError, Ring, RingError, SlotClass, Start, TryReadError, WriteError,
    Writers,
};
use std::time::{Duration, Instant};

const SLOT_BYTES: usize = 300;
const SLOTS: usize = 5;
const COUNT: u64 = 500;

fn config(delivery: Delivery, class: SlotClass) -> Config {
    Config::slots(SLOTS).of_bytes(SLOT_BYTES).delivery(delivery).slot_class(class)
}

fn create(what: &str, config: &Config) -> (String, Ring) {
    let name = fresh_name(what);
    let ring = Ring::create(Location::portable(&name), config).unwrap();
    (name, ring)
}

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    let ring = Ring::open(Location::portable(name)).unwrap();
    match verb.as_str() {
        "open" => answer("opened"),
        "join" => {
            let _reader = ring.reader(Start::Next).unwrap();
            answer("joined");
            return wait_for_parent();
        }
        "read" => {
            let mut reader = ring.reader(Start::Next).unwrap();
            answer("joined");
            let Counts { read, lost } = read_until_closed(&mut reader, SLOT_BYTES);
            return answer(&format!("read {read} lost {lost}"));
        }
        "write" => {
            let mut writer = ring.writer().unwrap();
            for sequence in 0..COUNT {
                writer.write_timeout(&message(sequence, SLOT_BYTES), TEST_TIMEOUT).unwrap();
            }
            drop(writer);
            answer("written");
        }
        "write-3" => {
            let mut writer = ring.writer().unwrap();
            for sequence in 0..3 {
                writer.write(&message(sequence, SLOT_BYTES)).unwrap();
            }
            answer("written");
            return wait_for_parent();
        }
        "take-1" => {
            let mut taker = ring.taker().unwrap();
            let _taken = taker.take_timeout(TEST_TIMEOUT).unwrap();
            answer("taken");
            return wait_for_parent();
        }
        other => panic!("unknown order {other}"),
    }
    wait_for_parent();
}

/// Fails if a message does not reach another process whole and in order.
#[test]
fn a_stream_reaches_the_readers_of_other_processes() {
    for (class, delivery) in kinds() {
        let (name, ring) = create("stream", &config(delivery, class).await_readers(0));
        let mut readers = [(); 2].map(|()| Peer::ready("read", &name));
        let mut writer = ring.writer().unwrap();
        for sequence in 0..COUNT {
            writer.write_timeout(&message(sequence, SLOT_BYTES), TEST_TIMEOUT).unwrap();
        }
        drop(writer);
        for reader in &mut readers {
            let counts = reader.answer();
            let mut words = counts.split(' ').filter_map(|word| word.parse::<u64>().ok());
            let (read, lost) = (words.next().unwrap(), words.next().unwrap());
            assert_eq!(read + lost, COUNT, "{class:?} {delivery:?}");
            assert!(delivery == Delivery::Lossy || lost == 0, "{class:?}: {counts}");
        }
    }
}

/// Fails in the other direction; the reader waits longer than the writer's ring is full.
#[test]
fn a_stream_of_another_process_reaches_a_reader() {
    for class in CLASSES {
        let (name, ring) = create("back", &config(Delivery::Gated, class));
        let mut reader = ring.reader(Start::Next).unwrap();
        let mut writer = Peer::start("write", &name);
        let mut out = [0; SLOT_BYTES];
        for _ in 0..COUNT {
            let received = reader.read_timeout(&mut out, TEST_TIMEOUT).unwrap();
            assert_whole(received, &out[..received.len], SLOT_BYTES);
        }
        assert_eq!(writer.answer(), "written");
        assert_eq!(reader.read_timeout(&mut out, TEST_TIMEOUT), Err(ReadError::Closed));
        writer.finish();
    }
}

/// Fails if a death is not detected: the reader would wait for ever, and no writer could follow.
#[test]
fn the_reader_of_a_killed_writer_is_informed_and_another_writer_goes_on() {
    for class in CLASSES {
        let (name, ring) = create("writer", &config(Delivery::Gated, class));
        let mut reader = ring.reader(Start::Next).unwrap();
        let victim = Peer::ready("write-3", &name);
        let (pid, mut out) = (victim.pid(), [0; SLOT_BYTES]);
        victim.kill();
        for _ in 0..3 {
            let received = reader.read_timeout(&mut out, TEST_TIMEOUT).unwrap();
            assert_whole(received, &out[..received.len], SLOT_BYTES);
        }
        assert_eq!(
            reader.read_timeout(&mut out, TEST_TIMEOUT),
            Err(ReadError::WriterDied { pid }),
            "{class:?}"
        );
        let mut successor = ring.writer().unwrap();
        assert_eq!(successor.write(b"next"), Ok(3));
        assert_eq!(reader.read_timeout(&mut out, TEST_TIMEOUT).unwrap().sequence, 3);
    }
}

/// Fails if a killed reader holds a writer up.
#[test]
fn a_killed_reader_holds_no_writer_up() {
    for writers in [Writers::One, Writers::Many] {
        let (name, ring) = create("reader", &config(Delivery::Gated, SlotClass::Arena).writers(writers));
        let victim = Peer::ready("join", &name);
        let mut writer = ring.writer().unwrap();
        for sequence in 0..SLOTS as u64 {
            writer.write(&message(sequence, SLOT_BYTES)).unwrap();
        }
        victim.kill();
        assert_eq!(writer.write_timeout(b"room", TEST_TIMEOUT), Ok(SLOTS as u64), "{writers:?}");
    }
}

/// Fails if a living reader of another process is taken for a dead one.
#[test]
fn a_living_reader_of_another_process_holds_a_writer_up() {
    let (name, ring) = create("living", &config(Delivery::Gated, SlotClass::Lines));
    let reader = Peer::ready("join", &name);
    let mut writer = ring.writer().unwrap();
    for sequence in 0..SLOTS as u64 {
        writer.write(&message(sequence, SLOT_BYTES)).unwrap();
    }
    let late = writer.write_timeout(b"room", std::time::Duration::from_millis(100));
    assert!(matches!(late, Err(WriteError::TimedOut { .. })), "{late:?}");
    reader.finish();
    assert_eq!(writer.write_timeout(b"room", TEST_TIMEOUT), Ok(SLOTS as u64));
}

/// Fails if the message of a killed taker is lost.
#[test]
fn the_message_of_a_killed_taker_goes_to_another() {
    let (name, ring) = create("taker", &config(Delivery::Queue, SlotClass::Arena));
    ring.writer().unwrap().write(b"task").unwrap();
    let victim = Peer::ready("take-1", &name);
    let mut taker = ring.taker().unwrap();
    assert!(matches!(taker.try_take(), Err(TryReadError::Empty | TryReadError::Closed)));
    victim.kill();
    let taken = taker.take_timeout(TEST_TIMEOUT).unwrap();
    assert_eq!((&taken[..], taken.received().sequence), (&b"task"[..], 0));
}

/// Fails if the name ends with its creator, or outlives its last user, also a killed one's.
#[test]
fn the_name_lasts_until_the_last_process_leaves() {
    let (name, ring) = create("name", &config(Delivery::Gated, SlotClass::Lines));
    let location = Location::portable(&name);
    let twice = Ring::create(&location, ring.config());
    assert!(matches!(twice, Err(RingError::AlreadyExists { .. })), "{twice:?}");
    let other = Peer::ready("open", &name);
    drop(ring);
    let again = Ring::open(&location).unwrap();
    other.finish();
    drop(again);
    let gone = Ring::open(&location);
    assert!(matches!(gone, Err(RingError::NotFound { .. })), "{gone:?}");

    let (name, ring) = create("killed", &config(Delivery::Gated, SlotClass::Lines));
    let victim = Peer::ready("open", &name);
    drop(ring);
    victim.kill();
    let begun = Instant::now();
    let found = Ring::open_timeout(Location::portable(&name), Duration::from_millis(20)).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(20), "it waits for another user");
    drop(Ring::open_timeout(Location::portable(&name), Duration::MAX).unwrap());
    let victim = Peer::ready("open", &name);
    drop(found);
    victim.kill();
    assert!(Ring::unlink_unused(Location::portable(&name)).unwrap());
    assert!(!Location::portable(&name).path().unwrap().exists());
}
