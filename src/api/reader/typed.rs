//! Reading values and slices.

use super::Reader;
use crate::api::form::{Form, forms};
use crate::endpoint::read_cursor::NotRead;
use crate::endpoint::wait::ColdResult;
use crate::types::error::{ReadError, TryReadError};
use crate::types::frame::Element;
use crate::types::message::Received;
use crate::zerocopy::{FromBytes, IntoBytes};
use std::marker::PhantomData;
use std::ops::Deref;

/// A [`Reader`] whose messages are values `T`, or slices `[E]` of numbers: see [`Reader::typed`].
///
/// It has the verbs of a reader, each with its `try_` and its `_timeout` form. A message of another
/// length is reported as `OtherLength` and stays: the reader can read it as another type or as
/// bytes.
///
/// ```
/// use seqring::{Config, Ring, Start};
/// let ring = Ring::heap(&Config::slots(8).of_bytes(64))?;
/// let (mut writer, mut reader) = (ring.writer()?, ring.reader(Start::Next)?);
/// writer.typed::<[f32]>()?.write(&[1.5, 2.5])?;
/// let mut samples = [0.0; 16];
/// assert_eq!(reader.typed::<[f32]>()?.read(&mut samples)?, 2);
/// assert_eq!(samples[..2], [1.5, 2.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TypedReader<'r, T: ?Sized> {
    pub(super) reader: &'r mut Reader,
    pub(super) bytes: Option<usize>,
    pub(super) of: PhantomData<fn() -> Box<T>>,
}

impl<T: FromBytes + IntoBytes> TypedReader<'_, T> {
    forms! {
        /// Reads the next message, waiting for it.
        ///
        /// # Errors
        /// As [`Reader::read`], with [`ReadError::OtherLength`] instead of `TooSmall`.
        #[inline(always)]
        pub fn read, try_read, read_timeout(&mut self)() -> Result<T, ReadError, TryReadError::Empty>
            = |form| self.get(form)
    }

    forms! {
        /// Reads the next messages to the front of `out`, waiting for the first only. Returns how
        /// many.
        ///
        /// # Errors
        /// As [`Reader::read_batch`].
        #[inline]
        pub fn read_batch, try_read_batch, read_batch_timeout(&mut self)(out: &mut [T])
            -> Result<usize, ReadError, TryReadError::Empty>
            = |form| self.reader.get_batch(size_of::<T>(), out.as_mut_bytes(), form)
    }

    #[inline(always)]
    fn get<F: Form>(&mut self, form: F) -> Result<T, F::ReadError> {
        let mut value = T::new_zeroed();
        match self.reader.cursor.read_exact_fast(value.as_mut_bytes()) {
            Ok(_) => Ok(value),
            Err(NotRead::Empty) if !F::WAITS => Err(self.reader.nothing::<F>()),
            Err(_) => {
                // Another one: only this one's address leaves this function, so the first may be
                // in registers.
                let mut value = T::new_zeroed();
                self.reader.get_exact(value.as_mut_bytes(), form).into_result().map(|_| value)
            }
        }
    }
}

impl<E: Element> TypedReader<'_, [E]> {
    forms! {
        /// Reads the next message to the front of `out`, waiting for it. Returns how many elements
        /// it has.
        ///
        /// # Errors
        /// As [`Reader::read`]; [`ReadError::OtherLength`] if the message is not the ring's frame,
        /// or without a frame not a whole number of elements.
        pub fn read, try_read, read_timeout(&mut self)(out: &mut [E])
            -> Result<usize, ReadError, TryReadError::Empty> = |form| self.get(out, form)
    }

    fn get<F: Form>(&mut self, out: &mut [E], form: F) -> Result<usize, F::ReadError> {
        let out = out.as_mut_bytes();
        let received = match self.bytes {
            None => self.reader.call(form, |cursor| cursor.read_whole_number(size_of::<E>(), out))?,
            Some(needed) => self.reader.call(form, |cursor| match out.get_mut(..needed) {
                Some(frame) => cursor.read_exact(frame),
                None => Err(TryReadError::TooSmall { needed }),
            })?,
        };
        Ok(received.len / size_of::<E>())
    }
}

impl Reader {
    #[inline(never)]
    fn get_exact<F: Form>(&mut self, out: &mut [u8], form: F) -> ColdResult<Received, F::ReadError> {
        ColdResult::from_result(self.call(form, |cursor| cursor.read_exact(out)))
    }
}

impl<T: ?Sized> Deref for TypedReader<'_, T> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        self.reader
    }
}
