//! Plain values: what callers configure, receive and match on.
//!
//! **Invariant:** nothing here accesses a ring. This layer imports no other.

pub(crate) mod backend;
pub(crate) mod cast;
pub(crate) mod config;
pub(crate) mod error;
pub(crate) mod frame;
pub(crate) mod location;
pub(crate) mod message;
pub(crate) mod open_options;
pub(crate) mod participant;
pub(crate) mod waiting;
