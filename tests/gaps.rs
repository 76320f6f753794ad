//! Numbers that the one writer skips: each reader gets what was published, and the length of each
//! gap.
#![allow(missing_docs)]

mod common;

use common::{TEST_TIMEOUT, bytes_of, kinds, ring};
use seqring::{
    Batch, Config, Delivery, Lagged, ReadError, Reader, Ring, SlotClass, Start, TryReadError, TryWriteError,
    WaitStrategy, WriteError, Writer, Writers,
};
use std::thread;

const BYTES: usize = 64;

/// What a reader finds until there is nothing more: each message, and each gap's length.
fn found(reader: &mut Reader) -> Vec<Result<u64, u64>> {
    let mut out = [0; BYTES];
    let read = |reader: &mut Reader, out: &mut [u8; BYTES]| match reader.try_read(out) {
        Ok(received) => {
            assert_eq!(out[..received.len], bytes_of(received.sequence, received.len));
            Some(Ok(received.sequence))
        }
        Err(TryReadError::Lagged(Lagged { lost })) => Some(Err(lost)),
        Err(TryReadError::Empty | TryReadError::Closed) => None,
        Err(error) => panic!("{error}"),
    };
    std::iter::from_fn(|| read(reader, &mut out)).collect()
}

fn write(writer: &mut Writer) -> Result<u64, TryWriteError> {
    let next = writer.next_sequence();
    writer.try_write(&bytes_of(next, 20))
}

/// Two slots more than messages, so that no reader is overtaken.
fn participants(class: SlotClass, delivery: Delivery) -> (Ring, Writer, Reader) {
    let ring = ring(delivery, class, 8, BYTES);
    let (reader, writer) = (ring.reader(Start::Next).unwrap(), ring.writer().unwrap());
    (ring, writer, reader)
}

/// Fails if a reader that waits at a gap, or is before it, waits for ever, loses a message before
/// the gap, or miscounts.
#[test]
fn a_reader_gets_the_messages_around_a_gap_and_its_length() {
    for (class, delivery) in kinds() {
        let (_ring, mut writer, mut early) = participants(class, delivery);
        assert_eq!(found(&mut early), []);
        assert_eq!((write(&mut writer), writer.skip_to(5)), (Ok(0), Ok(4)));
        assert_eq!(found(&mut early), [Ok(0), Err(4)], "{class:?} {delivery:?}");
        assert_eq!(early.position(), 5);
        assert_eq!((write(&mut writer), writer.skip_to(6), writer.skip_to(9)), (Ok(5), Ok(0), Ok(3)));
        assert_eq!(write(&mut writer), Ok(9));
        assert_eq!(found(&mut early), [Ok(5), Err(3), Ok(9)], "{class:?} {delivery:?}");
        assert_eq!(early.lost(), 7);
    }
}

/// Fails if a reader stays in a gap of more than a lap, or finds an old message of the slot there.
#[test]
fn a_gap_may_be_longer_than_the_ring() {
    for (class, delivery) in kinds() {
        let (ring, mut writer, mut reader) = participants(class, delivery);
        for round in 0..40_u64 {
            let (first, gap) = (writer.next_sequence(), 1 + 3 * round);
            assert_eq!(write(&mut writer), Ok(first));
            assert_eq!(writer.skip_to(first + 1 + gap), Ok(gap));
            assert_eq!(found(&mut reader), [Ok(first), Err(gap)], "{class:?} {delivery:?} {round}");
            assert_eq!(ring.next_sequence(), first + 1 + gap);
        }
    }
}

/// Fails if a reader that is before several gaps skips a message between them.
#[test]
fn messages_between_gaps_are_read() {
    for (class, delivery) in kinds() {
        let (_ring, mut writer, mut reader) = participants(class, delivery);
        for end in [2, 4, 7] {
            writer.skip_to(end).unwrap();
            assert_eq!(write(&mut writer), Ok(end));
        }
        writer.skip_to(30).unwrap();
        let expected = [Err(2), Ok(2), Err(1), Ok(4), Err(2), Ok(7), Err(22)];
        assert_eq!(found(&mut reader), expected, "{class:?} {delivery:?}");
    }
    for class in common::CLASSES {
        let (_ring, mut writer, mut reader) = participants(class, Delivery::Lossy);
        write(&mut writer).unwrap();
        writer.skip_to(10).unwrap();
        write(&mut writer).unwrap(); // In the slot of the second number that was skipped.
        writer.skip_to(30).unwrap();
        assert_eq!(found(&mut reader), [Ok(0), Err(9), Ok(10), Err(19)], "{class:?}");
    }
}

