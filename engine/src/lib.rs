//! The rings of this library as contestants: implementations of [`bench_support::engine::Engine`].
//!
//! The command and the comparison with others drive the same ones, so that a figure of one can be found again in the
//! other.

mod layout;
mod ring;

pub use layout::{Arena, Layout, Lines, Packed, Suited};
pub use ring::{RingReader, RingWriter, Seqring, Shaped};
