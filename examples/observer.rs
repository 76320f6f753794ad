//! An observer reads a ring through a read-only mapping. It does not affect the writer or the
//! readers, and it gets the exact count of the messages that it lost.
//!
//! `cargo run --release --example observer`

use seqring::{Config, Observer, ReadError, Ring, Start};
use std::error::Error;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let name = format!("observer-{}", std::process::id());
    // The writer waits for readers, so they miss nothing. Observers must be allowed when the ring
    // is created.
    let ring = Ring::create(&name, &Config::slots(16).of_bytes(64).observers(true))?;
    let (mut writer, mut reader) = (ring.writer()?, ring.reader(Start::Next)?);

    let mut observer = Observer::open(&name, Start::Next)?;
    let observing = std::thread::spawn(move || {
        let (mut buffer, mut seen) = ([0; 64], 0);
        loop {
            match observer.read(&mut buffer) {
                Ok(_) => seen += 1,
                Err(ReadError::Lagged(_)) => {} // Counted: see below.
                Err(ReadError::Closed) => return Ok((seen, observer.lost())),
                Err(error) => return Err(error),
            }
            if seen == 1 {
                std::thread::sleep(Duration::from_millis(5)); // The writer does not wait for it.
            }
        }
    });

    let reading = std::thread::spawn(move || reader.messages().count());
    for n in 0..10_000_u32 {
        writer.write(&n.to_le_bytes())?;
    }
    drop((writer, ring));
    let (seen, lost) = observing.join().expect("it does not panic")?;
    println!("the reader got {} messages", reading.join().expect("it does not panic"));
    println!("the observer saw {seen} and lost {lost}: {}", seen + lost);
    assert_eq!(seen + lost, 10_000);
    Ok(())
}
