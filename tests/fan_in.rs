//! Several rings of one writer each, read as one.
//!
//! The peer processes are this test binary, run again for its one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::peer::{Peer, answer, order, wait_for_parent};
use common::{TEST_TIMEOUT, fresh_name};
use seqring::fan_in::{FanIn, FanInReader, FanInWriter};
use seqring::{
    Batch, Config, Delivery, OpenOptions, ReadError, RegisterError, Ring, RingError, SlotClass, Start,
    TryReadError, WriteError,
};
use std::collections::HashSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

const COUNT: u64 = 3000;

fn config(slots: usize) -> Config {
    Config::slots(slots).of::<u64>()
}

fn queue(slots: usize) -> Config {
    config(slots).delivery(Delivery::Queue)
}

fn write(writer: &mut FanInWriter, numbers: std::ops::Range<u64>) {
    for n in numbers {
        assert_eq!(writer.write(&n.to_le_bytes()), Ok(n));
    }
}

/// Reads the next message: its ring, and its number, which is its content, too.
fn read(reader: &mut FanInReader) -> Result<(usize, u64), ReadError> {
    let mut out = [0; 8];
    let received = reader.read_timeout(&mut out, TEST_TIMEOUT)?;
    assert_eq!(u64::from_le_bytes(out), received.sequence);
    Ok((reader.ring(), received.sequence))
}

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    if verb == "create" {
        let _set = FanIn::create(&name, &config(8), 3).unwrap();
        answer("created");
        return wait_for_parent();
    }
    let set = FanIn::open(&name).unwrap();
    match verb.as_str() {
        "write-3" => {
            let mut writer = set.writer().unwrap();
            write(&mut writer, 0..3);
            answer(&writer.ring().to_string());
            wait_for_parent();
        }
        "take" => {
            let mut taker = set.taker().unwrap();
            let taken = taker.take().unwrap();
            answer("taken");
            wait_for_parent();
            drop(taken);
        }
        other => panic!("unknown order {other}"),
    }
}

/// Fails if a message is lost or out of its writer's order, a wake is lost, or the end is.
#[test]
fn each_reader_gets_all_messages_of_all_writers_in_their_order() {
    for (writers, class) in
        [(1, SlotClass::Lines), (2, SlotClass::Packed), (5, SlotClass::Arena), (8, SlotClass::Lines)]
    {
        let set = FanIn::heap(&config(16).slot_class(class).await_readers(2), writers).unwrap();
        let joined: Vec<_> = (0..writers).map(|_| set.writer().unwrap()).collect();
        thread::scope(|scope| {
            for (ring, mut writer) in joined.into_iter().enumerate() {
                assert_eq!(writer.ring(), ring);
                scope.spawn(move || write(&mut writer, 0..COUNT));
            }
            let mut by_one = set.reader(Start::Next).unwrap();
            let mut by_batch = set.reader(Start::Next).unwrap();
            scope.spawn(move || {
                let mut next = vec![0; writers];
                let end = loop {
                    match read(&mut by_one) {
                        Ok((ring, n)) => assert_eq!((n, next[ring] += 1), (next[ring] - 1, ())),
                        Err(end) => break end,
                    }
                };
                assert_eq!((end, next), (ReadError::Closed, vec![COUNT; writers]));
                assert_eq!(by_one.try_read(&mut [0; 8]), Err(TryReadError::Closed));
            });
            let (mut next, mut out) = (vec![0; writers], [0; 8 * 10]);
            let end = loop {
                match by_batch.read_batch_timeout(8, &mut out, TEST_TIMEOUT) {
                    Ok(read) => {
                        for message in out[..8 * read].chunks(8) {
                            assert_eq!(message, u64::to_le_bytes(next[by_batch.ring()]));
                            next[by_batch.ring()] += 1;
                        }
                    }
                    Err(end) => break end,
                }
            };
            assert_eq!((end, next), (ReadError::Closed, vec![COUNT; writers]));
        });
    }
}

