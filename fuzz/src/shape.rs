//! The configuration of a small ring of any kind.

use arbitrary::Arbitrary;
use seqring::{Config, Delivery, SlotClass, Writers};
use std::time::Duration;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Packed(Broadcast),
    Lines(Broadcast),
    Arena(Broadcast),
    Many(Broadcast),
    Queue,
    Call,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Broadcast {
    Gated,
    Lossy,
}

/// The configuration of a ring.
#[derive(Arbitrary, Clone, Debug)]
pub struct Shape {
    kind: Kind,
    slots: u8,
    slot_bytes: u16,
    meta_bytes: u8,
    tag: bool,
    timestamp: bool,
    observers: bool,
    evicts: bool,
    participants: u8,
    /// The first sequence is 2 to the power of this (modulo 61), less 1.
    first_bits: u8,
}

impl Shape {
    /// Slots of up to 400 bytes: lengths above 256 are copied by assembly, others by words.
    pub fn config(&self) -> Config {
        let config = Config::slots(1 + usize::from(self.slots % 8))
            .of_bytes(1 + usize::from(self.slot_bytes % 400))
            .participants(2 + usize::from(self.participants % 5))
            .first_sequence((1_u64 << (self.first_bits % 61)) - 1)
            .tag(self.tag)
            .timestamp(self.timestamp)
            .meta_bytes(usize::from(self.meta_bytes % 24))
            .observers(self.observers);
        let delivered = |broadcast| match broadcast {
            Broadcast::Gated if self.evicts => config.clone().evict_after(Duration::from_millis(1)),
            Broadcast::Gated => config.clone(),
            Broadcast::Lossy => config.clone().delivery(Delivery::Lossy),
        };
        match self.kind {
            Kind::Packed(broadcast) => delivered(broadcast).slot_class(SlotClass::Packed),
            Kind::Lines(broadcast) => delivered(broadcast).slot_class(SlotClass::Lines),
            Kind::Arena(broadcast) => delivered(broadcast).slot_class(SlotClass::Arena),
            Kind::Many(broadcast) => delivered(broadcast).writers(Writers::Many),
            Kind::Queue => config.delivery(Delivery::Queue),
            Kind::Call => Config::calls(1 + usize::from(self.slots % 4)).of_bytes(config.slot_bytes),
        }
    }
}