/// Fails if the position at which a late reader starts is a number that was skipped, and it waits
/// there.
#[test]
fn a_late_reader_finds_the_same_gap() {
    for (class, delivery) in kinds() {
        let (ring, mut writer, early) = participants(class, delivery);
        write(&mut writer).unwrap();
        writer.skip_to(4).unwrap();
        write(&mut writer).unwrap();
        drop(early);
        for start in [Start::Oldest, Start::Sequence(0), Start::Sequence(2), Start::Newest, Start::Next] {
            let mut late = ring.reader(start).unwrap();
            let first = late.position();
            let seen = found(&mut late);
            let counted: u64 = seen.iter().map(|found| found.err().unwrap_or(1)).sum();
            assert_eq!(first + counted, 5, "{class:?} {delivery:?} {start:?}: {seen:?}");
        }
    }
}

/// Fails if a skip wakes no sleeper, or if a read does not find what the sleeper woke for.
#[test]
fn a_sleeping_reader_wakes_for_a_gap() {
    for (class, delivery) in kinds() {
        let (_ring, mut writer, mut reader) = participants(class, delivery);
        reader.set_wait_strategy(WaitStrategy::SLEEPING);
        let reading = thread::spawn(move || {
            let waited = reader.read_timeout(&mut [0; BYTES], TEST_TIMEOUT);
            assert!(reader.ready_within(TEST_TIMEOUT));
            (waited, found(&mut reader))
        });
        write(&mut writer).unwrap();
        writer.skip_to(1000).unwrap();
        let (waited, seen) = reading.join().unwrap();
        assert_eq!(waited.map(|received| received.sequence), Ok(0));
        assert_eq!(seen, [Err(999)]);
    }
}

/// Fails if a check for readiness takes the announcement of a gap for seen.
#[test]
fn a_reader_that_only_looks_still_finds_the_gap() {
    for (class, delivery) in kinds() {
        let (_ring, mut writer, mut reader) = participants(class, delivery);
        assert_eq!(found(&mut reader), []);
        writer.skip_to(3).unwrap();
        for _ in 0..3 {
            assert!(reader.ready_within(std::time::Duration::ZERO));
        }
        assert_eq!(found(&mut reader), [Err(3)]);
    }
}

/// Fails if a batch ends in a wrong place, or reads across a gap.
#[test]
fn batches_end_at_a_gap() {
    for (class, delivery) in kinds() {
        let (_ring, mut writer, mut reader) = participants(class, delivery);
        writer.write_batch(1, b"ab").unwrap();
        writer.skip_to(6).unwrap();
        writer.write_batch(1, b"c").unwrap();
        let (mut batch, mut out) = (Batch::new(8, 64), [0; 8]);
        reader.try_read_each(&mut batch).unwrap();
        assert_eq!(batch.iter().map(|(received, _)| received.sequence).collect::<Vec<_>>(), [0, 1]);
        let gap = Err(TryReadError::Lagged(Lagged { lost: 4 }));
        assert_eq!(reader.try_read_batch(1, &mut out), gap, "{class:?} {delivery:?}");
        assert_eq!(reader.try_read_batch(1, &mut out), Ok(1));
        assert_eq!((out[0], reader.position()), (b'c', 7));
    }
}

/// Fails if a gated writer passes a reader that is before the gap.
#[test]
fn a_gated_writer_waits_for_readers_before_the_gap() {
    for class in common::CLASSES {
        let (_ring, mut writer, mut reader) = participants(class, Delivery::Gated);
        write(&mut writer).unwrap();
        writer.skip_to(20).unwrap();
        assert_eq!(write(&mut writer), Err(TryWriteError::Full), "{class:?}");
        assert_eq!(found(&mut reader), [Ok(0), Err(19)]);
        assert_eq!(write(&mut writer), Ok(20));
        assert_eq!(found(&mut reader), [Ok(20)]);
    }
}

