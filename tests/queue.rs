//! The promises of a queue to its writers and takers. Tests end after a count of messages, not
//! after a time.
#![allow(missing_docs)]

#[path = "common/numbered.rs"]
mod numbered;

use numbered::{SLOT_BYTES, message};
use seqring::{
    Config, Delivery, MessageHeader, ReadError, Redelivery, RegisterError, Ring, Start, TryReadError,
    TryWriteError,
};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

fn queue(slots: usize) -> Ring {
    Ring::heap(&Config::slots(slots).of_bytes(SLOT_BYTES).delivery(Delivery::Queue).participants(16)).unwrap()
}

fn numbers(bytes: &[u8]) -> (u64, u64) {
    numbered::numbers(bytes).unwrap()
}

#[test]
fn a_queue_holds_exactly_its_slots_and_delivers_in_order() {
    for slots in [1, 2, 3, 10, 50] {
        let ring = queue(slots);
        let (mut one, mut two) = (ring.writer().unwrap(), ring.writer().unwrap());
        let mut taker = ring.taker().unwrap();
        for lap in 0..3 {
            for n in 0..slots as u64 {
                let writer = if n % 2 == 0 { &mut one } else { &mut two };
                assert_eq!(writer.try_write(&message(lap, n)), Ok(lap * slots as u64 + n));
            }
            assert_eq!(one.try_write(b"x"), Err(TryWriteError::Full), "{slots}");
            assert_eq!(two.try_write(b"x"), Err(TryWriteError::Full), "{slots}");
            for n in 0..slots as u64 {
                let taken = taker.try_take().unwrap();
                assert_eq!(taken.received().sequence, lap * slots as u64 + n);
                assert_eq!(numbers(&taken), (lap, n));
            }
            assert_eq!(taker.try_take().unwrap_err(), TryReadError::Empty);
        }
    }
}

#[test]
fn a_taken_message_that_is_held_frees_its_slot() {
    let ring = queue(1);
    let mut writer = ring.writer().unwrap();
    let (mut one, mut two) = (ring.taker().unwrap(), ring.taker().unwrap());
    writer.try_write(b"first").unwrap();
    let first = one.try_take().unwrap();
    writer.try_write(b"second").unwrap();
    let second = two.try_take().unwrap();
    writer.try_write(b"third").unwrap();
    assert_eq!((&first[..], &second[..]), (&b"first"[..], &b"second"[..]));
    drop((first, second));
    assert_eq!(&one.try_take().unwrap()[..], b"third");
}

#[test]
fn every_message_goes_to_exactly_one_taker() {
    const COUNT: u64 = 3000;
    for (writers, takers, slots) in [(1, 1, 1), (2, 2, 1), (2, 2, 7), (4, 3, 2), (1, 4, 64), (4, 1, 3)] {
        let ring = queue(slots);
        let handles: Vec<_> = (0..writers).map(|_| ring.writer().unwrap()).collect();
        let all = Mutex::new(BTreeSet::new());
        thread::scope(|scope| {
            for (name, mut writer) in handles.into_iter().enumerate() {
                scope.spawn(move || {
                    for n in 0..COUNT {
                        writer.write(&message(name as u64, n)).unwrap();
                    }
                });
            }
            for _ in 0..takers {
                let (mut taker, all) = (ring.taker().unwrap(), &all);
                scope.spawn(move || {
                    let mut mine = BTreeSet::new();
                    let mut last = None;
                    let mut of = vec![None; writers];
                    loop {
                        match taker.take() {
                            Ok(taken) => {
                                let sequence = taken.received().sequence;
                                assert!(last.is_none_or(|last| last < sequence), "out of order");
                                last = Some(sequence);
                                let (writer, n) = numbers(&taken);
                                let before = of[writer as usize].replace(n);
                                assert!(before.is_none_or(|before| before < n), "out of its writer's order");
                                mine.insert((writer, n));
                            }
                            Err(ReadError::Closed) => break,
                            Err(other) => panic!("{other}"),
                        }
                    }
                    let mut all = all.lock().unwrap();
                    for message in mine {
                        assert!(all.insert(message), "{message:?} was taken twice");
                    }
                });
            }
        });
        assert_eq!(
            all.into_inner().unwrap().len() as u64,
            writers as u64 * COUNT,
            "{writers} {takers} {slots}"
        );
    }
}

