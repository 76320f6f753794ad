//! The Rust part of `seqring.pipeline`.
//!
//! Python decides on the contents: messages are bytes that only its two ends interpret, and arrays
//! are at offsets that Python knows, in the one buffer of an item.

mod errors;
mod host;
mod item_buffer;
mod pending_exception;
mod python_role;
mod worker_entry;
mod worker_processes;

pub(crate) use host::Host;
pub(crate) use item_buffer::ItemBuffer;
pub(crate) use worker_entry::{interrupt_thread, refuse_start, run_commander, run_producer};
