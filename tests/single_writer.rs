//! The promises of a ring with one writer, on the heap and between handles of a named segment.

mod common;

use common::{CLASSES, create};
use seqring::*;
use std::time::Duration;

#[test]
fn a_gated_ring_holds_exactly_its_slots_and_refuses_the_next_message() {
    for class in CLASSES {
        for slots in [1, 2, 3, 10, 50] {
            let ring = Ring::heap(&Config::slots(slots).of_bytes(100).slot_class(class)).unwrap();
            let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
            let mut out = [0; 100];
            for lap in 0..3 {
                for n in 0..slots {
                    writer.try_write(&[lap, n as u8]).unwrap();
                }
                assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Full), "{class:?} {slots}");
                assert_eq!(reader.lag(), slots as u64);
                for n in 0..slots {
                    assert_eq!(reader.try_read(&mut out).unwrap().len, 2);
                    assert_eq!(out[..2], [lap, n as u8]);
                    writer.try_write(b"y").unwrap();
                    assert_eq!(writer.try_write(b"z"), Err(TryWriteError::Full));
                }
                for _ in 0..slots {
                    assert_eq!(reader.try_read(&mut out).unwrap().len, 1);
                }
                assert_eq!(reader.try_read(&mut out), Err(TryReadError::Empty));
            }
            // Room for some messages, which is not room for the rest of the lap.
            for _ in 0..slots {
                writer.try_write(b"x").unwrap();
            }
            for room in 1..slots {
                for _ in 0..room {
                    reader.try_read(&mut out).unwrap();
                }
                for _ in 0..room {
                    writer.try_write(b"y").unwrap();
                }
                assert_eq!(writer.try_write(b"z"), Err(TryWriteError::Full), "{class:?} {slots} {room}");
            }
        }
    }
}

#[test]
fn a_lossy_reader_gets_the_exact_count_of_missed_messages() {
    for class in CLASSES {
        for slots in [1, 2, 3, 10, 50] {
            let ring = common::ring(Delivery::Lossy, class, slots, 8);
            let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
            let (mut out, mut got, mut expected) = ([0; 8], 0, 0);
            for n in 0..1000u64 {
                writer.try_write(&n.to_le_bytes()).unwrap();
                if n % 97 != 0 {
                    continue;
                }
                loop {
                    match reader.try_read(&mut out) {
                        Ok(received) => {
                            assert_eq!(u64::from_le_bytes(out), expected);
                            assert_eq!(received.sequence, expected);
                            (got, expected) = (got + 1, expected + 1);
                        }
                        Err(TryReadError::Lagged(Lagged { lost })) => expected += lost,
                        Err(TryReadError::Empty) => break,
                        Err(other) => panic!("{other}"),
                    }
                }
                assert_eq!(expected, n + 1);
            }
            assert_eq!(got + reader.lost(), expected, "{class:?} {slots}");
        }
    }
}

#[test]
fn the_end_comes_after_the_last_message_and_a_later_writer_continues_the_stream() {
    let (name, ring) = create("end", &Config::slots(4).of_bytes(16));
    let other = Ring::open(&name).unwrap();
    let mut reader = other.reader(Start::Next).unwrap();
    let mut out = [0; 16];
    assert_eq!(reader.try_read(&mut out), Err(TryReadError::Empty));
    for _ in 0..3 {
        let mut writer = ring.writer().unwrap();
        assert!(matches!(other.writer(), Err(RegisterError::WriterTaken { .. })));
        writer.write(b"last").unwrap();
        drop(writer);
        assert_eq!(reader.read(&mut out).unwrap().len, 4);
        assert_eq!(reader.read(&mut out), Err(ReadError::Closed));
        assert_eq!(reader.try_read(&mut out), Err(TryReadError::Closed));
    }
    ring.close();
    assert!(matches!(ring.writer(), Err(RegisterError::Closed)));
    assert!(matches!(
        Ring::create(&name, &Config::slots(4).of_bytes(16)),
        Err(RingError::AlreadyExists { .. })
    ));
    drop((ring, reader, other));
    assert!(matches!(Ring::open(&name), Err(RingError::NotFound { .. })));
}

#[test]
fn views_and_claims_of_a_gated_arena_ring_are_in_place() {
    let ring = Ring::heap(&Config::slots(3).of_bytes(4096)).unwrap();
    let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
    for n in 0..10u8 {
        let mut claim = writer.claim(4000).unwrap();
        claim.fill(n);
        claim.publish().unwrap();
        let view = reader.view().unwrap();
        assert!(view.is_in_place());
        assert_eq!(&view[..], &[n; 4000]);
    }
    let view = reader.try_view();
    assert!(matches!(view, Err(TryReadError::Empty)));
}

