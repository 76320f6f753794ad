//! What users call.
//!
//! **Invariant:** no protocol step is written here: an API function checks its arguments, calls an
//! endpoint and maps the result. [`form`] has the rule that every blocking call follows.

// First, what is first in the documentation: rustdoc shows the `impl` blocks of a type in the order
// of the modules.
pub(crate) mod ring;

pub(crate) mod reader;

pub(crate) mod writer;

pub(crate) mod taker;

pub(crate) mod table;
pub(crate) mod wait_set;

pub(crate) mod assigned;
pub(crate) mod batch;
pub(crate) mod call;
pub(crate) mod claim;
#[cfg(target_os = "linux")]
pub(crate) mod descriptors;
#[cfg(not(any(seqring_model, seqring_fuzz)))]
pub(crate) mod fan_in;
mod form;
#[cfg(all(feature = "async", target_os = "linux", not(seqring_model)))]
pub(crate) mod futures;
#[cfg(target_os = "linux")]
pub(crate) mod inspect;
pub(crate) mod membership;
#[cfg(not(any(seqring_model, seqring_fuzz)))]
pub(crate) mod merge;
mod name;
#[cfg(target_os = "linux")]
pub(crate) mod observer;
pub(crate) mod open;
pub(crate) mod park;
pub(crate) mod typed;
pub(crate) mod view;

// Last, what few programs need.
mod elsewhere;