/// Fails if a ring that always has messages hides the others.
#[test]
fn a_ring_has_at_most_64_turns_in_a_row() {
    let set = FanIn::heap(&config(256), 3).unwrap();
    let mut reader = set.reader(Start::Next).unwrap();
    let mut writers: Vec<_> = (0..3).map(|_| set.writer().unwrap()).collect();
    write(&mut writers[0], 0..200);
    write(&mut writers[2], 0..1);
    let order: Vec<_> = (0..201).map(|_| read(&mut reader).unwrap().0).collect();
    assert_eq!(order.iter().position(|ring| *ring == 2), Some(64));
    assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Empty));

    write(&mut writers[0], 200..300);
    write(&mut writers[1], 0..3);
    let (mut batch, mut rings) = (Batch::new(30, 240), Vec::new());
    while reader.try_read_each(&mut batch).is_ok() {
        rings.push((reader.ring(), batch.len()));
    }
    assert!(rings[..3].contains(&(1, 3)), "{rings:?}");
}

/// Fails if a ring without a writer ends the whole, or keeps it open; if an end is missed, or stays
/// when a writer joins again.
#[test]
fn the_whole_ends_when_the_last_writer_leaves_and_goes_on_when_one_joins() {
    for config in [config(8), queue(8)] {
        let set = FanIn::heap(&config, 4).unwrap();
        let is_queue = config.delivery == Delivery::Queue;
        let mut taker = is_queue.then(|| set.taker().unwrap());
        let mut reader = (!is_queue).then(|| set.reader(Start::Next).unwrap());
        let mut next = || match (&mut taker, &mut reader) {
            (Some(taker), _) => {
                let taken = taker.try_take().map(|taken| taken.received().sequence)?;
                Ok((taker.ring(), taken))
            }
            (_, Some(reader)) => {
                let received = reader.try_read(&mut [0; 8])?;
                Ok((reader.ring(), received.sequence))
            }
            _ => unreachable!(),
        };
        assert_eq!(next(), Err(TryReadError::Empty), "no writer has joined");
        let (mut first, mut second) = (set.writer().unwrap(), set.writer().unwrap());
        write(&mut first, 0..1);
        drop(first);
        assert_eq!(next(), Ok((0, 0)));
        assert_eq!(next(), Err(TryReadError::Empty), "one is left");
        // It takes over the first ring. The second one ends, and the whole does not.
        let mut third = set.writer().unwrap();
        assert_eq!(third.ring(), 0);
        write(&mut second, 0..1);
        drop(second);
        assert_eq!(next(), Ok((1, 0)));
        assert_eq!(next(), Err(TryReadError::Empty));
        write(&mut third, 1..2);
        drop(third);
        assert_eq!(next(), Ok((0, 1)));
        assert_eq!((next(), next()), (Err(TryReadError::Closed), Err(TryReadError::Closed)));
        let mut again = set.writer().unwrap();
        assert_eq!(next(), Err(TryReadError::Empty));
        write(&mut again, 2..3);
        assert_eq!(next(), Ok((0, 2)));
        set.close();
        assert_eq!(again.try_write(&[0; 8]), Err(seqring::TryWriteError::Closed));
        assert_eq!(next(), Err(TryReadError::Closed));
    }
}

