//! An item in the consumer's hands.

use super::arrays::Arrays;
use crate::api::taker::{Held, Taker};
use crate::types::cast;
use crate::types::frame::{Element, ShapeError};
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// A finished item, where its producer filled it. Dropping it makes its buffer free for another.
#[derive(Debug)]
pub struct Item {
    pub(crate) number: u64,
    /// There until it is dropped.
    pub(crate) held: Option<Held>,
    pub(crate) arrays: Arc<Arrays>,
    /// Where its taker goes back to.
    pub(crate) home: Sender<Taker>,
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

    /// The bytes of array `index`, to be changed: they are the consumer's own.
    ///
    /// # Panics
    /// As [`Self::array`].
    pub fn array_mut(&mut self, index: usize) -> &mut [u8] {
        let range = self.arrays.range(index);
        &mut self.bytes_mut()[range]
    }

    /// The bytes of all arrays, each of which begins at a multiple of 64, and what lies between them.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.held.as_mut().expect("held until it is dropped").bytes_mut()
    }

    /// The elements of array `index`.
    ///
    /// # Errors
    /// [`ShapeError`] if the array is made of something else.
    ///
    /// # Panics
    /// As [`Self::array`].
    pub fn elements<T: Element>(&self, index: usize) -> Result<&[T], ShapeError> {
        self.arrays.check::<T>(index)?;
        cast::value(self.array(index))
    }

    /// The extents of array `index`, slowest-varying first; `None` if it was given in bytes.
    ///
    /// # Panics
    /// As [`Self::array`].
    pub fn extents(&self, index: usize) -> Option<&[u64]> {
        self.arrays.frame(index).map(crate::types::frame::Frame::extents)
    }

    /// How many arrays there are.
    pub fn arrays(&self) -> usize {
        self.arrays.len()
    }

    /// The bytes that the producer gave beside the arrays.
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
            // Nobody wants the taker back: the pipeline has stopped.
            let _ = self.home.send(held.release());
        }
    }
}
