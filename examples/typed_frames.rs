//! Video frames with element type and shape, written and read in place.
//!
//! `cargo run --release --example typed_frames`

use seqring::{Config, Frame, ReadError, Ring, Start};
use std::error::Error;
use std::thread;

const FRAMES: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    // Four frames of 120 rows, 160 columns, three colours. The ring's header contains this
    // description.
    let ring = Ring::heap(&Config::slots(4).of_frames(Frame::of::<f32>(&[120, 160, 3])?))?;
    let mut reader = ring.reader(Start::Next)?;
    let mut writer = ring.writer()?;

    let drawing = thread::spawn(move || {
        let mut frames = writer.typed::<[f32]>().expect("the ring's frames are of f32");
        for n in 0..FRAMES {
            let mut claim = frames.claim().expect("the ring is open");
            let pixels = claim.value_mut::<[f32]>().expect("a gated ring's claims are filled in place");
            pixels.fill(n as f32);
            claim.publish().expect("the ring is open");
        }
    });

    let mut sum = 0.0;
    loop {
        let view = match reader.view() {
            Ok(view) => view,
            Err(ReadError::Closed) => break,
            Err(error) => return Err(error.into()),
        };
        // No copy: these are the bytes in the ring, valid until the view is dropped.
        let (pixels, shape) = view.frame::<f32>()?;
        assert_eq!(shape, [120, 160, 3]);
        sum += pixels.iter().sum::<f32>() / pixels.len() as f32;
    }
    drawing.join().expect("the writer does not panic");
    println!("{FRAMES} frames, mean brightness {}", sum / FRAMES as f32);
    Ok(())
}
