//! What happens when a worker fails.

use super::tag::Label;

/// What happens when a producer fails, panics, takes too long, or is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The consumer gets the error, and the pipeline ends.
    #[default]
    Fail,
    /// The consumer gets the error in place of the item, and goes on.
    Skip,
    /// The command goes to the end of the queue so many times, for another producer, if there is one; after that as
    /// `Fail`.
    Retry(u8),
}

impl OnFailure {
    /// The label with which a command is tried once more, if it is.
    pub(crate) fn again(self, label: Label) -> Option<Label> {
        match self {
            OnFailure::Retry(times) if label.mark < times => Some(Label { mark: label.mark + 1, ..label }),
            _ => None,
        }
    }

    pub(crate) fn word(self) -> u64 {
        match self {
            OnFailure::Fail => 0,
            OnFailure::Skip => 1,
            OnFailure::Retry(times) => 2 | u64::from(times) << 8,
        }
    }

    pub(crate) fn from_word(word: u64) -> Option<Self> {
        match word & 0xff {
            0 => Some(OnFailure::Fail),
            1 => Some(OnFailure::Skip),
            2 => Some(OnFailure::Retry((word >> 8) as u8)),
            _ => None,
        }
    }
}
