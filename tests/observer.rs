//! The promises to observers beside whole messages (`conformance.rs`): start positions, reports of
//! losses, the end of the stream, and that observers never change a ring.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::peer::{Peer, answer, order, wait_for_parent};
use common::{CLASSES, bytes_of, create, fresh_name, kinds, path_of};
use seqring::{
    Config, Delivery, Lagged, MessageHeader, Observer, ReadError, Ring, RingError, SlotClass, Start,
    TryReadError, WaitStrategy, Writers,
};
use std::time::Duration;

const SLOTS: u64 = 4;
const FIRST: u64 = 100;

fn config(class: SlotClass, delivery: Delivery) -> Config {
    Config::slots(SLOTS as usize)
        .of_bytes(32)
        .slot_class(class)
        .delivery(delivery)
        .first_sequence(FIRST)
        .observers(true)
        .await_readers(0)
}

fn read(observer: &mut Observer) -> Result<u64, TryReadError> {
    let mut out = [0; 32];
    let received = observer.try_read(&mut out)?;
    assert_eq!(out[..received.len], bytes_of(received.sequence, 20));
    Ok(received.sequence)
}

/// Fails if a start position is off by one, or if a position outside the ring is not moved into it.
#[test]
fn an_observer_starts_at_the_requested_position() {
    for (class, delivery) in kinds() {
        let (name, ring) = create("observer-start", &config(class, delivery));
        let start = |start| Observer::open(&name, start).unwrap().position();
        assert_eq!([start(Start::Next), start(Start::Oldest), start(Start::Newest)], [FIRST; 3]);
        let mut writer = ring.writer().unwrap();
        for sequence in FIRST..FIRST + 10 {
            writer.write(&bytes_of(sequence, 20)).unwrap();
        }
        assert_eq!(start(Start::Next), FIRST + 10);
        assert_eq!(start(Start::Newest), FIRST + 9);
        assert_eq!(start(Start::Oldest), FIRST + 10 - SLOTS);
        assert_eq!(start(Start::Sequence(0)), FIRST + 10 - SLOTS);
        assert_eq!(start(Start::Sequence(u64::MAX)), FIRST + 10);
        let mut observer = Observer::open(&name, Start::Sequence(FIRST + 8)).unwrap();
        assert_eq!((observer.lag(), read(&mut observer), observer.lag()), (2, Ok(FIRST + 8), 1));
        let mut viewer = Observer::open(&name, Start::Oldest).unwrap();
        assert_eq!((viewer.skip_to_newest(), viewer.skip_to_newest()), (SLOTS - 1, 0));
        assert_eq!((read(&mut viewer), viewer.skip_to_newest(), viewer.lost()), (Ok(FIRST + 9), 0, 0));
    }
}

