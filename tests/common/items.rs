//! Items that contain the number of their command.
#![allow(dead_code, reason = "each test binary uses its own part")]

use seqring::Frame;
use seqring::pipeline::{Commands, Filling, Item, Items, Pipeline, WorkerError};

pub(crate) fn numbers(count: u64) -> Commands<impl Iterator<Item = [u8; 8]> + Send> {
    Commands((0..count).map(u64::to_le_bytes))
}

pub(crate) fn endless() -> Commands<impl Iterator<Item = [u8; 8]> + Send> {
    numbers(u64::MAX)
}

pub(crate) fn number(command: &[u8]) -> u64 {
    u64::from_le_bytes(command.try_into().unwrap())
}

pub(crate) fn two_arrays() -> Pipeline {
    Pipeline::new().bytes(5).array(Frame::of::<u64>(&[3, 4]).unwrap()).metadata_bytes(8)
}

/// Fills both arrays and the metadata with the command's number.
pub(crate) fn fill(command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
    let n = number(command);
    item.array(0).fill(n as u8);
    item.elements(1)?.fill(n);
    item.set_metadata(command);
    Ok(())
}

pub(crate) fn check(item: &Item) -> u64 {
    let n = item.number();
    assert_eq!(item.array(0), [n as u8; 5]);
    assert_eq!(item.elements::<u64>(1).unwrap(), [n; 12]);
    assert_eq!(item.extents(1), Some(&[3, 4][..]));
    assert_eq!(item.metadata(), n.to_le_bytes());
    n
}

pub(crate) fn delivered(items: Items) -> Vec<u64> {
    items.map(|item| check(&item.unwrap())).collect()
}

/// As [`delivered`], sorted.
pub(crate) fn delivered_sorted(items: Items) -> Vec<u64> {
    let mut delivered = delivered(items);
    delivered.sort_unstable();
    delivered
}
