//! One attachment to a ring.

use crate::bell::Bells;
use crate::memory::Memory;
use crate::segment::Presence;

/// What all handles, writers and readers of one attachment share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) memory: Memory,
    pub(crate) presence: Presence,
    pub(crate) bells: Bells,
}
