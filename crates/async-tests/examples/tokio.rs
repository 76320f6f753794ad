//! Two rings in tasks of tokio: a task reads a stream, another answers requests until it
//! gets a signal to stop. `seqring` has the feature `async` for it.
//!
//! `cargo run --example tokio`

use futures_lite::StreamExt;
use seqring::{Config, Ring, Start};
use std::error::Error;
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::slots(16).of_bytes(8);
    let (samples, requests) = (Ring::heap(&config)?, Ring::heap(&config)?);
    let (mut numbers, mut inbox) = (samples.reader(Start::Next)?, requests.reader(Start::Next)?);
    let (mut sensor, mut client) = (samples.writer()?, requests.writer()?);
    let (stop, mut stopped) = oneshot::channel();

    let summing = tokio::spawn(async move {
        let (mut stream, mut sum) = (numbers.stream(), 0);
        while let Some(sample) = stream.next().await {
            sum += u64::from_le_bytes(sample?.try_into().expect("8 bytes"));
        }
        Ok::<_, seqring::ReadError>(sum)
    });
    let answering = tokio::spawn(async move {
        let (mut request, mut answered) = ([0; 8], 0);
        loop {
            // The branch that is not taken is dropped. It has read nothing.
            tokio::select! {
                read = inbox.read_async(&mut request) => answered += read.map(|_| 1)?,
                _ = &mut stopped => return Ok::<_, seqring::ReadError>(answered),
            }
        }
    });
    for n in 0..1000_u64 {
        sensor.write_async(&n.to_le_bytes()).await?; // Waits while the ring is full.
    }
    drop(sensor); // The stream ends.
    client.write_async(b"request").await?;
    while requests.stats().participants.iter().any(|one| one.lag > 0) {
        tokio::task::yield_now().await;
    }
    stop.send(()).expect("the task runs");
    println!("sum {}, {} requests", summing.await??, answering.await??);
    Ok(())
}
