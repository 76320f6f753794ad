//! Batches between threads: the promises for single messages hold for batches, also when the other
//! side handles single messages.
#![allow(missing_docs)]

mod common;

use common::{CLASSES, bytes_of, kinds, ring};
use seqring::{Batch, Config, Delivery, Lagged, ReadError, Reader, Ring, SlotClass, Start, TryReadError};
use seqring::{TryWriteError, WaitStrategy, Writer, Writers};
use std::thread;

const EACH: usize = 24;
const MESSAGES: u64 = 6_000;

/// The calls that a side uses.
#[derive(Clone, Copy, Debug)]
enum By {
    Ones,
    EndToEnd(usize),
    Each(usize),
}

fn write(writer: &mut Writer, by: By) {
    let mut next = 0;
    while next < MESSAGES {
        let (By::EndToEnd(count) | By::Each(count)) = by else {
            writer.write(&bytes_of(next, EACH)).unwrap();
            next += 1;
            continue;
        };
        let messages: Vec<_> = (next..MESSAGES.min(next + count as u64)).map(|n| bytes_of(n, EACH)).collect();
        let written = match by {
            By::Each(_) => writer.write_each(&messages),
            _ => writer.write_batch(EACH, &messages.concat()),
        };
        assert_eq!(written, Ok(messages.len()));
        next += messages.len() as u64;
    }
}

/// Reads to the end; returns how many messages were read and lost.
fn read(reader: &mut Reader, by: By) -> (u64, u64) {
    let (mut expected, mut got) = (0, 0);
    let mut out = vec![0; EACH * if let By::EndToEnd(count) = by { count } else { 1 }];
    let mut batch = Batch::new(if let By::Each(count) = by { count } else { 1 }, 1 << 16);
    loop {
        let read = match by {
            By::Ones => reader.read(&mut out).map(|_| 1),
            By::EndToEnd(_) => reader.read_batch(EACH, &mut out),
            By::Each(_) => reader.read_each(&mut batch).map(|()| batch.len()),
        };
        match read {
            Ok(count) => {
                let messages: Vec<_> = match by {
                    By::Each(_) => batch.iter().map(|(_, bytes)| bytes).collect(),
                    _ => out[..count * EACH].chunks(EACH).collect(),
                };
                assert!(count > 0 && messages.len() == count);
                for message in messages {
                    assert!(message == bytes_of(expected, EACH), "message {expected} is torn or another");
                    expected += 1;
                }
                got += count as u64;
            }
            Err(ReadError::Lagged(Lagged { lost })) => expected += lost,
            Err(ReadError::Closed) => break,
            Err(error) => panic!("{error}"),
        }
        assert_eq!(reader.position(), expected);
    }
    assert_eq!(expected, MESSAGES);
    (got, reader.lost())
}

/// Fails, for example, if a chunk is not validated, if a lag within a batch is not reported, if a
/// batch does not notify sleepers, or if a batch frees slots before it has copied them.
#[test]
fn batches_are_whole_and_complete_for_every_combination_of_calls() {
    for (class, delivery) in kinds() {
        for (slots, writing, reading) in [
            (1, By::EndToEnd(3), By::Each(5)),
            (10, By::Ones, By::EndToEnd(64)),
            (10, By::EndToEnd(64), By::Ones),
            (50, By::Each(7), By::EndToEnd(33)),
            (64, By::EndToEnd(64), By::EndToEnd(64)),
            (64, By::EndToEnd(5), By::Each(40)),
        ] {
            let ring = ring(delivery, class, slots, EACH);
            let mut reader = ring.reader(Start::Next).unwrap();
            let mut writer = ring.writer().unwrap();
            reader.set_wait_strategy(WaitStrategy::SLEEPING);
            writer.set_wait_strategy(WaitStrategy::SLEEPING);
            let (got, lost) = thread::scope(|scope| {
                scope.spawn(move || write(&mut writer, writing));
                read(&mut reader, reading)
            });
            assert_eq!(got + lost, MESSAGES, "{class:?} {delivery:?} {slots} {writing:?} {reading:?}");
            assert!(delivery == Delivery::Lossy || lost == 0);
        }
    }
}

