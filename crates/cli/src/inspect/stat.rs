//! `seqring stat`: the geometry of a ring, and the position and state of its participants.

use super::record::{ParticipantRecord, RingRecord};
use super::{Common, bytes};
use crate::output;
use anyhow::Result;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use seqring::inspect::{Segment, Stats, printable};
use std::io::Write;
use std::time::Duration;

/// Shows a ring: its geometry, its participants, alive or dead, their positions and lags.
///
/// It does not join the ring: no writer waits for it, and the ring goes when its last user goes.
#[derive(Args, Clone, Debug)]
pub struct StatOptions {
    /// Name of the ring, or its file
    name: String,

    /// Repeat every so many seconds, with rates, until the ring is gone
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    #[arg(value_parser = seconds)]
    watch: Option<Duration>,

    /// With --watch: stop after so many times
    #[arg(long, value_name = "COUNT", requires = "watch")]
    times: Option<u64>,

    #[command(flatten)]
    common: Common,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|interval| *interval >= Duration::from_millis(1))
        .ok_or_else(|| format!("{text} is not between 0.001 and what a clock can count"))
}

pub(crate) fn run(options: &StatOptions) -> Result<()> {
    let segment = Segment::inspect(options.common.location(&options.name))?;
    let mut earlier = None;
    let times = options.times.unwrap_or(if options.watch.is_some() { u64::MAX } else { 1 });
    for time in 0..times {
        if time > 0 {
            std::thread::sleep(options.watch.expect("more than once only when watching"));
        }
        let stats = segment.stats();
        print(&segment, &stats, earlier.as_ref(), options)?;
        if options.watch.is_some() && !segment.is_named() {
            output::report("seqring stat: the ring is gone");
            break;
        }
        earlier = Some(stats);
    }
    Ok(())
}

fn print(segment: &Segment, stats: &Stats, earlier: Option<&Stats>, options: &StatOptions) -> Result<()> {
    let record = RingRecord::new(segment, stats, earlier);
    let mut output = output::stdout();
    if options.common.json {
        let json = match options.watch {
            None => serde_json::to_string_pretty(&record)?,
            Some(_) => serde_json::to_string(&record)?, // A line each.
        };
        writeln!(output, "{json}")?;
        return Ok(());
    }
    if options.watch.is_some() && output.is_terminal() {
        write!(output, "\x1b[H\x1b[2J")?; // To the top of an empty screen.
    }
    write!(output, "{}", Text(&record))?;
    output.flush()?;
    Ok(())
}

struct Text<'r>(&'r RingRecord);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Text(ring) = self;
        let used = if ring.in_use { "in use" } else { "not in use" };
        let kept = if ring.keep { ", to be kept" } else { "" };
        writeln!(f, "{}: {used}{kept}; stream {}", printable(&ring.path), ring.stream)?;
        writeln!(
            f,
            "{} slots of {} bytes ({}), {}, {} writer{}{}",
            ring.slots,
            ring.slot_bytes,
            ring.slot_class,
            ring.delivery,
            ring.writers,
            if ring.writers == "one" { "" } else { "s" },
            if ring.observers { ", observers allowed" } else { "" },
        )?;
        writeln!(
            f,
            "{} of {} allocated; mode {}, user {}, group {}; created by process {}, id {}",
            bytes(ring.allocated_bytes),
            bytes(ring.total_bytes as u64),
            ring.mode,
            ring.user,
            ring.group,
            ring.creator_pid,
            ring.id
        )?;
        writeln!(
            f,
            "{} messages published{}",
            ring.next_sequence,
            rate(ring.published_per_second, ", ", "/s")
        )?;
        if ring.participants.is_empty() {
            return writeln!(f, "no participants");
        }
        writeln!(f, "\n{}", table(&ring.participants))
    }
}

fn rate(rate: Option<f64>, before: &str, after: &str) -> String {
    rate.map_or_else(String::new, |rate| format!("{before}{rate:.1}{after}"))
}

fn table(participants: &[ParticipantRecord]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "entry",
        "role",
        "process",
        "state",
        "position",
        "lag",
        "lost",
        "refused",
        "sleeps",
        "per second",
    ]);
    for one in participants {
        table.add_row([
            one.entry.to_string(),
            one.role.into(),
            one.pid.to_string(),
            if one.alive { "alive" } else { "dead" }.into(),
            one.position.to_string(),
            one.lag.to_string(),
            one.lost.to_string(),
            one.refused.to_string(),
            one.sleeps.to_string(),
            rate(one.passed_per_second, "", ""),
        ]);
    }
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
