//! What the models in `loom-tests` and `shuttle-tests` need beside the public API.

pub use crate::memory::exclusive_payloads;
pub use crate::sync::failpoint::{Failpoint, dies_at};
pub use crate::sync::membarrier::imp::heavy_barrier;
pub use crate::sync::mutation::{Mutation, activate};
pub use crate::sync::{End, Pair, weaken};

use crate::api::reader::Reader;
use crate::api::ring::Ring;
use crate::api::taker::Taker;
use crate::api::writer::Writer;
use crate::memory::slot_index::SlotIndex;
use crate::protocol::eviction;
use crate::protocol::intent_log;
use crate::protocol::registry;
use crate::protocol::slots::{Class, Slots};
use crate::sync::Relaxed;
use crate::types::participant::Role;

/// Leaves a writer as its death does: its entry stays as it is. Returns the entry.
pub fn abandon(writer: Writer) -> usize {
    let entry = writer.entry();
    std::mem::forget(writer);
    entry
}

/// As [`abandon`].
pub fn abandon_taker(taker: Taker) -> usize {
    let entry = taker.entry();
    std::mem::forget(taker);
    entry
}

/// As [`abandon`].
pub fn abandon_reader(reader: Reader) -> usize {
    let entry = reader.entry();
    std::mem::forget(reader);
    entry
}

/// Lets go of the entry of somebody who died, as the kernel does.
pub fn bury(ring: &Ring, entry: usize) {
    ring.attachment.liveness.release(entry);
}

/// Looks for the dead among the participants of that role, as whoever waits for them does now and then.
pub fn look_for_the_dead(ring: &Ring, role: Role) {
    registry::clear_dead(&ring.attachment, role);
}

/// Evicts the readers that keep the next message from being published, as whoever waits for them does after a while.
pub fn evict(ring: &Ring) {
    eviction::evict_whoever_is_in_the_way(&ring.attachment);
}

/// Lets go of the parking of an entry, as the kernel does when whoever parked it dies.
pub fn bury_parker(ring: &Ring, entry: usize) {
    bury(ring, ring.attachment.memory.layout().config.participants + entry);
}

/// The buffer that an entry owns, as a survivor finds out.
pub fn settle(ring: &Ring, entry: usize) -> usize {
    let memory = &ring.attachment.memory;
    let Class::Arena(words) = Slots::new(memory.clone()).class else {
        panic!("inline slots have no buffers")
    };
    let settled = intent_log::settle(memory, words, entry).unwrap();
    settled.map_or(memory.layout().config.slots + entry, |settled| settled.buffer)
}

/// All buffers: those that slots name, and those of the entries. Nobody may be at work.
pub fn owned_buffers(ring: &Ring) -> Vec<usize> {
    let memory = &ring.attachment.memory;
    let config = &memory.layout().config;
    let Class::Arena(words) = Slots::new(memory.clone()).class else {
        panic!("inline slots have no buffers")
    };
    let mut place = SlotIndex::of(0, config.slots);
    let mut owned = Vec::new();
    for _ in 0..config.slots {
        owned.push(words.any_buffer(memory.slot_word(&place).load(Relaxed)));
        place.step();
    }
    owned.extend((0..config.participants).map(|entry| settle(ring, entry)));
    owned
}