/// Fails if entries or buffers leak, or if two participants get one buffer.
#[test]
fn takers_and_writers_can_register_and_deregister_without_limit() {
    let ring = queue(3);
    let mut expected = 0;
    for round in 0..200_u64 {
        let mut writers = [ring.writer().unwrap(), ring.writer().unwrap()];
        let mut takers = [ring.taker().unwrap(), ring.taker().unwrap(), ring.taker().unwrap()];
        for n in 0..round % 7 {
            let writer = &mut writers[n as usize % 2];
            assert_eq!(writer.try_write(&message(round, n)), Ok(expected));
            let taken = takers[(n + round) as usize % 3].try_take().unwrap();
            assert_eq!((taken.received().sequence, numbers(&taken)), (expected, (round, n)));
            expected += 1;
        }
        drop((writers, takers));
        assert_eq!(ring.participants(), []);
    }
}

#[test]
fn a_queue_ends_when_all_messages_are_taken_and_no_writer_is_left() {
    let ring = queue(4);
    let mut taker = ring.taker().unwrap();
    assert_eq!(taker.try_take().unwrap_err(), TryReadError::Empty);
    let mut writer = ring.writer().unwrap();
    writer.try_write(b"last").unwrap();
    drop(writer);
    assert_eq!(&taker.take().unwrap()[..], b"last");
    assert_eq!(taker.take().unwrap_err(), ReadError::Closed);
    ring.writer().unwrap().try_write(b"again").unwrap();
    assert_eq!(&taker.take().unwrap()[..], b"again");
}

#[test]
fn a_queue_refuses_readers_and_other_rings_refuse_takers() {
    let ring = queue(2);
    assert_eq!(ring.reader(Start::Next).unwrap_err(), RegisterError::Delivery { delivery: Delivery::Queue });
    let gated = Ring::heap(&Config::slots(2).of_bytes(8)).unwrap();
    assert_eq!(gated.taker().unwrap_err(), RegisterError::Delivery { delivery: Delivery::Gated });
}

/// Fails if the unfinished message of a taker stays in its entry, or is redelivered twice.
#[test]
fn the_unfinished_message_of_a_taker_is_redelivered_exactly_once() {
    for redelivery in [Redelivery::Redeliver, Redelivery::Drop] {
        let config = Config::slots(4).of_bytes(SLOT_BYTES).delivery(Delivery::Queue).participants(5);
        let ring = Ring::heap(&config.redelivery(redelivery)).unwrap();
        let mut writer = ring.writer().unwrap();
        for n in 0..3 {
            writer.try_write(&message(0, n)).unwrap();
        }
        let mut leaving = ring.taker().unwrap();
        drop(leaving.try_take().unwrap());
        std::mem::forget(leaving.try_take().unwrap());
        drop(leaving);
        let (mut one, mut two) = (ring.taker().unwrap(), ring.taker().unwrap());
        drop(writer);
        let mut got = Vec::new();
        for taker in [&mut one, &mut two] {
            while let Ok(taken) = taker.try_take() {
                got.push((numbers(&taken).1, taken.is_redelivered(), taken.received().sequence));
            }
            assert_eq!(taker.try_take().unwrap_err(), TryReadError::Closed);
        }
        let expected = match redelivery {
            Redelivery::Redeliver => vec![(1, true, 1), (2, false, 2)],
            _ => vec![(2, false, 2)],
        };
        assert_eq!(got, expected);
    }
}

/// Fails if a taker does not acknowledge a message that it has finished.
#[test]
fn a_finished_message_is_not_redelivered() {
    let ring = queue(4);
    ring.writer().unwrap().try_write(&message(0, 0)).unwrap();
    let mut leaving = ring.taker().unwrap();
    drop(leaving.try_take().unwrap());
    drop(leaving);
    assert_eq!(ring.taker().unwrap().try_take().unwrap_err(), TryReadError::Closed);
}

