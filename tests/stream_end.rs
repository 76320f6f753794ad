//! Streams between concurrent threads end by `close` or when the last writer leaves, and continue
//! with its successor.
#![allow(missing_docs)]

mod common;

use common::{CLASSES, DELIVERIES, kinds, message, read_to_the_end, read_until_closed, ring};
use seqring::{
    Config, Delivery, MessageHeader, Reader, Ring, Start, TryReadError, TryWriteError, WriteError, Writer,
    Writers,
};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

/// Fails if the end is reported from the shared hint of the next sequence. A reader checks its slot
/// once more before it reports the end; the window for that is too rare here, and the model of
/// `End` covers it.
#[test]
fn a_ring_closed_under_load_ends_in_order_for_all_participants() {
    for round in 0..150 {
        let ring = ring(DELIVERIES[round % 2], CLASSES[round % 3], 4, 64);
        let joined: Vec<_> = (0..2).map(|_| ring.reader(Start::Next).unwrap()).collect();
        let published = AtomicU64::new(0);
        thread::scope(|scope| {
            let reading: Vec<_> = joined
                .into_iter()
                .map(|mut reader| scope.spawn(move || read_to_the_end(&mut reader, 64)))
                .collect();
            let writing = scope.spawn(|| {
                let mut writer = ring.writer().unwrap();
                let refusal = loop {
                    match writer.write(&message(writer.next_sequence(), 64)) {
                        Ok(sequence) => published.store(sequence + 1, SeqCst),
                        Err(refusal) => break refusal,
                    }
                };
                assert_eq!(refusal, WriteError::Closed);
            });
            while published.load(SeqCst) < 20 && !writing.is_finished() {
                thread::yield_now();
            }
            let before = published.load(SeqCst);
            ring.close();
            for reader in reading {
                let received = reader.join().unwrap().total();
                assert!(received >= before, "messages published before the end are missing");
                assert!(received <= ring.next_sequence());
            }
        });
    }
}

/// Fails if a form of writing does not check whether the ring is closed: on the fast path, which
/// only a later message takes, or on another one.
#[test]
fn each_form_of_a_write_is_refused_once_the_ring_is_closed() {
    type Write = fn(&mut Writer) -> Result<u64, TryWriteError>;
    let writes: [Write; 5] = [
        |writer| writer.try_write(b"a"),
        |writer| writer.try_write(&[7; 8]),
        |writer| writer.try_claim(1)?.try_publish().map_err(|unpublished| unpublished.error),
        |writer| writer.try_write_each(&[b"a"]).map(|written| written as u64),
        |writer| writer.try_write_with(b"a", &MessageHeader::default()),
    ];
    let many = |delivery| {
        Ring::heap(&Config::slots(4).of_bytes(64).delivery(delivery).writers(Writers::Many)).unwrap()
    };
    for write in writes {
        let one = kinds().map(|(class, delivery)| ring(delivery, class, 4, 8));
        for ring in one.chain([Delivery::Lossy, Delivery::Gated, Delivery::Queue].map(many)) {
            let mut writer = ring.writer().unwrap();
            write(&mut writer).unwrap();
            ring.close();
            assert_eq!(write(&mut writer), Err(TryWriteError::Closed), "{ring:?}");
        }
    }
}

/// Fails if a new writer starts anywhere but behind the last message, or if a reader that got the
/// end does not continue.
#[test]
fn successive_writers_make_one_stream() {
    const COUNT: u64 = 5000;
    for (class, delivery) in kinds() {
        let ring = ring(delivery, class, 3, 64);
        let reader = ring.reader(Start::Next).unwrap();
        thread::scope(|scope| {
            let mut reader = reader;
            let writing = scope.spawn(|| {
                for turn in 0.. {
                    let mut writer = ring.writer().unwrap();
                    for _ in 0..turn % 150 {
                        if writer.next_sequence() == COUNT {
                            return ring.close();
                        }
                        writer.write(&message(writer.next_sequence(), 64)).unwrap();
                    }
                }
            });
            let (mut total, mut over) = (0, false);
            while !over {
                over = writing.is_finished();
                total += read_until_closed(&mut reader, 64).total();
            }
            assert_eq!((total, reader.position()), (COUNT, COUNT));
        });
    }
}

/// Fails if a form of reading that finds nothing does not look at the state of the stream.
#[test]
fn each_form_of_a_read_that_does_not_wait_reports_the_end() {
    let reads: [fn(&mut Reader) -> Option<TryReadError>; 5] = [
        |reader| reader.try_read(&mut [0; 8]).err(),
        |reader| reader.try_read(&mut [0; 4]).err(),
        |reader| reader.typed::<u64>().unwrap().try_read().err(),
        |reader| reader.try_read_batch(8, &mut [0; 16]).err(),
        |reader| reader.try_view().err(),
    ];
    for (read, class) in reads.iter().flat_map(|read| CLASSES.map(move |class| (read, class))) {
        let ring = Ring::heap(&Config::slots(4).of_bytes(8).slot_class(class)).unwrap();
        let (writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
        assert_eq!(read(&mut reader), Some(TryReadError::Empty), "{class:?}");
        drop(writer);
        assert_eq!(read(&mut reader), Some(TryReadError::Closed), "{class:?}");
    }
}
