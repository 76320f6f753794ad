//! Tiles of a large synthetic image, decoded and normalised by four processes, in order.
//!
//! `cargo run --release --example tiles`

use seqring::Frame;
use seqring::pipeline::{self, Commands, Filling, Pipeline, Programs, WorkerError};
use std::error::Error;

/// Tiles of the image, and pixels of a tile, in each direction.
const TILES: u32 = 24;
const SIDE: usize = 256;

/// A tile as a file would hold it: runs of pixels, as pairs of length and value.
fn encoded(tile: u32) -> impl Iterator<Item = (usize, u8)> {
    let (row, column) = (tile / TILES, tile % TILES);
    (0..(SIDE * SIDE / 64) as u32).map(move |run| (64, (run / 8 + row * 3 + column * 2) as u8))
}

/// Decodes a tile in place, normalised to a mean of 0 and a deviation of 1. The second array gets
/// the original mean and deviation.
fn decode(command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
    let tile = u32::from_le_bytes(command.try_into()?);
    let pixels = item.elements::<f32>(0)?;
    let mut rest = &mut *pixels;
    for (length, value) in encoded(tile) {
        rest.split_off_mut(..length).ok_or("a tile with too many pixels")?.fill(value.into());
    }
    let count = (SIDE * SIDE) as f32;
    let mean = pixels.iter().sum::<f32>() / count;
    let deviation = (pixels.iter().map(|pixel| (pixel - mean).powi(2)).sum::<f32>() / count).sqrt();
    for pixel in pixels {
        *pixel = (*pixel - mean) / deviation;
    }
    item.elements(1)?.copy_from_slice(&[mean, deviation]);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let tiles = || Commands((0..TILES * TILES).map(u32::to_le_bytes));
    pipeline::worker_main("tiles", tiles, |_index| decode); // Does not return in a worker process.

    let items = Pipeline::new()
        .array(Frame::of::<f32>(&[SIDE, SIDE])?)
        .array(Frame::of::<f32>(&[2])?)
        .producers(4)
        .start_with(Programs::new("tiles"))?;
    let mut brightest = (0.0, 0);
    for (n, item) in items.enumerate() {
        let item = item?;
        assert_eq!(item.number(), n as u64, "the order of the commands");
        assert!(item.elements::<f32>(0)?.iter().sum::<f32>().abs() < 100.0, "a mean of 0");
        let mean = item.elements::<f32>(1)?[0];
        brightest = if mean > brightest.0 { (mean, item.number()) } else { brightest };
    }
    println!("{} tiles in order, number {} is the brightest", TILES * TILES, brightest.1);
    Ok(())
}
