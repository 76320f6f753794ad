//! Messages as values: where a reader starts, what a message carries, how a publication ended.

/// Where a reader starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Start {
    /// With the next message to be published. A reader that the ring
    /// [awaits](crate::Config::await_readers) starts with the first message of the ring.
    #[default]
    Next,
    /// With the oldest message that is still there. In a lossy ring a writer may overwrite it
    /// before the first read, which then fails with [`Lagged`](crate::Lagged). In a gated ring it
    /// is the oldest message that no writer may overwrite yet: any number of the last `slots`
    /// messages, from none to all, may be left.
    Oldest,
    /// With the newest message that is there, or the next one if there is none. In a gated ring, as
    /// with `Oldest`, a message that a writer may already overwrite counts as gone.
    Newest,
    /// With this sequence, or else with the nearest message that is there or comes next.
    Sequence(u64),
}

/// A message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Its number: messages of a ring are numbered without gaps.
    pub sequence: u64,
    /// Bytes of its payload.
    pub len: usize,
    /// Its tag, in a ring with [`Config::tag`](crate::Config::tag).
    pub tag: Option<u64>,
    /// When it was published, in ns of `CLOCK_MONOTONIC`, in a ring with
    /// [`Config::timestamp`](crate::Config::timestamp).
    pub timestamp_ns: Option<u64>,
}

/// What a message carries beside its payload. Fields that the ring does not carry are ignored,
/// except metadata that is too long.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageHeader<'a> {
    /// The user's own 64 bits, in a ring with [`Config::tag`](crate::Config::tag).
    pub tag: u64,
    /// Bytes beside the payload, in a ring with [`Config::meta_bytes`](crate::Config::meta_bytes).
    pub metadata: &'a [u8],
}

/// The outcome of publishing a message under an assigned number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// It is in the ring, as the one message of its number.
    Published,
    /// Another writer published the message of that number before; this one is dropped.
    Already,
}
