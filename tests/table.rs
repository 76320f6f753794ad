//! Tables: the latest value of each key, whole, whatever the writer does or suffers.
#![allow(missing_docs)]

mod common;

use common::peer::{answer, order, wait_for_parent};
use common::{TEST_TIMEOUT, bytes_of};
use seqring::inspect::Stream;
use seqring::table::{TableError, TableReader};
use seqring::wait::WaitSet;
use seqring::{Config, Delivery, RegisterError, Ring, SlotClass, Start, WaitStrategy, Writers};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    let table = Ring::open(name.as_str()).unwrap();
    let mut writer = table.table_writer().unwrap();
    match verb.as_str() {
        "set" => {
            writer.set(0, b"of the child").unwrap();
            answer("set");
            wait_for_parent();
        }
        "set-on" => {
            answer("ready");
            for number in 0.. {
                writer.set(1, &value(number)).unwrap();
            }
        }
        other => panic!("{other}"),
    }
}

const BYTES: usize = 100;

fn config(keys: usize) -> Config {
    Config::slots(keys).of_bytes(BYTES).delivery(Delivery::Latest)
}

/// Its number, and bytes that depend on it, of a length that does, too.
fn value(number: u64) -> Vec<u8> {
    bytes_of(number, 8 + number as usize % (BYTES - 7))
}

/// The number of the latest value of `key`, which must be whole.
fn get(reader: &mut TableReader, key: usize) -> Option<u64> {
    let mut out = [0; BYTES];
    let latest = reader.get(key, &mut out).unwrap()?;
    let number = u64::from_le_bytes(out[..8].try_into().unwrap());
    assert_eq!(out[..latest.len], value(number), "it is whole");
    Some(number)
}

#[test]
fn a_key_has_its_latest_value_with_version_age_and_writer() {
    let before = Instant::now();
    for class in [SlotClass::Packed, SlotClass::Lines] {
        let table = Ring::heap(&config(3).slot_class(class)).unwrap();
        let (mut writer, mut reader) = (table.table_writer().unwrap(), table.table_reader().unwrap());
        assert_eq!(reader.keys(), 3);
        assert_eq!(reader.changed(), []);
        for number in 0..7 {
            assert_eq!(writer.set(2, &value(number)), Ok(number + 1));
            assert_eq!(get(&mut reader, 2), Some(number));
        }
        writer.set(0, b"").unwrap();
        assert_eq!(reader.changed(), [0], "key 2 was got");
        let latest = reader.get(0, &mut []).unwrap().unwrap();
        assert_eq!((latest.len, latest.version, latest.stream), (0, 1, Stream::Open));
        assert!(latest.age().unwrap() <= before.elapsed());
        assert_eq!(reader.get(1, &mut []), Ok(None));
        assert_eq!(table.table_reader().unwrap().changed(), [0, 2], "a new reader has got none");
        assert_eq!(table.next_sequence(), 8);
        drop(writer);
        assert_eq!(reader.get(0, &mut []).unwrap().unwrap().stream, Stream::Ended);
    }
    let table = Ring::heap(&config(1).timestamp(false)).unwrap();
    table.table_writer().unwrap().set(0, b"x").unwrap();
    assert_eq!(table.table_reader().unwrap().get(0, &mut [0]).unwrap().unwrap().age(), None);
}

#[test]
fn a_later_writer_continues_the_versions() {
    let table = Ring::heap(&config(2)).unwrap();
    let mut reader = table.table_reader().unwrap();
    for number in 0..5 {
        assert_eq!(table.table_writer().unwrap().set(1, &value(number)), Ok(number + 1));
        assert_eq!((reader.changed(), get(&mut reader, 1)), (vec![1], Some(number)));
        assert_eq!(reader.changed(), []);
    }
}

