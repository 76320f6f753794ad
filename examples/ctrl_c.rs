//! Ends cleanly on Ctrl-C: `Ring::close` wakes all waiting calls, the reader reads the remaining
//! messages, and the last user removes the name of the ring.
//!
//! `cargo run --release --example ctrl_c`, then press Ctrl-C.

use seqring::{Config, ReadError, Ring, Start, WriteError};
use std::error::Error;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let ring = Ring::create(format!("ctrl-c-{}", std::process::id()), &Config::slots(16).of_bytes(256))?;
    let mut writer = ring.writer()?;
    let mut reader = ring.reader(Start::Next)?;

    // The handler lives as long as the process. It takes the ring out, so that it does not keep the
    // ring open.
    let closing = Mutex::new(Some(ring));
    ctrlc::set_handler(move || {
        if let Some(ring) = closing.lock().expect("no thread panics with the lock").take() {
            ring.close();
        }
    })?;

    let writing = thread::spawn(move || {
        let mut written = 0_u64;
        loop {
            match writer.write_timeout(&written.to_le_bytes(), Duration::from_secs(1)) {
                Ok(_) => written += 1,
                Err(WriteError::Closed) => return written,
                Err(error) => println!("{error}"),
            }
            thread::sleep(Duration::from_millis(1));
        }
    });

    println!("running; Ctrl-C ends it");
    let (mut buffer, mut read) = ([0; 256], 0_u64);
    loop {
        match reader.read(&mut buffer) {
            Ok(_) => read += 1,
            Err(ReadError::Closed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    println!("{} messages written, {read} read", writing.join().expect("the writer does not panic"));
    Ok(())
}
