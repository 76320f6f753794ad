//! What every engine must do, as checks that run on any of them.
//!
//! An engine is measured only if it passes: a ring that loses, repeats or mixes messages is fast
//! for nothing. Missing capabilities are not tested.
//! [`conformance_tests!`](crate::conformance_tests) makes a test of each.

use std::time::Duration;

use crate::engine::{Engine, EngineReader, EngineWriter};
use crate::payload::{self, Stamped};
use crate::refusal::{EngineError, ReadError, ReadRefused, WriteError, WriteRefused};
use crate::ring_spec::{Delivery, Place, RingSpec, Writers};
use crate::sink::{Scratch, Sink};

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
                shows_what_did_not_fit_again, ends_after_the_last_message, delivers_what_comes_after_joining,
                waits_for_messages_and_for_room, gives_up_waiting_in_time, fills_and_shows_in_place,
                lets_readers_come_and_go, has_a_name_while_its_creator_lives, delivers_whole_and_in_order,
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
    RingSpec { slots, slot_bytes, delivery, writers: Writers::One, readers: 2 }
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
                writer.try_write(&[n as u8; 64]).unwrap_or_else(|error| panic!("{n} of {slots}: {error}"));
            }
            assert!(matches!(writer.try_write(&[0; 64]), Err(WriteRefused::Full)), "{slots} slots");
            for n in 0..slots {
                let mut buffer = [0; 64];
                assert_eq!(reader.try_read(&mut buffer).unwrap(), 64);
                assert_eq!(buffer, [n as u8; 64]);
            }
            assert!(matches!(reader.try_read(&mut [0; 64]), Err(ReadRefused::Empty)));
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
            writer.try_write(&message(64, 0, n)).unwrap();
        }
        let (mut next, mut buffer) = (0, [0; 64]);
        loop {
            match reader.try_read(&mut buffer) {
                Ok(bytes) => {
                    assert_eq!(payload::check(&buffer[..bytes]).unwrap().sequence, next);
                    next += 1;
                }
                Err(ReadRefused::Lagged { missed }) => next += missed,
                Err(ReadRefused::Empty) => break,
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
    match writer.try_write(&[1; 101]) {
        Err(WriteRefused::TooLarge { bytes, slot_bytes }) => assert_eq!((bytes, slot_bytes), (101, 100)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(writer.write(&[1; 101], MOMENT), Err(WriteError::TooLarge { .. })));
    assert!(matches!(reader.try_read(&mut [0; 100]), Err(ReadRefused::Empty)));
    writer.try_write(&[2; 100]).unwrap();
    assert_eq!(reader.try_read(&mut [0; 100]).unwrap(), 100);
}

/// A message that is longer than the reader's buffer is still there for a larger one.
pub fn shows_what_did_not_fit_again<E: Engine>() {
    let Some(ring) = ring::<E>(&spec(Delivery::Gated, 2, 100)) else { return };
    let mut reader = ring.reader().unwrap();
    let mut writer = ring.writer().unwrap();
    writer.try_write(&[7; 90]).unwrap();
    match reader.try_read(&mut [0; 89]) {
        Err(ReadRefused::OtherLength { bytes, .. }) => assert_eq!(bytes, 90),
        other => panic!("{other:?}"),
    }
    let mut buffer = [0; 100];
    assert_eq!(reader.try_read(&mut buffer).unwrap(), 90);
    assert_eq!(buffer[..90], [7; 90]);
}

/// When the last writer has left, a reader gets the remaining messages, and then the end.
pub fn ends_after_the_last_message<E: Engine>() {
    let Some(ring) = ring::<E>(&spec(Delivery::Gated, 4, 64)) else { return };
    let mut reader = ring.reader().unwrap();
    assert!(matches!(reader.try_read(&mut [0; 64]), Err(ReadRefused::Empty)), "no writer has left yet");
    let mut writer = ring.writer().unwrap();
    writer.try_write(&[1; 64]).unwrap();
    drop(writer);
    assert_eq!(reader.try_read(&mut [0; 64]).unwrap(), 64);
    assert!(matches!(reader.try_read(&mut [0; 64]), Err(ReadRefused::Closed)));
    assert!(matches!(reader.read(&mut [0; 64], PATIENCE), Err(ReadError::Closed)));
}

/// A reader gets the messages that are written after it has joined, and no earlier ones.
pub fn delivers_what_comes_after_joining<E: Engine>() {
    let Some(ring) = ring::<E>(&spec(Delivery::Gated, 4, 64)) else { return };
    let mut writer = ring.writer().unwrap();
    for n in 0..3 {
        writer.try_write(&message(64, 0, n)).unwrap(); // Without readers a ring is never full.
    }
    let mut reader = ring.reader().unwrap();
    assert!(matches!(reader.try_read(&mut [0; 64]), Err(ReadRefused::Empty)));
    writer.try_write(&message(64, 0, 3)).unwrap();
    let mut buffer = [0; 64];
    reader.try_read(&mut buffer).unwrap();
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
                writer.write(&message(64, 0, n), PATIENCE).unwrap();
            }
        });
        let mut buffer = [0; 64];
        for n in 0..MESSAGES {
            reader.read(&mut buffer, PATIENCE).unwrap();
            assert_eq!(payload::check(&buffer).unwrap().sequence, n);
        }
    });
}

