//! What does a batch save? Instructions a message, one by one and 64 at a time, counted by
//! valgrind.
//!
//! ```text
//! cargo bench --bench batches
//! ```
//! Each figure is the difference of two runs of this program that differ in the number of messages,
//! so that what surrounds them does not count. It is the same on every run and on a busy machine,
//! but it is no time: it does not include what it costs to move cache lines from core to core.

use harness::child::instructions;
use seqring::typed::{TypedReader, TypedWriter};
use seqring::{Config, Delivery, Reader, Ring, SlotClass, Start, Taker, Writer};
use std::hint::black_box;
use std::process::Command;

/// Messages of the shorter run; the longer one has twice as many. All fit into the ring.
const MESSAGES: usize = 64 * 400;
const BATCH: usize = 64;

/// Single calls, whose lengths the compiler knows, or which find nothing to do.
const CALLS: [&str; 8] = [
    "write u64",
    "read u64",
    "empty read",
    "empty batch",
    "full write",
    "queue write 64 B",
    "queue take 64 B",
    "empty take",
];

const RINGS: [(SlotClass, usize); 3] =
    [(SlotClass::Packed, 8), (SlotClass::Lines, 64), (SlotClass::Lines, 24)];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "work", ring, side, how, messages] => {
            let (class, bytes) = RINGS[ring.parse::<usize>().expect("an index")];
            work(class, bytes, side, how == "batch", messages.parse().expect("a number"));
        }
        [_, "call", what, calls] => call(what, calls.parse().expect("a number")),
        _ => {
            if let Err(why) = print_table(&arguments[0]) {
                println!("not counted: {why}");
            }
        }
    }
}

fn print_table(program: &str) -> Result<(), String> {
    println!("instructions a message{:>14}{:>14}", "one by one", "64 at a time");
    for (index, (class, bytes)) in RINGS.iter().enumerate() {
        for side in ["write", "read"] {
            let counted = |how, messages: usize| {
                let mut command = Command::new(program);
                command.args(["work", &index.to_string(), side, how, &messages.to_string()]);
                instructions(&command).map(|count| count as f64)
            };
            let each = |how| {
                Ok::<_, String>((counted(how, 2 * MESSAGES)? - counted(how, MESSAGES)?) / MESSAGES as f64)
            };
            let (single, batch) = (each("single")?, each("batch")?);
            println!("{:<22}{single:>14.1}{batch:>14.1}", format!("{side} {class:?} {bytes} B"));
        }
    }
    println!("{:<22}{:>14}", "", "a call");
    for what in CALLS {
        let counted = |calls: usize| {
            let mut command = Command::new(program);
            command.args(["call", what, &calls.to_string()]);
            instructions(&command).map(|count| count as f64)
        };
        println!("{what:<22}{:>14.1}", (counted(2 * MESSAGES)? - counted(MESSAGES)?) / MESSAGES as f64);
    }
    Ok(())
}

fn call(what: &str, calls: usize) {
    match what.strip_prefix("queue ").or((what == "empty take").then_some(what)) {
        Some(what) => call_on_queue(what, calls),
        None => call_on_ring(what, calls),
    }
}

fn call_on_queue(what: &str, calls: usize) {
    let config = Config::slots(2 * MESSAGES).of_bytes(64).delivery(Delivery::Queue);
    let ring = Ring::heap(&config).expect("a valid configuration");
    let mut writer = ring.writer().expect("room for a writer");
    let mut taker = ring.taker().expect("room for a taker");
    if what == "take 64 B" {
        (0..2 * MESSAGES as u64).for_each(|n| assert_eq!(writer.write(&[1; 64]), Ok(n)));
    }
    match what {
        "write 64 B" => write_to_queue(&mut writer, calls),
        "take 64 B" => take_from_queue(&mut taker, calls),
        _ => (0..calls).for_each(|_| assert!(taker.try_take().is_err())),
    }
}

/// Calls on a ring of `u64`.
fn call_on_ring(what: &str, calls: usize) {
    let slots = if what == "full write" { 1 } else { 2 * MESSAGES };
    let ring = Ring::heap(&Config::slots(slots).of::<u64>()).expect("a valid configuration");
    let mut writer = ring.writer().expect("no other writer");
    let mut reader = ring.reader(Start::Next).expect("room for a reader");
    if matches!(what, "read u64" | "full write") {
        (0..slots as u64).for_each(|n| assert_eq!(writer.write(&n.to_ne_bytes()), Ok(n)));
    }
    let mut out = [0; 8 * BATCH];
    match what {
        "write u64" => write_values(&mut writer.typed().expect("u64"), calls as u64),
        "read u64" => read_values(&mut reader.typed().expect("u64"), calls),
        "empty read" => (0..calls).for_each(|_| assert!(reader.try_read(&mut out[..8]).is_err())),
        "empty batch" => (0..calls).for_each(|_| assert!(reader.try_read_batch(8, &mut out).is_err())),
        _ => (0..calls).for_each(|_| assert!(writer.try_write(&[0; 8]).is_err())),
    }
}

// Functions of their own, so that the registers of one loop are not used up by another.

#[inline(never)]
fn write_values(writer: &mut TypedWriter<'_, u64>, count: u64) {
    for n in 0..count {
        writer.try_write(black_box(&n)).expect("room");
    }
}

#[inline(never)]
fn read_values(reader: &mut TypedReader<'_, u64>, count: usize) {
    for _ in 0..count {
        black_box(reader.try_read().expect("a message"));
    }
}

#[inline(never)]
fn write_to_queue(writer: &mut Writer, count: usize) {
    let message = [1; 64];
    for _ in 0..count {
        writer.try_write(black_box(&message)).expect("room");
    }
}

#[inline(never)]
fn take_from_queue(taker: &mut Taker, count: usize) {
    for _ in 0..count {
        black_box(&*taker.try_take().expect("a message"));
    }
}

#[inline(never)]
fn write_singly(writer: &mut Writer, messages: &[u8], bytes: usize) {
    for message in messages.chunks_exact(bytes) {
        writer.try_write(message).expect("room");
    }
}

#[inline(never)]
fn read_singly(reader: &mut Reader, out: &mut [u8], bytes: usize) {
    for out in out.chunks_exact_mut(bytes) {
        reader.try_read(out).expect("a message");
    }
}

/// Writes `messages` messages that have no reader, or reads so many of a full ring.
fn work(class: SlotClass, bytes: usize, side: &str, in_batches: bool, messages: usize) {
    let config = Config::slots(2 * MESSAGES).of_bytes(bytes).slot_class(class);
    let ring = Ring::heap(&config).expect("a valid configuration");
    let mut writer = ring.writer().expect("no other writer");
    let mut message = vec![7; bytes * BATCH];
    if side == "write" {
        for _ in 0..messages / BATCH {
            if in_batches {
                assert_eq!(writer.try_write_batch(bytes, black_box(&message)), Ok(BATCH));
            } else {
                write_singly(&mut writer, black_box(&message), bytes);
            }
        }
        return;
    }
    let mut reader = ring.reader(Start::Next).expect("room for a reader");
    for _ in 0..2 * MESSAGES {
        writer.try_write(&message[..bytes]).expect("room");
    }
    for _ in 0..messages / BATCH {
        if in_batches {
            assert_eq!(reader.try_read_batch(bytes, black_box(&mut message)), Ok(BATCH));
        } else {
            read_singly(&mut reader, black_box(&mut message), bytes);
        }
    }
}
