//! What observers are promised beside whole messages (`conformance.rs`): where they start, what they are told, when it
//! is over, and what they never do.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::{CLASSES, DELIVERIES, bytes_of, fresh_name, path_of};
use seqring::{
    Config, Delivery, Lagged, MessageHeader, Observer, ReadError, Ring, RingError, SlotClass, Start,
    TryReadError, WaitStrategy, Writers,
};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

const SLOTS: u64 = 4;
const FIRST: u64 = 100;

fn config(class: SlotClass, delivery: Delivery) -> Config {
    Config::new(SLOTS as usize, 32).slot_class(class).delivery(delivery).first_sequence(FIRST).observers(true)
}

fn read(observer: &mut Observer) -> Result<u64, TryReadError> {
    let mut out = [0; 32];
    let received = observer.try_read(&mut out)?;
    assert_eq!(out[..received.len], bytes_of(received.sequence, 20));
    Ok(received.sequence)
}

/// Fails if a position is off by one, or one that is not there is not moved to where something is.
#[test]
fn an_observer_starts_where_it_is_told() {
    for class in CLASSES {
        for delivery in DELIVERIES {
            let name = fresh_name("observer-start");
            let ring = Ring::create(&name, &config(class, delivery)).unwrap();
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
}

/// Fails if a message that is gone is waited for, miscounted, or repeated; in gated rings, too.
#[test]
fn an_observer_is_told_exactly_what_it_lost() {
    for class in CLASSES {
        for delivery in DELIVERIES {
            let name = fresh_name("observer-lag");
            let ring = Ring::create(&name, &config(class, delivery)).unwrap();
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
                        Ok(got) => {
                            assert_eq!(got, before);
                            seen += 1;
                        }
                        Err(TryReadError::Lagged(Lagged { missed })) => {
                            assert_eq!(
                                (observer.position(), observer.lost()),
                                (before + missed, lost + missed)
                            );
                        }
                        Err(TryReadError::Empty) => break,
                        Err(other) => panic!("{other}"),
                    }
                }
                assert_eq!(
                    observer.position(),
                    sequence,
                    "{class:?} {delivery:?}: it was emptied after {burst}"
                );
            }
            assert_eq!(seen + observer.lost(), sequence - FIRST);
            drop(writer);
            assert_eq!(read(&mut observer), Err(TryReadError::Closed));
            ring.writer().unwrap().write(&bytes_of(sequence, 20)).unwrap();
            assert_eq!(read(&mut observer), Ok(sequence), "a stream that goes on is read on");
        }
    }
}

/// Fails if a refused read loses its message, or shows metadata of none.
#[test]
fn a_message_with_all_its_extras_comes_whole_or_stays() {
    for class in CLASSES {
        let name = fresh_name("observer-extras");
        let config = config(class, Delivery::Lossy).tag(true).timestamp(true).meta_bytes(10);
        let ring = Ring::create(&name, &config).unwrap();
        let mut observer = Observer::open(&name, Start::Next).unwrap();
        let mut writer = ring.writer().unwrap();
        writer.write_with(b"payload", &MessageHeader { tag: 7, metadata: b"about it" }).unwrap();
        assert_eq!(observer.try_read(&mut [0; 6]), Err(TryReadError::TooSmall { needed: 7 }));
        assert_eq!(observer.metadata(), b"");
        let (received, len) = observer.try_read_with(|message| message.len()).unwrap();
        assert_eq!((received.sequence, received.len, received.tag, len), (FIRST, 7, 7, 7));
        assert!(received.timestamp_ns > 0);
        assert_eq!(observer.metadata(), b"about it");
        assert_eq!(observer.try_read(&mut [0; 32]), Err(TryReadError::Empty));
        assert_eq!(observer.metadata(), b"");
    }
}

/// Fails if a ring whose writers expect nobody is looked at, or one where a look means nothing.
#[test]
fn a_ring_is_observed_only_if_it_was_made_for_it() {
    let name = fresh_name("observer-refused");
    for (config, says) in [
        (Config::new(2, 32), "Config::observers"),
        (Config::new(2, 32).delivery(Delivery::Queue).observers(true), "queue"),
    ] {
        let _ring = Ring::create(&name, &config).unwrap();
        let error = Ring::observe(&name, Start::Next).unwrap_err();
        assert!(matches!(&error, RingError::Unusable { reason, .. } if reason.contains(says)), "{error:?}");
    }
    assert!(matches!(Ring::observe(&name, Start::Next), Err(RingError::NotFound { .. })));
}

