//! An item: the layout of its arrays, the producer's side ([`Filling`]) and the consumer's side
//! ([`Item`]). Both sides use the same buffer, so an item is written once and never copied.

use super::error::WorkerError;
use crate::api::ring::Ring;
use crate::api::taker::{Held, Taker};
use crate::types::cast;
use crate::types::frame::{Element, Frame, ShapeError};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Each array begins at a multiple of this, as the buffer does.
const ALIGNMENT: usize = 64;

/// Where the arrays of an item lie in its buffer, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrays {
    arrays: Vec<(Option<Frame>, Range<usize>)>,
}

impl Arrays {
    /// Appends an array. `None` if the item would exceed the address space.
    pub(crate) fn add(&mut self, frame: Option<Frame>, bytes: usize) -> Option<()> {
        let start = self.bytes().checked_next_multiple_of(ALIGNMENT)?;
        let end = start.checked_add(bytes).filter(|end| isize::try_from(*end).is_ok())?;
        self.arrays.push((frame, start..end));
        Some(())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.arrays.last().map_or(0, |(_, range)| range.end)
    }

    pub(crate) fn len(&self) -> usize {
        self.arrays.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<&Frame>, Range<usize>)> {
        self.arrays.iter().map(|(frame, range)| (frame.as_ref(), range.clone()))
    }

    #[track_caller]
    fn get(&self, index: usize) -> &(Option<Frame>, Range<usize>) {
        let count = self.arrays.len();
        self.arrays.get(index).unwrap_or_else(|| panic!("an item has {count} arrays, no array {index}"))
    }

    #[track_caller]
    fn range(&self, index: usize) -> Range<usize> {
        self.get(index).1.clone()
    }

    /// Checks that array `index` consists of `T`. An array declared in bytes accepts any `T`.
    fn check<T: Element>(&self, index: usize) -> Result<(), ShapeError> {
        let (frame, range) = self.get(index);
        frame.as_ref().map_or(Ok(()), |frame| frame.check::<T>(range.len()))
    }

    /// Splits the bytes of an item into its arrays.
    fn split_mut<'a>(&self, mut bytes: &'a mut [u8]) -> Vec<&'a mut [u8]> {
        let mut passed = 0;
        let mut parts = Vec::with_capacity(self.arrays.len());
        for (_, range) in &self.arrays {
            let (part, rest) = bytes[range.start - passed..].split_at_mut(range.len());
            parts.push(part);
            (bytes, passed) = (rest, range.end);
        }
        parts
    }
}

/// An item that a producer is making. Its arrays start with the bytes of an earlier item.
pub struct Filling<'f> {
    pub(crate) number: u64,
    pub(crate) tries: u32,
    pub(crate) arrays: &'f Arrays,
    pub(crate) bytes: &'f mut [u8],
    pub(crate) metadata: &'f mut Vec<u8>,
    pub(crate) ring: &'f Ring,
}

impl Filling<'_> {
    /// The number of the command, counted from 0.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Which try this is, counted from 1.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The bytes of array `index`.
    ///
    /// # Panics
    /// If there is no such array.
    pub fn array(&mut self, index: usize) -> &mut [u8] {
        &mut self.bytes[self.arrays.range(index)]
    }

    /// The elements of array `index`.
    ///
    /// # Errors
    /// [`ShapeError`] if the array has another element type.
    ///
    /// # Panics
    /// As [`Self::array`].
    pub fn elements<T: Element>(&mut self, index: usize) -> Result<&mut [T], ShapeError> {
        self.arrays.check::<T>(index)?;
        cast::value_mut(self.array(index))
    }

    /// The bytes of each array.
    pub fn arrays(&mut self) -> Vec<&mut [u8]> {
        self.arrays.split_mut(self.bytes)
    }

    /// As [`Item::bytes_mut`].
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }

    /// A handle that keeps the item's memory mapped, for pointers of unknown lifetime. The bytes
    /// belong to this item only until `produce` returns.
    pub fn memory(&self) -> ItemMemory {
        ItemMemory { _ring: self.ring.clone() }
    }

    /// Copies `bytes` to array `index`.
    ///
    /// # Errors
    /// If the array has another length.
    ///
    /// # Panics
    /// As [`Self::array`].
    pub fn copy(&mut self, index: usize, bytes: &[u8]) -> Result<(), WorkerError> {
        let array = self.array(index);
        if array.len() != bytes.len() {
            return Err(format!("{} bytes for array {index}, which has {}", bytes.len(), array.len()).into());
        }
        array.copy_from_slice(bytes);
        Ok(())
    }

    /// Sets the item's metadata, of at most [`metadata_bytes`](super::Pipeline::metadata_bytes)
    /// bytes.
    pub fn set_metadata(&mut self, bytes: &[u8]) {
        self.metadata.clear();
        self.metadata.extend_from_slice(bytes);
    }
}

/// Keeps the memory of a pipeline's items mapped: see [`Filling::memory`].
#[derive(Clone, Debug)]
pub struct ItemMemory {
    _ring: Ring,
}

/// A finished item, in the buffer that its producer filled. Dropping it frees the buffer.
pub struct Item {
    pub(crate) number: u64,
    /// `None` only during the drop.
    pub(crate) held: Option<Held>,
    pub(crate) arrays: Arc<Arrays>,
    /// Returns the taker to [`Items`](super::Items) when the item is dropped.
    pub(crate) returns: Sender<Taker>,
}

impl Item {
    /// The number of the command, counted from 0.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The bytes of array `index`.
    ///
    /// # Panics
    /// If there is no such array.
    pub fn array(&self, index: usize) -> &[u8] {
        &self.held().bytes()[self.arrays.range(index)]
    }

    /// The bytes of array `index`, which the consumer may change.
    ///
    /// # Panics
    /// As [`Self::array`].
    pub fn array_mut(&mut self, index: usize) -> &mut [u8] {
        let range = self.arrays.range(index);
        &mut self.bytes_mut()[range]
    }

    /// The bytes of all arrays, each of which begins at a multiple of 64, with the gaps between
    /// them.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.held.as_mut().expect("held until it is dropped").bytes_mut()
    }

    /// The elements of array `index`.
    ///
    /// # Errors
    /// [`ShapeError`] if the array has another element type.
    ///
    /// # Panics
    /// As [`Self::array`].
    pub fn elements<T: Element>(&self, index: usize) -> Result<&[T], ShapeError> {
        self.arrays.check::<T>(index)?;
        cast::value(self.array(index))
    }

    /// The extents of array `index`, slowest-varying first; `None` if it was declared in bytes.
    ///
    /// # Panics
    /// As [`Self::array`].
    pub fn extents(&self, index: usize) -> Option<&[u64]> {
        self.arrays.get(index).0.as_ref().map(Frame::extents)
    }

    /// The number of arrays.
    pub fn arrays(&self) -> usize {
        self.arrays.len()
    }

    /// The metadata that the producer set.
    pub fn metadata(&self) -> &[u8] {
        self.held().metadata()
    }

    fn held(&self) -> &Held {
        self.held.as_ref().expect("held until it is dropped")
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            // The send fails if the pipeline has stopped; then the taker is not needed again.
            let _ = self.returns.send(held.release());
        }
    }
}

impl fmt::Debug for Filling<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filling(number {}, try {}, {} bytes)", self.number, self.tries, self.bytes.len())
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item(number {})", self.number)
    }
}
