//! One writer and three readers in one process: every reader gets every message.
//!
//! `cargo run --release --example threads`

use seqring::{Config, ReadError, Ring, Start};
use std::error::Error;
use std::thread;

const MESSAGES: u64 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    // Gated, the default: the writer waits for the slowest reader, so no reader misses a message.
    let ring = Ring::heap(&Config::slots(1024).of_bytes(8))?;
    let mut writer = ring.writer()?;

    // Readers are registered before the first message, so each gets all of them.
    let mut readers = Vec::new();
    for _ in 0..3 {
        let mut reader = ring.reader(Start::Next)?;
        readers.push(thread::spawn(move || -> Result<u64, ReadError> {
            let (mut buffer, mut sum) = ([0; 8], 0);
            loop {
                match reader.read(&mut buffer) {
                    Ok(_) => sum += u64::from_le_bytes(buffer),
                    Err(ReadError::Closed) => return Ok(sum),
                    Err(error) => return Err(error),
                }
            }
        }));
    }

    for n in 0..MESSAGES {
        writer.write(&n.to_le_bytes())?;
    }
    drop(writer); // The last writer leaves: the stream ends.

    for reader in readers {
        let sum = reader.join().expect("a reader does not panic")?;
        assert_eq!(sum, MESSAGES * (MESSAGES - 1) / 2);
        println!("a reader got all {MESSAGES} messages");
    }
    Ok(())
}
