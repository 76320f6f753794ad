//! The bytes of a taken message as what they stand for.

use super::Taken;
use crate::types::cast;
use crate::types::frame::{Element, ShapeError};
use crate::zerocopy::{FromBytes, Immutable, KnownLayout};

impl Taken<'_> {
    /// The message as a `T`, which may be a slice: where it lies, not copied.
    ///
    /// # Errors
    /// As [`View::value`](crate::View::value).
    pub fn value<T: FromBytes + KnownLayout + Immutable + ?Sized>(&self) -> Result<&T, ShapeError> {
        cast::value(self)
    }

    /// The message as the frame that the ring describes: its elements, and the extents of the array, slowest-varying first.
    ///
    /// # Errors
    /// As [`View::frame`](crate::View::frame).
    pub fn frame<T: Element>(&self) -> Result<(&[T], &[u64]), ShapeError> {
        let frame = &self.hand.memory.layout().config.frame;
        frame.check::<T>(self.len())?;
        Ok((self.value()?, frame.extents()))
    }
}
