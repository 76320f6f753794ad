//! Four producers augment synthetic images. The images come in order, each with a label of what was
//! done to it.
//!
//! `cargo run --release --example pipeline`

use seqring::Frame;
use seqring::pipeline::{Commands, Filling, Pipeline, WorkerError};
use std::error::Error;

const SIDE: usize = 256;
const IMAGES: u32 = 200;

/// Draws image `seed`, mirrors every second one, and stores seed and mirroring in the second array.
fn augment(command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
    let seed = u32::from_le_bytes(command.try_into()?);
    let mirrored = seed % 2 == 1;
    for (y, row) in item.elements::<f32>(0)?.chunks_mut(SIDE).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let x = if mirrored { SIDE - 1 - x } else { x };
            *pixel = seed as f32 + (x * y) as f32 / (SIDE * SIDE) as f32;
        }
    }
    item.elements::<u32>(1)?.copy_from_slice(&[seed, mirrored.into()]);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let items = Pipeline::new()
        .array(Frame::of::<f32>(&[SIDE, SIDE])?)
        .array(Frame::of::<u32>(&[2])?)
        .producers(4)
        .start(Commands((0..IMAGES).map(u32::to_le_bytes)), |_| augment)?;
    let mut mirrored = 0;
    for (n, item) in items.enumerate() {
        let item = item?;
        let &[seed, is_mirrored] = item.elements::<u32>(1)? else { unreachable!("it has two elements") };
        assert_eq!(seed as usize, n, "the order of the commands");
        assert!((item.elements::<f32>(0)?[0] - seed as f32).abs() < 0.5, "the image of this seed");
        mirrored += is_mirrored;
    }
    println!("{IMAGES} images in order, {mirrored} of them mirrored");
    Ok(())
}
