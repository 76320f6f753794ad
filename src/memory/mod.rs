//! A ring's memory as typed views: `&Control`, `&Entry`, slots, buffers.
//!
//! This is the seam between protocols and raw bytes. Above it nobody computes an address; below it nobody
//! knows a protocol. `views` lays the views over real memory by the offsets of [`Layout`](crate::memory::layout::Layout);
//! `model_views` builds the same views out of a checker's atomics, which cannot lie in raw bytes.

pub(crate) mod copy;
pub(crate) mod format;
pub(crate) mod header;
pub(crate) mod layout;
pub(crate) mod mapping;
pub(crate) mod message_header;
pub(crate) mod slot_index;
mod slot_run;
pub(crate) mod stamp;
#[cfg_attr(seqring_model, path = "model_views.rs")]
mod views;

pub(crate) use slot_run::{Here, SlotRun};

pub use views::RacyBytes;
#[cfg(seqring_model)]
pub use views::exclusive_payloads;
pub(crate) use views::{Memory, OwnEntry, Payload, exclusive_bytes, frozen_bytes};

use crate::sync::AtomicU64;

/// One inline slot.
pub(crate) struct InlineSlot<'a> {
    pub(crate) stamp: &'a AtomicU64,
    pub(crate) extras: &'a [AtomicU64],
    pub(crate) payload: Payload<'a>,
}
