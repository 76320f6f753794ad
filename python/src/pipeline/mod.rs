//! Pipelines: what `seqring.pipeline`, in Python, is made of.
//!
//! Python decides what goes through: messages are bytes that only its two ends understand, and arrays lie in the one buffer
//! of an item, at offsets that Python knows.

mod calls;
mod failures;
mod filling;
mod host;
mod lease;
mod memory;
mod raised;
mod workers;
mod working;

pub(crate) use filling::Filling;
pub(crate) use host::Host;
pub(crate) use lease::Lease;
pub(crate) use working::{be_commander, be_producer, interrupt, refuse};
