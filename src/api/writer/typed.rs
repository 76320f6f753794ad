//! Writing values and frames.

use super::Writer;
use crate::api::claim::Claim;
use crate::types::error::{TryWriteError, WriteError};
use crate::types::frame::{Element, FrameError, ShapeError};
use crate::zerocopy::{Immutable, IntoBytes};

impl Writer {
    /// Publishes `value`, which may be a slice, without waiting. Returns the message's sequence.
    ///
    /// Which types are fit for it, the traits of [`zerocopy`](crate::zerocopy) say: those without padding, pointers or
    /// atomics.
    ///
    /// # Errors
    /// As [`Self::try_write`].
    ///
    /// # Cost
    /// As [`Self::try_write`].
    #[inline(always)]
    pub fn try_write_value<T: IntoBytes + Immutable + ?Sized>(
        &mut self,
        value: &T,
    ) -> Result<u64, TryWriteError> {
        self.try_write(value.as_bytes())
    }

    /// Publishes `value`, which may be a slice, waiting until the slowest reader has freed a slot.
    ///
    /// ```
    /// use seqring::zerocopy::{FromBytes, Immutable, IntoBytes};
    /// use seqring::{Config, Ring, Start};
    ///
    /// #[derive(FromBytes, IntoBytes, Immutable, Debug, PartialEq)]
    /// #[zerocopy(crate = "seqring::zerocopy")]
    /// #[repr(C)]
    /// struct Quote { instrument: u32, price: i32, time_ns: u64 }
    ///
    /// let ring = Ring::heap(&Config::of::<Quote>(1024))?;
    /// let mut reader = ring.reader(Start::Next)?;
    /// let mut writer = ring.writer()?;
    /// writer.write_value(&Quote { instrument: 7, price: 99, time_ns: 1 })?;
    /// assert_eq!(reader.read_value::<Quote>()?.price, 99);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::write`].
    #[inline(always)]
    pub fn write_value<T: IntoBytes + Immutable + ?Sized>(&mut self, value: &T) -> Result<u64, WriteError> {
        self.write(value.as_bytes())
    }

    /// Publishes `values`, each a message, in order, as far as there is room; without waiting. Returns how many.
    ///
    /// # Errors
    /// As [`Self::try_write_batch`].
    ///
    /// # Panics
    /// If a `T` has no bytes.
    ///
    /// # Cost
    /// As [`Self::try_write_batch`].
    #[inline]
    pub fn try_write_values<T: IntoBytes + Immutable>(
        &mut self,
        values: &[T],
    ) -> Result<usize, TryWriteError> {
        self.try_write_batch(size_of::<T>(), values.as_bytes())
    }

    /// Publishes `values`, each a message, in order, waiting for room. Returns how many: all, unless something kept a later
    /// one from being published, which the next call says.
    ///
    /// # Errors
    /// As [`Self::write_batch`].
    ///
    /// # Panics
    /// If a `T` has no bytes.
    pub fn write_values<T: IntoBytes + Immutable>(&mut self, values: &[T]) -> Result<usize, WriteError> {
        self.write_batch(size_of::<T>(), values.as_bytes())
    }

    /// Publishes a frame, which must be what the ring describes, without waiting. Returns the message's sequence.
    ///
    /// # Errors
    /// [`FrameError::ShapeError`] if it is not; else as [`Self::try_write`].
    pub fn try_write_frame<T: Element>(&mut self, elements: &[T]) -> Result<u64, FrameError<TryWriteError>> {
        self.front.frame().check::<T>(size_of_val(elements))?;
        self.try_write_value(elements).map_err(FrameError::Ring)
    }

    /// Publishes a frame, which must be what the ring describes, waiting until the slowest reader has freed a slot.
    ///
    /// # Errors
    /// As [`Self::try_write_frame`], without `Full`.
    pub fn write_frame<T: Element>(&mut self, elements: &[T]) -> Result<u64, FrameError<WriteError>> {
        self.front.frame().check::<T>(size_of_val(elements))?;
        self.write_value(elements).map_err(FrameError::Ring)
    }

    /// Room for a frame of the ring, to be filled in place ([`Claim::frame_mut`]) and published, waiting for it.
    ///
    /// # Errors
    /// [`ShapeError::Undescribed`] if the ring has none; else as [`Self::write`].
    pub fn claim_frame(&mut self) -> Result<Claim<'_>, FrameError<WriteError>> {
        let frame = *self.front.frame();
        let bytes = frame.bytes().filter(|_| frame.bits > 0).ok_or(ShapeError::Undescribed)?;
        self.claim(usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(FrameError::Ring)
    }
}
