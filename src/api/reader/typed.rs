//! Reading values and frames.

use super::Reader;
use crate::endpoint::wait::{self, ColdResult};
use crate::types::error::{ReadError, TryReadError};
use crate::types::frame::{Element, FrameError};
use crate::types::message::Received;
use crate::zerocopy::{FromBytes, IntoBytes};
use std::time::Duration;

impl Reader {
    /// The next message as a `T`, without waiting.
    ///
    /// # Errors
    /// As [`Self::try_read`]; and [`TryReadError::OtherLength`] instead of `TooSmall`: the message is still there, to be read
    /// as another type or as bytes.
    ///
    /// # Cost
    /// As [`Self::try_read`].
    #[inline(always)]
    pub fn try_read_value<T: FromBytes + IntoBytes>(&mut self) -> Result<T, TryReadError> {
        let mut value = T::new_zeroed();
        match self.position.read_exact_now(value.as_mut_bytes()) {
            Some(_) => Ok(value),
            None => self.try_read_exact_thoroughly(value.as_mut_bytes()).into_result().map(|_| value),
        }
    }

    /// The next message as a `T`, waiting for it. See [`Writer::write_value`](crate::Writer::write_value).
    ///
    /// # Errors
    /// As [`Self::try_read_value`], without `Empty`.
    #[inline(always)]
    pub fn read_value<T: FromBytes + IntoBytes>(&mut self) -> Result<T, ReadError> {
        let mut value = T::new_zeroed();
        match self.position.read_exact_now(value.as_mut_bytes()) {
            Some(_) => Ok(value),
            None => self.read_exact_thoroughly(value.as_mut_bytes()).into_result().map(|_| value),
        }
    }

    /// The next message as a `T`, waiting for it for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::read_value`], and [`ReadError::TimedOut`].
    pub fn read_value_timeout<T: FromBytes + IntoBytes>(
        &mut self,
        timeout: Duration,
    ) -> Result<T, ReadError> {
        let mut value = T::new_zeroed();
        let deadline = wait::deadline(timeout);
        self.wait(deadline, |position| position.read_exact(value.as_mut_bytes()))?;
        Ok(value)
    }

    /// The next messages, if they are a `T` each, to the front of `out`, until that is full or no more are there; without
    /// waiting. Returns how many.
    ///
    /// # Errors
    /// As [`Self::try_read_batch`].
    ///
    /// # Panics
    /// If a `T` has no bytes.
    ///
    /// # Cost
    /// As [`Self::try_read_batch`].
    #[inline]
    pub fn try_read_values<T: FromBytes + IntoBytes>(
        &mut self,
        out: &mut [T],
    ) -> Result<usize, TryReadError> {
        self.try_read_batch(size_of::<T>(), out.as_mut_bytes())
    }

    /// The next messages, if they are a `T` each, to the front of `out`, waiting for the first of them only. Returns how
    /// many.
    ///
    /// # Errors
    /// As [`Self::read_batch`].
    ///
    /// # Panics
    /// If a `T` has no bytes.
    pub fn read_values<T: FromBytes + IntoBytes>(&mut self, out: &mut [T]) -> Result<usize, ReadError> {
        self.read_batch(size_of::<T>(), out.as_mut_bytes())
    }

    /// The next message, a slice of `T`, to the front of `out`, without waiting. Returns how many elements it has.
    ///
    /// # Errors
    /// As [`Self::try_read`]; and [`TryReadError::OtherLength`] if it is no whole number of elements: then the message is
    /// still there, as it is after `TooSmall`.
    pub fn try_read_slice<T: FromBytes + IntoBytes>(&mut self, out: &mut [T]) -> Result<usize, TryReadError> {
        let result = self.position.read_whole_number(size_of::<T>(), out.as_mut_bytes());
        Ok(self.looked(result)?.len / size_of::<T>())
    }

    /// The next message, a slice of `T`, to the front of `out`, waiting for it. Returns how many elements it has.
    ///
    /// # Errors
    /// As [`Self::try_read_slice`], without `Empty`.
    pub fn read_slice<T: FromBytes + IntoBytes>(&mut self, out: &mut [T]) -> Result<usize, ReadError> {
        let received =
            self.wait(None, |position| position.read_whole_number(size_of::<T>(), out.as_mut_bytes()))?;
        Ok(received.len / size_of::<T>())
    }

    /// The next message to `out`, as the frame that the ring describes, without waiting.
    ///
    /// # Errors
    /// [`FrameError::ShapeError`] if `out` is no such frame; else as [`Self::try_read_value`].
    pub fn try_read_frame<T: Element>(
        &mut self,
        out: &mut [T],
    ) -> Result<Received, FrameError<TryReadError>> {
        self.position.frame().check::<T>(size_of_val(out))?;
        let result = self.position.read_exact(out.as_mut_bytes());
        self.looked(result).map_err(FrameError::Ring)
    }

    /// The next message to `out`, as the frame that the ring describes, waiting for it.
    ///
    /// # Errors
    /// As [`Self::try_read_frame`], without `Empty`.
    pub fn read_frame<T: Element>(&mut self, out: &mut [T]) -> Result<Received, FrameError<ReadError>> {
        self.position.frame().check::<T>(size_of_val(out))?;
        self.wait(None, |position| position.read_exact(out.as_mut_bytes())).map_err(FrameError::Ring)
    }

    #[inline(never)]
    fn try_read_exact_thoroughly(&mut self, out: &mut [u8]) -> ColdResult<Received, TryReadError> {
        let result = self.position.read_exact(out);
        ColdResult::from_result(self.looked(result))
    }

    #[inline(never)]
    fn read_exact_thoroughly(&mut self, out: &mut [u8]) -> ColdResult<Received, ReadError> {
        ColdResult::from_result(self.wait(None, |position| position.read_exact(out)))
    }
}
