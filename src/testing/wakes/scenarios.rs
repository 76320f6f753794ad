//! What wakes which sleepers.

use super::{GUARD, Place, Sleepers};
use crate::{Config, Delivery, ReadError, Ring, SlotClass, Start, TryReadError, Writers};
use std::time::{Duration, Instant};

const SLOTS: usize = 4;

fn config(class: SlotClass, delivery: Delivery) -> Config {
    Config::slots(SLOTS).of_bytes(64).slot_class(class).delivery(delivery)
}

fn broadcast() -> Vec<Config> {
    let classes = [SlotClass::Packed, SlotClass::Arena];
    let of = |delivery| classes.map(|class| config(class, delivery));
    let one = [of(Delivery::Lossy), of(Delivery::Gated)].concat();
    let many = one.iter().filter(|one| one.slot_class == SlotClass::Arena).cloned();
    let many: Vec<_> = many.map(|config| config.writers(Writers::Many)).collect();
    [one, many].concat()
}

fn gated() -> Vec<Config> {
    broadcast().into_iter().filter(|config| config.delivery == Delivery::Gated).collect()
}

fn has_many_writers(config: &Config) -> bool {
    config.writers == Writers::Many
}

fn queue() -> Vec<Config> {
    vec![config(SlotClass::Arena, Delivery::Queue)]
}

