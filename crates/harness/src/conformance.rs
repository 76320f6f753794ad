//! What every engine must do, as checks that run on any of them.
//!
//! An engine is measured only if it passes: a ring that loses, repeats or mixes messages is fast
//! for nothing. Missing capabilities are not tested.
//! [`conformance_tests!`](crate::conformance_tests) makes a test of each.

use std::time::Duration;

use crate::engine::{Batch, Engine, EngineReader, EngineWriter, Sink};
use crate::payload::{self, Stamped};
use crate::refusal::{EngineError, Refusal};
use crate::ring_spec::{Delivery, Place, RingSpec};

/// Longer than any wait that ends well; a check that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a wait lasts that must end by itself.
const MOMENT: Duration = Duration::from_millis(5);

/// Makes a test of each check, for an engine: `conformance_tests!(name_of_a_module, Engine)`.
#[macro_export]
macro_rules! conformance_tests {
    ($module:ident, $engine:ty) => {
        mod $module {
            #[allow(unused_imports, reason = "the engine may be named by a path")]
            use super::*;
            $crate::conformance_tests!(@ $engine:
                takes_exactly_its_slots, tells_losses_exactly, refuses_what_does_not_fit,
                ends_after_the_last_message, delivers_what_comes_after_joining,
                waits_for_messages_and_for_room, gives_up_waiting_in_time, fills_and_shows_in_place,
                lets_readers_come_and_go, moves_as_many_as_fit, has_a_name_while_its_creator_lives, delivers_whole_and_in_order,
            );
        }
    };
    (@ $engine:ty: $($check:ident),+ $(,)?) => {
        $(#[test]
        fn $check() {
            $crate::conformance::$check::<$engine>();
        })+
    };
}

fn spec(delivery: Delivery, slots: usize, slot_bytes: usize) -> RingSpec {
    RingSpec { slots, slot_bytes, delivery, writers: 1, readers: 2 }
}

/// The ring that `spec` asks for, if the engine can make such rings.
fn ring<E: Engine>(spec: &RingSpec) -> Option<E> {
    spec.check(&Place::Heap, E::CAPABILITIES).ok()?;
    Some(E::create(spec, &Place::Heap).expect("it can make such rings"))
}

fn message(bytes: usize, writer: u32, sequence: u64) -> Vec<u8> {
    let mut message = vec![0; bytes];
    payload::fill(&mut message, writer, sequence);
    message
}

/// A gated ring takes so many messages as it has slots, no more and no less, again and again.
pub fn takes_exactly_its_slots<E: Engine>() {
    for slots in [1, 2, 4, 16] {
        let Some(ring) = ring::<E>(&spec(Delivery::Gated, slots, 64)) else { return };
        let mut reader = ring.reader().unwrap();
        let mut writer = ring.writer().unwrap();
        for _ in 0..3 {
            for n in 0..slots {
                writer.put(&[n as u8; 64], None).unwrap_or_else(|error| panic!("{n} of {slots}: {error}"));
            }
            assert!(matches!(writer.put(&[0; 64], None), Err(Refusal::Full)), "{slots} slots");
            for n in 0..slots {
                let mut buffer = [0; 64];
                assert_eq!(reader.get(&mut buffer, None).unwrap(), 64);
                assert_eq!(buffer, [n as u8; 64]);
            }
            assert!(matches!(reader.get(&mut [0; 64], None), Err(Refusal::Empty)));
        }
    }
}

