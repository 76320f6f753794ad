//! The kinds of ring in the storm, and their promises.

use clap::ValueEnum;
use seqring::{Config, Delivery, SlotClass, Writers};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// One writer, packed slots, readers overtaken.
    PackedLossy,
    /// One writer, slots on lines, readers waited for.
    LinesGated,
    /// One writer, buffers, readers overtaken.
    ArenaLossy,
    /// One writer, buffers, readers waited for.
    ArenaGated,
    /// Many writers, readers overtaken.
    ManyLossy,
    /// Many writers, readers waited for.
    ManyGated,
    /// One writer, readers waited for unless they stop.
    Evicting,
    /// Many writers, each message to one taker.
    Queue,
}

impl Mode {
    /// Bytes of every message: enough for a check of it, and for tearing where there are buffers.
    pub(crate) fn message_bytes(self) -> usize {
        match self {
            Mode::PackedLossy => 24,
            Mode::LinesGated | Mode::Evicting => 120,
            _ => 1000,
        }
    }

    pub(crate) fn config(self) -> Config {
        let config = |slots| Config::slots(slots).of_bytes(self.message_bytes()).participants(24);
        match self {
            Mode::PackedLossy => config(64).slot_class(SlotClass::Packed).delivery(Delivery::Lossy),
            Mode::LinesGated => config(5).slot_class(SlotClass::Lines),
            Mode::ArenaLossy => config(7).slot_class(SlotClass::Arena).delivery(Delivery::Lossy),
            Mode::ArenaGated => config(3).slot_class(SlotClass::Arena),
            Mode::ManyLossy => config(4).writers(Writers::Many).delivery(Delivery::Lossy),
            Mode::ManyGated => config(4).writers(Writers::Many),
            Mode::Evicting => config(8).slot_class(SlotClass::Lines).evict_after(Duration::from_millis(10)),
            Mode::Queue => config(6).delivery(Delivery::Queue),
        }
    }

    pub(crate) fn name(self) -> String {
        self.to_possible_value().expect("no mode is skipped").get_name().to_owned()
    }

    /// Whether a registered reader gets every message.
    pub(crate) fn loses_nothing(self) -> bool {
        matches!(self, Mode::LinesGated | Mode::ArenaGated | Mode::ManyGated)
    }

    /// Whether writers never wait.
    pub(crate) fn overtakes(self) -> bool {
        matches!(self, Mode::PackedLossy | Mode::ArenaLossy | Mode::ManyLossy)
    }

    pub(crate) fn has_many_writers(self) -> bool {
        matches!(self, Mode::ManyLossy | Mode::ManyGated | Mode::Queue)
    }

    /// Writers at a time.
    pub(crate) fn writers(self) -> usize {
        if self.has_many_writers() { 3 } else { 1 }
    }
}
