//! The promises of a ring with many writers to its writers and readers. Tests end after a count of
//! messages, not after a time.
#![allow(missing_docs)]

mod common;
#[path = "common/numbered.rs"]
mod numbered;

use common::DELIVERIES;
use numbered::{Deliveries, SLOT_BYTES, message};
use seqring::{
    Config, Delivery, Reader, RegisterError, Ring, Start, TryReadError, TryWriteError, WriteError, Writers,
};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;
use std::time::Duration;

fn config(delivery: Delivery, slots: usize) -> Config {
    Config::slots(slots).of_bytes(SLOT_BYTES).delivery(delivery).writers(Writers::Many).participants(16)
}

fn publish(ring: &Ring, name: u64, count: u64) {
    let mut writer = ring.writer().unwrap();
    for n in 0..count {
        writer.write(&message(name, n)).unwrap();
    }
}

/// Reads until no writer is left. Each message must be whole, and each writer's messages in order;
/// without gaps if none was lost.
fn read_all(mut reader: Reader) -> Deliveries {
    let read = numbered::read_all(&mut reader, &AtomicU64::new(0), &AtomicBool::new(true)).unwrap();
    assert_eq!(read.deaths, 0);
    read
}

#[test]
fn every_reader_gets_the_messages_of_each_writer_in_order() {
    const COUNT: u64 = 2000;
    for delivery in DELIVERIES {
        for (writers, readers, slots) in [(2, 1, 1), (3, 2, 2), (4, 2, 7), (2, 3, 64)] {
            let ring = Ring::heap(&config(delivery, slots)).unwrap();
            let registered: Vec<_> = (0..readers).map(|_| ring.reader(Start::Next).unwrap()).collect();
            // Registered before the first message: the stream ends once, when the last writer
            // leaves.
            let handles: Vec<_> = (0..writers).map(|_| ring.writer().unwrap()).collect();
            let delivered: Vec<Deliveries> = thread::scope(|scope| {
                for (name, mut writer) in handles.into_iter().enumerate() {
                    scope.spawn(move || {
                        for n in 0..COUNT {
                            writer.write(&message(name as u64, n)).unwrap();
                        }
                    });
                }
                let reading: Vec<_> =
                    registered.into_iter().map(|reader| scope.spawn(|| read_all(reader))).collect();
                reading.into_iter().map(|reader| reader.join().unwrap()).collect()
            });
            for one in delivered {
                assert_eq!(one.read + one.lost, writers * COUNT, "{delivery:?} {one:?}");
                assert!(delivery == Delivery::Lossy || one.lost == 0);
            }
        }
    }
}

#[test]
fn a_gated_ring_of_many_writers_holds_exactly_its_slots() {
    for slots in [1, 2, 3, 10, 50] {
        let ring = Ring::heap(&config(Delivery::Gated, slots)).unwrap();
        let mut reader = ring.reader(Start::Next).unwrap();
        let (mut one, mut other) = (ring.writer().unwrap(), ring.writer().unwrap());
        let mut out = [0; SLOT_BYTES];
        for lap in 0..3 {
            for n in 0..slots as u64 {
                let writer = if n % 2 == 0 { &mut one } else { &mut other };
                assert_eq!(writer.try_write(b"x"), Ok(lap * slots as u64 + n));
                assert_eq!(writer.next_sequence(), lap * slots as u64 + n + 1);
            }
            assert_eq!(one.try_write(b"x"), Err(TryWriteError::Full));
            assert_eq!(other.try_write(b"x"), Err(TryWriteError::Full));
            for _ in 0..slots {
                assert_eq!(reader.try_read(&mut out).unwrap().len, 1);
            }
        }
    }
}

