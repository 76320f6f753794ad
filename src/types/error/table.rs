use super::Corrupt;

/// Why a value of a table was not set, or not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The table has no such key.
    #[error("there is no key {key}: the table has the keys 0 to {}", keys - 1)]
    NoKey {
        /// The key asked for.
        key: usize,
        /// How many keys there are.
        keys: usize,
    },
    /// The value is longer than the table's cells have room for.
    #[error("{len} bytes do not fit into {max}")]
    TooLarge {
        /// Bytes offered.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// The value is longer than the buffer.
    #[error("the value has {needed} bytes, more than the buffer has room for")]
    TooSmall {
        /// Bytes of the value.
        needed: usize,
    },
    /// The ring was closed for good.
    #[error("closed for good: no value is accepted any more")]
    Closed,
    /// This process was forked, and inherited this handle.
    #[error("this handle belongs to the parent process; open the ring again in the child")]
    Forked,
    /// See [`Corrupt`].
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}
