//! The results as text: a line for each worker, as the tool of the package `ringbuffer` prints it, and the rest in a table.

use super::protocol::Latency;
use super::record::{ReaderRecord, Record, WriterRecord};
use comfy_table::{CellAlignment, Table, presets};
use std::fmt;
use std::time::Duration;

/// A record, to be displayed.
pub(crate) struct Report<'r>(pub(crate) &'r Record<'r>);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report(record) = self;
        for (number, writer) in record.writers.iter().enumerate() {
            writeln!(f, "Writer {number} (process {}): {}", writer.pid, line_of_writer(writer))?;
        }
        for (number, reader) in record.readers.iter().enumerate() {
            writeln!(f, "Reader {number} (process {}): {}", reader.pid, line_of_reader(reader))?;
        }
        writeln!(f, "\n{}\n", table(record))?;
        let [before, after] = record.line_round_trip_ns.map(nanos);
        writeln!(
            f,
            "Line round trip {before} before, {after} after; {:.2} s of CPU time",
            record.cpu_seconds
        )?;
        if record.interrupted {
            writeln!(f, "Interrupted: these are the results so far")?;
        }
        if record.ok {
            let whole = if record.options.verify_writes { "every byte checked" } else { "headers checked" };
            writeln!(f, "All that was written is accounted for at every reader, {whole}")?;
        }
        record.failures.iter().try_for_each(|failure| writeln!(f, "FAILED: {failure}"))
    }
}

fn line_of_writer(writer: &WriterRecord) -> String {
    let target = writer.relative_to_target_percent;
    let target = target.map_or_else(|| "no target".into(), |percent| format!("{percent:.2}% of target"));
    format!(
        "Wrote {} slots in {:.3} seconds, {:.2} MB/s, {:.2} slots/s, {target}, refused by a full ring: {}",
        writer.slots,
        writer.seconds,
        writer.mbytes_per_second,
        writer.slots_per_second,
        writer.waited_for_readers
    )
}

fn line_of_reader(reader: &ReaderRecord) -> String {
    format!(
        "Read {} slots in {:.3} seconds, {:.2} MB/s, {:.2} slots/s, lost: {}, torn: {}",
        reader.slots,
        reader.seconds,
        reader.mbytes_per_second,
        reader.slots_per_second,
        reader.lost,
        reader.torn
    )
}

fn table(record: &Record<'_>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["worker", "p50", "p99", "p99.9", "max", "timed", "CPU s", "sleeps", "preempted"]);
    for (number, writer) in record.writers.iter().enumerate() {
        let cost = [writer.voluntary_switches, writer.involuntary_switches];
        table.add_row(row(format!("writer {number}"), writer.latency_ns, writer.cpu_seconds, cost));
    }
    for (number, reader) in record.readers.iter().enumerate() {
        let cost = [reader.voluntary_switches, reader.involuntary_switches];
        table.add_row(row(format!("reader {number}"), reader.latency_ns, reader.cpu_seconds, cost));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(name: String, latency: Option<Latency>, cpu_seconds: f64, switches: [u64; 2]) -> Vec<String> {
    let quantiles = latency.map(|latency| [latency.p50, latency.p99, latency.p999, latency.max]);
    let mut row = vec![name];
    row.extend(quantiles.map_or([const { String::new() }; 4], |all| {
        all.map(|nanos| format!("{:.1?}", Duration::from_nanos(nanos)))
    }));
    row.push(latency.map_or(0, |latency| latency.samples).to_string());
    row.push(format!("{cpu_seconds:.2}"));
    row.extend(switches.map(|count| count.to_string()));
    row
}

fn nanos(reading: Option<f64>) -> String {
    reading.map_or_else(|| "unknown".into(), |nanos| format!("{nanos:.0} ns"))
}
