//! Shared parts of the fuzz targets: configurations of rings, operations on them, and a hostile
//! peer.
//!
//! Inputs are plain data, which `arbitrary` makes from the fuzzer's bytes: a finding prints as a
//! ring and the operations that show it, and is reproducible.

pub mod act;
pub mod peer;
pub mod shape;

pub use act::{Act, Users};
pub use peer::{Change, Peer, Place};
pub use shape::Shape;
