//! What writers that share a ring may rely on, and their readers. Ends are reached by counting messages.
#![allow(missing_docs)]

mod common;

use common::DELIVERIES;
use seqring::{
    Config, Delivery, Lagged, ReadError, Reader, RegisterError, Ring, Start, TryWriteError, Writers,
};
use std::collections::BTreeMap;
use std::thread;

const SLOT_BYTES: usize = 200;

fn config(delivery: Delivery, slots: usize) -> Config {
    Config::new(slots, SLOT_BYTES).delivery(delivery).writers(Writers::Many).participants(16)
}

/// Message `n` of a writer: both numbers, over and over, in a length that they decide.
fn message(writer: u64, n: u64) -> Vec<u8> {
    let words = 2 + (n * 7 + writer * 3) as usize % (SLOT_BYTES / 8 - 1);
    (0..words).flat_map(|word| if word % 2 == 0 { writer } else { n }.to_le_bytes()).collect()
}

fn publish(ring: &Ring, name: u64, count: u64) {
    let mut writer = ring.writer().unwrap();
    for n in 0..count {
        writer.write(&message(name, n)).unwrap();
    }
}

/// What a reader got: how many of each writer, and how many messages it missed.
#[derive(Debug, Default)]
struct Got {
    of: BTreeMap<u64, u64>,
    missed: u64,
}

impl Got {
    fn read(&self) -> u64 {
        self.of.values().sum()
    }
}

/// Reads until no writer is left. Each message must be whole, and each writer's in its order; without gaps if nothing
/// was missed.
fn read_all(mut reader: Reader) -> Got {
    let mut out = [0; SLOT_BYTES];
    let (mut got, mut expected) = (Got::default(), reader.position());
    let mut last = BTreeMap::new();
    loop {
        match reader.read(&mut out) {
            Ok(received) => {
                assert_eq!(received.sequence, expected);
                let word = |at: usize| u64::from_le_bytes(out[8 * at..][..8].try_into().unwrap());
                let (writer, n) = (word(0), word(1));
                assert_eq!(out[..received.len], message(writer, n), "message {expected} is torn");
                let before = last.insert(writer, n);
                assert!(before.is_none_or(|before| before < n), "{n} of {writer} came after {before:?}");
                assert!(got.missed > 0 || before.map_or(0, |before| before + 1) == n, "{n} of {writer}");
                *got.of.entry(writer).or_default() += 1;
                expected += 1;
            }
            Err(ReadError::Lagged(Lagged { missed })) => {
                expected += missed;
                got.missed += missed;
            }
            Err(ReadError::Closed) => return got,
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn every_reader_gets_every_writers_messages_in_its_order() {
    const COUNT: u64 = 2000;
    for delivery in DELIVERIES {
        for (writers, readers, slots) in [(2, 1, 1), (3, 2, 2), (4, 2, 7), (2, 3, 64)] {
            let ring = Ring::heap(&config(delivery, slots)).unwrap();
            let joined: Vec<_> = (0..readers).map(|_| ring.reader(Start::Next).unwrap()).collect();
            // Registered before the first message, so that nobody takes the first writer's end for the last's.
            let handles: Vec<_> = (0..writers).map(|_| ring.writer().unwrap()).collect();
            let got: Vec<Got> = thread::scope(|scope| {
                for (name, mut writer) in handles.into_iter().enumerate() {
                    scope.spawn(move || {
                        for n in 0..COUNT {
                            writer.write(&message(name as u64, n)).unwrap();
                        }
                    });
                }
                let reading: Vec<_> =
                    joined.into_iter().map(|reader| scope.spawn(|| read_all(reader))).collect();
                reading.into_iter().map(|reader| reader.join().unwrap()).collect()
            });
            for got in got {
                assert_eq!(got.read() + got.missed, writers * COUNT, "{delivery:?} {got:?}");
                assert!(delivery == Delivery::Lossy || got.missed == 0);
            }
        }
    }
}

#[test]
fn a_gated_ring_of_many_takes_exactly_its_slots() {
    for slots in [1, 2, 3, 10, 50] {
        let ring = Ring::heap(&config(Delivery::Gated, slots)).unwrap();
        let mut reader = ring.reader(Start::Next).unwrap();
        let (mut one, mut other) = (ring.writer().unwrap(), ring.writer().unwrap());
        let mut out = [0; SLOT_BYTES];
        for lap in 0..3 {
            for n in 0..slots as u64 {
                let writer = if n % 2 == 0 { &mut one } else { &mut other };
                assert_eq!(writer.try_write(b"x"), Ok(lap * slots as u64 + n));
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
fn a_stream_ends_with_its_last_writer_whichever_that_is() {
    let ring = Ring::heap(&config(Delivery::Gated, 4)).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut out = [0; SLOT_BYTES];
    let (one, two) = (ring.writer().unwrap(), ring.writer().unwrap());
    drop(one);
    assert_eq!(reader.try_read(&mut out), Err(seqring::TryReadError::Empty));
    drop(two);
    assert_eq!(reader.try_read(&mut out), Err(seqring::TryReadError::Closed));
    let mut three = ring.writer().unwrap();
    assert_eq!(three.try_write(b"again"), Ok(0));
    assert_eq!(reader.try_read(&mut out).unwrap().len, 5);
    assert_eq!(reader.try_read(&mut out), Err(seqring::TryReadError::Empty));
    ring.close();
    assert_eq!(three.try_write(b"late"), Err(TryWriteError::Closed));
    assert!(matches!(ring.writer(), Err(RegisterError::Closed)));
}

/// Fails if entries or buffers were used up: far more writers come than there are entries.
#[test]
fn writers_come_and_go_for_ever() {
    const STAYS: u64 = 100;
    for delivery in DELIVERIES {
        let ring = Ring::heap(&config(delivery, 5)).unwrap();
        let reader = ring.reader(Start::Next).unwrap();
        let warden = ring.writer().unwrap(); // Keeps the stream open.
        let got = thread::scope(|scope| {
            let reading = scope.spawn(|| read_all(reader));
            let writing: Vec<_> = (0..3)
                .map(|thread| {
                    let ring = &ring;
                    scope.spawn(move || {
                        for stay in 0..STAYS {
                            publish(ring, thread * STAYS + stay, stay % 20);
                        }
                    })
                })
                .collect();
            for thread in writing {
                thread.join().unwrap();
            }
            drop(warden);
            reading.join().unwrap()
        });
        let written = 3 * (0..STAYS).map(|stay| stay % 20).sum::<u64>();
        assert_eq!(got.read() + got.missed, written, "{delivery:?}");
    }
}

#[test]
fn claims_of_many_writers_are_filled_in_place_and_published_in_any_order() {
    let ring = Ring::heap(&config(Delivery::Gated, 3)).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let (mut one, mut two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut first = one.try_claim(10).unwrap();
    let mut second = two.try_claim(20).unwrap();
    first.as_mut_slice().unwrap().fill(1);
    second.as_mut_slice().unwrap().fill(2);
    assert_eq!(second.publish(), Ok(0));
    assert_eq!(first.publish(), Ok(1));
    assert_eq!(&reader.try_view().unwrap()[..], &[2; 20]);
    assert_eq!(&reader.try_view().unwrap()[..], &[1; 10]);
}

#[test]
fn inline_slots_refuse_many_writers() {
    let config = config(Delivery::Gated, 3).slot_class(seqring::SlotClass::Lines);
    let refused = Ring::heap(&config).unwrap_err().to_string();
    assert!(refused.contains("arena"), "{refused}");
}
