//! What the models in `loom-tests` and `shuttle-tests` need beside the public API.

pub use crate::memory::exclusive_payloads;
pub use crate::sync::failpoint::{Failpoint, dies_at};
#[cfg(seqring_loom)]
pub use crate::sync::loads_may_be_old;
pub use crate::sync::membarrier::imp::set_heavy_barrier;
pub use crate::sync::mutation::{Mutation, activate};
pub use crate::sync::{End, weaken};

use crate::api::call::{Caller, Server};
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

/// Leaves a writer's entry as its death does. Returns the entry.
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

/// As [`abandon`].
pub fn abandon_server(server: Server) -> usize {
    let entry = server.entry();
    std::mem::forget(server);
    entry
}

/// As [`abandon`].
pub fn abandon_caller(caller: Caller) -> usize {
    let entry = caller.entry();
    std::mem::forget(caller);
    entry
}

/// Releases the entry of a dead participant, as the kernel does.
pub fn bury(ring: &Ring, entry: usize) {
    ring.attachment.liveness.release(entry);
}

/// Detects deaths among the participants of that role, as a waiting participant does now and then.
pub fn look_for_the_dead(ring: &Ring, role: Role) {
    registry::recover_dead(&ring.attachment, role);
}

/// Evicts the readers that block the next message, as a waiting writer does after a while.
pub fn evict(ring: &Ring) {
    eviction::evict_blocking_readers(&ring.attachment);
}

/// Releases the parking lock of an entry, as the kernel does when the process that parked it dies.
pub fn bury_parker(ring: &Ring, entry: usize) {
    bury(ring, ring.attachment.memory.layout().config.participants + entry);
}

/// The buffer that an entry owns, as a survivor recovers it.
pub fn settle(ring: &Ring, entry: usize) -> usize {
    let memory = &ring.attachment.memory;
    let Class::Arena(words) = Slots::new(memory.clone()).class else {
        panic!("inline slots have no buffers")
    };
    let recovered = intent_log::recover(memory, words, entry).unwrap();
    recovered.map_or(memory.layout().config.slots + entry, |recovered| recovered.buffer)
}

/// All buffers: those that slots name, and those of the entries. No participant may be at work.
pub fn owned_buffers(ring: &Ring) -> Vec<usize> {
    let memory = &ring.attachment.memory;
    let config = &memory.layout().config;
    let Class::Arena(words) = Slots::new(memory.clone()).class else {
        panic!("inline slots have no buffers")
    };
    let mut slot = SlotIndex::new(0, config.slots);
    let mut owned = Vec::new();
    for _ in 0..config.slots {
        owned.push(words.any_buffer(memory.slot_word(&slot).load(Relaxed)));
        slot.advance();
    }
    owned.extend((0..config.participants).map(|entry| settle(ring, entry)));
    owned
}
