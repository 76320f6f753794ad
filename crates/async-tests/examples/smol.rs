//! Takers of a queue as tasks of smol: each message goes to one of them.
//!
//! `cargo run --example smol`

use seqring::{Config, Delivery, ReadError, Ring};
use std::error::Error;

const MESSAGES: u64 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let queue = Ring::heap(&Config::slots(16).of_bytes(8).delivery(Delivery::Queue))?;
    let mut writer = queue.writer()?;
    let takers = [queue.taker()?, queue.taker()?, queue.taker()?];
    smol::block_on(async {
        let workers = takers.map(|mut taker| {
            smol::spawn(async move {
                let mut count = 0;
                loop {
                    match taker.take_async().await {
                        Ok(_) => count += 1, // Dropped: finished.
                        Err(ReadError::Closed) => return Ok(count),
                        Err(error) => return Err(error),
                    }
                }
            })
        });
        for n in 0..MESSAGES {
            writer.write_async(&n.to_le_bytes()).await?;
        }
        drop(writer); // The stream ends.
        let mut taken = 0;
        for take in workers {
            taken += take.await?;
        }
        assert_eq!(taken, MESSAGES);
        println!("{taken} messages");
        Ok(())
    })
}
