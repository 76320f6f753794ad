//! The bytes of a view as what they stand for.

use super::View;
use crate::types::cast;
use crate::types::frame::{Element, ShapeError};
use crate::zerocopy::{FromBytes, Immutable, KnownLayout};

impl View<'_> {
    /// The message as a `T`, which may be a slice: where it lies, not copied.
    ///
    /// ```
    /// use seqring::{Config, Ring, Start};
    /// let ring = Ring::heap(&Config::new(8, 4096))?;
    /// let mut reader = ring.reader(Start::Next)?;
    /// ring.writer()?.write_value(&[1.5_f32, 2.5][..])?;
    /// assert_eq!(reader.view()?.value::<[f32]>()?, &[1.5, 2.5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShapeError::Length`], and [`ShapeError::Alignment`] for a `T` that must begin at a multiple of more than what the view
    /// does: 64 bytes in place, for copies what the allocator gives.
    pub fn value<T: FromBytes + KnownLayout + Immutable + ?Sized>(&self) -> Result<&T, ShapeError> {
        cast::value(self)
    }

    /// The message as the frame that the ring describes: its elements, and the extents of the array, slowest-varying first.
    ///
    /// # Errors
    /// [`ShapeError::Element`] and [`ShapeError::FrameLength`] if it is no such frame, [`ShapeError::Undescribed`] if the ring has
    /// none; [`ShapeError::Alignment`] as for [`Self::value`].
    pub fn frame<T: Element>(&self) -> Result<(&[T], &[u64]), ShapeError> {
        let frame = self.position.frame();
        frame.check::<T>(self.len())?;
        Ok((self.value()?, frame.extents()))
    }
}
