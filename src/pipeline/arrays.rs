//! Where the arrays of an item lie in its one buffer.

use crate::types::frame::{Element, Frame, ShapeError};
use std::ops::Range;

/// Each array begins at a multiple of this, as the buffer does.
const ALIGNMENT: usize = 64;

/// The arrays of an item, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrays {
    arrays: Vec<(Option<Frame>, Range<usize>)>,
}

impl Arrays {
    /// `None` if there are more bytes than addresses.
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
    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        let count = self.arrays.len();
        self.arrays
            .get(index)
            .unwrap_or_else(|| panic!("an item has {count} arrays, no array {index}"))
            .1
            .clone()
    }

    #[track_caller]
    pub(crate) fn frame(&self, index: usize) -> Option<&Frame> {
        let count = self.arrays.len();
        let (frame, _) =
            self.arrays.get(index).unwrap_or_else(|| panic!("an item has {count} arrays, no {index}"));
        frame.as_ref()
    }

    /// Whether array `index` is made of `T`; one given in bytes may be made of anything.
    pub(crate) fn check<T: Element>(&self, index: usize) -> Result<(), ShapeError> {
        let bytes = self.range(index).len();
        self.frame(index).map_or(Ok(()), |frame| frame.check::<T>(bytes))
    }

    /// `bytes` of an item, array by array.
    pub(crate) fn split_mut<'a>(&self, mut bytes: &'a mut [u8]) -> Vec<&'a mut [u8]> {
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
