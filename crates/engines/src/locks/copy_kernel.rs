//! Copies that may race, for lossy readers of the ticket ring: the kernels of the ring that it is
//! compared with.
//!
//! The source is the library's own file, compiled here once more: the library does not export it,
//! and a contestant with another copy would measure the copy.
#![allow(unsafe_code, reason = "the kernels copy through raw pointers")]

#[path = "../../../../src/memory/copy/mod.rs"]
#[allow(dead_code, reason = "the library uses more of it than this ring")]
mod copy;

pub(crate) use copy::Kernel;