/// A lossy ring never refuses a message, and the messages that a reader gets and the losses that it
/// learns are all messages.
pub fn tells_losses_exactly<E: Engine>() {
    let Some(ring) = ring::<E>(&spec(Delivery::Lossy, 4, 64)) else { return };
    let mut reader = ring.reader().unwrap();
    let mut writer = ring.writer().unwrap();
    for written in [3, 4, 5, 30] {
        for n in 0..written {
            writer.put(&message(64, 0, n), None).unwrap();
        }
        let (mut next, mut buffer) = (0, [0; 64]);
        loop {
            match reader.get(&mut buffer, None) {
                Ok(bytes) => {
                    assert_eq!(payload::check(&buffer[..bytes]).unwrap().sequence, next);
                    next += 1;
                }
                Err(Refusal::Lagged { missed }) => next += missed,
                Err(Refusal::Empty) => break,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(next, written, "messages and losses are all that was written");
    }
}

/// A message that is too long is refused by its length, and nothing else changes.
pub fn refuses_what_does_not_fit<E: Engine>() {
    let Some(ring) = ring::<E>(&spec(Delivery::Gated, 2, 100)) else { return };
    let mut reader = ring.reader().unwrap();
    let mut writer = ring.writer().unwrap();
    match writer.put(&[1; 101], None) {
        Err(Refusal::TooLarge { bytes, slot_bytes }) => assert_eq!((bytes, slot_bytes), (101, 100)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(writer.put(&[1; 101], Some(MOMENT)), Err(Refusal::TooLarge { .. })));
    assert!(matches!(reader.get(&mut [0; 100], None), Err(Refusal::Empty)));
    writer.put(&[2; 100], None).unwrap();
    assert_eq!(reader.get(&mut [0; 100], None).unwrap(), 100);
}

/// When the last writer has left, a reader gets the remaining messages, and then the end.
pub fn ends_after_the_last_message<E: Engine>() {
    let Some(ring) = ring::<E>(&spec(Delivery::Gated, 4, 64)) else { return };
    let mut reader = ring.reader().unwrap();
    assert!(matches!(reader.get(&mut [0; 64], None), Err(Refusal::Empty)), "no writer has left yet");
    let mut writer = ring.writer().unwrap();
    writer.put(&[1; 64], None).unwrap();
    drop(writer);
    assert_eq!(reader.get(&mut [0; 64], None).unwrap(), 64);
    assert!(matches!(reader.get(&mut [0; 64], None), Err(Refusal::Closed)));
    assert!(matches!(reader.get(&mut [0; 64], Some(PATIENCE)), Err(Refusal::Closed)));
}

/// A reader gets the messages that are written after it has joined, and no earlier ones.
pub fn delivers_what_comes_after_joining<E: Engine>() {
    let Some(ring) = ring::<E>(&spec(Delivery::Gated, 4, 64)) else { return };
    let mut writer = ring.writer().unwrap();
    for n in 0..3 {
        writer.put(&message(64, 0, n), None).unwrap(); // Without readers a ring is never full.
    }
    let mut reader = ring.reader().unwrap();
    assert!(matches!(reader.get(&mut [0; 64], None), Err(Refusal::Empty)));
    writer.put(&message(64, 0, 3), None).unwrap();
    let mut buffer = [0; 64];
    reader.get(&mut buffer, None).unwrap();
    assert_eq!(payload::check(&buffer).unwrap().sequence, 3);
}

/// A waiting reader gets a message that comes, and a waiting writer continues when there is room.
pub fn waits_for_messages_and_for_room<E: Engine>() {
    const MESSAGES: u64 = 300;
    let Some(ring) = ring::<E>(&spec(Delivery::Gated, 1, 64)) else { return };
    let mut reader = ring.reader().unwrap();
    let mut writer = ring.writer().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for n in 0..MESSAGES {
                writer.put(&message(64, 0, n), Some(PATIENCE)).unwrap();
            }
        });
        let mut buffer = [0; 64];
        for n in 0..MESSAGES {
            reader.get(&mut buffer, Some(PATIENCE)).unwrap();
            assert_eq!(payload::check(&buffer).unwrap().sequence, n);
        }
    });
}

/// A wait ends by itself when its time is over, and the message that was refused was not written.
pub fn gives_up_waiting_in_time<E: Engine>() {
    let Some(ring) = ring::<E>(&spec(Delivery::Gated, 1, 64)) else { return };
    let mut reader = ring.reader().unwrap();
    let mut writer = ring.writer().unwrap();
    assert!(matches!(reader.get(&mut [0; 64], Some(MOMENT)), Err(Refusal::TimedOut { .. })));
    writer.put(&[1; 64], None).unwrap();
    assert!(matches!(writer.put(&[2; 64], Some(MOMENT)), Err(Refusal::TimedOut { .. })));
    let mut buffer = [0; 64];
    reader.get(&mut buffer, None).unwrap();
    assert_eq!(buffer, [1; 64]);
    writer.put(&[3; 64], Some(PATIENCE)).unwrap();
    reader.get(&mut buffer, Some(PATIENCE)).unwrap();
    assert_eq!(buffer, [3; 64]);
}

/// A message that is put into its slot piece by piece is the same as one that was copied, also when
/// it is read in place.
pub fn fills_and_shows_in_place<E: Engine>() {
    for bytes in [16, 100, 5000] {
        let Some(ring) = ring::<E>(&spec(Delivery::Gated, 2, bytes)) else { return };
        let mut reader = ring.reader().unwrap();
        let mut writer = ring.writer().unwrap();
        for n in 0..5 {
            let whole = message(bytes, 1, n);
            let fill = |sink: &mut dyn Sink| {
                sink.put(11, &whole[11..]);
                sink.put(0, &whole[..11]);
            };
            let timeout = (n % 2 == 1).then_some(PATIENCE);
            writer.put_with(bytes, timeout, fill).unwrap();
            let seen = reader.get_with(timeout, payload::check).unwrap();
            assert_eq!(seen.unwrap(), Stamped { writer: 1, sequence: n });
        }
    }
}

