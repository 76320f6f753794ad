//! A ring's memory as typed views: `&Control`, `&Entry`, slots, buffers.
//!
//! This is the seam between protocols and raw bytes. Above it nobody computes an address; below it nobody
//! knows a protocol. `mapped` lays the views over real memory by the offsets of [`Layout`](crate::layout::Layout);
//! `model` builds the same views out of loom's atomics, which cannot lie in raw bytes.

#[cfg(not(seqring_loom))]
mod mapped;
#[cfg(not(seqring_loom))]
pub(crate) use mapped::{Memory, Payload};

#[cfg(seqring_loom)]
mod model;
#[cfg(seqring_loom)]
pub(crate) use model::{Memory, Payload};

use crate::sync::AtomicU64;

/// One inline slot.
pub(crate) struct InlineSlot<'a> {
    pub(crate) stamp: &'a AtomicU64,
    pub(crate) extras: &'a [AtomicU64],
    pub(crate) payload: Payload<'a>,
}
