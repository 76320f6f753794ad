//! What a repetition measured.

use crate::perf::{Latency, Outcome, Plan};
use serde::{Deserialize, Serialize};

/// The figures of a repetition. A message is one that was written, however many readers got it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Messages of all writers a second; without a stalled one's.
    pub(crate) writes_per_second: f64,
    /// The same as a share of what was asked for, in percent.
    pub(crate) target_percent: Option<f64>,
    /// Messages of all readers a second.
    pub(crate) reads_per_second: f64,
    /// What readers lost, of all that they should have got.
    pub(crate) lost_share: f64,
    /// Writes that a full ring refused, or held up.
    pub(crate) refused: u64,
    /// From the intended start to the return of the write; of the worst writer.
    pub(crate) writer_ns: Option<Latency>,
    /// From the intended start to the end of the read; of the worst reader.
    pub(crate) reader_ns: Option<Latency>,
    /// CPU time of all workers for each message, in ns.
    pub(crate) cpu_ns_per_message: f64,
    /// Sleeps of all workers for each message.
    pub(crate) sleeps_per_message: f64,
    /// Time that writers waited for room, and readers for messages, as a share of their time.
    pub(crate) writers_waited_share: f64,
    pub(crate) readers_waited_share: f64,
}

impl Figures {
    /// The figures of a run that was measured.
    pub(crate) fn of(plan: &Plan, outcome: &Outcome) -> Self {
        let (writings, readings) = (&outcome.writings, &outcome.readings);
        let active = writings.iter().filter(|writing| !plan.is_stalled(writing.number));
        let rate = active.map(|writing| writing.slots as f64 / writing.seconds).sum::<f64>();
        let written: u64 = writings.iter().map(|writing| writing.slots).sum();
        let (read, lost) =
            readings.iter().fold((0, 0), |(read, lost), reading| (read + reading.slots, lost + reading.lost));
        let efforts = writings.iter().map(|writing| &writing.effort);
        let efforts = efforts.chain(readings.iter().map(|reading| &reading.effort));
        let (cpu, sleeps) = efforts.fold((0.0, 0), |(cpu, sleeps), effort| {
            (cpu + effort.cpu_seconds, sleeps + effort.voluntary_switches)
        });
        let a_message = |total: f64| total / (written as f64).max(1.0);
        Self {
            writes_per_second: rate,
            target_percent: plan.target().map(|target| 100.0 * rate / (target * plan.writers as f64)),
            reads_per_second: readings.iter().map(|reading| reading.slots as f64 / reading.seconds).sum(),
            lost_share: lost as f64 / ((read + lost) as f64).max(1.0),
            refused: writings.iter().map(|writing| writing.refused).sum(),
            writer_ns: worst(writings.iter().filter_map(|writing| writing.latency)),
            reader_ns: worst(readings.iter().filter_map(|reading| reading.latency)),
            cpu_ns_per_message: a_message(1e9 * cpu),
            sleeps_per_message: a_message(sleeps as f64),
            writers_waited_share: share(writings.iter().map(|end| (end.waited_seconds, end.seconds))),
            readers_waited_share: share(readings.iter().map(|end| (end.waited_seconds, end.seconds))),
        }
    }

    /// What one thread does that writes and reads a message in so many ns.
    pub(crate) fn alone(nanos: f64) -> Self {
        let rate = 1e9 / nanos;
        Self { writes_per_second: rate, reads_per_second: rate, cpu_ns_per_message: nanos, ..Self::default() }
    }
}

fn worst(latencies: impl Iterator<Item = Latency>) -> Option<Latency> {
    latencies.max_by_key(|latency| (latency.p999, latency.p99, latency.p50))
}

fn share(parts: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (part, whole) = parts.fold((0.0, 0.0), |(part, whole), (more, of)| (part + more, whole + of));
    if whole > 0.0 { part / whole } else { 0.0 }
}
