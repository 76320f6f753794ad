//! Simulated, not measured: how many cache lines move between cores for a message, from 2 to 64
//! cores. It shows where contention of a lock goes away without a machine of so many cores, and
//! the count repeats exactly.
//!
//! `cargo run --release` prints the table. `-- --check FILE` compares it with a file, and fails if
//! a count differs: a change of a protocol that moves more lines, or fewer, is seen. README.md says
//! what is simulated.

mod contestants;
mod cores;

use contestants::{BYTES, Ends, SLOTS, call, locked, seqring, ticket};
use cores::{pause, run};
use seqring::Delivery;
use std::cell::Cell;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::rc::Rc;

fn main() -> ExitCode {
    let table = table();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => print!("{table}"),
        ["--check", file] => match std::fs::read_to_string(file) {
            Ok(record) if record == table => println!("as in {file}"),
            Ok(_) => {
                println!("{table}differs from {file}");
                return ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::FAILURE;
            }
        },
        _ => {
            eprintln!("usage: transfers [--check FILE]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Messages after which the counts are taken: the difference is that of messages in a steady state.
const WARM: u64 = 128;
const MESSAGES: u64 = 256;
/// Pauses after a message, and after a call that found nothing.
const PACE: u64 = 50;
const POLL: u64 = 4;

/// A row: its name, and its ends for a number of readers, or of writers.
type Row = (&'static str, fn(usize) -> Ends);

fn table() -> String {
    let mut text = format!(
        "# Simulated: cache lines that move between cores a message, {BYTES} B, ring of {SLOTS}, each participant on\n\
         # a core of its own. `cd crates/transfers && cargo run --release > ../../docs/records/transfers.txt`\n"
    );
    const OUT: [Row; 4] = [
        ("lossy", |readers| seqring(Delivery::Lossy, 1, readers)),
        ("gated", |readers| seqring(Delivery::Gated, 1, readers)),
        ("ticket ring, lossy", |readers| ticket(1, readers)),
        ("semaphore, lossy", |readers| locked(1, readers)),
    ];
    // So slowly that each reader gets each message before the next one.
    section(&mut text, "one writer, at a slow pace, to N readers", &[1, 2, 4, 8, 16, 32, 63], PACE, &OUT);
    // A lossy ring's reader loses most messages here, and a lost one moves no line to it.
    const IN: [Row; 4] = [
        ("many writers, gated", |writers| seqring(Delivery::Gated, writers, 1)),
        ("many writers, lossy", |writers| seqring(Delivery::Lossy, writers, 1)),
        ("ticket ring, lossy", |writers| ticket(writers, 1)),
        ("semaphore, lossy", |writers| locked(writers, 1)),
    ];
    section(&mut text, "N writers, as fast as they can, to one reader", &[2, 4, 8, 16, 32, 63], 0, &IN);
    const QUEUE: [Row; 1] = [("queue", |ends| seqring(Delivery::Queue, ends, ends))];
    section(&mut text, "N writers, as fast as they can, to N takers", &[1, 2, 4, 8, 16, 32], 0, &QUEUE);
    const CALLS: [Row; 1] = [("call", call)];
    section(&mut text, "N callers to one server, question and answer", &[1, 2, 4, 8, 16, 32, 63], 0, &CALLS);
    text
}

fn section(text: &mut String, what: &str, numbers: &[usize], pace: u64, rows: &[Row]) {
    let _ = write!(text, "\n{what}\n{:<20}", "N");
    numbers.iter().for_each(|number| _ = write!(text, "{number:>9}"));
    for (name, ends) in rows {
        let _ = write!(text, "\n{name:<20}");
        for &number in numbers {
            let count = |messages| transfers(ends(number), messages, pace);
            let moved = count(WARM + MESSAGES) - count(WARM);
            let _ = write!(text, "{:>9.2}", moved as f64 / MESSAGES as f64);
        }
    }
    text.push('\n');
}

/// The transfers of so many messages, until each reader has got or lost each of them; of a queue
/// or a server, until together they have got all.
fn transfers(ends: Ends, messages: u64, pace: u64) -> u64 {
    let Ends { writers, readers } = ends;
    let (count, shared) = (writers.len() as u64, Rc::new(Cell::new(0)));
    let together = readers.len() > 1 && count == readers.len() as u64;
    let writing = writers.into_iter().zip(0..).map(|(mut send, writer)| {
        // Together the writers send all.
        let own = messages / count + u64::from(writer < messages % count);
        Box::new(move || {
            for number in 0..own {
                while !send(number) {
                    pause(POLL);
                }
                pause(pace);
            }
        }) as Box<dyn FnOnce()>
    });
    let reading = readers.into_iter().map(|mut receive| {
        let shared = Rc::clone(&shared);
        Box::new(move || {
            let mut own = 0;
            while (if together { shared.get() } else { own }) < messages {
                let further = receive();
                own += further;
                shared.set(shared.get() + further);
                if further == 0 {
                    pause(POLL);
                }
            }
        }) as Box<dyn FnOnce()>
    });
    run(writing.chain(reading).collect())
}
