//! What every worker must know about its pipeline, encoded in 64-bit words for workers in other
//! processes.

use super::item::Arrays;
use super::tag::Tag;
use crate::types::frame::Frame;
use std::sync::Arc;

/// The order in which items reach the consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ItemOrder {
    /// In the order of the commands. A slow item delays those behind it, of which at most
    /// [`in_flight`](super::Pipeline::in_flight) are made meanwhile.
    #[default]
    Ordered,
    /// In the order in which they are finished.
    Unordered,
}

/// What happens when a producer fails, panics, exceeds its time limit, or is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The consumer gets the error, and the pipeline ends.
    #[default]
    Fail,
    /// The consumer gets the error in place of the item, and the pipeline continues.
    Skip,
    /// The command returns to the end of the queue up to this many times, for another producer if
    /// there is one. After that, as `Fail`.
    Retry(u8),
}

impl OnFailure {
    /// The tag of the next try of a command; `None` if it is not tried again.
    pub(crate) fn retry(self, tag: Tag) -> Option<Tag> {
        match self {
            OnFailure::Retry(times) if tag.detail < times => Some(Tag { detail: tag.detail + 1, ..tag }),
            _ => None,
        }
    }

    fn word(self) -> u64 {
        match self {
            OnFailure::Fail => 0,
            OnFailure::Skip => 1,
            OnFailure::Retry(times) => 2 | u64::from(times) << 8,
        }
    }

    fn from_word(word: u64) -> Option<Self> {
        match word & 0xff {
            0 => Some(OnFailure::Fail),
            1 => Some(OnFailure::Skip),
            2 => Some(OnFailure::Retry((word >> 8) as u8)),
            _ => None,
        }
    }
}

/// The part of a pipeline's configuration that its workers need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) arrays: Arc<Arrays>,
    pub(crate) producers: usize,
    pub(crate) order: ItemOrder,
    pub(crate) on_failure: OnFailure,
}

/// Words before those of the arrays.
const HEAD: usize = 4;
/// Words of an array: bytes, element (0 if it has no frame), dimensions, extents.
const ARRAY: usize = 3 + 8;

impl Plan {
    pub(crate) fn words(&self) -> Vec<u64> {
        let order = u64::from(self.order == ItemOrder::Unordered);
        let mut words = vec![self.producers as u64, order, self.on_failure.word(), self.arrays.len() as u64];
        for (frame, range) in self.arrays.iter() {
            let frame = frame.copied().unwrap_or_default();
            let element = u64::from(frame.kind) << 16 | u64::from(frame.bits);
            words.extend([range.len() as u64, element, u64::from(frame.dimensions)]);
            words.extend(frame.shape);
        }
        words
    }

    /// `None` if the words do not encode a plan.
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
            order: if order == 0 { ItemOrder::Ordered } else { ItemOrder::Unordered },
            on_failure: OnFailure::from_word(on_failure)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrays, Frame, ItemOrder, OnFailure, Plan};

    #[test]
    fn a_plan_survives_its_words() {
        let mut arrays = Arrays::default();
        arrays.add(None, 5).unwrap();
        arrays.add(Some(Frame::of::<f32>(&[3, 4]).unwrap()), 48).unwrap();
        for (order, on_failure) in
            [(ItemOrder::Ordered, OnFailure::Retry(3)), (ItemOrder::Unordered, OnFailure::Skip)]
        {
            let plan = Plan { arrays: arrays.clone().into(), producers: 7, order, on_failure };
            let words = plan.words();
            assert_eq!(Plan::from_words(&words), Some(plan));
            assert_eq!(Plan::from_words(&words[..words.len() - 1]), None);
        }
    }
}
