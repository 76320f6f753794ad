//! The results as one JSON object, and as text: a table of at most ten rows, and the result in one
//! line.

use super::coordinator::Outcome;
use super::plan::{OnFull, Plan, Transport};
use super::protocol::{Reading, WorkerResult, Writing};
use super::verdict;
use crate::units::{plural, scaled};
use comfy_table::{CellAlignment, Table, presets};
use harness::latency::Quantiles;
use harness::machine::Machine;
use harness::ring_spec::Delivery;
use serde::Serialize;
use std::cmp::Reverse;
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
    messages_per_second: f64,
    /// `None` if there is no target.
    relative_to_target_percent: Option<f64>,
    waited_for_readers: u64,
}

#[derive(Debug, Serialize)]
struct ReaderRecord {
    #[serde(flatten)]
    result: WorkerResult,
    mbytes_per_second: f64,
    messages_per_second: f64,
    /// Losses that the ring reported.
    lost: u64,
    /// Numbers that the messages lack: as many, or the run has failed. `None` in a queue.
    missing: Option<u64>,
    torn: u64,
}

impl<'p> RunRecord<'p> {
    pub(crate) fn new(engine: &'static str, plan: &'p Plan, outcome: &Outcome) -> Self {
        let failures = verdict::failures(plan, outcome);
        let mbytes = |messages: f64| messages * plan.slot_bytes as f64 / 1e6;
        let writer = |writing: &Writing| {
            let messages_per_second = writing.result.messages as f64 / writing.result.seconds;
            WriterRecord {
                result: writing.result.clone(),
                mbytes_per_second: mbytes(messages_per_second),
                messages_per_second,
                relative_to_target_percent: plan.target().map(|target| 100.0 * messages_per_second / target),
                waited_for_readers: writing.waited_for_readers,
            }
        };
        let reader = |reading: &Reading| {
            let messages_per_second = reading.result.messages as f64 / reading.result.seconds;
            let missing = || verdict::missing(reading, &outcome.writings);
            ReaderRecord {
                result: reading.result.clone(),
                mbytes_per_second: mbytes(messages_per_second),
                messages_per_second,
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
        writeln!(f, "{}\n", self.table())?;
        if let Some(full) = self.full_ring() {
            writeln!(f, "{full}")?;
        }
        let [before, after] = self
            .line_round_trip_ns
            .map(|nanos| nanos.map_or("unknown".into(), |nanos| format!("{nanos:.0} ns")));
        writeln!(
            f,
            "A cache line's round trip took {before} before, {after} after; CPU time: {:.2} s",
            self.cpu_seconds
        )?;
        self.failures.iter().try_for_each(|failure| writeln!(f, "FAILED: {failure}"))?;
        writeln!(
            f,
            "{}{}; {}; {}",
            if self.interrupted { "Interrupted; until then " } else { "" },
            self.rate(),
            self.latency(),
            self.loss()
        )
    }
}

/// One worker of the table: its result, and the messages that it lost if it is a reader.
type Worker<'r> = (&'r WorkerResult, Option<u64>);

impl RunRecord<'_> {
    fn rate(&self) -> String {
        let (plan, readers) = (self.options, self.readers.len());
        let rate: f64 = self.writers.iter().map(|writer| writer.messages_per_second).sum();
        let target = plan.target().map(|target| {
            format!(" ({:.1} % of the target)", 100.0 * rate / target / self.writers.len() as f64)
        });
        let to = match (readers, plan.delivery) {
            (0, _) => String::new(),
            (1, _) => " to 1 reader".into(),
            (_, Delivery::Queue) => format!(", shared by {readers} readers"),
            (_, Delivery::Gated | Delivery::Lossy) => format!(" to each of {readers} readers"),
        };
        let bytes = scaled(rate * plan.slot_bytes as f64, "B/s");
        let (rate, target) = (scaled(rate, ""), target.unwrap_or_default());
        format!("{rate} messages/s{target}, {bytes} from {}{to}", plural(self.writers.len(), "writer"))
    }

    /// An upper bound for all readers; for writers if there are none.
    fn latency(&self) -> String {
        let ends = if self.readers.is_empty() { self.of_writers() } else { self.of_readers() };
        let timed: Vec<Quantiles> = ends.iter().filter_map(|(result, _)| result.latency_ns).collect();
        let most =
            |of: fn(&Quantiles) -> Option<u64>| nanos(timed.iter().filter_map(of).max().unwrap_or_default());
        if timed.is_empty() {
            return "no latency was measured".into();
        }
        let what = if self.readers.is_empty() { "latency of a write" } else { "latency" };
        let at_most = if timed.len() == 1 { "" } else { "at most " };
        let tail = if timed.iter().all(|one| one.p99.is_some()) {
            format!("p99 {at_most}{}", most(|one| one.p99))
        } else {
            format!("maximum {}", most(|one| Some(one.max)))
        };
        format!("{what} p50 {at_most}{}, {tail}", most(|one| Some(one.p50)))
    }

