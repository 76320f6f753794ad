//! The tag of a command or a result: its number, and one byte that says more.

/// `[mark:8 | number:56]`: at 20 million items a second 56 bits last a century.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// Of a command: how often it was tried before. Of a result: its [`Mark`].
    pub(crate) mark: u8,
    pub(crate) number: u64,
}

const NUMBER_BITS: u32 = 56;

impl Label {
    /// Numbers are below.
    pub(crate) const NUMBERS: u64 = 1 << NUMBER_BITS;

    pub(crate) fn word(self) -> u64 {
        u64::from(self.mark) << NUMBER_BITS | self.number
    }

    pub(crate) fn from_word(word: u64) -> Self {
        Label { mark: (word >> NUMBER_BITS) as u8, number: word % Self::NUMBERS }
    }
}

/// What a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The filled arrays.
    Item,
    /// What the producer said when it failed.
    Failed,
    /// The producer was given up, or died: the host knows more.
    Written,
    /// The producer could not be built.
    Unbuilt,
    /// What the commander said when it failed.
    Commander,
    /// There are as many commands as the label's number says.
    End,
}

impl Mark {
    const ALL: [Mark; 6] =
        [Mark::Item, Mark::Failed, Mark::Written, Mark::Unbuilt, Mark::Commander, Mark::End];

    pub(crate) fn label(self, number: u64) -> Label {
        Label { mark: self as u8, number }
    }

    pub(crate) fn of(label: Label) -> Option<Self> {
        Self::ALL.get(usize::from(label.mark)).copied()
    }
}
