//! What users write: who says what is to be made, and who makes it.

use super::arrays::Arrays;
use super::error::WorkerError;
use crate::api::ring::Ring;
use crate::types::cast;
use crate::types::frame::{Element, ShapeError};

/// Says what is to be made, one command after the other.
pub trait Commander {
    /// Called once, in the commander's own thread, before anything else.
    ///
    /// # Errors
    /// Anything: it ends the pipeline.
    fn build(&mut self) -> Result<(), WorkerError> {
        Ok(())
    }

    /// Writes the next command to `command`, which comes empty. False: there are no more.
    ///
    /// # Errors
    /// Anything: it ends the pipeline; in order, after the items of all commands before.
    fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, WorkerError>;
}

/// The commands of an iterator.
#[derive(Clone, Debug)]
pub struct Commands<I>(pub I);

impl<I: Iterator<Item: AsRef<[u8]>>> Commander for Commands<I> {
    fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, WorkerError> {
        let next = self.0.next();
        if let Some(next) = &next {
            command.extend_from_slice(next.as_ref());
        }
        Ok(next.is_some())
    }
}

/// Makes items from commands.
pub trait Producer {
    /// Called once, in the producer's own thread, before anything else.
    ///
    /// # Errors
    /// Anything: it ends the pipeline, whether or not there is a command; in order where the next result that is missing
    /// would come.
    fn build(&mut self) -> Result<(), WorkerError> {
        Ok(())
    }

    /// Fills the arrays of `item` from `command`, where the consumer will look at them.
    ///
    /// # Errors
    /// Anything: what then happens is the pipeline's [`OnFailure`](super::OnFailure).
    fn produce(&mut self, command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError>;
}

impl<F: FnMut(&[u8], &mut Filling<'_>) -> Result<(), WorkerError>> Producer for F {
    fn produce(&mut self, command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
        self(command, item)
    }
}

/// Keeps the memory of a pipeline's items: see [`Filling::mapping`].
#[derive(Clone, Debug)]
pub struct Mapping {
    _ring: Ring,
}

/// An item that is being made. Its arrays hold whatever an earlier item left in them.
#[derive(Debug)]
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
    /// [`ShapeError`] if the array is made of something else.
    ///
    /// # Panics
    /// As [`Self::array`].
    pub fn elements<T: Element>(&mut self, index: usize) -> Result<&mut [T], ShapeError> {
        self.arrays.check::<T>(index)?;
        cast::value_mut(self.array(index))
    }

    /// The bytes of all arrays at once.
    pub fn arrays(&mut self) -> Vec<&mut [u8]> {
        self.arrays.split_mut(self.bytes)
    }

    /// As [`Item::bytes_mut`](super::Item::bytes_mut).
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }

    /// What keeps those bytes where they are: for whoever cannot say how long it has pointers to them. They are this
    /// item's only until it is made.
    pub fn mapping(&self) -> Mapping {
        Mapping { _ring: self.ring.clone() }
    }

    /// Copies `bytes` to array `index`, for whoever has them elsewhere.
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

    /// Gives the item these bytes beside its arrays, as many as
    /// [`metadata_bytes`](super::Pipeline::metadata_bytes) allows.
    pub fn set_metadata(&mut self, bytes: &[u8]) {
        self.metadata.clear();
        self.metadata.extend_from_slice(bytes);
    }
}
