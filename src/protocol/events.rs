//! Rare events, emitted through the crate `tracing` if the feature of that name is on. None of them
//! is on the path of a message.
//!
//! A subscriber is the caller's code and may panic. So an event is the last step: what had to be
//! released is released, and what had to be notified is notified.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "events are off"))]

use crate::protocol::attachment::Attachment;
use crate::types::participant::{BlockedOn, Peer, Role};

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

pub(crate) fn registered(attachment: &Attachment, role: Role, entry: usize) {
    debug!(ring = attachment.name(), ?role, entry, "registered");
}

pub(crate) fn deregistered(attachment: &Attachment, role: Option<Role>, entry: usize) {
    let role = role.map(|role| role.in_ring(attachment.memory.layout().config.delivery));
    debug!(ring = attachment.name(), ?role, entry, "deregistered");
}

/// `role` is `None` for a dead writer whose recovery another process began and did not finish.
pub(crate) fn recovered_dead(attachment: &Attachment, role: Option<Role>, pid: u32, entry: usize) {
    let role = role.map(|role| role.in_ring(attachment.memory.layout().config.delivery));
    warn!(ring = attachment.name(), ?role, pid, entry, "recovered the entry of a dead participant");
}

pub(crate) fn evicted(attachment: &Attachment, pid: u32, entry: usize, skipped_to: u64) {
    warn!(ring = attachment.name(), pid, entry, skipped_to, "evicted a reader that held writers back");
}

pub(crate) fn writer_timed_out(attachment: &Attachment, slowest: Option<Peer>) {
    if let Some(Peer { pid, entry, lag, .. }) = slowest {
        warn!(ring = attachment.name(), pid, entry, lag, "timed out waiting for the slowest reader");
    } else {
        warn!(ring = attachment.name(), "timed out waiting for a free slot");
    }
}

pub(crate) fn reader_timed_out(attachment: &Attachment, writers: BlockedOn) {
    debug!(ring = attachment.name(), %writers, "timed out waiting for a message");
}

/// `server` is the one that a caller waits for.
pub(crate) fn call_timed_out(attachment: &Attachment, server: Option<Peer>) {
    let pid = server.map(|server| server.pid);
    debug!(ring = attachment.name(), ?pid, "timed out waiting for a question or an answer");
}
