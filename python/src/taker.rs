//! The class `Taker`.

use crate::receiver::Receiver;
use pyo3::prelude::*;

/// A registered taker of a queue: each message goes to exactly one taker. Made by `Ring.taker`.
///
/// Any thread may use it, one at a time. Iterating yields copies and ends with the stream. Errors
/// are those of `Reader`, without `Lagged`.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Taker {
    pub(crate) receiver: Receiver<seqring::Taker>,
}

impl Taker {
    pub(crate) fn new(taker: seqring::Taker, ring: &seqring::Ring) -> Self {
        Taker { receiver: Receiver::new(taker, ring.config(), false) }
    }
}
