//! What processes that share a ring may rely on, also when one of them is killed.
//!
//! The other processes are this very test binary, run again for the one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;
#[path = "common/peer.rs"]
mod peer;

use common::{CLASSES, DELIVERIES, assert_whole, fresh_name, message, path_of};
use peer::{Peer, answer, order, wait_for_parent};
use rustix::event::{PollFd, PollFlags, poll};
use seqring::{
    Config, Delivery, Lagged, ReadError, Reader, Ring, SlotClass, Start, TryReadError, TryWriteError,
    WaitStrategy,
};
use std::time::Duration;

const SLOT_BYTES: usize = 300;
/// How long a call that must not hang may take before the test says that it hangs.
const NEVER: Duration = Duration::from_secs(20);

#[test]
#[ignore = "this is what the children of the other tests run"]
fn child() {
    let Some((what, name)) = order() else { return };
    let ring = Ring::open(&name).unwrap();
    match what.as_str() {
        "open" => answer("opened"),
        "read" => {
            let mut reader = ring.reader(Start::Next).unwrap();
            answer("joined");
            let (read, missed) = read_until_closed(&mut reader);
            return answer(&format!("read {read} missed {missed}"));
        }
        "view" => {
            let mut reader = ring.reader(Start::Oldest).unwrap();
            let view = reader.view().unwrap();
            answer("viewing");
            wait_for_parent();
            return drop(view);
        }
        "write" => {
            let mut writer = ring.writer().unwrap();
            answer("joined");
            loop {
                writer.write(&message(writer.next_sequence(), SLOT_BYTES)).unwrap();
            }
        }
        other => panic!("unknown order {other}"),
    }
    wait_for_parent();
}

fn create(what: &str, delivery: Delivery, class: SlotClass) -> (String, Ring) {
    let name = fresh_name(what);
    let config = Config::new(5, SLOT_BYTES).delivery(delivery).slot_class(class);
    let ring = Ring::create(&name, &config).unwrap();
    (name, ring)
}

/// Reads one message or gap, verified; returns how many messages it read and missed, or nothing at the end.
fn read_one(reader: &mut Reader) -> Option<(u64, u64)> {
    let (mut out, expected) = ([0; SLOT_BYTES], reader.position());
    match reader.read_timeout(&mut out, NEVER) {
        Ok(received) => {
            assert_eq!(received.sequence, expected);
            assert_whole(received, &out[..received.len], SLOT_BYTES);
            Some((1, 0))
        }
        Err(ReadError::Lagged(Lagged { missed })) => Some((0, missed)),
        Err(ReadError::Closed) => None,
        Err(ReadError::WriterDied { .. }) => Some((0, 0)),
        Err(other) => panic!("{other}"),
    }
}

