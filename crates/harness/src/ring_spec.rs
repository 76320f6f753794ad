//! The ring that a measurement needs, and the capabilities of an engine.

use crate::refusal::EngineError;
use serde::{Deserialize, Serialize};

/// Whether messages can be lost, and which readers receive them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Delivery {
    /// Nothing is lost; a full ring refuses the write.
    #[default]
    Gated,
    /// Writers never wait; a reader that was too slow learns how many messages it lost.
    Lossy,
    /// Each message goes to exactly one of the readers; a full ring refuses the write.
    Queue,
}

/// The ring that a measurement needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RingSpec {
    /// Slots. An engine that rounds up to a power of two refuses a number that is none.
    pub slots: usize,
    /// The largest message, in bytes.
    pub slot_bytes: usize,
    /// Whether messages can be lost, and which readers receive them.
    pub delivery: Delivery,
    /// How many writers there may be at the same time; with one, the engine may choose its
    /// single-writer algorithm.
    pub writers: usize,
    /// How many readers there may be at the same time.
    pub readers: usize,
}

impl RingSpec {
    /// Whether an engine with `capabilities` can make this ring at `place`.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] with the first thing that it cannot do.
    pub fn check(&self, place: &Place, capabilities: Capabilities) -> Result<(), EngineError> {
        let (delivers, delivery) = match self.delivery {
            Delivery::Lossy => (capabilities.lossy, "lossy delivery"),
            Delivery::Gated => (capabilities.gated, "gated delivery"),
            Delivery::Queue => (capabilities.queue, "a queue"),
        };
        let needs = [
            (delivers, delivery),
            (capabilities.many_writers || self.writers <= 1, "many writers"),
            (capabilities.many_readers || self.readers <= 1, "many readers"),
            (capabilities.between_processes || *place == Place::Heap, "use between processes"),
        ];
        needs.iter().find(|(can, _)| !can).map_or(Ok(()), |(_, what)| Err(EngineError::Unsupported { what }))
    }
}

/// Where a ring lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In memory of this process, for its threads.
    Heap,
    /// In shared memory under this name, for the processes of the machine.
    Named(String),
}

/// What an engine can do: one column of the comparison's table each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "independent answers to independent questions")]
pub struct Capabilities {
    /// Between processes, and not only between threads.
    pub between_processes: bool,
    /// [`Delivery::Lossy`].
    pub lossy: bool,
    /// [`Delivery::Gated`].
    pub gated: bool,
    /// [`Delivery::Queue`].
    pub queue: bool,
    /// More than one writer at the same time.
    pub many_writers: bool,
    /// More than one reader at the same time.
    pub many_readers: bool,
    /// A message can be built in its slot.
    pub writes_in_place: bool,
    /// A message can be read in its slot, at least where nothing can be lost.
    pub reads_in_place: bool,
}

impl Capabilities {
    /// Nothing, the base of the list of an engine.
    pub const NONE: Self = Self {
        between_processes: false,
        lossy: false,
        gated: false,
        queue: false,
        many_writers: false,
        many_readers: false,
        writes_in_place: false,
        reads_in_place: false,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: RingSpec =
        RingSpec { slots: 4, slot_bytes: 64, delivery: Delivery::Lossy, writers: 1, readers: 1 };
    const LOSSY: Capabilities = Capabilities { lossy: true, ..Capabilities::NONE };

    fn lacks(spec: RingSpec, place: &Place) -> &'static str {
        match spec.check(place, LOSSY) {
            Err(EngineError::Unsupported { what }) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_ring_within_the_capabilities_is_accepted() {
        assert!(SPEC.check(&Place::Heap, LOSSY).is_ok());
    }

    #[test]
    fn a_missing_capability_is_named() {
        let named = Place::Named("ring".to_owned());
        assert_eq!(lacks(RingSpec { delivery: Delivery::Gated, ..SPEC }, &Place::Heap), "gated delivery");
        assert_eq!(lacks(RingSpec { delivery: Delivery::Queue, ..SPEC }, &Place::Heap), "a queue");
        assert_eq!(lacks(RingSpec { writers: 2, ..SPEC }, &Place::Heap), "many writers");
        assert_eq!(lacks(RingSpec { readers: 2, ..SPEC }, &Place::Heap), "many readers");
        assert_eq!(lacks(SPEC, &named), "use between processes");
    }
}