#[test]
fn bad_arguments_are_refused_and_change_nothing() {
    let table = Ring::heap(&config(2)).unwrap();
    let (mut writer, mut reader) = (table.table_writer().unwrap(), table.table_reader().unwrap());
    assert_eq!(writer.set(2, b"x"), Err(TableError::NoKey { key: 2, keys: 2 }));
    assert_eq!(writer.set(usize::MAX, b"x"), Err(TableError::NoKey { key: usize::MAX, keys: 2 }));
    assert_eq!(reader.get(2, &mut []), Err(TableError::NoKey { key: 2, keys: 2 }));
    let long = [7; BYTES + 1];
    assert_eq!(writer.set(0, &long), Err(TableError::TooLarge { len: BYTES + 1, max: BYTES }));
    assert_eq!(reader.changed(), []);
    writer.set(0, &long[1..]).unwrap();
    assert_eq!(reader.get(0, &mut [0; 99]), Err(TableError::TooSmall { needed: BYTES }));
    assert_eq!(reader.changed(), [0], "it was not got");
    table.close();
    assert_eq!(writer.set(0, b"x"), Err(TableError::Closed));
    assert_eq!(reader.get(0, &mut [0; BYTES]).unwrap().unwrap().stream, Stream::Closed, "the value stays");

    let delivery = Delivery::Latest;
    assert_eq!(table.writer().unwrap_err(), RegisterError::Delivery { delivery });
    assert_eq!(table.reader(Start::Next).unwrap_err(), RegisterError::Delivery { delivery });
    assert_eq!(table.taker().unwrap_err(), RegisterError::Delivery { delivery });
    let ring = Ring::heap(&config(2).delivery(Delivery::Lossy)).unwrap();
    let delivery = Delivery::Lossy;
    assert_eq!(ring.table_writer().unwrap_err(), RegisterError::Delivery { delivery });
    assert_eq!(ring.table_reader().unwrap_err(), RegisterError::Delivery { delivery });
    let pid = std::process::id();
    let table = Ring::heap(&config(2)).unwrap();
    let _writer = table.table_writer().unwrap();
    assert_eq!(table.table_writer().unwrap_err(), RegisterError::WriterTaken { pid: Some(pid) });
    for refused in [
        config(2).tag(true),
        config(2).meta_bytes(1),
        config(2).observers(true),
        config(2).first_sequence(1),
        config(2).writers(Writers::Many),
        config(2).slot_class(SlotClass::Arena),
        config(0),
    ] {
        assert!(Ring::heap(&refused).is_err(), "{refused:?}");
    }
}

/// Fails if a reader copies from a slot that the writer changes, or sees an earlier value after a
/// later one.
#[test]
fn values_are_whole_and_never_go_back() {
    const COUNT: u64 = 200_000;
    for class in [SlotClass::Packed, SlotClass::Lines] {
        let table = Ring::heap(&config(3).slot_class(class)).unwrap();
        let (mut writer, over) = (table.table_writer().unwrap(), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..2 {
                let mut reader = table.table_reader().unwrap();
                let over = &over;
                scope.spawn(move || {
                    let mut last = [0; 3];
                    while !over.load(Ordering::Relaxed) {
                        for (key, last) in last.iter_mut().enumerate() {
                            let number = get(&mut reader, key).unwrap_or(0);
                            assert!(number >= *last, "{number} after {last}");
                            *last = number;
                        }
                    }
                });
            }
            for number in 0..COUNT {
                writer.set((number % 3) as usize, &value(number)).unwrap();
            }
            over.store(true, Ordering::Relaxed);
        });
        let mut reader = table.table_reader().unwrap();
        let last = [0, 1, 2].map(|key| get(&mut reader, key));
        assert_eq!(last.iter().max(), Some(&Some(COUNT - 1)));
    }
}