    fn loss(&self) -> String {
        let checked = if self.options.verify_writes {
            "every byte of each was"
        } else {
            "the first 8 bytes of each were"
        };
        let written: u64 = self.writers.iter().map(|writer| writer.result.messages).sum();
        let lost = || self.readers.iter().map(|reader| reader.lost);
        match (lost().min(), lost().max()) {
            (None, _) | (_, None) => "no reader checked the messages".into(),
            _ if !self.ok => format!("FAILED: {} above", plural(self.failures.len(), "fault")),
            (_, Some(0)) => format!("nothing was lost; {checked} checked"),
            (Some(least), Some(most)) => {
                let least = if least == most { String::new() } else { format!("{least} to ") };
                format!(
                    "readers lost {least}{most} of {written} messages, as the ring reported; of the others {checked} checked"
                )
            }
        }
    }

    /// What writers did when the ring was full, if it was.
    fn full_ring(&self) -> Option<String> {
        let sum = |of: fn(&WriterRecord) -> f64| self.writers.iter().map(of).sum::<f64>();
        let refused: u64 = self.writers.iter().map(|writer| writer.waited_for_readers).sum();
        let written: u64 = self.writers.iter().map(|writer| writer.result.messages).sum();
        (refused > 0).then(|| match (self.options.target(), self.options.on_full) {
            (None, _) => {
                let share = sum(|writer| writer.result.waited_seconds) / sum(|writer| writer.result.seconds);
                format!("Writers waited for room in the ring for {:.1} % of their time", 100.0 * share)
            }
            (Some(_), OnFull::Skip) => {
                format!("Writers skipped {refused} of {} messages: the ring was full", refused + written)
            }
            (Some(_), OnFull::Wait) => format!("{refused} of {written} writes waited for room in the ring"),
        })
    }