/// Fails if a message that a dead taker left, and whose `Taken` was forgotten, is mistaken for a
/// later one, or is lost with its taker.
#[test]
fn a_forgotten_redelivery_is_finished_by_the_next_take() {
    for takes in [0, 1] {
        let ring = queue(4);
        let mut writer = ring.writer().unwrap();
        (0..3).for_each(|n| _ = writer.try_write(&message(0, n)).unwrap());
        let mut dying = ring.taker().unwrap();
        std::mem::forget(dying.try_take().unwrap());
        let mut heir = ring.taker().unwrap();
        drop(dying);
        let redelivered = heir.try_take().unwrap();
        assert_eq!((numbers(&redelivered), redelivered.is_redelivered()), ((0, 0), true));
        std::mem::forget(redelivered);
        for n in 1..=takes {
            let next = heir.try_take().unwrap();
            assert_eq!((numbers(&next), next.is_redelivered()), ((0, n), false));
        }
        drop(heir);
        let mut last = ring.taker().unwrap();
        let left = std::iter::from_fn(|| last.try_take().ok().map(|taken| numbers(&taken).1));
        assert_eq!(left.collect::<Vec<_>>(), if takes == 0 { vec![0, 1, 2] } else { vec![2] });
    }
}

/// Fails if the entry of a dead taker names another buffer when the slot of its message is used
/// again.
#[test]
fn the_message_of_a_dead_taker_is_whole_after_laps() {
    let ring = queue(2);
    let (mut writer, mut living, mut dying) =
        (ring.writer().unwrap(), ring.taker().unwrap(), ring.taker().unwrap());
    assert_eq!(living.try_take().unwrap_err(), TryReadError::Empty);
    for n in 0..8 {
        writer.try_write(&message(0, n)).unwrap();
        if n == 0 {
            std::mem::forget(dying.try_take().unwrap());
        } else {
            assert_eq!(numbers(&living.try_take().unwrap()), (0, n));
        }
    }
    drop(dying);
    let mut heir = ring.taker().unwrap();
    let taken = heir.try_take().unwrap();
    assert_eq!((numbers(&taken), taken.is_redelivered()), ((0, 0), true));
}

/// Fails if a dead taker keeps the last entry, and with it its message, for ever.
#[test]
fn a_taker_that_reuses_the_entry_of_a_dead_taker_gets_its_message() {
    let ring =
        Ring::heap(&Config::slots(4).of_bytes(SLOT_BYTES).delivery(Delivery::Queue).participants(2)).unwrap();
    let mut writer = ring.writer().unwrap();
    for n in 0..2 {
        writer.try_write(&message(0, n)).unwrap();
    }
    let mut leaving = ring.taker().unwrap();
    std::mem::forget(leaving.try_take().unwrap());
    drop(leaving);
    drop(ring.taker().unwrap()); // It takes nothing, so the message stays.
    let mut successor = ring.taker().unwrap();
    assert!(matches!(ring.taker(), Err(RegisterError::TableFull { .. })));
    assert!(successor.ready_within(Duration::ZERO));
    for (n, again) in [(0, true), (1, false)] {
        let taken = successor.try_take().unwrap();
        assert_eq!((numbers(&taken), taken.is_redelivered(), taken.received().sequence), ((0, n), again, n));
    }
    assert_eq!(successor.try_take().unwrap_err(), TryReadError::Empty);
    for n in 2..20 {
        writer.try_write(&message(0, n)).unwrap();
        assert_eq!(numbers(&successor.try_take().unwrap()), (0, n), "each buffer has one owner");
    }
}

/// Fails if a writer that joined counts as a message.
#[test]
fn a_taker_is_not_ready_because_a_writer_joined() {
    let ring = Ring::heap(&Config::slots(4).of_bytes(8).delivery(Delivery::Queue)).unwrap();
    let mut taker = ring.taker().unwrap();
    let mut writer = ring.writer().unwrap();
    assert!(!taker.ready_within(Duration::ZERO));
    writer.write(b"message").unwrap();
    assert!(taker.ready_within(Duration::from_secs(20)));
}

/// Fails if a taker counts messages as there that another one took.
#[test]
fn ready_within_is_false_while_the_queue_is_empty() {
    let ring = Ring::heap(&Config::slots(8).of_bytes(16).delivery(Delivery::Queue)).unwrap();
    let (mut writer, mut one, mut other) =
        (ring.writer().unwrap(), ring.taker().unwrap(), ring.taker().unwrap());
    writer.write(b"0").unwrap();
    drop(other.take().unwrap());
    assert!(!one.ready_within(Duration::from_millis(50)), "the queue is empty");
}

