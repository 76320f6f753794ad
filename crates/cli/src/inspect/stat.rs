//! `seqring stat`: the geometry of a ring, and the position and state of its participants.

use super::record::{ParticipantRecord, RingRecord};
use super::{Common, bytes};
use crate::output;
use crate::units::{self, plural, scaled};
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

    /// Repeat at this interval, with rates, until the ring is gone
    #[arg(value_parser = units::interval)]
    interval: Option<Duration>,

    /// Repeat every second, or at this interval
    #[arg(short, long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "1s", value_parser = units::interval)]
    watch: Option<Duration>,

    /// Stop after so many times
    #[arg(short = 'n', long, value_name = "COUNT")]
    times: Option<u64>,

    #[command(flatten)]
    common: Common,
}

impl StatOptions {
    /// The time between two outputs, if there is more than one.
    fn interval(&self) -> Option<Duration> {
        self.interval.or(self.watch).or(self.times.map(|_| Duration::from_secs(1)))
    }
}

pub(crate) fn run(options: &StatOptions) -> Result<()> {
    let segment = Segment::inspect(options.common.location(&options.name))?;
    let mut earlier = None;
    let (interval, mut left) = (options.interval(), options.times.unwrap_or(u64::MAX));
    while left > 0 {
        let stats = segment.stats();
        print(&segment, &stats, earlier.as_ref(), options)?;
        let Some(interval) = interval else { break };
        if !segment.is_named() {
            output::report("seqring stat: the ring is gone");
            break;
        }
        (earlier, left) = (Some(stats), left - 1);
        if left > 0 {
            std::thread::sleep(interval);
        }
    }
    Ok(())
}

fn print(segment: &Segment, stats: &Stats, earlier: Option<&Stats>, options: &StatOptions) -> Result<()> {
    let record = RingRecord::new(segment, stats, earlier);
    let mut output = output::stdout();
    if options.common.json {
        let json = match options.interval() {
            None => serde_json::to_string_pretty(&record)?,
            Some(_) => serde_json::to_string(&record)?, // A line each.
        };
        writeln!(output, "{json}")?;
        return Ok(());
    }
    if options.interval().is_some() && output.is_terminal() {
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
        write!(f, "{} published", plural(ring.next_sequence as usize, "message"))?;
        if let Some(rate) = ring.published_per_second {
            write!(f, ", {}/s", scaled(rate, ""))?;
        }
        if ring.awaited_readers > 0 {
            let readers = plural(ring.awaited_readers as usize, "reader");
            write!(f, "; awaits {readers}, and overwrites nothing before")?;
        }
        writeln!(f)?;
        if ring.participants.is_empty() {
            return writeln!(f, "no participants");
        }
        writeln!(f, "\n{}", table(&ring.participants))
    }
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
        "messages/s",
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
            one.passed_per_second.map_or_else(String::new, |rate| scaled(rate, "")),
        ]);
    }
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
