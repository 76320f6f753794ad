//! The results as one JSON object.

use super::coordinator::Outcome;
use super::options::{Delivery, Transport};
use super::plan::Plan;
use super::protocol::{Latency, Reading, Writing};
use super::verdict;
use crate::engines::EngineName;
use crate::machine::MachineRecord;
use harness::machine::Machine;
use serde::Serialize;

/// All that is known of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Record<'p> {
    pub(crate) engine: EngineName,
    pub(crate) delivery: Delivery,
    pub(crate) transport: Transport,
    pub(crate) version: &'static str,
    /// Whether all that was written is accounted for at every reader, and nothing was torn.
    pub(crate) ok: bool,
    /// What is not, in words.
    pub(crate) failures: Vec<String>,
    pub(crate) interrupted: bool,
    pub(crate) line_round_trip_ns: [Option<f64>; 2],
    /// CPU time of all workers' threads, from their start to their end.
    pub(crate) cpu_seconds: f64,
    pub(crate) writers: Vec<WriterRecord>,
    pub(crate) readers: Vec<ReaderRecord>,
    pub(crate) options: &'p Plan,
    pub(crate) machine: Option<MachineRecord>,
}

/// A writer's results. MB are 10⁶ bytes.
#[derive(Debug, Serialize)]
pub(crate) struct WriterRecord {
    pub(crate) pid: u32,
    pub(crate) slots: u64,
    pub(crate) seconds: f64,
    pub(crate) mbytes_per_second: f64,
    pub(crate) slots_per_second: f64,
    /// `None` where there is no target.
    pub(crate) relative_to_target_percent: Option<f64>,
    pub(crate) waited_for_readers: u64,
    pub(crate) waited_seconds: f64,
    pub(crate) latency_ns: Option<Latency>,
    pub(crate) cpu_seconds: f64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

/// A reader's results.
#[derive(Debug, Serialize)]
pub(crate) struct ReaderRecord {
    pub(crate) pid: u32,
    pub(crate) slots: u64,
    pub(crate) seconds: f64,
    pub(crate) mbytes_per_second: f64,
    pub(crate) slots_per_second: f64,
    /// What the ring reported as lost.
    pub(crate) lost: u64,
    /// What is missing by the numbers inside the messages: the same, or the run has failed. `None` in a queue.
    pub(crate) missing: Option<u64>,
    pub(crate) torn: u64,
    pub(crate) waited_seconds: f64,
    pub(crate) latency_ns: Option<Latency>,
    pub(crate) cpu_seconds: f64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

impl<'p> Record<'p> {
    pub(crate) fn new(plan: &'p Plan, outcome: &Outcome) -> Self {
        let failures = verdict::failures(plan, outcome);
        let writers = outcome.writings.iter().map(|writing| WriterRecord::new(plan, writing));
        let readers =
            outcome.readings.iter().map(|reading| ReaderRecord::new(plan, reading, &outcome.writings));
        let efforts = outcome.writings.iter().map(|writing| &writing.effort);
        let efforts = efforts.chain(outcome.readings.iter().map(|reading| &reading.effort));
        Record {
            engine: plan.engine,
            delivery: plan.delivery,
            transport: plan.transport,
            version: env!("CARGO_PKG_VERSION"),
            ok: failures.is_empty(),
            failures,
            interrupted: outcome.interrupted,
            line_round_trip_ns: outcome.line_round_trip_ns,
            cpu_seconds: efforts.map(|effort| effort.cpu_seconds).sum(),
            writers: writers.collect(),
            readers: readers.collect(),
            options: plan,
            machine: Machine::this().ok().map(MachineRecord::new),
        }
    }
}

impl WriterRecord {
    fn new(plan: &Plan, writing: &Writing) -> Self {
        let slots_per_second = writing.slots as f64 / writing.seconds;
        WriterRecord {
            pid: writing.pid,
            slots: writing.slots,
            seconds: writing.seconds,
            mbytes_per_second: mbytes(plan, slots_per_second),
            slots_per_second,
            relative_to_target_percent: plan.target().map(|target| 100.0 * slots_per_second / target),
            waited_for_readers: writing.refused,
            waited_seconds: writing.waited_seconds,
            latency_ns: writing.latency,
            cpu_seconds: writing.effort.cpu_seconds,
            voluntary_switches: writing.effort.voluntary_switches,
            involuntary_switches: writing.effort.involuntary_switches,
        }
    }
}

impl ReaderRecord {
    fn new(plan: &Plan, reading: &Reading, writings: &[Writing]) -> Self {
        let slots_per_second = reading.slots as f64 / reading.seconds;
        ReaderRecord {
            pid: reading.pid,
            slots: reading.slots,
            seconds: reading.seconds,
            mbytes_per_second: mbytes(plan, slots_per_second),
            slots_per_second,
            lost: reading.lost,
            missing: match plan.delivery {
                Delivery::Queue => None,
                _ => verdict::missing(reading, writings),
            },
            torn: reading.torn,
            waited_seconds: reading.waited_seconds,
            latency_ns: reading.latency,
            cpu_seconds: reading.effort.cpu_seconds,
            voluntary_switches: reading.effort.voluntary_switches,
            involuntary_switches: reading.effort.involuntary_switches,
        }
    }
}

fn mbytes(plan: &Plan, slots: f64) -> f64 {
    slots * plan.slot_bytes as f64 / 1e6
}
