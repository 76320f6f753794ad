//! The results of a repetition.

use harness::latency::Quantiles;
use seqring_cli::perf::{Outcome, Plan, WorkerResult};
use serde::{Deserialize, Serialize};

/// The figures of a repetition. A message is one that was written, however many readers got it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Messages of all writers a second; without a stalled one's.
    pub(crate) writes_per_second: f64,
    /// The same in percent of the target.
    pub(crate) target_percent: Option<f64>,
    /// Messages of all readers a second.
    pub(crate) reads_per_second: f64,
    /// The share of messages that readers lost.
    pub(crate) lost_share: f64,
    /// Writes that a full ring refused or delayed.
    pub(crate) refused: u64,
    /// From the intended start to the return of the write; of the worst writer of each quantile.
    pub(crate) writer_latency_ns: Option<Quantiles>,
    /// From the intended start to the end of the read; of the worst reader of each quantile.
    pub(crate) reader_latency_ns: Option<Quantiles>,
    /// CPU time of all workers for each message, in ns.
    pub(crate) cpu_ns_per_message: f64,
    /// Sleeps of all workers for each message.
    pub(crate) sleeps_per_message: f64,
    /// Time that writers waited for room, and readers for messages, as a share of their time.
    pub(crate) writers_waited_share: f64,
    pub(crate) readers_waited_share: f64,
    /// What the measurement itself costs for each write and read, in ns; none where that is a part
    /// of the work.
    pub(crate) harness_ns: Option<[f64; 2]>,
}

impl Figures {
    pub(crate) fn of(plan: &Plan, outcome: &Outcome) -> Self {
        let (writings, readings) = (&outcome.writings, &outcome.readings);
        let (writers, readers) =
            (|| writings.iter().map(|one| &one.result), || readings.iter().map(|one| &one.result));
        let rate = |result: &WorkerResult| result.messages as f64 / result.seconds;
        let writes_per_second: f64 =
            writers().filter(|result| !plan.is_stalled(result.number)).map(rate).sum();
        let written: u64 = writers().map(|result| result.messages).sum();
        let read: u64 = readers().map(|result| result.messages).sum();
        let lost: u64 = readings.iter().map(|reading| reading.lost).sum();
        let cpu: f64 = outcome.results().map(|result| result.cpu_seconds).sum();
        let sleeps: u64 = outcome.results().map(|result| result.voluntary_switches).sum();
        let a_message = |total: f64| total / (written as f64).max(1.0);
        Self {
            writes_per_second,
            target_percent: plan
                .target()
                .map(|target| 100.0 * writes_per_second / (target * plan.writers as f64)),
            reads_per_second: readers().map(rate).sum(),
            lost_share: lost as f64 / ((read + lost) as f64).max(1.0),
            refused: writings.iter().map(|writing| writing.waited_for_readers).sum(),
            writer_latency_ns: worst(writers()),
            reader_latency_ns: worst(readers()),
            cpu_ns_per_message: a_message(1e9 * cpu),
            sleeps_per_message: a_message(sleeps as f64),
            writers_waited_share: waited(writers()),
            readers_waited_share: waited(readers()),
            harness_ns: None,
        }
    }

    /// The figures of one thread that writes and reads a message in so many ns.
    pub(crate) fn alone(nanos: f64) -> Self {
        let rate = 1e9 / nanos;
        Self { writes_per_second: rate, reads_per_second: rate, cpu_ns_per_message: nanos, ..Self::default() }
    }
}

fn worst<'r>(results: impl Iterator<Item = &'r WorkerResult>) -> Option<Quantiles> {
    results.filter_map(|result| result.latency_ns).reduce(Quantiles::worse)
}

fn waited<'r>(results: impl Iterator<Item = &'r WorkerResult>) -> f64 {
    let add = |(part, whole), result: &WorkerResult| (part + result.waited_seconds, whole + result.seconds);
    let (part, whole) = results.fold((0.0, 0.0), add);
    if whole > 0.0 { part / whole } else { 0.0 }
}