/// Fails if an observer waits for an overwritten message, or miscounts or repeats one; in gated
/// rings, too.
#[test]
fn an_observer_gets_the_exact_count_of_its_losses() {
    for (class, delivery) in kinds() {
        let (name, ring) = create("observer-lag", &config(class, delivery));
        let mut observer = Observer::open(&name, Start::Next).unwrap();
        let mut writer = ring.writer().unwrap();
        let (mut seen, mut sequence) = (0, FIRST);
        for burst in [1, 3, 4, 5, 9, 100, 2] {
            for _ in 0..burst {
                assert_eq!(writer.write(&bytes_of(sequence, 20)), Ok(sequence));
                sequence += 1;
            }
            loop {
                let (before, lost) = (observer.position(), observer.lost());
                match read(&mut observer) {
                    Ok(sequence) => {
                        assert_eq!(sequence, before);
                        seen += 1;
                    }
                    Err(TryReadError::Lagged(Lagged { lost: more })) => {
                        assert_eq!((observer.position(), observer.lost()), (before + more, lost + more));
                    }
                    Err(TryReadError::Empty) => break,
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(observer.position(), sequence, "{class:?} {delivery:?}: after {burst} messages");
        }
        assert_eq!(seen + observer.lost(), sequence - FIRST);
        drop(writer);
        assert_eq!(read(&mut observer), Err(TryReadError::Closed));
        ring.writer().unwrap().write(&bytes_of(sequence, 20)).unwrap();
        assert_eq!(read(&mut observer), Ok(sequence), "the observer continues with the stream");
    }
}

/// Fails if a refused read loses its message, or if metadata is present without a message.
#[test]
fn a_message_with_tag_timestamp_and_metadata_comes_whole_or_stays() {
    for class in CLASSES {
        let config = config(class, Delivery::Lossy).tag(true).timestamp(true).meta_bytes(10);
        let (name, ring) = create("observer-header", &config);
        let mut observer = Observer::open(&name, Start::Next).unwrap();
        let mut writer = ring.writer().unwrap();
        writer.write_with(b"payload", &MessageHeader { tag: 7, metadata: b"about it" }).unwrap();
        assert_eq!(observer.try_read(&mut [0; 6]), Err(TryReadError::TooSmall { needed: 7 }));
        assert_eq!(observer.metadata(), b"");
        let (received, len) = observer.try_read_in_place(|message| message.len()).unwrap();
        assert_eq!((received.sequence, received.len, received.tag, len), (FIRST, 7, Some(7), 7));
        assert!(received.timestamp_ns > Some(0));
        assert_eq!(observer.metadata(), b"about it");
        assert_eq!(observer.try_read(&mut [0; 32]), Err(TryReadError::Empty));
        assert_eq!(observer.metadata(), b"");
    }
}

/// Fails if a ring can be observed whose writers do not expect observers, or whose delivery does
/// not support them.
#[test]
fn a_ring_can_be_observed_only_if_its_configuration_allows_it() {
    let name = fresh_name("observer-refused");
    for (config, says) in [
        (Config::slots(2).of_bytes(32), "without observers"),
        (Config::slots(2).of_bytes(32).delivery(Delivery::Queue).observers(true), "queue"),
    ] {
        let _ring = Ring::create(&name, &config).unwrap();
        let error = Observer::open(&name, Start::Next).unwrap_err();
        assert!(matches!(&error, RingError::Unusable { reason, .. } if reason.contains(says)), "{error:?}");
    }
    assert!(matches!(Observer::open(&name, Start::Next), Err(RingError::NotFound { .. })));
}

/// Fails if an observer stores to a ring, or maps its file writable.
#[test]
fn an_observer_needs_read_permission_only_and_changes_nothing() {
    for writers in [Writers::One, Writers::Many] {
        let config = config(SlotClass::Arena, Delivery::Gated).writers(writers);
        let (name, ring) = create("observer-read-only", &config);
        let mut writer = ring.writer().unwrap();
        for sequence in FIRST..FIRST + 9 {
            writer.write(&bytes_of(sequence, 20)).unwrap();
        }
        let before = std::fs::read(path_of(&name)).unwrap();
        let mut observer = Observer::open(&name, Start::Oldest).unwrap();
        while let Ok(_) | Err(TryReadError::Lagged(_)) = read(&mut observer) {}
        observer.set_wait_strategy(WaitStrategy::SLEEPING);
        let late = observer.read_timeout(&mut [0; 32], Duration::from_millis(5));
        assert!(matches!(late, Err(ReadError::TimedOut { .. })), "{late:?}");
        assert!(std::fs::read(path_of(&name)).unwrap() == before, "an observer changed the ring");
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        assert!(
            maps.lines().any(|line| line.contains(&name) && line.contains(" r--s ")),
            "no read-only mapping"
        );
    }
}

#[test]
#[ignore = "the child process of the next test runs this"]
fn child() {
    let Some((_, name)) = order() else { return };
    let mut writer = Ring::open(name).unwrap().writer().unwrap();
    for sequence in FIRST..FIRST + 3 {
        writer.write(&bytes_of(sequence, 20)).unwrap();
    }
    answer("written");
    wait_for_parent();
}

/// Fails if an observer waits for ever for a killed writer: there may be no other participant to
/// detect the death.
#[test]
fn a_killed_writer_ends_the_stream_for_an_observer() {
    let (name, ring) = create("observer-dead", &config(SlotClass::Lines, Delivery::Gated));
    let mut observer = Observer::open(&name, Start::Next).unwrap();
    let writer = Peer::ready("write", &name);
    let mut out = [0; 32];
    assert_eq!(observer.read(&mut out).unwrap().sequence, FIRST);
    writer.kill();
    assert_eq!(observer.read(&mut out).unwrap().sequence, FIRST + 1);
    assert_eq!(observer.read(&mut out).unwrap().sequence, FIRST + 2);
    assert_eq!(observer.read(&mut out), Err(ReadError::Closed));
    assert_eq!(ring.participants().len(), 1, "an observer cleared the dead writer's entry");
    let mut writer = ring.writer().unwrap();
    writer.write(&bytes_of(FIRST + 3, 20)).unwrap();
    assert_eq!(observer.read(&mut out).unwrap().sequence, FIRST + 3);
}

/// Fails if `ready_within` misses a message, a loss or the end, if it consumes something, or if it
/// returns true for an empty ring.
#[test]
fn ready_within_reports_messages_losses_and_the_end() {
    const SOON: Duration = Duration::from_millis(5);
    for (class, delivery) in kinds() {
        let (name, ring) = create("observer-ready", &config(class, delivery));
        let mut observer = Observer::open(&name, Start::Next).unwrap();
        assert!(!observer.ready_within(SOON));
        let mut writer = ring.writer().unwrap();
        assert!(!observer.ready_within(SOON), "a new writer is not a message");
        writer.write(&bytes_of(FIRST, 20)).unwrap();
        assert!(observer.ready_within(Duration::MAX));
        assert_eq!(read(&mut observer), Ok(FIRST));
        assert!(!observer.ready_within(SOON));
        for sequence in FIRST + 1..FIRST + 9 {
            writer.write(&bytes_of(sequence, 20)).unwrap();
        }
        assert!(observer.ready_within(Duration::MAX), "there is a loss to report");
        assert!(matches!(read(&mut observer), Err(TryReadError::Lagged(_))));
        while read(&mut observer).is_ok() {}
        drop(writer);
        assert!(observer.ready_within(Duration::MAX), "there is an end to report");
        assert_eq!(read(&mut observer), Err(TryReadError::Closed));
    }
}
