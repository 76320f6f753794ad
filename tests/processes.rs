//! The promises of a ring to the processes that share it, also when one of them is killed.
//!
//! The peer processes are this test binary, run again for its one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::peer::{Peer, answer, order, wait_for_parent};
use common::{CLASSES, Counts, TEST_TIMEOUT, assert_whole, kinds, message, path_of};
use rustix::event::{PollFd, PollFlags, poll};
use seqring::{
    Config, Delivery, Lagged, OpenOptions, ReadError, Reader, Ring, SlotClass, Start, TryReadError,
    TryWriteError, WaitStrategy,
};
use std::time::{Duration, Instant};

const SLOT_BYTES: usize = 300;

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    let ring = Ring::open(&name).unwrap();
    match verb.as_str() {
        "open" => answer("opened"),
        "read" => {
            let mut reader = ring.reader(Start::Next).unwrap();
            answer("joined");
            let Counts { read, lost } = read_until_closed(&mut reader);
            return answer(&format!("read {read} lost {lost}"));
        }
        "view" => {
            let mut reader = ring.reader(Start::Oldest).unwrap();
            let view = reader.view().unwrap();
            answer("viewing");
            wait_for_parent();
            return drop(view);
        }
        "write-one" => {
            let mut writer = ring.writer().unwrap();
            writer.write(&message(0, SLOT_BYTES)).unwrap();
            answer("wrote");
            wait_for_parent();
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

/// A ring whose only process was killed after it had written a message.
fn left(what: &str, config: &Config) -> String {
    let (name, ring) = common::create(what, config);
    let victim = Peer::ready("write-one", &name);
    drop(ring);
    victim.kill();
    name
}

/// Fails if a reader that comes first opens what an earlier crash left, or never opens it.
#[test]
fn open_timeout_waits_for_another_user_of_a_ring_that_killed_processes_left() {
    const TIMEOUT: Duration = Duration::from_millis(20);
    let config = Config::slots(5).of_bytes(SLOT_BYTES);
    let name = left("left", &config);
    let begun = Instant::now();
    let found = Ring::open_timeout(&name, TIMEOUT).unwrap();
    assert!(begun.elapsed() >= TIMEOUT);
    assert!(found.reader(Start::Next).unwrap().try_read(&mut [0; SLOT_BYTES]).is_ok(), "it is as it was");
    drop(Ring::open_timeout(&name, Duration::MAX).unwrap()); // In use now.
    drop(found);

    let name = left("replaced", &config);
    let opening = std::thread::spawn({
        let name = name.clone();
        move || Ring::open_timeout(&name, Duration::MAX).unwrap()
    });
    let camera = OpenOptions::new().replace_unused(true).create(&name, &config).unwrap();
    assert_eq!(opening.join().unwrap().stats().next_sequence, 0);
    drop(camera);

    let name = left("kept", &config.keep(true));
    drop(Ring::open_timeout(&name, Duration::MAX).unwrap());
    Ring::unlink(&name).unwrap();
}

fn create(what: &str, delivery: Delivery, class: SlotClass) -> (String, Ring) {
    common::create(what, &Config::slots(5).of_bytes(SLOT_BYTES).delivery(delivery).slot_class(class))
}

/// Reads one message or gap and checks it. `None` at the end.
fn read_one(reader: &mut Reader) -> Option<Counts> {
    let (mut out, expected) = ([0; SLOT_BYTES], reader.position());
    match reader.read_timeout(&mut out, TEST_TIMEOUT) {
        Ok(received) => {
            assert_eq!(received.sequence, expected);
            assert_whole(received, &out[..received.len], SLOT_BYTES);
            Some(Counts { read: 1, lost: 0 })
        }
        Err(ReadError::Lagged(Lagged { lost })) => Some(Counts { read: 0, lost }),
        Err(ReadError::Closed) => None,
        Err(ReadError::WriterDied { .. }) => Some(Counts::default()),
        Err(other) => panic!("{other}"),
    }
}

fn read_until_closed(reader: &mut Reader) -> Counts {
    std::iter::from_fn(|| read_one(reader))
        .fold(Counts::default(), |sum, one| Counts { read: sum.read + one.read, lost: sum.lost + one.lost })
}

/// Fails if the name stays, or if any state works within one mapping only.
#[test]
fn every_process_gets_every_message_whole_or_counts_it_as_missed() {
    const COUNT: u64 = 4000;
    for (class, delivery) in kinds() {
        let (name, ring) = create("stream", delivery, class);
        let mut readers: Vec<_> = (0..3).map(|_| Peer::ready("read", &name)).collect();
        let mut writer = ring.writer().unwrap();
        for sequence in 0..COUNT {
            writer.write_timeout(&message(sequence, SLOT_BYTES), TEST_TIMEOUT).unwrap();
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

/// A reader is killed while the ring is full because of it. The writer must continue.
fn check_dead_reader(class: SlotClass, waiting: WaitStrategy) {
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
        let written = writer.write_timeout(&next(), TEST_TIMEOUT);
        assert!(written.is_ok(), "{class:?} {waiting:?}: {written:?}");
    }
    assert_eq!(ring.participants().len(), 1, "the dead reader is still in the table");
}

/// Fails if a waiting writer does not check for dead readers.
#[test]
fn a_killed_reader_blocks_a_writer_only_until_the_writer_waits_for_it() {
    for class in CLASSES {
        check_dead_reader(class, WaitStrategy::BALANCED);
        check_dead_reader(class, WaitStrategy::SLEEPING);
    }
}

/// Fails if a writer checks for dead readers only after a sleep: a wait that spins never sleeps.
#[test]
fn a_killed_reader_does_not_block_a_writer_that_never_sleeps() {
    check_dead_reader(SlotClass::Lines, WaitStrategy::SPINNING);
}

/// Fails if a new writer trusts the shared hint of the next sequence, if it takes a buffer that a
/// slot still refers to, or if a waiting reader does not check for a dead writer.
#[test]
fn a_killed_writer_leaves_a_stream_that_ends_and_that_a_successor_continues() {
    for (class, delivery) in kinds() {
        let (name, ring) = create("dead-writer", delivery, class);
        let mut reader = ring.reader(Start::Next).unwrap();
        for round in 0..12 {
            let writer = Peer::ready("write", &name);
            // A different position in the ring, and in the stream, each time.
            for _ in 0..100 + 37 * round {
                read_one(&mut reader).expect("the writer lives");
            }
            writer.kill();
            if round % 3 == 0 {
                continue; // The successor registers before a reader checks for the dead writer.
            }
            read_until_closed(&mut reader);
            let mut writer = ring.writer().unwrap();
            assert_eq!(writer.next_sequence(), reader.position(), "{class:?} {delivery:?}");
            writer.write(&message(writer.next_sequence(), SLOT_BYTES)).unwrap();
            assert_eq!(read_one(&mut reader), Some(Counts { read: 1, lost: 0 }));
        }
    }
}

/// Fails if the watcher, which sleeps for its readers, does not look for a dead writer.
#[test]
fn a_killed_writer_makes_the_descriptor_of_a_reader_readable() {
    let (name, ring) = create("notified", Delivery::Lossy, SlotClass::Lines);
    let mut reader = ring.reader(Start::Next).unwrap();
    let notifier = reader.notifier().unwrap();
    let writer = Peer::ready("write-one", &name);
    read_one(&mut reader).expect("the writer lives");
    // This call has looked for a death, too: the next one is the watcher's to find.
    assert_eq!(reader.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Empty));
    let pid = writer.pid();
    writer.kill();
    poll(&mut [PollFd::new(&notifier, PollFlags::IN)], None).unwrap();
    assert_eq!(reader.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::WriterDied { pid }));
}

/// Fails if the creator removes the name, or if no process does.
#[test]
fn the_last_process_removes_the_name_even_if_others_were_killed() {
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

/// Fails if the lock by which a waiting reader checks for a dead writer can be mistaken for a live
/// writer's.
#[test]
fn a_writer_can_always_register_where_there_is_none() {
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