/// Fails if a waiting reader sleeps through the end of one ring beside one that has ended already,
/// or through a message in a ring that had ended.
#[test]
fn a_waiting_reader_sees_ends_and_messages_of_rings_that_had_ended() {
    let set = FanIn::heap(&config(8), 2).unwrap();
    let mut reader = set.reader(Start::Next).unwrap();
    reader.set_wait_strategy(seqring::WaitStrategy::SLEEPING);
    let (first, second) = (set.writer().unwrap(), set.writer().unwrap());
    drop(first);
    assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Empty));
    let timed_out = reader.read_timeout(&mut [0; 8], Duration::from_millis(1));
    let Err(ReadError::TimedOut { writers, .. }) = timed_out else { panic!("{timed_out:?}") };
    assert_eq!(writers.pids(), [std::process::id()], "one writer is left");
    let sleeps = || set.rings()[0].participants().iter().map(|one| one.sleeps).max();
    let before = sleeps();
    thread::scope(|scope| {
        scope.spawn(|| {
            while sleeps() == before {
                thread::yield_now();
            }
            write(&mut set.writer().unwrap(), 0..1); // Ring 0 again.
            drop(second);
        });
        assert_eq!(read(&mut reader), Ok((0, 0)));
        assert_eq!(read(&mut reader), Err(ReadError::Closed));
    });
}

/// Fails if the end is reported while writers hand over from ring to ring, so that there is always
/// one.
#[test]
fn there_is_no_end_while_there_is_always_a_writer() {
    let set = FanIn::heap(&config(8), 3).unwrap();
    let mut reader = set.reader(Start::Next).unwrap();
    let mut writer = set.writer().unwrap();
    thread::scope(|scope| {
        let handing_over = scope.spawn(move || {
            for _ in 0..COUNT / 10 {
                // The next one joins, and only then does the one before leave.
                writer = set.writer().unwrap();
            }
            writer
        });
        while !handing_over.is_finished() {
            assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Empty));
        }
        drop(handing_over.join().unwrap());
    });
    assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Closed));
}

#[test]
fn a_full_ring_waits_for_room_and_the_others_do_not() {
    let set = FanIn::heap(&config(4), 2).unwrap();
    let mut reader = set.reader(Start::Next).unwrap();
    let (mut first, mut second) = (set.writer().unwrap(), set.writer().unwrap());
    write(&mut first, 0..4);
    let full = first.write_timeout(&[0; 8], Duration::from_millis(1));
    assert!(matches!(full, Err(WriteError::TimedOut { .. })), "{full:?}");
    write(&mut second, 0..4);
    assert_eq!(reader.lag(), 8);
    assert_eq!(read(&mut reader), Ok((0, 0)));
    write(&mut first, 4..5);
    let Err(RegisterError::TableFull { holders }) = set.writer() else { panic!("all rings are in use") };
    assert_eq!(holders.len(), 2);
}

/// Fails if a loss is not reported with its ring, or not exact.
#[test]
fn losses_are_exact_and_name_their_ring() {
    let set = FanIn::heap(&config(4).delivery(Delivery::Lossy), 2).unwrap();
    let mut reader = set.reader(Start::Next).unwrap();
    let mut writers = [set.writer().unwrap(), set.writer().unwrap()];
    write(&mut writers[0], 0..2);
    write(&mut writers[1], 0..100);
    drop(writers);
    let (mut got, mut lost) = ([0; 2], [0; 2]);
    let end = loop {
        match read(&mut reader) {
            Ok((ring, _)) => got[ring] += 1,
            Err(ReadError::Lagged(lagged)) => lost[reader.ring()] += lagged.lost,
            Err(end) => break end,
        }
    };
    assert_eq!(end, ReadError::Closed);
    assert_eq!((got[0], lost[0]), (2, 0));
    assert!(lost[1] > 0 && got[1] + lost[1] == 100, "{got:?} {lost:?}");
    assert_eq!(reader.lost(), lost[1]);
}

#[test]
fn views_and_iteration_name_the_ring() {
    let set = FanIn::heap(&config(4).slot_class(SlotClass::Arena), 2).unwrap();
    let mut reader = set.reader(Start::Next).unwrap();
    let mut writers = [set.writer().unwrap(), set.writer().unwrap()];
    for writer in &mut writers {
        write(writer, 0..2);
    }
    drop(writers);
    let view = reader.view().unwrap();
    assert!(view.is_in_place() && *view == [0; 8]);
    drop(view);
    let messages: Vec<_> = reader.messages().map(|(ring, bytes)| (ring, bytes.unwrap()[0])).collect();
    assert_eq!(messages, [(0, 1), (1, 0), (1, 1)]);
}

