//! What happens seldom, told to whoever listens: events of the crate `tracing`, if the feature of that name is on.
//!
//! None of it is on the path of a message.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "nobody listens"))]

use crate::protocol::attachment::Attachment;
use crate::types::participant::Role;
use crate::types::participant::{BlockedOn, Peer};

#[cfg(feature = "tracing")]
use tracing::{debug, warn};

#[cfg(not(feature = "tracing"))]
macro_rules! silence {
    ($($event:tt)*) => {};
}
#[cfg(not(feature = "tracing"))]
use silence as debug;
#[cfg(not(feature = "tracing"))]
use silence as warn;

pub(crate) fn joined(attachment: &Attachment, role: Role, entry: usize) {
    debug!(ring = attachment.name(), ?role, entry, "joined");
}

pub(crate) fn left(attachment: &Attachment, role: Option<Role>, entry: usize) {
    debug!(ring = attachment.name(), ?role, entry, "left");
}

/// `role` is none for a writer that somebody else found before, and died over it.
pub(crate) fn found_dead(attachment: &Attachment, role: Option<Role>, pid: u32, entry: usize) {
    warn!(ring = attachment.name(), ?role, pid, entry, "found dead, and cleared");
}

pub(crate) fn evicted(attachment: &Attachment, pid: u32, entry: usize, skipped_to: u64) {
    warn!(ring = attachment.name(), pid, entry, skipped_to, "evicted a reader that held writers back");
}

/// A writer waited for a reader in vain.
pub(crate) fn writer_timed_out(attachment: &Attachment, slowest: Option<Peer>) {
    if let Some(Peer { pid, entry, lag, .. }) = slowest {
        warn!(ring = attachment.name(), pid, entry, lag, "timed out waiting for the slowest reader");
    } else {
        warn!(ring = attachment.name(), "timed out waiting for a free slot");
    }
}

/// A reader or taker waited for a message in vain.
pub(crate) fn reader_timed_out(attachment: &Attachment, writers: BlockedOn) {
    debug!(ring = attachment.name(), %writers, "timed out waiting for a message");
}
