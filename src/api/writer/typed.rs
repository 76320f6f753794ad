//! Writing values and slices.

use super::Writer;
use crate::api::claim::Claim;
use crate::api::form::{Form, forms};
use crate::api::typed::MessageType;
use crate::types::error::{TryWriteError, WriteError};
use crate::types::frame::{Element, ShapeError};
use crate::zerocopy::{Immutable, IntoBytes};
use std::marker::PhantomData;
use std::ops::Deref;

/// A [`Writer`] whose messages are values `T`, or slices `[E]` of numbers: see [`Writer::typed`].
///
/// It has the verbs of a writer, each with its `try_` and its `_timeout` form.
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
/// let ring = Ring::heap(&Config::slots(1024).of::<Quote>())?;
/// let (mut writer, mut reader) = (ring.writer()?, ring.reader(Start::Next)?);
/// writer.typed::<Quote>()?.write(&Quote { instrument: 7, price: 99, time_ns: 1 })?;
/// assert_eq!(reader.typed::<Quote>()?.read()?.price, 99);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TypedWriter<'w, T: ?Sized> {
    writer: &'w mut Writer,
    bytes: Option<usize>,
    of: PhantomData<fn(&T)>,
}

impl Writer {
    /// This writer, to publish values `T`, or slices `[E]`: in a ring that describes a frame,
    /// slices of that frame.
    ///
    /// # Errors
    /// [`ShapeError::ZeroSized`]; [`ShapeError::SlotTooSmall`]; in a ring that describes a frame
    /// [`ShapeError::Element`] and [`ShapeError::FrameLength`] for another one.
    ///
    /// # Cost
    /// A few comparisons; no message is checked again, except for the length of a slice.
    #[inline]
    pub fn typed<T: MessageType + ?Sized>(&mut self) -> Result<TypedWriter<'_, T>, ShapeError> {
        let bytes = T::message_bytes(self.config())?;
        Ok(TypedWriter { writer: self, bytes, of: PhantomData })
    }
}

impl<T: IntoBytes + Immutable> TypedWriter<'_, T> {
    forms! {
        /// Publishes `value`, waiting for room. Returns the message's sequence.
        ///
        /// # Errors
        /// As [`Writer::write`].
        #[inline(always)]
        pub fn write, try_write, write_timeout(&mut self)(value: &T)
            -> Result<u64, WriteError, TryWriteError::Full> = |form| self.writer.put(value.as_bytes(), form)
    }

    forms! {
        /// Publishes `values`, each a message, in order, waiting for room. Returns how many: see
        /// [`Writer::write_batch`].
        ///
        /// # Errors
        /// As [`Writer::write_batch`].
        #[inline]
        pub fn write_batch, try_write_batch, write_batch_timeout(&mut self)(values: &[T])
            -> Result<usize, WriteError, TryWriteError::Full>
            = |form| self.writer.put_batch(size_of::<T>(), values.as_bytes(), form)
    }
}

impl<E: Element> TypedWriter<'_, [E]> {
    forms! {
        /// Publishes `elements` as one message, waiting for room. Returns the message's sequence.
        ///
        /// # Errors
        /// As [`Writer::write`]; [`WriteError::OtherLength`] if the ring describes a frame of
        /// another length.
        pub fn write, try_write, write_timeout(&mut self)(elements: &[E])
            -> Result<u64, WriteError, TryWriteError::Full> = |form| self.put(elements, form)
    }

    fn put<F: Form>(&mut self, elements: &[E], form: F) -> Result<u64, F::WriteError> {
        let bytes = elements.as_bytes();
        match self.bytes {
            Some(expected) if expected != bytes.len() => {
                let error = TryWriteError::OtherLength { len: bytes.len(), expected };
                Err(F::write_error(error, || unreachable!("it did not wait")))
            }
            _ => self.writer.put(bytes, form),
        }
    }
}

impl<T: ?Sized> TypedWriter<'_, T> {
    forms! {
        /// Claims room for one message, waiting for it: as long as a `T`, or as the ring's frame;
        /// without a frame as long as a slot. [`Claim::value_mut`] fills it.
        ///
        /// # Errors
        /// As [`Writer::claim`].
        pub fn claim, try_claim, claim_timeout(&mut self)()
            -> Result<Claim<'_>, WriteError, TryWriteError::Full> = |form| self.writer.begin_claim(self.claimed(), form)
    }

    fn claimed(&self) -> usize {
        self.bytes.unwrap_or(self.writer.config().slot_bytes)
    }
}

impl<T: ?Sized> Deref for TypedWriter<'_, T> {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        self.writer
    }
}