#[test]
fn many_writers_write_batches_into_one_ring() {
    let config = Config::slots(8).of_bytes(EACH).writers(Writers::Many);
    let ring = Ring::heap(&config).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut writers = [ring.writer().unwrap(), ring.writer().unwrap()];
    thread::scope(|scope| {
        for (writer, start) in writers.iter_mut().zip([0, 1 << 32]) {
            scope.spawn(move || {
                for first in (start..start + 3000).step_by(30) {
                    let messages: Vec<_> = (first..first + 30).map(|n| bytes_of(n, EACH)).collect();
                    assert_eq!(writer.write_each(&messages), Ok(30));
                }
            });
        }
        let (mut next, mut batch) = ([0, 1 << 32], Batch::new(16, 1 << 12));
        while next != [3000, (1 << 32) + 3000] {
            reader.read_each(&mut batch).unwrap();
            for (_, bytes) in &batch {
                let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                let of = &mut next[usize::from(number >> 32 != 0)];
                assert!(number == *of && bytes == bytes_of(number, EACH));
                *of += 1;
            }
        }
    });
}

#[test]
fn a_batch_ends_where_the_ring_is_full_and_the_rest_can_be_written_later() {
    for class in CLASSES {
        let ring = ring(Delivery::Gated, class, 50, 8);
        let mut reader = ring.reader(Start::Next).unwrap();
        let mut writer = ring.writer().unwrap();
        let messages: Vec<_> = (0..64_u64).map(u64::to_le_bytes).collect();
        assert_eq!(writer.try_write_each(&messages), Ok(50), "`slots` is exact");
        assert_eq!(writer.try_write_each(&messages[50..]), Err(TryWriteError::Full));
        assert_eq!(reader.try_read_batch(8, &mut [0; 8 * 7]), Ok(7));
        assert_eq!(writer.try_write_each(&messages[50..]), Ok(7), "seven are free");
        assert_eq!(writer.refused(), 1);
    }
}

#[test]
fn an_error_within_a_batch_is_returned_by_the_next_call() {
    for class in [SlotClass::Lines, SlotClass::Arena] {
        let ring = ring(Delivery::Gated, class, 8, 8);
        let mut reader = ring.reader(Start::Next).unwrap();
        let mut writer = ring.writer().unwrap();
        assert_eq!(writer.write_each(&["12345678", "87654321", "too long for it"]), Ok(2));
        let too_long = TryWriteError::TooLarge { len: 15, max: 8 };
        assert_eq!(writer.try_write_each(&["too long for it"]), Err(too_long));
        writer.write(b"123").unwrap();
        let mut out = [0; 32];
        assert_eq!(reader.try_read_batch(8, &mut out), Ok(2));
        let other = TryReadError::OtherLength { len: 3, expected: 8 };
        assert_eq!(reader.try_read_batch(8, &mut out), Err(other));
        assert_eq!(reader.try_read_batch(3, &mut out), Ok(1), "it is still there");
        drop(writer);
        assert_eq!(reader.read_batch(8, &mut out), Err(ReadError::Closed));
    }
}

#[test]
fn a_batch_without_room_for_a_message_reads_none_whether_or_not_one_is_there() {
    for class in CLASSES {
        let ring = ring(Delivery::Gated, class, 8, 8);
        let mut reader = ring.reader(Start::Next).unwrap();
        let mut writer = ring.writer().unwrap();
        let mut read = |room: usize| reader.try_read_batch(8, &mut [0; 8][..room]);
        assert_eq!((read(0), read(7), read(8)), (Ok(0), Ok(0), Err(TryReadError::Empty)));
        writer.write(b"12345678").unwrap();
        assert_eq!((read(0), read(7), read(8)), (Ok(0), Ok(0), Ok(1)));
    }
}

/// A message whose bytes cannot be had.
struct Message(Option<[u8; 8]>);

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref().expect("a message with bytes")
    }
}

/// Fails if the caller's code runs between steps of a publication: numbers are then given twice.
#[test]
fn a_panic_of_the_callers_code_leaves_the_writer_after_what_it_published() {
    for (class, delivery) in kinds().filter(|(_, delivery)| *delivery != Delivery::Queue) {
        for (panics_at, published) in [(3, 0), (70, 64)] {
            let ring = ring(delivery, class, 256, 8);
            let mut reader = ring.reader(Start::Next).unwrap();
            let mut writer = ring.writer().unwrap();
            let messages: Vec<_> =
                (0..100).map(|n: u64| Message((n != panics_at).then(|| n.to_le_bytes()))).collect();
            let write = std::panic::AssertUnwindSafe(|| writer.write_each(&messages));
            assert!(std::panic::catch_unwind(write).is_err());
            assert_eq!(writer.write(&[7; 8]), Ok(published), "{class:?} {delivery:?}");
            let mut out = [0; 8];
            for expected in (0..published).map(u64::to_le_bytes).chain([[7; 8]]) {
                reader.try_read(&mut out).unwrap();
                assert_eq!(out, expected, "{class:?} {delivery:?}");
            }
            assert_eq!(reader.try_read(&mut out), Err(TryReadError::Empty));
        }
    }
}
