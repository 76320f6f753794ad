//! A ring in an event loop: the task sleeps until its ring has a message.
//!
//! `cargo run --release --example tokio_reader`
#![allow(unsafe_code, reason = "registration of a descriptor with tokio")]

use seqring::{Config, Notifier, Reader, Received, Ring, Start, TryReadError};
use std::error::Error;
use std::thread;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Builder;

const MESSAGES: u64 = 1000;

/// A reader that a task can wait for.
struct AsyncReader {
    reader: Reader,
    notifier: AsyncFd<Notifier>,
}

impl AsyncReader {
    fn new(mut reader: Reader) -> std::io::Result<Self> {
        let notifier = reader.notifier()?;
        // SAFETY: the descriptor stays open and the same until the last handle on it drops, and
        // `AsyncFd` owns one.
        let notifier = unsafe { AsyncFd::register(notifier)? };
        Ok(AsyncReader { reader, notifier })
    }

    async fn read(&mut self, out: &mut [u8]) -> Result<Received, Box<dyn Error>> {
        loop {
            match self.reader.try_read(out) {
                Err(TryReadError::Empty) => self.notifier.readable().await?.clear_ready(),
                other => return Ok(other?),
            }
        }
    }
}

async fn sum_up(mut reader: AsyncReader) -> Result<u64, Box<dyn Error>> {
    let (mut out, mut sum) = ([0; 8], 0);
    loop {
        match reader.read(&mut out).await {
            Ok(_) => sum += u64::from_le_bytes(out),
            Err(error) if error.downcast_ref() == Some(&TryReadError::Closed) => return Ok(sum),
            Err(error) => return Err(error),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let ring = Ring::heap(&Config::slots(16).of_bytes(8))?;
    let mut writer = ring.writer()?;
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    let reader = AsyncReader::new(ring.reader(Start::Next)?)?;
    let writing =
        thread::spawn(move || (0..MESSAGES).try_for_each(|n| writer.write(&n.to_le_bytes()).map(drop)));
    let sum = runtime.block_on(sum_up(reader))?;
    writing.join().expect("the writer does not panic")?;
    println!("{MESSAGES} messages, sum {sum}");
    Ok(())
}
