//! Readers and writers that start in either order, and the readers that a ring awaits.
#![allow(missing_docs)]

mod common;

use common::{create, fresh_name};
use seqring::{
    Config, Delivery, Ring, RingError, SlotClass, Start, TryReadError, TryWriteError, WriteError, Writers,
};
use std::thread;
use std::time::Duration;

const SLOTS: usize = 4;
/// Ends a test that hangs; no test waits so long.
const LONG: Duration = Duration::from_secs(60);

fn numbers(reader: &mut seqring::Reader) -> Vec<u64> {
    let mut out = [0; 8];
    let mut read = Vec::new();
    loop {
        match reader.read_timeout(&mut out, LONG) {
            Ok(_) => read.push(u64::from_le_bytes(out)),
            Err(seqring::ReadError::Closed) => return read,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Every kind of gated ring.
fn kinds() -> impl Iterator<Item = Config> {
    let classes = [SlotClass::Packed, SlotClass::Lines, SlotClass::Arena];
    let one = classes.into_iter().map(|class| Config::slots(SLOTS).of_bytes(8).slot_class(class));
    one.chain([Config::slots(SLOTS).of_bytes(8).writers(Writers::Many)])
}

/// Fails if the writer overwrites messages before the first reader has joined, or if that reader
/// starts after them.
#[test]
fn a_reader_that_starts_late_gets_every_message() {
    for config in kinds() {
        let ring = Ring::heap(&config).unwrap();
        let mut writer = ring.writer().unwrap();
        (0..SLOTS as u64).for_each(|n| _ = writer.try_write(&n.to_le_bytes()).unwrap());
        assert_eq!(writer.try_write(&[9; 8]), Err(TryWriteError::Full));
        let writing = thread::spawn(move || {
            (SLOTS as u64..100).for_each(|n| _ = writer.write(&n.to_le_bytes()).unwrap());
        });
        let read = numbers(&mut ring.reader(Start::Next).unwrap());
        assert_eq!(read, (0..100).collect::<Vec<_>>(), "{config:?}");
        writing.join().unwrap();
    }
}

/// Fails if the first lap is counted from number 0.
#[test]
fn the_first_lap_begins_at_the_first_number() {
    for config in kinds() {
        let ring = Ring::heap(&config.first_sequence(100)).unwrap();
        let mut writer = ring.writer().unwrap();
        (0..SLOTS as u64).for_each(|n| _ = writer.try_write(&n.to_le_bytes()).unwrap());
        assert_eq!(writer.try_write(&[9; 8]), Err(TryWriteError::Full));
        let mut reader = ring.reader(Start::Next).unwrap();
        drop(writer);
        assert_eq!(numbers(&mut reader), (0..SLOTS as u64).collect::<Vec<_>>());
    }
}

/// Fails if one reader releases messages that the second has not seen, or if a reader that left
/// does not count.
#[test]
fn each_awaited_reader_gets_every_message() {
    for config in kinds() {
        let ring = Ring::heap(&config.await_readers(2)).unwrap();
        let mut writer = ring.writer().unwrap();
        (0..SLOTS as u64).for_each(|n| _ = writer.try_write(&n.to_le_bytes()).unwrap());
        let mut first = ring.reader(Start::Next).unwrap();
        let mut out = [0; 8];
        (0..SLOTS).for_each(|_| _ = first.try_read(&mut out).unwrap());
        drop(first);
        assert_eq!(writer.try_write(&[9; 8]), Err(TryWriteError::Full));
        let mut second = ring.reader(Start::Next).unwrap();
        assert_eq!(writer.try_write(&[9; 8]), Err(TryWriteError::Full), "the second has read nothing");
        (0..SLOTS as u64).for_each(|n| {
            second.try_read(&mut out).unwrap();
            assert_eq!(u64::from_le_bytes(out), n);
        });
        writer.try_write(&[9; 8]).unwrap();
        let mut third = ring.reader(Start::Next).unwrap();
        assert_eq!(third.try_read(&mut out), Err(TryReadError::Empty), "the ring awaits no third reader");
    }
}

/// Fails if the error leaves out why the ring is full.
#[test]
fn a_write_that_times_out_counts_the_readers_that_are_missing() {
    let (_name, ring) = create("awaits", &Config::slots(1).of_bytes(8).await_readers(2));
    let mut writer = ring.writer().unwrap();
    writer.write(&[1; 8]).unwrap();
    assert_eq!(ring.stats().awaited_readers, 2);
    let _reader = ring.reader(Start::Next).unwrap();
    assert_eq!(ring.stats().awaited_readers, 1);
    let late = writer.write_timeout(&[2; 8], Duration::ZERO).unwrap_err();
    assert!(matches!(late, WriteError::TimedOut { awaited_readers: 1, .. }), "{late:?}");
    assert!(late.to_string().ends_with("the ring awaits one more reader"), "{late}");
}

/// Fails if the writer waits, or keeps messages for a reader to come.
#[test]
fn a_ring_that_awaits_no_reader_overwrites() {
    let ring = Ring::heap(&Config::slots(1).of_bytes(8).await_readers(0)).unwrap();
    let mut writer = ring.writer().unwrap();
    (0..3_u64).for_each(|n| _ = writer.try_write(&n.to_le_bytes()).unwrap());
    assert_eq!(ring.reader(Start::Next).unwrap().position(), 3);
}

/// Fails if a second writer does not know what the first one waited for.
#[test]
fn a_successor_of_the_writer_awaits_the_readers_too() {
    let (name, ring) = create("awaits-heir", &Config::slots(2).of_bytes(8));
    ring.writer().unwrap().write(&[0; 8]).unwrap();
    let mut heir = Ring::open(&name).unwrap().writer().unwrap();
    heir.try_write(&[1; 8]).unwrap();
    assert_eq!(heir.try_write(&[2; 8]), Err(TryWriteError::Full));
    assert_eq!(ring.reader(Start::Next).unwrap().lag(), 2);
    heir.try_write(&[2; 8]).unwrap();
}

/// Fails if the option is accepted where no writer waits, or for more readers than there is room
/// for.
#[test]
fn a_ring_awaits_only_readers_that_can_come() {
    for delivery in [Delivery::Lossy, Delivery::Queue] {
        let config = Config::slots(1).of_bytes(8).delivery(delivery);
        Ring::heap(&config).unwrap();
        let refused = Ring::heap(&config.await_readers(1)).unwrap_err();
        assert!(refused.to_string().contains("await_readers"), "{refused}");
    }
    assert!(Ring::heap(&Config::slots(1).of_bytes(8).participants(3).await_readers(2)).is_ok());
    assert!(Ring::heap(&Config::slots(1).of_bytes(8).participants(3).await_readers(3)).is_err());
}

/// Fails if the writer goes on before the readers have their positions, or does not wake.
#[test]
fn a_writer_waits_for_readers() {
    for delivery in [Delivery::Lossy, Delivery::Gated] {
        let ring = Ring::heap(&Config::slots(SLOTS).of_bytes(8).delivery(delivery)).unwrap();
        let mut writer = ring.writer().unwrap();
        let first = ring.reader(Start::Next).unwrap();
        assert!(writer.wait_for_readers(1, Duration::ZERO));
        assert!(!writer.wait_for_readers(2, Duration::from_millis(1)));
        let other = ring.clone();
        let reading = thread::spawn(move || numbers(&mut other.reader(Start::Next).unwrap()));
        assert!(writer.wait_for_readers(2, LONG));
        writer.write(&7_u64.to_le_bytes()).unwrap();
        drop((first, writer));
        assert_eq!(reading.join().unwrap(), [7]);
    }
}

/// Fails if a queue counts no takers, or if a taker that registers does not wake the writer.
#[test]
fn a_writer_of_a_queue_waits_for_takers() {
    let ring = Ring::heap(&Config::slots(SLOTS).of_bytes(8).delivery(Delivery::Queue)).unwrap();
    let mut writer = ring.writer().unwrap();
    let first = ring.taker().unwrap();
    assert!(writer.wait_for_readers(1, Duration::ZERO));
    assert!(!writer.wait_for_readers(2, Duration::from_millis(1)));
    let other = ring.clone();
    let taking = thread::spawn(move || other.taker().unwrap().take().unwrap().to_vec());
    assert!(writer.wait_for_readers(2, LONG));
    drop(first);
    writer.write(&7_u64.to_le_bytes()).unwrap();
    assert_eq!(taking.join().unwrap(), 7_u64.to_le_bytes());
}

/// Fails if `open_timeout` gives up too early, or waits for a ring that it cannot use.
#[test]
fn a_reader_may_open_the_ring_before_it_is_created() {
    let name = fresh_name("opens-first");
    let absent = Ring::open_timeout(&name, Duration::ZERO).unwrap_err();
    assert!(matches!(absent, RingError::NotFound { waited: Duration::ZERO, .. }), "{absent}");
    let absent = Ring::open_timeout(&name, Duration::from_millis(2)).unwrap_err();
    assert!(absent.to_string().contains("does not exist, also after "), "{absent}");
    let reading = thread::spawn({
        let name = name.clone();
        move || numbers(&mut Ring::open_timeout(&name, LONG).unwrap().reader(Start::Next).unwrap())
    });
    let ring = Ring::create(&name, &Config::slots(1).of_bytes(8)).unwrap();
    let mut writer = ring.writer().unwrap();
    (0..3_u64).for_each(|n| _ = writer.write(&n.to_le_bytes()).unwrap());
    drop(writer);
    assert_eq!(reading.join().unwrap(), [0, 1, 2]);
    assert!(matches!(Ring::open_timeout("a/b", LONG), Err(RingError::Name { .. })));
}