/// `count` sleepers by `verb`, between threads and between processes: each gets `expected` from
/// what `act` does. What `prepare` and `act` return lives until then.
fn check<A, B>(
    what: &str,
    configs: Vec<Config>,
    (verb, count): (&'static str, usize),
    prepare: impl Fn(&Ring) -> A,
    act: impl Fn(&Ring, A) -> B,
    expected: &str,
) {
    for config in configs {
        for place in [Place::Threads, Place::Processes] {
            let (mut sleepers, say, name) = Sleepers::on(place, &config);
            let prepared = prepare(&sleepers.ring);
            for _ in 0..count {
                sleepers.start(place, verb, &say, &name);
            }
            if verb != "poll" {
                sleepers.wait_until_asleep(count);
            }
            println!("{what}: {verb}, {place:?}, {config:?}");
            let acted = act(&sleepers.ring, prepared);
            for _ in 0..count {
                assert_eq!(sleepers.line(), expected);
            }
            drop(acted);
        }
    }
}

#[test]
fn a_message_wakes_every_reader() {
    let writer = |ring: &Ring| ring.writer().unwrap();
    for (verb, expected) in [
        ("read", "Ok(())"),
        ("view", "Ok(())"),
        ("ready to read", "true"),
        ("wait in a set", "true"),
        ("poll", "Ok(1) Ok(())"),
    ] {
        check(
            "write",
            broadcast(),
            (verb, 2),
            writer,
            |_, mut writer| writer.write(b"x").map(|_| writer),
            expected,
        );
    }
    let read = ("read", 2);
    check(
        "write_each",
        broadcast(),
        read,
        writer,
        |_, mut writer| writer.write_each(&["x"]).map(|_| writer),
        "Ok(())",
    );
    check(
        "batch",
        broadcast(),
        read,
        writer,
        |_, mut writer| writer.write_batch(1, b"x").map(|_| writer),
        "Ok(())",
    );
    let publish = |_: &Ring, mut writer: crate::Writer| {
        writer.claim(1).unwrap().publish().unwrap();
        writer
    };
    check("claim", broadcast(), read, writer, publish, "Ok(())");
}

#[test]
fn the_end_of_the_stream_wakes_every_reader() {
    let writer = |ring: &Ring| ring.writer().unwrap();
    for (verb, expected) in
        [("read", "Err(Closed)"), ("wait in a set", "true"), ("poll", "Ok(1) Err(Closed)")]
    {
        check("the last writer leaves", broadcast(), (verb, 2), writer, |_, writer| drop(writer), expected);
        check("close", broadcast(), (verb, 2), writer, |ring, writer| (ring.close(), writer), expected);
    }
}

#[test]
fn a_value_and_the_end_wake_every_reader_of_a_table() {
    let table = || vec![config(SlotClass::Lines, Delivery::Latest)];
    let writer = |ring: &Ring| ring.table_writer().unwrap();
    let set = |_: &Ring, mut writer: crate::table::TableWriter| {
        writer.set(SLOTS - 1, b"x").unwrap();
        writer
    };
    check("set", table(), ("wait for a value", 2), writer, set, "true");
    check("the writer leaves", table(), ("wait for a value", 2), writer, |_, writer| drop(writer), "true");
}

#[test]
fn room_wakes_a_writer() {
    let reader = |ring: &Ring| ring.reader(Start::Next).unwrap();
    for (verb, expected) in [("write", "Ok(())"), ("claim", "Ok(())"), ("ready to write", "true")] {
        let read = |_: &Ring, mut reader: crate::Reader| {
            reader.try_read(&mut [0; 64]).unwrap();
            reader
        };
        check("read", gated(), (verb, 1), reader, read, expected);
    }
    let write = ("write", 1);
    let view = |_: &Ring, mut reader: crate::Reader| {
        drop(reader.try_view().unwrap());
        reader
    };
    check("view", gated(), write, reader, view, "Ok(())");
    let batch = |_: &Ring, mut reader: crate::Reader| {
        reader.try_read_batch(7, &mut [0; 14]).unwrap();
        reader
    };
    check("read_batch", gated(), write, reader, batch, "Ok(())");
    let skip = |_: &Ring, mut reader: crate::Reader| {
        reader.skip_to_newest();
        reader
    };
    check("skip_to_newest", gated(), write, reader, skip, "Ok(())");
    check(
        "skip_readers_to_newest",
        gated(),
        write,
        reader,
        |ring, reader| {
            ring.skip_readers_to_newest();
            reader
        },
        "Ok(())",
    );
    check("a reader leaves", gated(), write, reader, |_, reader| drop(reader), "Ok(())");
    let parked = |ring: &Ring| ring.reader(Start::Next).unwrap().park().unwrap();
    check("a parked reader ends", gated(), write, parked, |_, parked| drop(parked), "Ok(())");
    check("close", gated(), write, reader, |ring, reader| (ring.close(), reader), "Err(Closed)");
}

#[test]
fn a_reader_that_joins_wakes_a_writer() {
    let join = |ring: &Ring, ()| ring.reader(Start::Next).unwrap();
    check("a reader joins", broadcast(), ("wait for readers", 1), |_| (), join, "true");
}

#[test]
fn room_wakes_every_one_of_many_writers() {
    let many: Vec<_> = gated().into_iter().filter(has_many_writers).collect();
    let reader = |ring: &Ring| ring.reader(Start::Next).unwrap();
    let read = |_: &Ring, mut reader: crate::Reader| {
        reader.try_read(&mut [0; 64]).unwrap();
        reader.try_read(&mut [0; 64]).unwrap();
        reader
    };
    check("read", many.clone(), ("write", 2), reader, read, "Ok(())");
    check("close", many.clone(), ("write", 2), reader, |ring, reader| (ring.close(), reader), "Err(Closed)");
    let evicting = many.into_iter().map(|config| config.evict_after(Duration::from_millis(1))).collect();
    let evict = |ring: &Ring, reader| {
        let mut other = ring.writer().unwrap();
        other.write_timeout(b"x", GUARD).unwrap();
        (reader, other)
    };
    check("a writer evicts the reader", evicting, ("write", 2), reader, evict, "Ok(())");
}

#[test]
fn a_queue_wakes_its_takers_and_writers() {
    let writer = |ring: &Ring| ring.writer().unwrap();
    let write = |_: &Ring, mut writer: crate::Writer| {
        writer.write(b"x").unwrap();
        writer.write(b"y").unwrap();
        writer
    };
    check("write", queue(), ("take", 2), writer, write, "Ok(())");
    let assigned = |_: &Ring, mut writer: crate::Writer| {
        for number in 0..2 {
            writer.assigned().unwrap().write(number, b"x", &crate::MessageHeader::default()).unwrap();
        }
        writer
    };
    check("assigned", queue(), ("take", 2), writer, assigned, "Ok(())");
    check("the last writer leaves", queue(), ("take", 2), writer, |_, writer| drop(writer), "Err(Closed)");
    check("close", queue(), ("take", 2), writer, |ring, writer| (ring.close(), writer), "Err(Closed)");
    let taker = |ring: &Ring| ring.taker().unwrap();
    let take = |_: &Ring, mut taker: crate::Taker| {
        drop(taker.try_take().unwrap());
        drop(taker.try_take().unwrap());
        taker
    };
    for (verb, expected) in [("write", "Ok(())"), ("claim", "Ok(())"), ("ready to write", "true")] {
        check("take", queue(), (verb, 2), taker, take, expected);
    }
    check("close", queue(), ("write", 2), taker, |ring, taker| (ring.close(), taker), "Err(Closed)");
}

/// The participant that finds a death wakes the others that wait for the dead one.
#[test]
fn a_death_that_one_finds_wakes_the_others() {
    let place = Place::Processes;
    for config in broadcast() {
        println!("the last writer dies: {config:?}");
        let (mut sleepers, say, name) = Sleepers::on(place, &config);
        sleepers.start(place, "hold a writer", &say, &name);
        let mut reader = sleepers.ring.reader(Start::Next).unwrap();
        for _ in 0..2 {
            sleepers.start(place, "read", &say, &name);
        }
        sleepers.wait_until_asleep(2);
        let pid = sleepers.kill(0);
        let begin = Instant::now();
        while reader.try_read(&mut [0; 64]) != Err(TryReadError::WriterDied { pid }) {
            assert!(begin.elapsed() < GUARD, "the death is not found");
        }
        for _ in 0..2 {
            assert_eq!(sleepers.line(), format!("{:?}", Err::<(), _>(ReadError::WriterDied { pid })));
        }
    }
    for config in gated().into_iter().filter(has_many_writers) {
        println!("the slowest reader dies: {config:?}");
        let (mut sleepers, say, name) = Sleepers::on(place, &config);
        sleepers.start(place, "hold a reader", &say, &name);
        for _ in 0..2 {
            sleepers.start(place, "write", &say, &name);
        }
        sleepers.wait_until_asleep(2);
        sleepers.kill(0);
        let mut writer = sleepers.ring.writer().unwrap();
        let begin = Instant::now();
        while writer.try_write(b"x").is_err() {
            assert!(begin.elapsed() < GUARD, "the death is not found");
        }
        for _ in 0..2 {
            assert_eq!(sleepers.line(), "Ok(())");
        }
    }
}