/// Fails if a message is taken twice or not at all, or out of its writer's order by one taker.
#[test]
fn each_message_goes_to_exactly_one_taker() {
    let set = FanIn::heap(&queue(8), 3).unwrap();
    let taken = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3).map(|_| set.writer().unwrap()).collect();
        for mut taker in [set.taker().unwrap(), set.taker().unwrap()] {
            let taken = &taken;
            scope.spawn(move || {
                let (mut mine, mut last) = (Vec::new(), [None; 3]);
                let end = loop {
                    let sequence = match taker.take_timeout(TEST_TIMEOUT) {
                        Ok(message) => message.received().sequence,
                        Err(end) => break end,
                    };
                    let ring = taker.ring();
                    assert!(last[ring] < Some(sequence));
                    last[ring] = Some(sequence);
                    mine.push((ring, sequence));
                };
                assert_eq!(end, ReadError::Closed);
                taken.lock().unwrap().append(&mut mine);
            });
        }
        for mut writer in writers {
            scope.spawn(move || write(&mut writer, 0..COUNT));
        }
    });
    let taken = taken.into_inner().unwrap();
    assert_eq!(taken.len() as u64, 3 * COUNT);
    assert_eq!(taken.into_iter().collect::<HashSet<_>>().len() as u64, 3 * COUNT);
}

/// Fails if a message that was put off stays unfinished when the taker goes on in another ring.
#[test]
fn the_next_take_finishes_a_message_that_was_put_off() {
    let set = FanIn::heap(&queue(4), 2).unwrap();
    let mut taker = set.taker().unwrap();
    let (mut first, mut second) = (set.writer().unwrap(), set.writer().unwrap());
    write(&mut first, 0..1);
    write(&mut second, 0..1);
    taker.take().unwrap().put_off();
    assert_eq!(set.rings()[0].unfinished(), [0]);
    taker.take().unwrap().put_off();
    assert_eq!((set.rings()[0].unfinished(), set.rings()[1].unfinished()), (vec![], vec![0]));
    taker.finish();
    assert_eq!(set.rings()[1].unfinished(), []);
}

/// Fails if something that a killed writer published is lost, its death is not reported with its
/// ring, the others stop, or its ring has no successor.
#[test]
fn a_killed_writer_has_a_successor_and_the_reader_goes_on() {
    let name = fresh_name("fan-in-killed");
    let set = FanIn::create(&name, &config(8), 2).unwrap();
    let mut reader = set.reader(Start::Next).unwrap();
    let mut other = set.writer().unwrap();
    let mut victim = Peer::start("write-3", &name);
    assert_eq!(victim.answer(), "1");
    let pid = victim.pid();
    victim.kill();
    for n in 0..3 {
        assert_eq!(read(&mut reader), Ok((1, n)));
    }
    assert_eq!(read(&mut reader), Err(ReadError::WriterDied { pid }));
    assert_eq!(reader.ring(), 1);
    write(&mut other, 0..1);
    assert_eq!(read(&mut reader), Ok((0, 0)));
    let mut successor = set.writer().unwrap();
    assert_eq!(successor.ring(), 1);
    write(&mut successor, 3..4);
    assert_eq!(read(&mut reader), Ok((1, 3)));
    drop((successor, other));
    assert_eq!(read(&mut reader), Err(ReadError::Closed));
}

