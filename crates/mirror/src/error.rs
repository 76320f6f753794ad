//! What ends a server or a mirror.

use crate::wire::Malformed;
use seqring::{RegisterError, RingError, WriteError};

/// Why a ring is not served, or not mirrored any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// See [`RingError`].
    #[error(transparent)]
    Ring(#[from] RingError),
    /// See [`RegisterError`].
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// See [`WriteError`].
    #[error("the mirror's ring: {0}")]
    Write(#[from] WriteError),
    /// zenoh's own error.
    #[error("zenoh: {0}")]
    Zenoh(#[from] zenoh::Error),
    /// The other side sent what no correct peer sends.
    #[error("the other side is no seqring-mirror, or another version: {0}")]
    Malformed(#[from] Malformed),
    /// Every registered reader of a gated ring holds its writers up, and the ring allows no
    /// observers.
    #[error(
        "a reader would hold the ring's writers up: serve it with --lossless, or create it with observers"
    )]
    HoldsUp,
    /// The server has as many links as one may have.
    #[error("as many mirrors as one server may have; mirror one of its mirrors")]
    TooManyMirrors,
    /// The ring cannot be served in this way.
    #[error("{0}")]
    Unservable(&'static str),
    /// The server refused the link.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// The mirror's ring is something else.
    #[error("{0} is no mirror of this ring; choose another name with --as")]
    NotAMirror(String),
    /// The mirror's ring would be larger than allowed.
    #[error("the ring takes {bytes} bytes, and {most} are allowed; allow more with --max-bytes")]
    TooLarge {
        /// Bytes of the source's ring.
        bytes: u128,
        /// Bytes that are allowed.
        most: u64,
    },
}