#[test]
fn a_blocked_read_wakes_for_a_message() {
    let ring = Ring::heap(&Config::slots(3).of_bytes(64)).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut out = [0; 64];
    let late = reader.read_timeout(&mut out, Duration::from_millis(1)).unwrap_err();
    let ReadError::TimedOut { writers, .. } = late else { panic!("{late}") };
    assert_eq!(writers.pids(), [std::process::id()]);
    let thread = std::thread::spawn(move || {
        let mut out = [0; 64];
        let mut n = 0;
        while let Ok(received) = reader.read(&mut out) {
            assert_eq!(received.sequence, n);
            n += 1;
        }
        n
    });
    for n in 0..10_000u32 {
        writer.write(&n.to_le_bytes()).unwrap();
    }
    drop(writer);
    assert_eq!(thread.join().unwrap(), 10_000);
}

/// Fails if a form of reading goes on with the messages that its reader was moved beyond.
#[test]
fn each_form_of_a_read_reports_that_its_reader_was_moved() {
    let reads: [fn(&mut Reader) -> Option<TryReadError>; 5] = [
        |reader| reader.try_read(&mut [0; 8]).err(),
        |reader| reader.typed::<u64>().unwrap().try_read().err(),
        |reader| reader.try_read_in_place(|_| ()).err(),
        |reader| reader.try_read_batch(8, &mut [0; 8]).err(),
        |reader| reader.try_view().err(),
    ];
    for (read, (class, delivery)) in
        reads.iter().flat_map(|read| common::kinds().map(move |kind| (read, kind)))
    {
        let ring = common::ring(delivery, class, 8, 8);
        let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
        for _ in 0..4 {
            writer.try_write(&[7; 8]).unwrap();
        }
        reader.try_read(&mut [0; 8]).unwrap();
        ring.skip_readers_to_newest();
        let moved = TryReadError::Lagged(Lagged { lost: 3 });
        assert_eq!(read(&mut reader), Some(moved), "{class:?} {delivery:?}");
    }
}

#[test]
fn a_writer_counts_refusals_and_a_reader_losses() {
    let counts =
        |ring: &Ring| ring.participants().iter().map(|one| (one.refused, one.lost)).collect::<Vec<_>>();
    let full = Ring::heap(&Config::slots(1).of_bytes(64)).unwrap();
    let (mut writer, _reader) = (full.writer().unwrap(), full.reader(Start::Next).unwrap());
    writer.write(b"message").unwrap();
    assert_eq!(writer.try_write(b"more"), Err(TryWriteError::Full));
    assert_eq!(counts(&full), [(1, 0), (0, 0)]);
    let lossy = Ring::heap(&Config::slots(1).of_bytes(64).delivery(Delivery::Lossy)).unwrap();
    let (mut writer, mut reader) = (lossy.writer().unwrap(), lossy.reader(Start::Next).unwrap());
    writer.write_each(&["lost", "read"]).unwrap();
    assert_eq!(reader.try_read(&mut [0; 64]), Err(TryReadError::Lagged(Lagged { lost: 1 })));
    assert_eq!(counts(&lossy), [(0, 0), (0, 1)]);
}

/// Fails if a writer that was refused stays blocked by a reader that read on, was moved, or left.
#[test]
fn a_writer_that_was_refused_sees_each_way_in_which_its_reader_makes_room() {
    let ways: [fn(&Ring, Reader) -> Option<Reader>; 3] = [
        |_, mut reader| {
            reader.try_read(&mut [0; 8]).unwrap();
            Some(reader)
        },
        |ring, reader| {
            ring.skip_readers_to_newest();
            Some(reader)
        },
        |_, reader| {
            drop(reader);
            None
        },
    ];
    for (way, class) in ways.iter().flat_map(|way| CLASSES.map(move |class| (way, class))) {
        let ring = Ring::heap(&Config::slots(2).of_bytes(8).slot_class(class)).unwrap();
        let (mut writer, reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
        let mut other = ring.reader(Start::Next).unwrap();
        for _ in 0..2 {
            writer.try_write(b"a").unwrap();
            other.try_read(&mut [0; 8]).unwrap();
        }
        for _ in 0..3 {
            assert_eq!(writer.try_write(b"b"), Err(TryWriteError::Full), "{class:?}");
        }
        let _reader = way(&ring, reader);
        assert_eq!(writer.try_write(b"b"), Ok(2), "{class:?}");
    }
}
