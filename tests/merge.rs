//! Several rings read as one.
#![allow(missing_docs)]

mod common;

use common::TEST_TIMEOUT;
use seqring::wait::{Merge, WaitError};
use seqring::{Config, Delivery, ReadError, Ring, Start};
use std::thread;
use std::time::Duration;

fn rings(count: usize, config: &Config) -> Vec<Ring> {
    (0..count).map(|_| Ring::heap(config).unwrap()).collect()
}

fn readers(rings: &[Ring]) -> Vec<seqring::Reader> {
    rings.iter().map(|ring| ring.reader(Start::Next).unwrap()).collect()
}

/// Fails if a message is lost or out of the order of its source, or a wake is lost.
#[test]
fn every_message_of_every_source_comes_in_its_order() {
    const COUNT: u64 = 2000;
    for by_time in [false, true] {
        let rings = rings(8, &Config::slots(16).of_bytes(8).timestamp(true));
        let writers: Vec<_> = rings.iter().map(|ring| ring.writer().unwrap()).collect();
        let readers = readers(&rings);
        let mut merge = if by_time { Merge::by_time(readers, TEST_TIMEOUT) } else { Merge::new(readers) };
        let writing: Vec<_> = writers
            .into_iter()
            .map(|mut writer| {
                thread::spawn(move || {
                    (0..COUNT).for_each(|n| assert_eq!(writer.write(&n.to_le_bytes()), Ok(n)));
                })
            })
            .collect();
        let (mut next, mut out, mut last) = ([0; 8], [0; 8], 0);
        while let Some((source, received)) = merge.read_timeout(&mut out, TEST_TIMEOUT).unwrap() {
            let stamped = received.unwrap().timestamp_ns.unwrap();
            assert_eq!(u64::from_le_bytes(out), next[source]);
            next[source] += 1;
            assert!(!by_time || stamped >= last, "the order of the time stamps");
            last = stamped;
        }
        for thread in writing {
            thread.join().unwrap();
        }
        assert_eq!(next, [COUNT; 8]);
    }
}

/// Fails if a source that always has messages hides the others.
#[test]
fn a_source_has_at_most_64_turns_in_a_row() {
    let rings = rings(3, &Config::slots(256).of_bytes(1));
    let mut merge = Merge::new(readers(&rings));
    let mut writers: Vec<_> = rings.iter().map(|ring| ring.writer().unwrap()).collect();
    for _ in 0..200 {
        writers[0].write(b"x").unwrap();
    }
    writers[2].write(b"y").unwrap();
    let order: Vec<_> = (0..201).map(|_| merge.read(&mut [0]).unwrap().unwrap().0).collect();
    assert_eq!(order.iter().position(|source| *source == 2), Some(64));
    let Err(WaitError::TimedOut { peers, .. }) = merge.read_timeout(&mut [0], Duration::from_millis(1))
    else {
        panic!("nothing is there")
    };
    assert_eq!(peers.len(), 1, "one process writes all of them: {peers:?}");
}

/// Fails if a merge by time waits longer than `lateness` for a ring without messages, or not at
/// all.
#[test]
fn a_message_waits_for_earlier_ones_of_other_rings_until_it_is_late() {
    let rings = rings(2, &Config::slots(4).of_bytes(1).timestamp(true));
    let mut writers: Vec<_> = rings.iter().map(|ring| ring.writer().unwrap()).collect();
    let mut forever = Merge::by_time(readers(&rings), TEST_TIMEOUT * 1000);
    let mut soon = Merge::by_time(readers(&rings), Duration::from_millis(2));
    writers[1].write(b"b").unwrap();
    let held = forever.read_timeout(&mut [0], Duration::from_millis(1));
    assert!(matches!(held, Err(WaitError::TimedOut { .. })), "{held:?}");
    assert_eq!(soon.read(&mut [0]).unwrap().unwrap().0, 1);
    writers[0].write(b"a").unwrap();
    assert_eq!(forever.read(&mut [0]).unwrap().unwrap().0, 1);
    drop(writers);
    assert_eq!(forever.read(&mut [0]).unwrap().unwrap().0, 0);
    assert!(forever.read(&mut [0]).unwrap().is_none());
}

#[test]
fn the_error_of_a_source_is_reported_with_it_and_the_merge_goes_on() {
    let rings = rings(2, &Config::slots(2).of_bytes(4).delivery(Delivery::Lossy));
    for by_time in [false, true] {
        let readers = readers(&rings);
        let mut merge = if by_time { Merge::by_time(readers, Duration::ZERO) } else { Merge::new(readers) };
        let mut writer = rings[1].writer().unwrap();
        for _ in 0..5 {
            writer.write(b"long").unwrap();
        }
        let (source, lagged) = merge.read(&mut [0; 4]).unwrap().unwrap();
        assert!(source == 1 && matches!(lagged, Err(ReadError::Lagged(_))), "{lagged:?}");
        let short = merge.read(&mut [0; 2]).unwrap().unwrap();
        assert_eq!((short.0, short.1.unwrap_err()), (1, ReadError::TooSmall { needed: 4 }));
        assert_eq!(merge.read(&mut [0; 4]).unwrap().unwrap().1.map(|received| received.len), Ok(4));
    }
}
