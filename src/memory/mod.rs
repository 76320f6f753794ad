//! A ring's memory as typed views: `&Control`, `&Entry`, slots, buffers.
//!
//! This is the seam between protocols and raw bytes. Above it nobody computes an address; below it nobody
//! knows a protocol. `mapped` lays the views over real memory by the offsets of [`Layout`](crate::layout::Layout);
//! `model` builds the same views out of a checker's atomics, which cannot lie in raw bytes.

mod lane;
#[cfg_attr(seqring_model, path = "model.rs")]
mod mapped;

pub(crate) use lane::{Here, Lane};

pub use mapped::Racy;
#[cfg(seqring_model)]
pub use mapped::exclusive_payloads;
pub(crate) use mapped::{Memory, OwnEntry, Payload, exclusive_bytes, frozen_bytes};

use crate::sync::AtomicU64;

/// One inline slot.
pub(crate) struct InlineSlot<'a> {
    pub(crate) stamp: &'a AtomicU64,
    pub(crate) extras: &'a [AtomicU64],
    pub(crate) payload: Payload<'a>,
}