    fn of_writers(&self) -> Vec<Worker<'_>> {
        self.writers.iter().map(|writer| (&writer.result, None)).collect()
    }

    fn of_readers(&self) -> Vec<Worker<'_>> {
        self.readers.iter().map(|reader| (&reader.result, Some(reader.lost))).collect()
    }

    /// At most ten rows: if all workers and the sums of several do not fit, the best, the median
    /// and the worst of them.
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table
            .set_header("worker process messages messages/s bytes/s lost p50 p99 p99.9 max CPU-s".split(' '));
        let roles = [("writer", self.of_writers()), ("reader", self.of_readers())];
        let rows = |(_, workers): &(_, Vec<_>)| workers.len() + usize::from(workers.len() > 1);
        let all_fit = roles.iter().map(rows).sum::<usize>() <= 10;
        for (role, mut workers) in roles {
            let count = workers.len();
            if count > 1 {
                table.add_row(self.row(plural(count, role), &workers));
            }
            let shown = if all_fit || count <= 3 {
                (0..count).map(|index| (index, "")).collect()
            } else {
                let p99 = |result: &WorkerResult| result.latency_ns.and_then(|latency| latency.p99);
                workers.sort_by_key(|(result, _)| (Reverse(result.messages), p99(result)));
                vec![(0, ", best"), ((count - 1) / 2, ", median"), (count - 1, ", worst")]
            };
            for (index, rank) in shown {
                let name = format!("{role} {}{rank}", workers[index].0.number);
                table.add_row(self.row(name, &workers[index..=index]));
            }
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// One worker, or the sums of several, which have neither a process nor quantiles.
    fn row(&self, name: String, workers: &[Worker<'_>]) -> Vec<String> {
        let results = || workers.iter().map(|(result, _)| *result);
        let one = results().next().filter(|_| workers.len() == 1);
        let latency = |of: fn(Quantiles) -> Option<u64>| {
            let of_one = |one: &WorkerResult| one.latency_ns.and_then(of).map_or("–".into(), nanos);
            one.map_or_else(String::new, of_one)
        };
        let rate: f64 = results().map(|result| result.messages as f64 / result.seconds).sum();
        let lost: Option<u64> = workers.iter().map(|(_, lost)| *lost).sum();
        vec![
            name,
            one.map_or_else(String::new, |one| one.pid.to_string()),
            results().map(|result| result.messages).sum::<u64>().to_string(),
            scaled(rate, ""),
            scaled(rate * self.options.slot_bytes as f64, "B/s"),
            lost.map_or_else(String::new, |lost| lost.to_string()),
            latency(|all| Some(all.p50)),
            latency(|all| all.p99),
            latency(|all| all.p999),
            latency(|all| Some(all.max)),
            format!("{:.2}", results().map(|result| result.cpu_seconds).sum::<f64>()),
        ]
    }
}

fn nanos(nanos: u64) -> String {
    format!("{:.1?}", Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a run of `flags` prints: 1000 messages of each writer in 1 s, read with latencies that
    /// grow with the number of the reader; the last reader has lost `lost`.
    fn printed(flags: &str, refused: u64, lost: u64) -> String {
        let plan = Plan::of_flags(flags);
        let written = 1000 * plan.writers as u64;
        let result = |number: usize, messages| {
            let p50 = 1000 * (number as u64 + 1);
            let latency_ns =
                Some(Quantiles { count: 999, p50, p99: Some(2 * p50), p999: None, max: 4 * p50 });
            WorkerResult {
                number,
                pid: 1,
                messages,
                seconds: 1.0,
                waited_seconds: 0.25,
                latency_ns,
                ..Default::default()
            }
        };
        let reading = |number| {
            let lost = if number + 1 == plan.readers { lost } else { 0 };
            let account = |_| verdict::Account {
                expects: 1000,
                missing: lost / plan.writers as u64,
                ..Default::default()
            };
            let accounts = (0..plan.writers).map(account).collect();
            Reading { result: result(number, written - lost), lost, accounts, ..Default::default() }
        };
        let writing = |number| Writing { result: result(number, 1000), waited_for_readers: refused };
        let outcome = Outcome {
            writings: (0..plan.writers).map(writing).collect(),
            readings: (0..plan.readers).map(reading).collect(),
            ..Outcome::default()
        };
        RunRecord::new("test", &plan, &outcome).to_string()
    }

    #[test]
    fn the_last_line_is_the_result() {
        for (flags, lost, result) in [
            (
                "",
                0,
                "1.00 k messages/s, 1.00 GB/s from 1 writer to 1 reader; latency p50 1.0µs, p99 2.0µs; nothing was lost; every byte of each was checked",
            ),
            (
                "-w 2 -r 5 -b 64",
                0,
                "2.00 k messages/s, 128 kB/s from 2 writers to each of 5 readers; latency p50 at most 5.0µs, p99 at most 10.0µs; nothing was lost; every byte of each was checked",
            ),
            (
                "-r 0 -b 64",
                0,
                "1.00 k messages/s, 64.0 kB/s from 1 writer; latency of a write p50 1.0µs, p99 2.0µs; no reader checked the messages",
            ),
            (
                "-r 3 -b 64 --delivery lossy --no-verify-writes --writes-per-second 1k",
                250,
                "1.00 k messages/s (100.0 % of the target), 64.0 kB/s from 1 writer to each of 3 readers; latency p50 at most 3.0µs, p99 at most 6.0µs; readers lost 0 to 250 of 1000 messages, as the ring reported; of the others the first 8 bytes of each were checked",
            ),
            (
                "-b 64",
                250,
                "1.00 k messages/s, 64.0 kB/s from 1 writer to 1 reader; latency p50 1.0µs, p99 2.0µs; FAILED: 1 fault above",
            ),
        ] {
            let printed = printed(flags, 0, lost);
            assert_eq!(printed.lines().last(), Some(result), "{printed}");
        }
    }

    #[test]
    fn the_table_has_at_most_ten_rows() {
        let rows =
            |flags: &str| printed(flags, 0, 0).lines().filter(|line| line.starts_with("| ")).count() - 1;
        assert_eq!([rows("-r 0"), rows("-r 1"), rows("-r 8"), rows("-w 4 -r 4")], [1, 2, 10, 10]);
        assert_eq!([rows("-r 9"), rows("-r 100"), rows("-w 9 -r 100"), rows("-w 2 -r 9")], [5, 5, 8, 7]);
        let printed = printed("-r 100 --delivery lossy", 0, 10);
        for row in [
            "| 100 readers       |",
            "| reader 0, best    |",
            "| reader 49, median |",
            "| reader 99, worst  |",
        ] {
            assert!(printed.contains(row), "{row}: {printed}");
        }
        let writer = printed.lines().find(|line| line.starts_with("| writer 0")).unwrap();
        assert!(writer.contains("2.0µs |     –"), "999 latencies have no p99.9: {writer}");
    }

    #[test]
    fn a_full_ring_is_reported_as_time_without_a_rate_and_as_messages_with_one() {
        for (flags, said) in [
            ("", "Writers waited for room in the ring for 25.0 % of their time"),
            ("--writes-per-second 1250", "Writers skipped 250 of 1250 messages: the ring was full"),
            ("--writes-per-second 1k --on-full wait", "250 of 1000 writes waited for room in the ring"),
        ] {
            let printed = printed(flags, 250, 0);
            assert!(printed.contains(said), "{printed}");
        }
    }
}
