//! A camera that never waits, and a viewer that is too slow for it: the viewer shows the newest
//! frame, whole, and gets the exact count of the frames that it missed.
//!
//! `cargo run --release --example lossy_video`

use seqring::{Config, Delivery, MessageHeader, ReadError, Ring, Start};
use std::error::Error;
use std::thread;

const FRAMES: u64 = 300;
const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::new(8, WIDTH * HEIGHT).delivery(Delivery::Lossy).tag(true);
    let ring = Ring::heap(&config)?;
    let mut camera = ring.writer()?;
    let mut viewer = ring.reader(Start::Next)?;

    let filming = thread::spawn(move || -> Result<(), seqring::WriteError> {
        for n in 0..FRAMES {
            let image = vec![n as u8; WIDTH * HEIGHT];
            camera.write_with(&image, &MessageHeader { tag: n, metadata: &[] })?;
        }
        Ok(())
    });

    let (mut frame, mut shown, mut passed) = (vec![0; WIDTH * HEIGHT], 0, 0);
    loop {
        match viewer.read(&mut frame) {
            Ok(received) => {
                // The copy is whole, although the camera may have overwritten the slot since.
                assert!(frame.iter().all(|pixel| *pixel == received.tag as u8));
                shown += 1;
                passed += viewer.skip_to_newest();
            }
            Err(ReadError::Lagged(lagged)) => println!("overtaken: {lagged}"),
            Err(ReadError::Closed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    filming.join().expect("the camera does not panic")?;
    println!("{shown} frames shown, {passed} skipped, {} lost, {FRAMES} filmed", viewer.lost());
    assert_eq!(shown + passed + viewer.lost(), FRAMES);
    Ok(())
}
