//! What every worker of a pipeline must know of it; in words, for workers in other processes.

use super::arrays::Arrays;
use super::failure::OnFailure;
use super::results::Order;
use crate::types::frame::Frame;
use std::sync::Arc;

/// What a pipeline was made to be, as far as its workers are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) arrays: Arc<Arrays>,
    pub(crate) producers: usize,
    pub(crate) order: Order,
    pub(crate) on_failure: OnFailure,
}

/// Words before the arrays'.
const HEAD: usize = 4;
/// An array: bytes, element (0: none is given), dimensions, extents.
const ARRAY: usize = 3 + 8;

impl Plan {
    pub(crate) fn words(&self) -> Vec<u64> {
        let order = u64::from(self.order == Order::Unordered);
        let mut words = vec![self.producers as u64, order, self.on_failure.word(), self.arrays.len() as u64];
        for (frame, range) in self.arrays.iter() {
            let frame = frame.copied().unwrap_or_default();
            let element = u64::from(frame.kind) << 16 | u64::from(frame.bits);
            words.extend([range.len() as u64, element, u64::from(frame.dimensions)]);
            words.extend(frame.shape);
        }
        words
    }

    /// `None` if these words are no plan.
    pub(crate) fn from_words(words: &[u64]) -> Option<Self> {
        let (&[producers, order, on_failure, count], rest) = words.split_first_chunk::<HEAD>()?;
        let mut arrays = Arrays::default();
        for array in rest.get(..usize::try_from(count).ok()?.checked_mul(ARRAY)?)?.chunks_exact(ARRAY) {
            let (&[bytes, element, dimensions], shape) = array.split_first_chunk::<3>()?;
            let frame = Frame {
                kind: (element >> 16) as u8,
                bits: element as u16,
                dimensions: dimensions as u8,
                shape: shape.try_into().ok()?,
            };
            arrays.add((frame.bits > 0).then_some(frame), usize::try_from(bytes).ok()?)?;
        }
        Some(Plan {
            arrays: Arc::new(arrays),
            producers: usize::try_from(producers).ok()?,
            order: if order == 0 { Order::Ordered } else { Order::Unordered },
            on_failure: OnFailure::from_word(on_failure)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrays, Frame, OnFailure, Order, Plan};

    #[test]
    fn a_plan_survives_its_words() {
        let mut arrays = Arrays::default();
        arrays.add(None, 5).unwrap();
        arrays.add(Some(Frame::of::<f32>(&[3, 4]).unwrap()), 48).unwrap();
        for (order, on_failure) in
            [(Order::Ordered, OnFailure::Retry(3)), (Order::Unordered, OnFailure::Skip)]
        {
            let plan = Plan { arrays: arrays.clone().into(), producers: 7, order, on_failure };
            let words = plan.words();
            assert_eq!(Plan::from_words(&words), Some(plan));
            assert_eq!(Plan::from_words(&words[..words.len() - 1]), None);
        }
    }
}