#[test]
fn a_stream_ends_when_its_last_writer_leaves_and_a_later_writer_continues_it() {
    let ring = Ring::heap(&config(Delivery::Gated, 4)).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut out = [0; SLOT_BYTES];
    let (one, two) = (ring.writer().unwrap(), ring.writer().unwrap());
    drop(one);
    assert_eq!(reader.try_read(&mut out), Err(TryReadError::Empty));
    drop(two);
    assert_eq!(reader.try_read(&mut out), Err(TryReadError::Closed));
    let mut three = ring.writer().unwrap();
    assert_eq!(three.try_write(b"again"), Ok(0));
    assert_eq!(reader.try_read(&mut out).unwrap().len, 5);
    assert_eq!(reader.try_read(&mut out), Err(TryReadError::Empty));
    ring.close();
    assert_eq!(three.try_write(b"late"), Err(TryWriteError::Closed));
    assert!(matches!(ring.writer(), Err(RegisterError::Closed)));
}

/// Fails if entries or buffers leak: far more writers register than there are entries.
#[test]
fn writers_can_register_and_deregister_without_limit() {
    const TURNS: u64 = 100;
    for delivery in DELIVERIES {
        let ring = Ring::heap(&config(delivery, 5)).unwrap();
        let reader = ring.reader(Start::Next).unwrap();
        let keeps_open = ring.writer().unwrap();
        let delivered = thread::scope(|scope| {
            let reading = scope.spawn(|| read_all(reader));
            let writing: Vec<_> = (0..3)
                .map(|thread| {
                    let ring = &ring;
                    scope.spawn(move || {
                        for turn in 0..TURNS {
                            publish(ring, thread * TURNS + turn, turn % 20);
                        }
                    })
                })
                .collect();
            for thread in writing {
                thread.join().unwrap();
            }
            drop(keeps_open);
            reading.join().unwrap()
        });
        let written = 3 * (0..TURNS).map(|turn| turn % 20).sum::<u64>();
        assert_eq!(delivered.read + delivered.lost, written, "{delivery:?}");
    }
}

#[test]
fn claims_of_many_writers_are_filled_in_place_and_published_in_any_order() {
    let ring = Ring::heap(&config(Delivery::Gated, 3)).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let (mut one, mut two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut first = one.try_claim(10).unwrap();
    let mut second = two.try_claim(20).unwrap();
    first.fill(1);
    second.fill(2);
    assert!(first.is_in_place() && second.is_in_place());
    assert_eq!(second.publish(), Ok(0));
    assert_eq!(first.publish(), Ok(1));
    assert_eq!(&reader.try_view().unwrap()[..], &[2; 20]);
    assert_eq!(&reader.try_view().unwrap()[..], &[1; 10]);
}

/// Fails if a claim is lost because another writer published first.
#[test]
fn a_claim_whose_room_another_writer_took_is_returned_or_waits() {
    let gated = config(Delivery::Gated, 1);
    for config in [gated.clone().observers(true), gated, config(Delivery::Queue, 1)] {
        let ring = Ring::heap(&config).unwrap();
        let (mut one, mut two) = (ring.writer().unwrap(), ring.writer().unwrap());
        let mut claim = one.claim(3).unwrap();
        claim.copy_from_slice(b"one");
        two.write(b"two").unwrap();
        let unpublished = claim.try_publish().unwrap_err();
        assert_eq!(unpublished.error, TryWriteError::Full);
        let unpublished = unpublished.claim.publish_timeout(Duration::from_millis(1)).unwrap_err();
        assert!(matches!(unpublished.error, WriteError::TimedOut { .. }), "{unpublished}");
        assert_eq!(&*unpublished.claim, b"one");
        thread::scope(|scope| {
            let publishing = scope.spawn(|| unpublished.claim.publish_timeout(Duration::MAX).unwrap());
            let next = |expected: &[u8]| match ring.config().delivery {
                Delivery::Queue => assert_eq!(&*ring.taker().unwrap().take().unwrap(), expected),
                _ => assert_eq!(&*ring.reader(Start::Oldest).unwrap().view().unwrap(), expected),
            };
            next(b"two");
            assert_eq!(publishing.join().unwrap(), 1);
            next(b"one");
        });
    }
}

#[test]
fn inline_slots_refuse_many_writers() {
    let config = config(Delivery::Gated, 3).slot_class(seqring::SlotClass::Lines);
    let refused = Ring::heap(&config).unwrap_err().to_string();
    assert!(refused.contains("arena"), "{refused}");
}
