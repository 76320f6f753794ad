//! The results as one JSON object, and as text: a line for each worker, as the tool of the package
//! `ringbuffer` prints it, and the rest in a table.

use super::coordinator::Outcome;
use super::plan::{Plan, Transport};
use super::protocol::{Reading, WorkerResult, Writing};
use super::verdict;
use comfy_table::{CellAlignment, Table, presets};
use harness::machine::Machine;
use harness::ring_spec::Delivery;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// All that is known of a run. MB are 10⁶ bytes.
#[derive(Debug, Serialize)]
pub(crate) struct RunRecord<'p> {
    engine: &'static str,
    delivery: Delivery,
    transport: Transport,
    version: &'static str,
    /// Whether all that was written is accounted for at every reader, and nothing was torn.
    pub(crate) ok: bool,
    /// Everything that is not, in words.
    pub(crate) failures: Vec<String>,
    interrupted: bool,
    line_round_trip_ns: [Option<f64>; 2],
    /// CPU time of all threads of workers, from their start to their end.
    cpu_seconds: f64,
    writers: Vec<WriterRecord>,
    readers: Vec<ReaderRecord>,
    options: &'p Plan,
    machine: Option<Machine>,
}

#[derive(Debug, Serialize)]
struct WriterRecord {
    #[serde(flatten)]
    result: WorkerResult,
    mbytes_per_second: f64,
    slots_per_second: f64,
    /// `None` if there is no target.
    relative_to_target_percent: Option<f64>,
    waited_for_readers: u64,
}

#[derive(Debug, Serialize)]
struct ReaderRecord {
    #[serde(flatten)]
    result: WorkerResult,
    mbytes_per_second: f64,
    slots_per_second: f64,
    /// Losses that the ring reported.
    lost: u64,
    /// Numbers that the messages lack: as many, or the run has failed. `None` in a queue.
    missing: Option<u64>,
    torn: u64,
}

impl<'p> RunRecord<'p> {
    pub(crate) fn new(engine: &'static str, plan: &'p Plan, outcome: &Outcome) -> Self {
        let failures = verdict::failures(plan, outcome);
        let mbytes = |slots: f64| slots * plan.slot_bytes as f64 / 1e6;
        let writer = |writing: &Writing| {
            let slots_per_second = writing.result.slots as f64 / writing.result.seconds;
            WriterRecord {
                result: writing.result.clone(),
                mbytes_per_second: mbytes(slots_per_second),
                slots_per_second,
                relative_to_target_percent: plan.target().map(|target| 100.0 * slots_per_second / target),
                waited_for_readers: writing.waited_for_readers,
            }
        };
        let reader = |reading: &Reading| {
            let slots_per_second = reading.result.slots as f64 / reading.result.seconds;
            let missing = || verdict::missing(reading, &outcome.writings);
            ReaderRecord {
                result: reading.result.clone(),
                mbytes_per_second: mbytes(slots_per_second),
                slots_per_second,
                lost: reading.lost,
                missing: (plan.delivery != Delivery::Queue).then(missing).flatten(),
                torn: reading.torn,
            }
        };
        RunRecord {
            engine,
            delivery: plan.delivery,
            transport: plan.transport,
            version: env!("CARGO_PKG_VERSION"),
            ok: failures.is_empty(),
            failures,
            interrupted: outcome.interrupted,
            line_round_trip_ns: outcome.line_round_trip_ns,
            cpu_seconds: outcome.results().map(|result| result.cpu_seconds).sum(),
            writers: outcome.writings.iter().map(writer).collect(),
            readers: outcome.readings.iter().map(reader).collect(),
            options: plan,
            machine: Machine::this().ok(),
        }
    }
}

impl fmt::Display for RunRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for WriterRecord { result, waited_for_readers, relative_to_target_percent, .. } in &self.writers {
            write!(f, "Writer {} (process {}): Wrote ", result.number, result.pid)?;
            self.rate(f, result)?;
            match relative_to_target_percent {
                Some(percent) => write!(f, "{percent:.2}% of target")?,
                None => f.write_str("no target")?,
            }
            writeln!(f, ", refused by a full ring: {waited_for_readers}")?;
        }
        for ReaderRecord { result, lost, torn, .. } in &self.readers {
            write!(f, "Reader {} (process {}): Read ", result.number, result.pid)?;
            self.rate(f, result)?;
            writeln!(f, "lost: {lost}, torn: {torn}")?;
        }
        let [before, after] = self
            .line_round_trip_ns
            .map(|reading| reading.map_or_else(|| "unknown".into(), |nanos| format!("{nanos:.0} ns")));
        writeln!(f, "\n{}\n", self.table())?;
        writeln!(f, "Line round trip {before} before, {after} after; {:.2} s of CPU time", self.cpu_seconds)?;
        if self.interrupted {
            writeln!(f, "Interrupted: these are the results so far")?;
        }
        if self.ok {
            let whole = if self.options.verify_writes { "every byte checked" } else { "headers checked" };
            writeln!(f, "All that was written is accounted for at every reader, {whole}")?;
        }
        self.failures.iter().try_for_each(|failure| writeln!(f, "FAILED: {failure}"))
    }
}

impl RunRecord<'_> {
    fn rate(&self, f: &mut fmt::Formatter<'_>, result: &WorkerResult) -> fmt::Result {
        let rate = result.slots as f64 / result.seconds;
        let mbytes = rate * self.options.slot_bytes as f64 / 1e6;
        let (slots, seconds) = (result.slots, result.seconds);
        write!(f, "{slots} slots in {seconds:.3} seconds, {mbytes:.2} MB/s, {rate:.2} slots/s, ")
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["worker", "p50", "p99", "p99.9", "max", "timed", "CPU s", "sleeps", "preempted"]);
        let writers = self.writers.iter().map(|writer| ("writer", &writer.result));
        for (role, result) in writers.chain(self.readers.iter().map(|reader| ("reader", &reader.result))) {
            let latency = result.latency_ns;
            let mut row = vec![format!("{role} {}", result.number)];
            let known = |nanos| format!("{:.1?}", Duration::from_nanos(nanos));
            row.extend(latency.map_or([const { String::new() }; 4], |latency| {
                [Some(latency.p50), latency.p99, latency.p999, Some(latency.max)]
                    .map(|nanos| nanos.map_or_else(|| "–".into(), known))
            }));
            row.push(latency.map_or(0, |latency| latency.count).to_string());
            row.push(format!("{:.2}", result.cpu_seconds));
            row.push(result.voluntary_switches.to_string());
            row.push(result.involuntary_switches.to_string());
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}
