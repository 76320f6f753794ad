//! A writer that is killed with SIGKILL and started again. Its reader gets every message that was
//! published, the report of the death, and the messages of the new writer.
//!
//! `cargo run --release --example restart`

use seqring::{Config, ReadError, Ring, Start};
use std::error::Error;
use std::process::Command;
use std::time::Duration;

const MESSAGES: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(name) = std::env::args().nth(1) {
        return write(&name);
    }
    let name = format!("restart-{}", std::process::id());
    // Whichever process is first creates the ring. While one of them has it open, it stays.
    let ring = Ring::open_or_create(&name, &config())?;
    let mut reader = ring.reader(Start::Next)?;
    let start = || Command::new(std::env::current_exe()?).arg(&name).spawn();
    let (mut writer, mut expected, mut deaths) = (start()?, 0, 0);
    while expected < MESSAGES {
        let mut out = [0; 8];
        match reader.read(&mut out) {
            Ok(received) => {
                assert_eq!((received.sequence, u64::from_le_bytes(out)), (expected, expected));
                expected += 1;
                if expected == MESSAGES / 2 {
                    writer.kill()?;
                    writer.wait()?;
                }
            }
            Err(ReadError::WriterDied { pid }) => {
                println!("process {pid} was killed after message {}", expected - 1);
                deaths += 1;
                writer = start()?;
            }
            // No writer is registered yet.
            Err(ReadError::Closed) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error.into()),
        }
    }
    assert!(writer.wait()?.success() && deaths == 1);
    println!("all {MESSAGES} messages, each once, in order");
    Ok(())
}

fn config() -> Config {
    Config::slots(64).of_bytes(8)
}

fn write(name: &str) -> Result<(), Box<dyn Error>> {
    let mut writer = Ring::open_or_create(name, &config())?.writer()?;
    // The ring knows how far the killed writer came.
    for n in writer.next_sequence()..MESSAGES {
        writer.write(&n.to_le_bytes())?;
    }
    Ok(())
}