/// Assigned messages raise no counter, so the writer passes all of them by their slots.
#[test]
fn a_plain_write_comes_after_any_number_of_assigned_ones() {
    let slots = 140_000;
    let ring = Ring::heap(&Config::slots(slots).of_bytes(8).delivery(Delivery::Queue)).unwrap();
    let mut writer = ring.writer().unwrap();
    for n in 0..135_000 {
        writer.assigned().unwrap().write(n, b"a", &MessageHeader::default()).unwrap();
    }
    assert_eq!(ring.next_sequence(), 135_000);
    assert_eq!(writer.try_write(b"b"), Ok(135_000));
}

/// Fails if a message that was put off is finished too early, or stays with a taker that left.
#[test]
fn a_message_that_was_put_off_waits_for_its_taker_or_goes_to_another() {
    let ring = queue(8);
    let mut writer = ring.writer().unwrap();
    writer.write_each(&["one", "two", "three"]).unwrap();
    let (mut first, mut second) = (ring.taker().unwrap(), ring.taker().unwrap());
    first.try_take().unwrap().put_off();
    second.try_take().unwrap().put_off();
    assert_eq!(ring.unfinished(), [0, 1, 2]);
    first.finish();
    first.finish(); // It has none.
    assert_eq!(ring.unfinished(), [1, 2]);
    drop(second);
    assert_eq!(ring.unfinished(), [1, 2]);
    let mut third = ring.taker().unwrap(); // Its first take searches for messages that were left.
    let again = third.try_take().unwrap();
    assert!(again.is_redelivered());
    assert_eq!((&again[..], again.received().sequence), (&b"two"[..], 1));
    again.put_off();
    assert_eq!(ring.unfinished(), [1, 2]);
    let last = third.try_take().unwrap(); // Finishes the one that was put off.
    assert_eq!((&last[..], last.is_redelivered()), (&b"three"[..], false));
    assert_eq!(ring.unfinished(), [2]);
    drop(last);
    assert_eq!(ring.unfinished(), []);
}

/// Fails if the mark of a message is lost, changes its length, or stays for the next one.
#[test]
fn a_writer_marks_messages_as_redelivered() {
    for tag in [false, true] {
        let config = Config::slots(4).of_bytes(SLOT_BYTES).delivery(Delivery::Queue).tag(tag);
        let ring = Ring::heap(&config).unwrap();
        let (mut writer, mut taker) = (ring.writer().unwrap(), ring.taker().unwrap());
        for redelivered in [true, false, true] {
            writer.set_redelivered(redelivered).unwrap();
            writer.write_with(b"message", &MessageHeader { tag: 7, metadata: b"" }).unwrap();
            writer.write(b"").unwrap();
            let message = taker.try_take().unwrap();
            assert_eq!((message.is_redelivered(), &message[..]), (redelivered, &b"message"[..]));
            assert_eq!(message.received().tag, tag.then_some(7));
            drop(message);
            let empty = taker.try_take().unwrap();
            assert_eq!((empty.is_redelivered(), empty.len()), (redelivered, 0));
        }
        writer.set_redelivered(true).unwrap();
        writer.write(b"left").unwrap();
        taker.try_take().unwrap().put_off();
        drop(taker);
        assert_eq!(*ring.taker().unwrap().try_take().unwrap(), *b"left");
    }
    let gated = Ring::heap(&Config::slots(4).of_bytes(8)).unwrap();
    assert!(matches!(gated.writer().unwrap().set_redelivered(true), Err(RegisterError::Delivery { .. })));
    assert_eq!(gated.unfinished(), []);
}

/// Fails if a message is missing among those that are not finished while takers take and finish.
#[test]
fn a_message_is_unfinished_until_its_taker_finishes_it() {
    let ring = queue(16);
    let messages = 20_000_u64;
    let held = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            let mut taker = ring.taker().unwrap();
            let held = &held;
            scope.spawn(move || {
                while let Ok(message) = taker.take() {
                    let number = message.received().sequence;
                    held.lock().unwrap().insert(number);
                    held.lock().unwrap().remove(&number);
                }
            });
        }
        let mut writer = ring.writer().unwrap();
        let writing = scope.spawn(move || {
            for n in 0..messages {
                writer.write(&message(0, n)).unwrap();
            }
        });
        while !writing.is_finished() {
            // While the lock is held, no taker finishes a message that it has noted.
            let held = held.lock().unwrap();
            let unfinished = ring.unfinished();
            assert!(held.iter().all(|number| unfinished.contains(number)), "{held:?}, not {unfinished:?}");
        }
    });
    assert_eq!(ring.unfinished(), []);
}
