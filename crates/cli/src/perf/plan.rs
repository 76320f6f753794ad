//! What a run does: flags and scenario together, checked, every value filled in.

use super::BadInput;
use super::message::SHORTEST_BYTES;
use super::options::{OnFull, PerfOptions, Pinning, Transport};
use anyhow::Result;
use harness::ring_spec::{Delivery, Place, RingSpec};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A checked run. Workers receive it unchanged, and the record repeats it. The fields are those of
/// [`PerfOptions`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the flags of PerfOptions have the same names")]
pub struct Plan {
    pub scenario: Option<u8>,
    pub delivery: Delivery,
    pub transport: Transport,
    pub on_full: OnFull,
    pub slot_bytes: usize,
    pub slots: usize,
    pub duration_seconds: f64,
    pub writes_per_second: u64,
    pub writers: usize,
    pub stall_last_writer: bool,
    pub readers: usize,
    pub reader_polls_every_microseconds: Option<u64>,
    pub reader_burn_cpu_milliseconds: u64,
    pub verify_writes: bool,
    pub zero_copy: bool,
    pub pin: Option<Pinning>,
    pub name: Option<String>,
}

#[derive(Clone, Copy)]
struct Scenario {
    slot_bytes: usize,
    slots: usize,
    writes_per_second: u64,
    readers: usize,
    burn_milliseconds: u64,
    verify: bool,
    duration_seconds: f64,
}

/// Without `--scenario`: one reader, as fast as possible.
const DEFAULT: Scenario = Scenario {
    slot_bytes: 1_000_000,
    slots: 10,
    writes_per_second: 0,
    readers: 1,
    burn_milliseconds: 0,
    verify: true,
    duration_seconds: 10.0,
};

/// The default, then the five scenarios of the Python package `ringbuffer`.
const SCENARIOS: [Scenario; 6] = [
    DEFAULT,
    // A camera and a few readers.
    Scenario { slots: 50, writes_per_second: 24, readers: 5, ..DEFAULT },
    // A camera and many readers.
    Scenario { writes_per_second: 24, readers: 100, ..DEFAULT },
    // Many small frames for one reader.
    Scenario { writes_per_second: 2000, ..DEFAULT },
    // Large frames: the time goes into the copies, so nothing else is done with the bytes.
    Scenario { slot_bytes: 100_000_000, slots: 3, writes_per_second: 24, verify: false, ..DEFAULT },
    // Readers that are slower than the camera: 10 messages a second of its 24.
    Scenario { writes_per_second: 24, readers: 4, burn_milliseconds: 100, duration_seconds: 3.0, ..DEFAULT },
];

/// A year: the clock arithmetic is not checked beyond it.
const LONGEST_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

/// A stamp holds the number of a writer in 16 bits.
const MOST_WRITERS: usize = (1 << 16) - 1;

impl Plan {
    /// Fills `options` in from their scenario, and checks them.
    ///
    /// # Errors
    /// [`BadInput`], naming the flag. The ring itself refuses bad names and sizes when it is
    /// created.
    pub fn new(options: &PerfOptions) -> Result<Self> {
        let scenario = SCENARIOS.get(usize::from(options.scenario.unwrap_or(0)));
        let scenario =
            scenario.ok_or_else(|| BadInput(format!("there is no scenario {:?}", options.scenario)))?;
        let plan = Plan {
            scenario: options.scenario,
            delivery: options.delivery.unwrap_or_default(),
            transport: options.transport.unwrap_or_default(),
            on_full: options.on_full.unwrap_or_default(),
            slot_bytes: options.slot_bytes.unwrap_or(scenario.slot_bytes),
            slots: options.slots.unwrap_or(scenario.slots),
            duration_seconds: options.duration_seconds.unwrap_or(scenario.duration_seconds),
            writes_per_second: options.writes_per_second.unwrap_or(scenario.writes_per_second),
            writers: options.writers.unwrap_or(1),
            stall_last_writer: options.stall_last_writer,
            readers: options.readers.unwrap_or(scenario.readers),
            reader_polls_every_microseconds: options.reader_polls_every_microseconds,
            reader_burn_cpu_milliseconds: options
                .reader_burn_cpu_milliseconds
                .unwrap_or(scenario.burn_milliseconds),
            verify_writes: options.verify_writes || (scenario.verify && !options.no_verify_writes),
            zero_copy: options.zero_copy,
            pin: options.pin,
            name: options.name.clone(),
        };
        plan.check().map_err(BadInput)?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), String> {
        if self.slots == 0 {
            return Err("--slots must be at least 1".into());
        }
        if self.slot_bytes < SHORTEST_BYTES {
            return Err(format!(
                "--slot-bytes must be at least {SHORTEST_BYTES}, not {}: every message carries its writer, number \
                 and moment",
                self.slot_bytes
            ));
        }
        if !(self.duration_seconds > 0.0 && self.duration_seconds <= LONGEST_SECONDS) {
            return Err(format!(
                "--duration-seconds must be more than 0 and at most {LONGEST_SECONDS}, not {}",
                self.duration_seconds
            ));
        }
        if !(1..=MOST_WRITERS).contains(&self.writers) {
            return Err(format!("--writers must be 1 to {MOST_WRITERS}, not {}", self.writers));
        }
        if self.stall_last_writer && self.writers < 2 {
            return Err("--stall-last-writer needs --writers 2 or more: the others are measured".into());
        }
        Ok(())
    }

    pub(crate) fn ring(&self) -> RingSpec {
        RingSpec {
            slots: self.slots,
            slot_bytes: self.slot_bytes,
            delivery: self.delivery,
            writers: self.writers,
            readers: self.readers,
        }
    }

    /// The place of the ring. `made_up` is its name if it needs one and the user gave none.
    pub(crate) fn place(&self, made_up: impl FnOnce() -> String) -> Place {
        match (&self.name, self.transport) {
            (Some(name), _) => Place::Named(name.clone()),
            (None, Transport::Process) => Place::Named(made_up()),
            (None, Transport::Thread) => Place::Heap,
        }
    }

    /// Whether the writer of that number stays in the middle of a write all the time.
    pub fn is_stalled(&self, writer: usize) -> bool {
        self.stall_last_writer && writer + 1 == self.writers
    }

    /// How long the writers write.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.duration_seconds)
    }

    /// How long a polling reader pauses after a poll that found nothing.
    pub(crate) fn poll_interval(&self) -> Option<Duration> {
        self.reader_polls_every_microseconds.map(Duration::from_micros)
    }

    /// The rate to reach, if there is one.
    pub fn target(&self) -> Option<f64> {
        (self.writes_per_second > 0).then_some(self.writes_per_second as f64)
    }

    /// One message in so many is timed: every one, unless a clock read is expensive beside the
    /// message.
    pub(crate) fn timed_every(&self) -> u64 {
        if self.target().is_some() || self.slot_bytes >= 4096 { 1 } else { 64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_overrides_the_value_of_its_scenario_and_nothing_else() {
        let options =
            PerfOptions { scenario: Some(4), slots: Some(7), verify_writes: true, ..PerfOptions::default() };
        let plan = Plan::new(&options).unwrap();
        assert_eq!((plan.slots, plan.slot_bytes, plan.writes_per_second), (7, 100_000_000, 24));
        assert!(plan.verify_writes);
    }
}
