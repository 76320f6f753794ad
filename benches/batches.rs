//! What does a batch save? Instructions a message, one by one and 64 at a time, counted by valgrind.
//!
//! ```text
//! cargo bench --bench batches
//! ```
//! Each figure is the difference of two runs of this program that differ in the number of messages, so that what
//! surrounds them does not count. It is the same on every run and on a busy machine, but it is no time: what the cache
//! lines cost that go from core to core, it does not know.

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
            let counted = |how, messages| count(program, &index.to_string(), side, how, messages);
            let each = |how| {
                Ok::<_, String>((counted(how, 2 * MESSAGES)? - counted(how, MESSAGES)?) / MESSAGES as f64)
            };
            let (single, batch) = (each("single")?, each("batch")?);
            println!("{:<22}{single:>14.1}{batch:>14.1}", format!("{side} {class:?} {bytes} B"));
        }
    }
    Ok(())
}

/// The instructions of a run of this program; without valgrind, why not.
fn count(program: &str, ring: &str, side: &str, how: &str, messages: usize) -> Result<f64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", program, "work", ring, side, how])
        .arg(messages.to_string())
        .output()
        .map_err(|error| format!("valgrind does not start: {error}"))?;
    let output = String::from_utf8_lossy(&output.stderr);
    let total = output.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    total.ok_or_else(|| format!("valgrind said no count: {output}"))
}

/// Writes `messages` messages that nobody reads, or reads so many of a full ring.
fn work(class: SlotClass, bytes: usize, side: &str, in_batches: bool, messages: usize) {
    let config = Config::new(2 * MESSAGES, bytes).slot_class(class);
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