/// Fails if a change is not seen before a sleep, or wakes no sleeper: the last one is waited for.
#[test]
fn every_change_ends_a_wait() {
    const COUNT: u64 = 20_000;
    for sets in [false, true] {
        let table = Ring::heap(&config(2)).unwrap();
        let mut writer = table.table_writer().unwrap();
        let mut reader = table.table_reader().unwrap();
        reader.set_wait_strategy(WaitStrategy::SLEEPING);
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut last = [None; 2];
                while last != [Some(COUNT - 2), Some(COUNT - 1)] {
                    let begin = Instant::now();
                    if sets {
                        let mut set = WaitSet::new();
                        set.set_wait_strategy(WaitStrategy::SLEEPING);
                        set.add(&mut reader);
                        set.wait_timeout(TEST_TIMEOUT).unwrap();
                    } else {
                        assert!(reader.ready_within(TEST_TIMEOUT));
                    }
                    // A wait looks once more when its time is over.
                    assert!(begin.elapsed() < TEST_TIMEOUT, "a wake is lost");
                    for key in reader.changed() {
                        last[key] = get(&mut reader, key);
                    }
                }
            });
            for number in 0..COUNT {
                writer.set((number % 2) as usize, &value(number)).unwrap();
                if number % 3 == 0 {
                    thread::yield_now();
                }
            }
            std::mem::forget(writer); // Its end would end the last wait.
        });
    }
}

#[cfg(target_os = "linux")]
mod processes {
    use super::*;
    use crate::common::create;
    use crate::common::peer::Peer;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::time::Duration;

    #[test]
    fn the_value_of_a_killed_writer_stays_and_its_death_is_seen_with_it() {
        let (name, table) = create("table", &config(2));
        let mut reader = table.table_reader().unwrap();
        let child = Peer::ready("set", &name);
        assert_eq!(reader.changed(), [0]);
        let mut out = [0; BYTES];
        let latest = reader.get(0, &mut out).unwrap().unwrap();
        assert_eq!((&out[..latest.len], latest.stream), (&b"of the child"[..], Stream::Open));
        assert_eq!(reader.stream(), Stream::Open);
        assert!(!reader.ready_within(Duration::ZERO));
        child.kill();
        assert!(reader.ready_within(TEST_TIMEOUT), "the death ends a wait");
        while reader.get(0, &mut out).unwrap().unwrap().stream != Stream::Died {}
        assert_eq!((&out[..latest.len], reader.changed()), (&b"of the child"[..], vec![]));
        assert!(!reader.ready_within(Duration::ZERO), "it was reported");
        assert_eq!(table.table_writer().unwrap().set(0, b"of a successor"), Ok(2));
    }

    /// Fails if only waits look for a dead writer.
    #[test]
    fn a_reader_that_only_gets_learns_of_the_death() {
        let (name, table) = create("table-gets", &config(2));
        let mut reader = table.table_reader().unwrap();
        Peer::ready("set", &name).kill();
        while reader.get(0, &mut [0; BYTES]).unwrap().unwrap().stream != Stream::Died {}
    }

    /// Fails if a writer that was killed in the middle of a value leaves none.
    #[test]
    fn a_writer_killed_anywhere_leaves_a_whole_value() {
        let (name, table) = create("table-killed", &config(2));
        let mut reader = table.table_reader().unwrap();
        for round in 0..20 {
            let child = Peer::ready("set-on", &name);
            while get(&mut reader, 1).is_none() {}
            for _ in 0..round * 1000 {
                get(&mut reader, 1);
            }
            child.kill();
            let last = get(&mut reader, 1).unwrap();
            assert_eq!(get(&mut reader, 1), Some(last));
            let version = reader.get(1, &mut [0; BYTES]).unwrap().unwrap().version;
            while reader.stream() != Stream::Died {}
            assert_eq!(table.table_writer().unwrap().set(1, &value(last)), Ok(version + 1));
        }
    }

    #[test]
    fn the_descriptor_is_readable_while_a_value_has_changed() {
        let table = Ring::heap(&config(2)).unwrap();
        let (mut writer, mut reader) = (table.table_writer().unwrap(), table.table_reader().unwrap());
        let notifier = reader.notifier().unwrap();
        let readable = |timeout: Duration| {
            let timeout = Timespec::try_from(timeout).unwrap();
            poll(&mut [PollFd::new(&notifier, PollFlags::IN)], Some(&timeout)).unwrap() == 1
        };
        for number in 0..50 {
            assert_eq!(reader.changed(), []);
            assert!(!readable(Duration::ZERO));
            writer.set(1, &value(number)).unwrap();
            assert!(readable(TEST_TIMEOUT), "a wake is lost");
            assert_eq!((reader.changed(), get(&mut reader, 1)), (vec![1], Some(number)));
        }
    }
}
