//! The state of one participant: where it writes or reads next, and how it waits.
//!
//! **Invariant:** an endpoint is owned by one thread at a time; what it shares lies in the ring's
//! memory.

#[cfg_attr(any(not(target_os = "linux"), seqring_model), path = "notifier/none.rs")]
pub(crate) mod notifier;
pub(crate) mod publisher;
pub(crate) mod read_cursor;
pub(crate) mod wait;
#[cfg(all(target_os = "linux", not(seqring_model)))]
pub(crate) mod watcher;