fn read_until_closed(reader: &mut Reader) -> (u64, u64) {
    std::iter::from_fn(|| read_one(reader)).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Fails if the name stays, and with anything that works within one mapping only.
#[test]
fn every_process_gets_every_message_whole_or_counts_it_as_missed() {
    const COUNT: u64 = 4000;
    for class in CLASSES {
        for delivery in DELIVERIES {
            let (name, ring) = create("stream", delivery, class);
            let mut readers: Vec<_> = (0..3).map(|_| Peer::ready("read", &name)).collect();
            let mut writer = ring.writer().unwrap();
            for sequence in 0..COUNT {
                writer.write_timeout(&message(sequence, SLOT_BYTES), NEVER).unwrap();
            }
            drop(writer);
            for reader in &mut readers {
                let answer = reader.answer();
                let counts: Vec<u64> = answer.split(' ').filter_map(|word| word.parse().ok()).collect();
                assert_eq!(counts[0] + counts[1], COUNT, "{class:?} {delivery:?}: {answer}");
                assert!(delivery == Delivery::Lossy || counts[1] == 0, "{class:?}: {answer}");
            }
            readers.into_iter().for_each(Peer::finish);
            drop(ring);
            assert!(!path_of(&name).exists());
        }
    }
}

fn outlive_a_reader(class: SlotClass, waiting: WaitStrategy) {
    let (name, ring) = create("dead-reader", Delivery::Gated, class);
    let mut writer = ring.writer().unwrap();
    writer.set_wait_strategy(waiting);
    let mut sequence = 0..;
    let mut next = || message(sequence.next().unwrap(), SLOT_BYTES);
    writer.write(&next()).unwrap();
    let reader = Peer::ready("view", &name);
    let refused = std::iter::repeat_with(|| writer.try_write(&next())).find_map(Result::err);
    assert_eq!(refused, Some(TryWriteError::Full));
    reader.kill();
    for _ in 0..20 {
        let written = writer.write_timeout(&next(), NEVER);
        assert!(written.is_ok(), "{class:?} {waiting:?}: {written:?}");
    }
    assert_eq!(ring.participants().len(), 1, "the dead reader is still in the table");
}

/// Fails if a waiting writer does not look who died.
#[test]
fn a_killed_reader_holds_a_writer_back_only_until_the_writer_waits_for_it() {
    for class in CLASSES {
        outlive_a_reader(class, WaitStrategy::BALANCED);
        outlive_a_reader(class, WaitStrategy::SLEEPING);
    }
}

/// Fails if who died is looked for after sleeps only: a wait that spins has none.
#[test]
fn a_killed_reader_does_not_hold_back_a_writer_that_never_sleeps() {
    outlive_a_reader(SlotClass::Lines, WaitStrategy::SPINNING);
}

/// Fails if a new writer takes the shared hint for the next sequence, if it takes a buffer that a slot still names, or
/// if a waiting reader does not look who died.
#[test]
fn a_killed_writer_leaves_a_stream_that_ends_and_that_the_next_one_continues() {
    for class in CLASSES {
        for delivery in DELIVERIES {
            let (name, ring) = create("dead-writer", delivery, class);
            let mut reader = ring.reader(Start::Next).unwrap();
            for round in 0..12 {
                let writer = Peer::ready("write", &name);
                // A different place in the ring, and in the stream, each time.
                for _ in 0..100 + 37 * round {
                    read_one(&mut reader).expect("the writer lives");
                }
                writer.kill();
                if round % 3 == 0 {
                    continue; // The next one takes over before anybody looked at what happened.
                }
                read_until_closed(&mut reader);
                let mut writer = ring.writer().unwrap();
                assert_eq!(writer.next_sequence(), reader.position(), "{class:?} {delivery:?}");
                writer.write(&message(writer.next_sequence(), SLOT_BYTES)).unwrap();
                assert_eq!(read_one(&mut reader), Some((1, 0)));
            }
        }
    }
}

/// Fails if a watcher that sleeps in its reader's place does not look who died.
#[test]
fn a_killed_writer_makes_the_descriptor_of_a_reader_readable() {
    let (name, ring) = create("notified", Delivery::Lossy, SlotClass::Lines);
    let mut reader = ring.reader(Start::Next).unwrap();
    let notifier = reader.notifier().unwrap();
    let writer = Peer::ready("write", &name);
    read_one(&mut reader).expect("the writer lives");
    let pid = writer.pid();
    writer.kill();
    loop {
        match reader.try_read(&mut [0; SLOT_BYTES]) {
            Ok(_) | Err(TryReadError::Lagged(_)) => {}
            Err(TryReadError::Empty) => {
                poll(&mut [PollFd::new(&notifier, PollFlags::IN)], None).unwrap();
            }
            Err(error) => break assert_eq!(error, TryReadError::WriterDied { pid }),
        }
    }
}

/// Fails if the creator removes the name, or nobody does.
#[test]
fn the_name_goes_with_the_last_process_however_the_others_went() {
    let (name, ring) = create("last", Delivery::Gated, SlotClass::Lines);
    let (killed, last) = (Peer::ready("open", &name), Peer::ready("open", &name));
    drop(ring);
    assert!(path_of(&name).exists());
    killed.kill();
    drop(Ring::open(&name).unwrap());
    assert!(path_of(&name).exists());
    last.finish();
    assert!(!path_of(&name).exists());
}

/// Fails if whoever waits for messages, and looks meanwhile whether the writer died, can be taken for a living writer.
#[test]
fn a_writer_can_always_join_where_none_is() {
    let (name, ring) = create("join", Delivery::Lossy, SlotClass::Packed);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let (other, done) = (Ring::open(&name).unwrap(), &done);
            scope.spawn(move || {
                let mut reader = other.reader(Start::Next).unwrap();
                reader.set_wait_strategy(WaitStrategy::SLEEPING);
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    let _ = reader.read_timeout(&mut [0; SLOT_BYTES], Duration::from_micros(100));
                }
            });
        }
        let joined = (0..200_000).map(|_| ring.writer().map(drop)).find(Result::is_err);
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(joined, None);
    });
}
