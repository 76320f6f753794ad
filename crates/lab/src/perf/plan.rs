//! What a run does: flags and scenario together, checked, every value filled in.

use super::BadInput;
use super::message::SHORTEST_BYTES;
use super::options::{Delivery, OnFull, Options, Pinning, Transport};
use super::scenario::Scenario;
use crate::engines::EngineName;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A checked run. Workers get it as it is, and the record repeats it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) scenario: Option<u8>,
    pub(crate) engine: EngineName,
    pub(crate) delivery: Delivery,
    pub(crate) transport: Transport,
    pub(crate) on_full: OnFull,
    pub(crate) slot_bytes: usize,
    pub(crate) slots: usize,
    pub(crate) duration_seconds: f64,
    pub(crate) writes_per_second: u64,
    pub(crate) writers: usize,
    pub(crate) stall_last_writer: bool,
    pub(crate) readers: usize,
    pub(crate) reader_polls_every_microseconds: Option<u64>,
    pub(crate) reader_burn_cpu_milliseconds: u64,
    pub(crate) verify_writes: bool,
    pub(crate) zero_copy: bool,
    pub(crate) pin: Option<Pinning>,
    pub(crate) name: Option<String>,
}

impl Plan {
    /// Fills `options` in from their scenario, and checks them.
    ///
    /// # Errors
    /// [`BadInput`], naming the flag. What only the ring can judge (names, sizes) it refuses when it is made.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let scenario = Scenario::numbered(options.scenario)
            .ok_or_else(|| BadInput(format!("there is no scenario {:?}", options.scenario)))?;
        let plan = Plan {
            scenario: options.scenario,
            engine: options.engine.unwrap_or_default(),
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
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(BadInput(what).into());
        if self.slots == 0 {
            return refuse("--slots must be at least 1".into());
        }
        if self.slot_bytes < SHORTEST_BYTES {
            return refuse(format!(
                "--slot-bytes must be at least {SHORTEST_BYTES}, not {}: every message carries its writer, number, \
                 moment and checksum",
                self.slot_bytes
            ));
        }
        if !(self.duration_seconds > 0.0 && self.duration_seconds <= LONGEST_SECONDS) {
            return refuse(format!(
                "--duration-seconds must be more than 0 and at most {LONGEST_SECONDS}, not {}",
                self.duration_seconds
            ));
        }
        if !(1..=MOST_WRITERS).contains(&self.writers) {
            return refuse(format!("--writers must be 1 to {MOST_WRITERS}, not {}", self.writers));
        }
        if self.stall_last_writer && self.writers < 2 {
            return refuse(
                "--stall-last-writer needs --writers 2 or more: the others are what is looked at".into(),
            );
        }
        Ok(())
    }

    /// Whether the writer of that number stands in the middle of a write all the time.
    pub(crate) fn is_stalled(&self, writer: usize) -> bool {
        self.stall_last_writer && writer + 1 == self.writers
    }

    /// How long to write.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.duration_seconds)
    }

    /// How long a reader spins after each message.
    pub(crate) fn burn(&self) -> Duration {
        Duration::from_millis(self.reader_burn_cpu_milliseconds)
    }

    /// How long a reader pauses after a look that found nothing, if it looks instead of waiting.
    pub(crate) fn poll_interval(&self) -> Option<Duration> {
        self.reader_polls_every_microseconds.map(Duration::from_micros)
    }

    /// The rate to reach, if there is one.
    pub(crate) fn target(&self) -> Option<f64> {
        (self.writes_per_second > 0).then_some(self.writes_per_second as f64)
    }

    /// One message in so many is timed: every one, unless a clock read would weigh against the message.
    pub(crate) fn timed_every(&self) -> u64 {
        if self.target().is_some() || self.slot_bytes >= 4096 { 1 } else { 64 }
    }
}

/// A year: beyond it the clock arithmetic is not worth checking.
const LONGEST_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

/// What a message has room for: its mark holds a writer's number in 16 bits.
const MOST_WRITERS: usize = (1 << 16) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(change: impl FnOnce(&mut Options)) -> Result<Plan> {
        let mut options = Options::default();
        change(&mut options);
        Plan::new(&options)
    }

    #[test]
    fn a_flag_overrides_the_value_of_its_scenario_and_nothing_else() {
        let plan = plan(|options| {
            options.scenario = Some(4);
            options.slots = Some(7);
            options.verify_writes = true;
        })
        .unwrap();
        assert_eq!((plan.slots, plan.slot_bytes, plan.writes_per_second), (7, 100_000_000, 24));
        assert!(plan.verify_writes);
    }

    #[test]
    fn the_defaults_are_those_of_the_tool_of_ringbuffer() {
        let plan = plan(|_| ()).unwrap();
        assert_eq!((plan.delivery, plan.transport), (Delivery::Gated, Transport::Process));
        assert_eq!(plan.on_full, OnFull::Skip);
        assert!(plan.verify_writes && plan.target().is_none());
    }

    #[test]
    fn what_cannot_be_is_refused_by_the_name_of_its_flag() {
        type Change = fn(&mut Options);
        let refused: [(&str, Change); 5] = [
            ("--slots", |options| options.slots = Some(0)),
            ("--slot-bytes", |options| options.slot_bytes = Some(0)),
            ("--duration-seconds", |options| options.duration_seconds = Some(f64::NAN)),
            ("--duration-seconds", |options| options.duration_seconds = Some(0.0)),
            ("--writers", |options| options.writers = Some(0)),
        ];
        for (flag, change) in refused {
            let error = plan(change).unwrap_err();
            assert!(error.to_string().contains(flag), "{error}");
            assert!(error.is::<BadInput>());
        }
    }
}
