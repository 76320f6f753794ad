//! The rings of the library as contestants: one [`Seqring`] type a slot layout.

mod layout;
mod ring;

pub use layout::{Arena, Layout, Lines, Packed, Suited};
pub use ring::{RingReader, RingWriter, Seqring, Shaped};
