//! The promises of a ring to concurrent threads. Tests end after a count of messages; no test
//! depends on timing.
#![allow(missing_docs)]

mod common;

use common::{CLASSES, Counts, assert_whole, kinds, message, read_to_the_end, ring};
use seqring::{
    Claim, Delivery, Lagged, ReadError, Reader, Ring, SlotClass, Start, Taken, Taker, View, Writer,
};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

const SLOT_BYTES: [usize; 3] = [16, 100, 1000];

fn publish(ring: &Ring, count: u64, slot_bytes: usize) {
    let mut writer = ring.writer().unwrap();
    for sequence in 0..count {
        assert_eq!(writer.write(&message(sequence, slot_bytes)), Ok(sequence));
    }
}

/// Does not compile if a type is not `Send` and `Sync`.
#[test]
fn endpoints_and_messages_can_be_sent_and_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<(Ring, Writer, Reader, Taker)>();
    #[cfg(target_os = "linux")]
    shared::<seqring::Observer>();
    shared::<(Claim<'_>, View<'_>, Taken<'_>, seqring::pipeline::Item)>();
}

/// A counted thread. It leaves the count also when it panics, so that a failure ends the test
/// instead of hanging it.
struct Member<'a>(&'a AtomicUsize);

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// One to four readers read a stream of `count` messages in each slot class. `check` judges what
/// each received.
fn read_in_threads(delivery: Delivery, slots: usize, count: u64, check: impl Fn(Counts) -> bool + Sync) {
    for (class, readers) in CLASSES.into_iter().flat_map(|class| (1..=4).map(move |readers| (class, readers)))
    {
        let slot_bytes = SLOT_BYTES[readers % 3];
        let ring = ring(delivery, class, slots, slot_bytes);
        let registered: Vec<_> = (0..readers).map(|_| ring.reader(Start::Next).unwrap()).collect();
        thread::scope(|scope| {
            for mut reader in registered {
                let check = &check;
                scope.spawn(move || {
                    let counts = read_to_the_end(&mut reader, slot_bytes);
                    assert!(check(counts), "{class:?} {readers} {slot_bytes}");
                });
            }
            publish(&ring, count, slot_bytes);
        });
    }
}

/// Fails if a writer's limit is one too high. The models check the memory orderings.
#[test]
fn every_reader_of_a_gated_ring_gets_every_message_whole() {
    read_in_threads(Delivery::Gated, 7, 3000, |counts| counts == Counts { read: 3000, lost: 0 });
}

/// Fails if a reader accepts a copy without a second check of the stamp, if a writer does not mark
/// the stamp before it stores the payload, or if `Lagged` counts one message too many.
#[test]
fn a_reader_of_a_lossy_ring_gets_each_message_whole_or_counts_it_as_missed() {
    read_in_threads(Delivery::Lossy, 3, 20_000, |counts| counts.total() == 20_000);
}

/// Fails if `Lagged` counts one message too many, or if a reader accepts a copy without a second
/// check of the stamp. A gated writer marks the slot from which a reader was skipped away: the
/// window for that is too rare here, and the model `skip` covers it.
#[test]
fn skipping_all_readers_tears_nothing_and_is_counted_exactly() {
    for (class, delivery) in kinds() {
        for (slot_bytes, count) in [(300, 5000), (20_000, 1000)] {
            let ring = ring(delivery, class, 2, slot_bytes);
            let counts = read_under_skips(&ring, count, slot_bytes);
            let complete = counts.iter().all(|one| one.total() == count);
            assert!(complete, "{class:?} {delivery:?}: {counts:?}");
        }
    }
}

/// Two readers read a stream while a third thread skips them to the newest message again and again.
fn read_under_skips(ring: &Ring, count: u64, slot_bytes: usize) -> Vec<Counts> {
    let joined: Vec<_> = (0..2).map(|_| ring.reader(Start::Next).unwrap()).collect();
    let reading = AtomicUsize::new(joined.len());
    thread::scope(|scope| {
        let read = |mut reader: Reader| {
            let member = Member(&reading);
            scope.spawn(move || {
                let _member = member;
                read_to_the_end(&mut reader, slot_bytes)
            })
        };
        let readers: Vec<_> = joined.into_iter().map(read).collect();
        scope.spawn(|| {
            while reading.load(SeqCst) > 0 {
                ring.skip_readers_to_newest();
                thread::yield_now();
            }
        });
        publish(ring, count, slot_bytes);
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    })
}

/// Fails if the drop of a view does not advance the reader, or if a writer fills the buffer of a
/// moved reader's view.
#[test]
fn a_view_keeps_its_bytes_while_its_reader_is_skipped_and_the_writer_laps_it() {
    const COUNT: u64 = 3000;
    const SLOTS: u64 = 3;
    let ring = ring(Delivery::Gated, SlotClass::Arena, SLOTS as usize, 1000);
    let reader = ring.reader(Start::Next).unwrap();
    thread::scope(|scope| {
        let mut reader = reader;
        scope.spawn(|| publish(&ring, COUNT, 1000));
        let mut expected = 0;
        loop {
            let view = match reader.view() {
                Ok(view) => view,
                Err(ReadError::Lagged(Lagged { lost })) => {
                    expected += lost;
                    continue;
                }
                Err(ReadError::Closed) => break,
                Err(other) => panic!("{other}"),
            };
            assert!(view.is_in_place());
            assert_eq!(view.received().sequence, expected);
            // The writer laps the view several times.
            while ring.next_sequence() < (expected + 4 * SLOTS).min(COUNT) {
                ring.skip_readers_to_newest();
                thread::yield_now();
            }
            assert_whole(view.received(), &view, 1000);
            expected += 1;
        }
        assert_eq!(expected, COUNT);
    });
}

/// Fails if a new reader does not store its cursor before it checks the writer's limit.
#[test]
fn a_reader_that_registers_under_load_sees_no_gap() {
    const TURNS: usize = 150;
    for class in CLASSES {
        let ring = ring(Delivery::Gated, class, 4, 64);
        let visitors = AtomicUsize::new(3);
        thread::scope(|scope| {
            for visitor in 0..3 {
                let (ring, member) = (&ring, Member(&visitors));
                scope.spawn(move || {
                    let _member = member;
                    for turn in 0..TURNS {
                        let sequence = ring.next_sequence().saturating_sub(2);
                        let starts = [Start::Next, Start::Oldest, Start::Newest, Start::Sequence(sequence)];
                        let mut reader = ring.reader(starts[(turn + visitor) % 4]).unwrap();
                        let (mut out, first) = ([0; 64], reader.position());
                        for sequence in first..first + (turn % 20) as u64 {
                            let received = reader.read(&mut out).unwrap();
                            assert_eq!(received.sequence, sequence);
                            assert_whole(received, &out[..received.len], 64);
                        }
                    }
                });
            }
            let mut writer = ring.writer().unwrap();
            while visitors.load(SeqCst) > 0 {
                writer.write(&message(writer.next_sequence(), 64)).unwrap();
            }
        });
    }
}
