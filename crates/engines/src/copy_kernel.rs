//! Copies that may race, for the ticket ring's lossy readers: the very kernels of the ring that it is compared with.
//!
//! The source is the library's own file, compiled here once more: it is private to the library, and a contestant with
//! another copy would measure that copy.
#![allow(unsafe_code, reason = "the kernels copy through raw pointers")]

#[path = "../../../src/memory/copy/mod.rs"]
#[allow(dead_code, reason = "what the library needs of it and this ring does not")]
mod copy;

pub(crate) use copy::Kernel;
