//! What threads that share a ring may rely on while all of them run at once. Ends are reached by counting
//! messages; nothing here depends on how fast anything is.
#![allow(missing_docs)]

mod common;

use common::{CLASSES, DELIVERIES, Got, assert_whole, message, read_to_the_end, ring};
use seqring::{
    Claim, Delivery, Lagged, Observer, ReadError, Reader, Ring, SlotClass, Start, Taken, Taker, View, Writer,
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

/// Does not compile if something cannot be sent to another thread, or looked at by several.
#[test]
fn endpoints_and_what_they_show_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<(Ring, Writer, Reader, Taker, Observer)>();
    shared::<(Claim<'_>, View<'_>, Taken<'_>, seqring::pipeline::Item)>();
}

/// One of those who are counted, until it is done or fails: so a failure ends the test, and does not hang it.
struct Member<'a>(&'a AtomicUsize);

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Fails if a writer's limit is one too high. What the orderings are for, the models show.
#[test]
fn every_reader_of_a_gated_ring_gets_every_message_whole() {
    const COUNT: u64 = 3000;
    for (class, readers, slot_bytes) in each_crowd() {
        let ring = ring(Delivery::Gated, class, 7, slot_bytes);
        let joined: Vec<_> = (0..readers).map(|_| ring.reader(Start::Next).unwrap()).collect();
        thread::scope(|scope| {
            for mut reader in joined {
                scope.spawn(move || {
                    let got = read_to_the_end(&mut reader, slot_bytes);
                    assert_eq!(got, Got { read: COUNT, missed: 0 }, "{class:?} {readers} {slot_bytes}");
                });
            }
            publish(&ring, COUNT, slot_bytes);
        });
    }
}

/// Fails if a reader accepts a copy without looking at the stamp again, if a writer does not mark the stamp before it
/// stores the payload, or if `Lagged` counts one message too many.
#[test]
fn a_reader_of_a_lossy_ring_gets_each_message_whole_or_counts_it_as_missed() {
    const COUNT: u64 = 20_000;
    for (class, readers, slot_bytes) in each_crowd() {
        let ring = ring(Delivery::Lossy, class, 3, slot_bytes);
        let joined: Vec<_> = (0..readers).map(|_| ring.reader(Start::Next).unwrap()).collect();
        thread::scope(|scope| {
            for mut reader in joined {
                scope.spawn(move || {
                    let got = read_to_the_end(&mut reader, slot_bytes);
                    assert_eq!(got.read + got.missed, COUNT, "{class:?} {readers} {slot_bytes}");
                });
            }
            publish(&ring, COUNT, slot_bytes);
        });
    }
}

fn each_crowd() -> impl Iterator<Item = (SlotClass, usize, usize)> {
    CLASSES
        .into_iter()
        .flat_map(|class| (1..=4).map(move |readers| (class, readers, SLOT_BYTES[readers % 3])))
}

/// Fails if `Lagged` counts one message too many, or a reader accepts a copy without looking at the stamp again. That a
/// gated writer marks what a reader was moved away from needs rarer timing than this; the model of skipping shows it.
#[test]
fn skipping_all_readers_tears_nothing_and_is_counted_exactly() {
    for class in CLASSES {
        for delivery in DELIVERIES {
            for (slot_bytes, count) in [(300, 5000), (20_000, 1000)] {
                let ring = ring(delivery, class, 2, slot_bytes);
                let got = read_under_skips(&ring, count, slot_bytes);
                assert!(
                    got.iter().all(|got| got.read + got.missed == count),
                    "{class:?} {delivery:?}: {got:?}"
                );
            }
        }
    }
}

/// What two readers got of a stream while somebody kept moving them on.
fn read_under_skips(ring: &Ring, count: u64, slot_bytes: usize) -> Vec<Got> {
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

/// Fails if a view's drop does not move the reader on, or a writer that goes on over a view of a moved reader fills the
/// buffer that it shows.
#[test]
fn a_view_keeps_its_bytes_whatever_the_writer_and_others_do() {
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
                Err(ReadError::Lagged(Lagged { missed })) => {
                    expected += missed;
                    continue;
                }
                Err(ReadError::Closed) => break,
                Err(other) => panic!("{other}"),
            };
            assert!(view.is_in_place());
            assert_eq!(view.received().sequence, expected);
            // The writer goes round several times, over what the view shows.
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

/// Fails if a joiner does not store its cursor before it looks how far writers may go.
#[test]
fn a_reader_that_comes_and_goes_sees_no_gap_while_it_is_there() {
    const STAYS: usize = 150;
    for class in CLASSES {
        let ring = ring(Delivery::Gated, class, 4, 64);
        let visitors = AtomicUsize::new(3);
        thread::scope(|scope| {
            for visitor in 0..3 {
                let (ring, member) = (&ring, Member(&visitors));
                scope.spawn(move || {
                    let _member = member;
                    for stay in 0..STAYS {
                        let sequence = ring.next_sequence().saturating_sub(2);
                        let starts = [Start::Next, Start::Oldest, Start::Newest, Start::Sequence(sequence)];
                        let mut reader = ring.reader(starts[(stay + visitor) % 4]).unwrap();
                        let (mut out, first) = ([0; 64], reader.position());
                        for sequence in first..first + (stay % 20) as u64 {
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
