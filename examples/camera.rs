//! A camera and a viewer in two processes, the viewer first. The camera never waits. The viewer is
//! too slow for it: it shows the newest frame, whole, and gets the exact count of what it lost.
//!
//! `cargo run --release --example camera`

use seqring::{Config, Delivery, MessageHeader, ReadError, Ring, Start};
use std::error::Error;
use std::process::Command;
use std::time::Duration;

const FRAMES: u64 = 300;
const PIXELS: usize = 1920 * 1080;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(name) = std::env::args().nth(1) {
        return view(&name);
    }
    let name = format!("camera-{}", std::process::id());
    let mut viewer = Command::new(std::env::current_exe()?).arg(&name).spawn()?;
    film(&name)?;
    assert!(viewer.wait()?.success());
    Ok(())
}

fn film(name: &str) -> Result<(), Box<dyn Error>> {
    let config = Config::slots(8).of_bytes(PIXELS).delivery(Delivery::Lossy).tag(true);
    let ring = Ring::create(name, &config)?;
    let mut camera = ring.writer()?;
    // For the example only: a camera films whether or not a viewer is there.
    assert!(camera.wait_for_readers(1, Duration::from_secs(60)));
    for n in 0..FRAMES {
        let mut frame = camera.claim(PIXELS)?;
        frame.fill(n as u8);
        frame.publish_with(&MessageHeader { tag: n, metadata: &[] })?;
    }
    Ok(())
}

fn view(name: &str) -> Result<(), Box<dyn Error>> {
    let mut reader = Ring::open_timeout(name, Duration::from_secs(60))?.reader(Start::Next)?;
    let (mut frame, mut shown, mut skipped) = (vec![0; PIXELS], 0, 0);
    loop {
        match reader.read(&mut frame) {
            Ok(received) => {
                // The copy is whole, although the camera may have overwritten the slot since.
                let n = received.tag.ok_or("a frame has a tag")? as u8;
                assert!(frame.iter().all(|pixel| *pixel == n));
                shown += 1;
                skipped += reader.skip_to_newest();
            }
            Err(ReadError::Lagged(lagged)) => println!("overtaken: {lagged}"),
            Err(ReadError::Closed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    println!("{shown} frames shown, {skipped} skipped, {} lost, {FRAMES} filmed", reader.lost());
    assert_eq!(shown + skipped + reader.lost(), FRAMES);
    Ok(())
}
