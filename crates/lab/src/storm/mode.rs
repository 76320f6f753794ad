//! The kinds of ring that the storm goes over, and what each promises.

use seqring::{Config, Delivery, SlotClass, Writers};
use std::time::Duration;

/// A kind of ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
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
    /// One writer, readers waited for unless they stand still.
    Evicting,
    /// Many writers, each message to one taker.
    Queue,
}

impl Mode {
    pub(crate) const ALL: [Mode; 8] = [
        Mode::PackedLossy,
        Mode::LinesGated,
        Mode::ArenaLossy,
        Mode::ArenaGated,
        Mode::ManyLossy,
        Mode::ManyGated,
        Mode::Evicting,
        Mode::Queue,
    ];

    /// Bytes of every message: enough for a check of it, and for tearing where there are buffers.
    pub(crate) fn message_bytes(self) -> usize {
        match self {
            Mode::PackedLossy => 24,
            Mode::LinesGated | Mode::Evicting => 120,
            _ => 1000,
        }
    }

    pub(crate) fn config(self) -> Config {
        let config = |slots| Config::new(slots, self.message_bytes()).participants(24);
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

    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::PackedLossy => "packed-lossy",
            Mode::LinesGated => "lines-gated",
            Mode::ArenaLossy => "arena-lossy",
            Mode::ArenaGated => "arena-gated",
            Mode::ManyLossy => "many-lossy",
            Mode::ManyGated => "many-gated",
            Mode::Evicting => "evicting",
            Mode::Queue => "queue",
        }
    }

    /// Whether a registered reader gets every message.
    pub(crate) fn loses_nothing(self) -> bool {
        matches!(self, Mode::LinesGated | Mode::ArenaGated | Mode::ManyGated)
    }

    /// Whether writers wait for nobody.
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