/// Fails if the one view of a reader that was moved on loses its bytes to a message two laps later,
/// as the message one lap later was skipped.
#[test]
fn a_view_keeps_its_bytes_across_a_gap() {
    let (ring, mut writer, mut reader) = participants(SlotClass::Arena, Delivery::Gated);
    write(&mut writer).unwrap();
    let view = reader.view().unwrap();
    assert!(view.is_in_place());
    ring.skip_readers_to_newest();
    writer.skip_to(12).unwrap();
    let written = (0..8).map_while(|_| write(&mut writer).ok()).count();
    assert_eq!(*view, *bytes_of(0, 20), "after {written} messages");
    drop(view);
}

/// Fails if the death of a writer before a gap is lost, or the gap of its successor.
#[test]
fn a_death_before_a_gap_is_reported_first() {
    for (class, delivery) in kinds() {
        let (ring, mut writer, mut reader) = participants(class, delivery);
        write(&mut writer).unwrap();
        writer.die_as(4711);
        let mut out = [0; BYTES];
        assert_eq!(reader.read(&mut out).map(|received| received.sequence), Ok(0));
        let mut next = ring.writer().unwrap();
        next.skip_to(3).unwrap();
        assert_eq!(reader.read(&mut out), Err(ReadError::WriterDied { pid: 4711 }));
        assert_eq!(reader.read(&mut out), Err(ReadError::Lagged(Lagged { lost: 2 })));
        drop(next);
        assert_eq!(reader.read(&mut out), Err(ReadError::Closed));
    }
}

#[test]
fn a_closed_ring_skips_nothing() {
    let (ring, mut writer, _reader) = participants(SlotClass::Lines, Delivery::Gated);
    ring.close();
    assert_eq!(writer.skip_to(3), Err(WriteError::Closed));
    assert_eq!(ring.next_sequence(), 0);
}

#[test]
#[should_panic = "cannot skip to 0"]
fn a_writer_does_not_skip_back() {
    let (_ring, mut writer, _reader) = participants(SlotClass::Lines, Delivery::Gated);
    write(&mut writer).unwrap();
    let _ = writer.skip_to(0);
}

#[test]
#[should_panic = "one of many writers"]
fn one_of_many_writers_does_not_skip() {
    let ring = Ring::heap(&Config::slots(4).of_bytes(8).writers(Writers::Many)).unwrap();
    let _ = ring.writer().unwrap().skip_to(7);
}

/// Fails if a message gets the time of its copy, or a later one keeps the time of an earlier.
#[test]
fn messages_carry_the_times_that_they_come_with() {
    for (class, delivery) in kinds() {
        let config = Config::slots(4).of_bytes(8).slot_class(class).delivery(delivery).timestamp(true);
        let ring = Ring::heap(&config).unwrap();
        let (mut reader, mut writer) = (ring.reader(Start::Next).unwrap(), ring.writer().unwrap());
        writer.set_timestamp(Some(7));
        writer.write(b"then").unwrap();
        writer.set_timestamp(None);
        writer.write(b"now").unwrap();
        let mut time = || reader.read(&mut [0; 8]).unwrap().timestamp_ns.unwrap();
        assert_eq!(time(), 7);
        assert!(time() > 7);
    }
}

#[cfg(target_os = "linux")]
mod observers {
    use super::{bytes_of, kinds, write};
    use crate::common::create;
    use seqring::{Config, Lagged, Observer, Start, TryReadError};

    /// Fails if an observer waits in a gap, or skips messages after it.
    #[test]
    fn an_observer_gets_a_gap_and_what_follows() {
        for (class, delivery) in kinds() {
            let config = Config::slots(8).of_bytes(32).slot_class(class).delivery(delivery);
            let (name, ring) = create("observer-gap", &config.observers(true).await_readers(0));
            let mut observer = Observer::open(&name, Start::Oldest).unwrap();
            let mut writer = ring.writer().unwrap();
            write(&mut writer).unwrap();
            writer.skip_to(4).unwrap();
            let mut out = [0; 32];
            let mut read = || observer.try_read(&mut out).map(|received| received.sequence);
            let gap = Err(TryReadError::Lagged(Lagged { lost: 3 }));
            assert_eq!([read(), read(), read()], [Ok(0), gap, Err(TryReadError::Empty)]);
            write(&mut writer).unwrap();
            writer.skip_to(7).unwrap();
            write(&mut writer).unwrap();
            drop(writer);
            let gap = Err(TryReadError::Lagged(Lagged { lost: 2 }));
            assert_eq!([read(), read(), read(), read()], [Ok(4), gap, Ok(7), Err(TryReadError::Closed)]);
            assert_eq!(out[..20], bytes_of(7, 20));
        }
    }
}
