//! A writer and a reader in two processes, with large messages that neither side copies.
//!
//! `cargo run --release --example two_processes`

use seqring::{Config, ReadError, Ring, Start};
use std::error::Error;
use std::process::Command;

const FRAMES: u8 = 100;
const FRAME_BYTES: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        None => write(),
        Some(name) => read(&name),
    }
}

fn write() -> Result<(), Box<dyn Error>> {
    let name = format!("two-processes-{}", std::process::id());
    // The ring awaits one reader: it keeps the first frames until the child has registered.
    let ring = Ring::create(&name, &Config::slots(4).of_bytes(FRAME_BYTES))?;
    let mut child = Command::new(std::env::current_exe()?).arg(&name).spawn()?;

    let mut writer = ring.writer()?;
    for n in 0..FRAMES {
        let mut claim = writer.claim(FRAME_BYTES)?;
        claim.fill(n);
        claim.publish()?;
    }
    drop(writer);
    assert!(child.wait()?.success());
    Ok(())
}

fn read(name: &str) -> Result<(), Box<dyn Error>> {
    let mut reader = Ring::open(name)?.reader(Start::Next)?;
    let mut frames = 0;
    loop {
        match reader.view() {
            Ok(view) => {
                assert!(view.is_in_place() && view.iter().all(|byte| *byte == frames));
                frames += 1;
            }
            Err(ReadError::Closed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    println!("the reader: {frames} frames of {FRAME_BYTES} bytes, each read in place");
    Ok(())
}