/// A batch is written as far as there is room, and read as far as there are messages.
pub fn moves_as_many_as_fit<E: Engine>() {
    let Some(ring) = ring::<E>(&spec(Delivery::Gated, 4, 64)) else { return };
    let mut reader = ring.reader().unwrap();
    let mut writer = ring.writer().unwrap();
    let (messages, mut buffer): (Vec<u8>, _) =
        ((0..6).flat_map(|n| message(64, 0, n)).collect(), [0; 6 * 64]);
    assert_eq!(writer.put_batch(64, &messages).unwrap(), 4);
    assert!(matches!(writer.put_batch(64, &messages), Err(Refusal::Full)));
    assert_eq!(reader.get_batch(64, &mut buffer).unwrap(), Batch { messages: 4, missed: 0 });
    assert_eq!(buffer[..4 * 64], messages[..4 * 64]);
    assert!(matches!(reader.get_batch(64, &mut buffer), Err(Refusal::Empty)));
}

/// Writers no longer wait for a reader that has left, and its place is free again.
pub fn lets_readers_come_and_go<E: Engine>() {
    let spec = RingSpec { readers: 1, ..spec(Delivery::Gated, 2, 64) };
    let Some(ring) = ring::<E>(&spec) else { return };
    let mut writer = ring.writer().unwrap();
    for _ in 0..3 {
        let reader = ring.reader().unwrap();
        writer.put(&[1; 64], None).unwrap();
        writer.put(&[2; 64], None).unwrap();
        assert!(matches!(writer.put(&[3; 64], None), Err(Refusal::Full)));
        drop(reader);
        writer.put(&[3; 64], None).unwrap();
    }
}

/// Another process finds a named ring by its name, until its creator is gone; no name is taken
/// twice.
pub fn has_a_name_while_its_creator_lives<E: Engine>() {
    if !E::CAPABILITIES.between_processes {
        assert!(matches!(E::open("none"), Err(EngineError::Unsupported { .. })));
        return;
    }
    let name = format!("conformance-{}-{}", E::NAME, std::process::id());
    let place = Place::Named(name.clone());
    assert!(matches!(E::open(&name), Err(EngineError::Failed { .. })), "it does not exist yet");
    let created = E::create(&spec(Delivery::Gated, 2, 64), &place).unwrap();
    assert!(E::create(&spec(Delivery::Gated, 2, 64), &place).is_err(), "the name is taken");
    let opened = E::open(&name).unwrap();
    let mut reader = created.reader().unwrap();
    let mut writer = opened.writer().unwrap();
    writer.put(&[5; 64], None).unwrap();
    drop(created);
    assert!(E::open(&name).is_err(), "the name went with its creator");
    let mut buffer = [0; 64];
    assert_eq!(reader.get(&mut buffer, None).unwrap(), 64, "open handles remain usable");
    assert_eq!(buffer, [5; 64]);
}

/// Several writers and readers at once: every message arrives whole, each writer's in its order,
/// none twice, and none is lost without a report to the reader.
pub fn delivers_whole_and_in_order<E: Engine>() {
    let many = if E::CAPABILITIES.many_writers { 3 } else { 1 };
    for delivery in [Delivery::Gated, Delivery::Lossy] {
        for (slots, slot_bytes) in [(1, 16), (2, 64), (8, 300), (4, 5000)] {
            let readers = if E::CAPABILITIES.many_readers { 2 } else { 1 };
            let spec = RingSpec { slots, slot_bytes, delivery, writers: many, readers };
            if let Some(ring) = ring::<E>(&spec) {
                stress(&ring, &spec);
            }
        }
    }
}

fn stress<E: Engine>(ring: &E, spec: &RingSpec) {
    const MESSAGES: u64 = 400;
    let readers: Vec<E::Reader> = (0..spec.readers).map(|_| ring.reader().unwrap()).collect();
    let writers: Vec<E::Writer> = (0..spec.writers).map(|_| ring.writer().unwrap()).collect();
    let written = MESSAGES * writers.len() as u64;
    std::thread::scope(|scope| {
        for (number, mut writer) in (0..).zip(writers) {
            scope.spawn(move || {
                for n in 0..MESSAGES {
                    writer.put(&message(spec.slot_bytes, number, n), Some(PATIENCE)).unwrap();
                }
            });
        }
        for mut reader in readers {
            scope.spawn(move || assert_eq!(accounted(&mut reader, spec), written, "{spec:?}"));
        }
    });
}

/// Messages that a reader got, and those that were reported lost, until the end.
fn accounted(reader: &mut impl EngineReader, spec: &RingSpec) -> u64 {
    let mut next = vec![0; spec.writers];
    let (mut accounted, mut buffer) = (0, vec![0; spec.slot_bytes]);
    loop {
        match reader.get(&mut buffer, Some(PATIENCE)) {
            Ok(bytes) => {
                let Stamped { writer, sequence } = payload::check(&buffer[..bytes]).unwrap();
                let expected = &mut next[writer as usize];
                assert!(sequence >= *expected, "{sequence} of {writer} came late or twice");
                assert!(spec.delivery == Delivery::Lossy || sequence == *expected, "{expected} is missing");
                *expected = sequence + 1;
                accounted += 1;
            }
            Err(Refusal::Lagged { missed }) => accounted += missed,
            Err(Refusal::Closed) => return accounted,
            Err(other) => panic!("{other}"),
        }
    }
}
