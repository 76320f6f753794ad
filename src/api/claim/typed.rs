//! Claimed bytes as what they will stand for.

use super::Claim;
use crate::types::cast;
use crate::types::frame::{Element, ShapeError};
use crate::zerocopy::{FromBytes, IntoBytes, KnownLayout};

impl Claim<'_> {
    /// The claimed bytes as a `T`, which may be a slice, to be filled in place.
    ///
    /// # Errors
    /// [`ShapeError::Shared`] where [`Self::as_mut_slice`] has none, [`ShapeError::Length`], [`ShapeError::Alignment`].
    pub fn value_mut<T: FromBytes + IntoBytes + KnownLayout + ?Sized>(
        &mut self,
    ) -> Result<&mut T, ShapeError> {
        cast::value_mut(self.as_mut_slice().ok_or(ShapeError::Shared)?)
    }

    /// The claimed bytes as the elements of the frame that the ring describes, to be filled in place.
    ///
    /// # Errors
    /// As [`Self::value_mut`]; and as [`View::frame`](crate::View::frame).
    pub fn frame_mut<T: Element>(&mut self) -> Result<&mut [T], ShapeError> {
        self.front.frame().check::<T>(self.len)?;
        self.value_mut()
    }
}
