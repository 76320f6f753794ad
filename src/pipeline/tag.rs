//! The tag of a message: the number of a command or result, and one byte of detail.

/// `[detail:8 | number:56]`. At 20 million items a second, 56 bits last a century.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Of a command: how often it was tried before. Of a result: its [`ResultKind`].
    pub(crate) detail: u8,
    pub(crate) number: u64,
}

const NUMBER_BITS: u32 = 56;

impl Tag {
    /// All numbers are below this.
    pub(crate) const NUMBERS: u64 = 1 << NUMBER_BITS;

    /// The tag of a command that was not tried before.
    pub(crate) fn first_try(number: u64) -> Self {
        Tag { detail: 0, number }
    }

    /// Of a command: which try this is, counted from 1.
    pub(crate) fn tries(self) -> u32 {
        u32::from(self.detail) + 1
    }

    pub(crate) fn word(self) -> u64 {
        u64::from(self.detail) << NUMBER_BITS | self.number
    }

    pub(crate) fn from_word(word: u64) -> Self {
        Tag { detail: (word >> NUMBER_BITS) as u8, number: word % Self::NUMBERS }
    }
}

/// What a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultKind {
    /// The filled arrays.
    Item,
    /// The failure record of a producer, with its message.
    Failed,
    /// The failure record of a producer that was given up or died: the host holds the error.
    FailedAtHost,
    /// The failure record of a producer whose `build` failed.
    BuildFailed,
    /// The message of the commander's failure.
    CommanderFailed,
    /// The end: the tag's number is the number of commands.
    End,
}

impl ResultKind {
    const ALL: [Self; 6] =
        [Self::Item, Self::Failed, Self::FailedAtHost, Self::BuildFailed, Self::CommanderFailed, Self::End];

    pub(crate) fn tag(self, number: u64) -> Tag {
        Tag { detail: self as u8, number }
    }

    pub(crate) fn of(tag: Tag) -> Option<Self> {
        Self::ALL.get(usize::from(tag.detail)).copied()
    }
}