/// Fails if an observer stores anything to a ring: its file is not even writable for it, and its mapping is not.
#[test]
fn an_observer_needs_the_right_to_read_only_and_changes_nothing() {
    for writers in [Writers::One, Writers::Many] {
        let name = fresh_name("observer-read-only");
        let ring = Ring::create(&name, &config(SlotClass::Arena, Delivery::Gated).writers(writers)).unwrap();
        let mut writer = ring.writer().unwrap();
        for sequence in FIRST..FIRST + 9 {
            writer.write(&bytes_of(sequence, 20)).unwrap();
        }
        let before = std::fs::read(path_of(&name)).unwrap();
        let mut observer = Observer::open(&name, Start::Oldest).unwrap();
        while let Ok(_) | Err(TryReadError::Lagged(_)) = read(&mut observer) {}
        observer.set_wait_strategy(WaitStrategy::SLEEPING, Duration::from_millis(1));
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

/// Fails if an observer waits for ever for a writer that was killed: nobody else may be there to notice.
#[test]
fn a_killed_writer_is_the_end() {
    const CHILD: &str = "SEQRING_OBSERVED_CHILD";
    if let Ok(name) = std::env::var(CHILD) {
        let mut writer = Ring::open(name).unwrap().writer().unwrap();
        for sequence in FIRST..FIRST + 3 {
            writer.write(&bytes_of(sequence, 20)).unwrap();
        }
        println!("written");
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let name = fresh_name("observer-dead");
    let ring = Ring::create(&name, &config(SlotClass::Lines, Delivery::Gated)).unwrap();
    let mut observer = Observer::open(&name, Start::Next).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["a_killed_writer_is_the_end", "--exact", "--nocapture"])
        .env(CHILD, &name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with("written")));
    let mut out = [0; 32];
    assert_eq!(observer.read(&mut out).unwrap().sequence, FIRST);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(observer.read(&mut out).unwrap().sequence, FIRST + 1);
    assert_eq!(observer.read(&mut out).unwrap().sequence, FIRST + 2);
    assert_eq!(observer.read(&mut out), Err(ReadError::Closed));
    assert_eq!(ring.participants().len(), 1, "an observer cleared the dead writer's entry");
    let mut writer = ring.writer().unwrap();
    writer.write(&bytes_of(FIRST + 3, 20)).unwrap();
    assert_eq!(observer.read(&mut out).unwrap().sequence, FIRST + 3);
}

/// Fails if a wait without reading misses a message, a loss or the end, consumes something, or says that there is something
/// where there is nothing.
#[test]
fn an_observer_can_be_waited_for_without_reading() {
    const SOON: Duration = Duration::from_millis(5);
    for class in CLASSES {
        for delivery in DELIVERIES {
            let name = fresh_name("observer-ready");
            let ring = Ring::create(&name, &config(class, delivery)).unwrap();
            let mut observer = Observer::open(&name, Start::Next).unwrap();
            assert!(!observer.ready_within(SOON));
            let mut writer = ring.writer().unwrap();
            assert!(!observer.ready_within(SOON), "that somebody may write is no message");
            writer.write(&bytes_of(FIRST, 20)).unwrap();
            assert!(observer.ready_within(Duration::MAX));
            assert_eq!(read(&mut observer), Ok(FIRST));
            assert!(!observer.ready_within(SOON));
            for sequence in FIRST + 1..FIRST + 9 {
                writer.write(&bytes_of(sequence, 20)).unwrap();
            }
            assert!(observer.ready_within(Duration::MAX), "a loss is told");
            assert!(matches!(read(&mut observer), Err(TryReadError::Lagged(_))));
            while read(&mut observer).is_ok() {}
            drop(writer);
            assert!(observer.ready_within(Duration::MAX), "an end is told");
            assert_eq!(read(&mut observer), Err(TryReadError::Closed));
        }
    }
}
