//! A ring's memory as typed views: `&Control`, `&Entry`, slots, buffers.
//!
//! This is the seam between protocols and raw bytes: modules above compute no address, and modules
//! here know no protocol. `views` and `payload` lay the views over real memory by the offsets of
//! [`Layout`](crate::memory::layout::Layout). The files of the same names in `model/` build them
//! out of a checker's atomics, which cannot lie in raw bytes.

pub(crate) mod copy;
pub(crate) mod format;
pub(crate) mod header;
pub(crate) mod layout;
pub(crate) mod mapping;
pub(crate) mod message_header;
#[cfg_attr(seqring_model, path = "model/payload.rs")]
mod payload;
#[cfg(not(seqring_model))]
mod prefetch;
pub(crate) mod slot_index;
mod slot_run;
pub(crate) mod stamp;
#[cfg_attr(seqring_model, path = "model/views.rs")]
mod views;
#[cfg(not(seqring_model))]
#[cfg_attr(any(not(target_arch = "x86_64"), seqring_failpoints, seqring_fuzz), path = "word_slots/none.rs")]
mod word_slots;

pub use payload::RacyBytes;
#[cfg(seqring_model)]
pub use payload::exclusive_payloads;
pub(crate) use payload::{Payload, exclusive_bytes, frozen_bytes};
pub(crate) use slot_run::{RunPosition, SlotRun};
pub(crate) use views::{Memory, OwnEntry};

use crate::sync::AtomicU64;

/// One inline slot.
pub(crate) struct InlineSlot<'a> {
    pub(crate) stamp: &'a AtomicU64,
    /// The words of the message header.
    pub(crate) header: &'a [AtomicU64],
    pub(crate) payload: Payload<'a>,
}
