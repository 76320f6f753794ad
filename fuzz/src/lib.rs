//! What the fuzz targets share: rings to make, things to do to them, and a peer that stores what it likes.
//!
//! Inputs are plain data, made by `arbitrary` out of the fuzzer's bytes: what libFuzzer finds prints as the ring and the
//! acts that show it, and runs the same every time.

pub mod act;
pub mod peer;
pub mod shape;

pub use act::{Act, Crowd};
pub use peer::{Change, Peer, Place};
pub use shape::Shape;