/// Fails if the message of a killed taker is lost, in a ring that has ended meanwhile.
#[test]
fn the_message_of_a_killed_taker_goes_to_another() {
    let name = fresh_name("fan-in-taker");
    let set = FanIn::create(&name, &queue(8), 2).unwrap();
    let (mut first, mut second) = (set.writer().unwrap(), set.writer().unwrap());
    write(&mut first, 0..2);
    let victim = Peer::ready("take", &name);
    let mut taker = set.taker().unwrap();
    assert_eq!(taker.take_timeout(TEST_TIMEOUT).unwrap().received().sequence, 1);
    drop(first);
    assert_eq!(taker.try_take().map(drop), Err(TryReadError::Empty));
    victim.kill();
    let again = taker.take_timeout(TEST_TIMEOUT).unwrap();
    assert!(again.is_redelivered());
    drop(again);
    assert_eq!(taker.ring(), 0);
    write(&mut second, 0..1);
    drop(second);
    assert_eq!(taker.take_timeout(TEST_TIMEOUT).unwrap().received().sequence, 0);
    assert_eq!(taker.take_timeout(TEST_TIMEOUT).map(drop), Err(ReadError::Closed));
}

/// Fails if half a set can be opened, if a creator leaves another without a set, or if rings stay.
#[test]
fn a_set_is_opened_whole_or_not_at_all() {
    let name = fresh_name("fan-in-open");
    // As a creator leaves it that was killed in between.
    let half = Ring::create(format!("{name}.0"), &config(8).user_words(1)).unwrap();
    assert!(matches!(FanIn::open(&name), Err(RingError::NotFound { .. })));
    assert!(FanIn::open_timeout(&name, Duration::from_millis(1)).is_err());
    assert!(matches!(FanIn::create(&name, &config(8), 3), Err(RingError::AlreadyExists { .. })));
    half.user_words()[0].store(1, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(FanIn::open(&name), Err(RingError::Unusable { .. })));
    drop(half);

    let all: Vec<_> = thread::scope(|scope| {
        let opening: Vec<_> =
            (0..4).map(|_| scope.spawn(|| FanIn::open_or_create(&name, &config(8), 3).unwrap())).collect();
        opening.into_iter().map(|opening| opening.join().unwrap()).collect()
    });
    let writers: Vec<_> = all[..3].iter().map(|set| set.writer().unwrap().ring()).collect();
    assert_eq!(writers, [0, 0, 0]);
    let other = FanIn::open_or_create(&name, &config(8), 2);
    assert!(matches!(other, Err(RingError::Unusable { .. })), "{other:?}");
    let other = FanIn::open_or_create(&name, &config(9), 3);
    assert!(matches!(other, Err(RingError::Unusable { .. })), "{other:?}");

    // A writer alone keeps the whole set.
    let writer = all[0].writer().unwrap();
    drop(all);
    assert_eq!(FanIn::open(&name).unwrap().rings().len(), 3);
    drop(writer);
    for n in 0..3 {
        assert!(matches!(Ring::open(format!("{name}.{n}")), Err(RingError::NotFound { .. })));
    }
}

#[test]
fn a_set_that_a_killed_process_left_is_replaced() {
    let name = fresh_name("fan-in-replaced");
    Peer::ready("create", &name).kill();
    let create = || FanIn::create(&name, &config(4), 3);
    assert!(matches!(create(), Err(RingError::AlreadyExists { .. })));
    let options = OpenOptions::new().replace_unused(true);
    let set = options.open_or_create_fan_in(&name, &config(4), 3).unwrap();
    assert_eq!(set.rings()[2].config().slots, 4);
    let used = options.create_fan_in(&name, &config(4), 3);
    assert!(used.is_err(), "it is in use");
}

#[test]
fn a_set_of_no_streams_or_of_too_many_is_refused() {
    for (config, writers) in [
        (config(4), 0),
        (config(4), FanIn::MOST_WRITERS + 1),
        (config(4).writers(seqring::Writers::Many), 2),
        (config(4).delivery(Delivery::Latest), 2),
        (Config::calls(4).of_bytes(8), 2),
    ] {
        let refused = FanIn::heap(&config, writers);
        assert!(matches!(refused, Err(RingError::Config(_))), "{refused:?}");
    }
}
