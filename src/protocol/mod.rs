//! The algorithms, written on the typed views of [`crate::memory`].
//!
//! **Invariant:** a step here is a load, a store or an exchange of a shared word, with its pairing
//! named. No algorithm computes an address or makes a system call for a message.

pub(crate) mod arena_slot;
pub(crate) mod attachment;
pub(crate) mod backpressure;
pub(crate) mod blocker;
pub(crate) mod call;
pub(crate) mod diagnostics;
pub(crate) mod entry_state;
pub(crate) mod events;
pub(crate) mod eviction;
pub(crate) mod gap;
pub(crate) mod inline_slot;
pub(crate) mod intent_log;
pub(crate) mod lazy_counter;
pub(crate) mod multi_writer;
pub(crate) mod reader_entry;
pub(crate) mod registry;
pub(crate) mod seqlock;
pub(crate) mod slots;
pub(crate) mod standby_buffer;
pub(crate) mod stats;
pub(crate) mod stream_state;
pub(crate) mod table;
pub(crate) mod take;
