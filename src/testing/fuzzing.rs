//! What the targets in `fuzz` need beside the public API: rings made of any bytes, and a peer that
//! stores anything. What `crates/transfers` needs: to watch each access, also to words of its own.

pub use crate::sync::hostile::{Access, AtomicU64 as SharedWord, before_each_access, watch_each_access};

use crate::api::ring::Ring;
use crate::memory::Memory;
use crate::memory::header::Superblock;
use crate::segment::Backing;
use crate::sync::Relaxed;
use std::sync::Arc;
use zerocopy::FromBytes;

/// The ring that a file of these bytes holds, in heap memory, whose bounds the sanitizer knows.
///
/// # Errors
/// Why such a file cannot be opened.
pub fn attach(bytes: &[u8]) -> Result<Ring, String> {
    let (superblock, _) = Superblock::read_from_prefix(bytes).map_err(|_| "less than a header")?;
    let memory = Memory::heap(Arc::new(superblock.layout(bytes.len() as u64)?), false)?;
    for (word, bytes) in bytes[..memory.layout().total_bytes].chunks_exact(8).enumerate() {
        memory.word(word).store(u64::from_ne_bytes(bytes.try_into().expect("eight bytes")), Relaxed);
    }
    Ok(Ring::attach(memory, Backing::Heap, Vec::new()))
}

/// Changes a word of a ring's memory, counted from its start, as a peer may.
///
/// # Panics
/// If the ring is shorter.
pub fn poke(ring: &Ring, word: usize, change: impl FnOnce(u64) -> u64) {
    let word = ring.attachment.memory.word(word);
    word.store(change(word.load(Relaxed)), Relaxed);
}

/// The offsets of a ring's entries, slots and buffer headers, the stride of the headers, and the
/// offset of the end, in words.
pub fn landmarks(ring: &Ring) -> [usize; 5] {
    let layout = ring.attachment.memory.layout();
    let offsets = [
        crate::memory::layout::ENTRIES_OFFSET,
        layout.slots_offset,
        layout.headers_offset,
        layout.header_stride,
        layout.total_bytes,
    ];
    offsets.map(|offset| offset / 8)
}
