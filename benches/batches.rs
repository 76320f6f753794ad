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
use seqring::{Config, Ring, SlotClass, Start};
use std::hint::black_box;
use std::process::Command;

/// Messages of the shorter run; the longer one has twice as many. All fit into the ring.
const MESSAGES: usize = 64 * 400;
const BATCH: usize = 64;

const RINGS: [(SlotClass, usize); 3] =
    [(SlotClass::Packed, 8), (SlotClass::Lines, 64), (SlotClass::Lines, 24)];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "work", ring, side, how, messages] => {
            let (class, bytes) = RINGS[ring.parse::<usize>().expect("an index")];
            work(class, bytes, side, how == "batch", messages.parse().expect("a number"));
        }
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
    Ok(())
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
                for message in black_box(&message).chunks_exact(bytes) {
                    writer.try_write(message).expect("room");
                }
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
            for out in black_box(&mut message).chunks_exact_mut(bytes) {
                reader.try_read(out).expect("a message");
            }
        }
    }
}