/// A wait ends by itself when its time is over, and the message that was refused was not written.
pub fn gives_up_waiting_in_time<E: Engine>() {
    let Some(ring) = ring::<E>(&spec(Delivery::Gated, 1, 64)) else { return };
    let mut reader = ring.reader().unwrap();
    let mut writer = ring.writer().unwrap();
    assert!(matches!(reader.read(&mut [0; 64], MOMENT), Err(ReadError::TimedOut { .. })));
    writer.try_write(&[1; 64]).unwrap();
    assert!(matches!(writer.write(&[2; 64], MOMENT), Err(WriteError::TimedOut { .. })));
    let mut buffer = [0; 64];
    reader.try_read(&mut buffer).unwrap();
    assert_eq!(buffer, [1; 64]);
    writer.write(&[3; 64], PATIENCE).unwrap();
    reader.read(&mut buffer, PATIENCE).unwrap();
    assert_eq!(buffer, [3; 64]);
}

/// A message that is put into its slot piece by piece is the same as one that was copied, also when
/// it is read in place.
pub fn fills_and_shows_in_place<E: Engine>() {
    for bytes in [16, 100, 5000] {
        let Some(ring) = ring::<E>(&spec(Delivery::Gated, 2, bytes)) else { return };
        let mut reader = ring.reader().unwrap();
        let mut writer = ring.writer().unwrap();
        let mut scratch = Scratch::new(bytes);
        for n in 0..5 {
            let whole = message(bytes, 1, n);
            let fill = |sink: &mut dyn Sink| {
                assert_eq!(sink.message_bytes(), bytes);
                sink.put(11, &whole[11..]);
                sink.put(0, &whole[..11]);
            };
            if n % 2 == 0 {
                writer.try_write_with(bytes, &mut scratch, fill).unwrap();
            } else {
                writer.write_with(bytes, &mut scratch, PATIENCE, fill).unwrap();
            }
            let seen = if n % 2 == 0 {
                reader.try_read_with(&mut scratch, payload::check).unwrap()
            } else {
                reader.read_with(&mut scratch, PATIENCE, payload::check).unwrap()
            };
            assert_eq!(seen.unwrap(), Stamped { writer: 1, sequence: n });
        }
    }
}

/// Writers no longer wait for a reader that has left, and its place is free again.
pub fn lets_readers_come_and_go<E: Engine>() {
    let spec = RingSpec { readers: 1, ..spec(Delivery::Gated, 2, 64) };
    let Some(ring) = ring::<E>(&spec) else { return };
    let mut writer = ring.writer().unwrap();
    for _ in 0..3 {
        let reader = ring.reader().unwrap();
        writer.try_write(&[1; 64]).unwrap();
        writer.try_write(&[2; 64]).unwrap();
        assert!(matches!(writer.try_write(&[3; 64]), Err(WriteRefused::Full)));
        drop(reader);
        writer.try_write(&[3; 64]).unwrap();
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
    writer.try_write(&[5; 64]).unwrap();
    drop(created);
    assert!(E::open(&name).is_err(), "the name went with its creator");
    let mut buffer = [0; 64];
    assert_eq!(reader.try_read(&mut buffer).unwrap(), 64, "open handles remain usable");
    assert_eq!(buffer, [5; 64]);
}

/// Several writers and readers at once: every message arrives whole, each writer's in its order,
/// none twice, and none is lost without a report to the reader.
pub fn delivers_whole_and_in_order<E: Engine>() {
    let many = if E::CAPABILITIES.many_writers { 3 } else { 1 };
    for delivery in [Delivery::Gated, Delivery::Lossy] {
        for (slots, slot_bytes) in [(1, 16), (2, 64), (8, 300), (4, 5000)] {
            let readers = if E::CAPABILITIES.many_readers { 2 } else { 1 };
            let writers = if many == 1 { Writers::One } else { Writers::Many(many) };
            let spec = RingSpec { slots, slot_bytes, delivery, writers, readers };
            if let Some(ring) = ring::<E>(&spec) {
                stress(&ring, &spec);
            }
        }
    }
}

fn stress<E: Engine>(ring: &E, spec: &RingSpec) {
    const MESSAGES: u64 = 400;
    let readers: Vec<E::Reader> = (0..spec.readers).map(|_| ring.reader().unwrap()).collect();
    let writers: Vec<E::Writer> = (0..spec.writers.most()).map(|_| ring.writer().unwrap()).collect();
    let written = MESSAGES * writers.len() as u64;
    std::thread::scope(|scope| {
        for (number, mut writer) in (0..).zip(writers) {
            scope.spawn(move || {
                for n in 0..MESSAGES {
                    writer.write(&message(spec.slot_bytes, number, n), PATIENCE).unwrap();
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
    let mut next = vec![0; spec.writers.most()];
    let (mut accounted, mut buffer) = (0, vec![0; spec.slot_bytes]);
    loop {
        match reader.read(&mut buffer, PATIENCE) {
            Ok(bytes) => {
                let Stamped { writer, sequence } = payload::check(&buffer[..bytes]).unwrap();
                let expected = &mut next[writer as usize];
                assert!(sequence >= *expected, "{sequence} of {writer} came late or twice");
                assert!(spec.delivery == Delivery::Lossy || sequence == *expected, "{expected} is missing");
                *expected = sequence + 1;
                accounted += 1;
            }
            Err(ReadError::Lagged { missed }) => accounted += missed,
            Err(ReadError::Closed) => return accounted,
            Err(other) => panic!("{other}"),
        }
    }
}
