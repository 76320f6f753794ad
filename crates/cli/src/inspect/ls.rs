//! `seqring ls`: lists the rings.

use super::record::{RingRecord, SegmentRecord};
use super::{Common, bytes};
use crate::output;
use anyhow::{Context, Result};
use clap::Args;
use comfy_table::{Table, presets};
use seqring::inspect::printable;
use std::io::Write;

/// Lists the rings in shared memory. It does not join them.
#[derive(Args, Clone, Debug)]
pub struct LsOptions {
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(options: &LsOptions) -> Result<()> {
    let directory = &options.common.directory;
    let found = seqring::inspect::segments_in(directory)
        .with_context(|| format!("listing {}", printable(directory)))?;
    let records: Vec<SegmentRecord> = found.iter().map(SegmentRecord::of).collect();
    let mut output = output::stdout();
    if options.common.json {
        writeln!(output, "{}", serde_json::to_string_pretty(&records)?)?;
        return Ok(());
    }
    let rings: Vec<&RingRecord> = records
        .iter()
        .filter_map(|record| match record {
            SegmentRecord::Ring(ring) => Some(&**ring),
            SegmentRecord::Unusable { .. } => None,
        })
        .collect();
    if records.is_empty() {
        writeln!(output, "no rings in {}", printable(directory))?;
    }
    if !rings.is_empty() {
        writeln!(output, "{}", table(&rings))?;
    }
    for record in &records {
        if let SegmentRecord::Unusable { unusable, .. } = record {
            writeln!(output, "{unusable}")?;
        }
    }
    Ok(())
}

fn table(rings: &[&RingRecord]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let header =
        ["name", "used", "stream", "delivery", "slots", "memory", "published", "writers", "readers", "dead"];
    table.set_header(header);
    for ring in rings {
        let used = match (ring.in_use, ring.keep) {
            (true, _) => "yes",
            (false, true) => "kept",
            (false, false) => "no",
        };
        table.add_row([
            // A file that no ring can be opened by is shown as a path.
            printable(if ring.name.is_empty() { &ring.path } else { &ring.name }),
            used.into(),
            ring.stream.into(),
            ring.delivery.into(),
            format!("{} x {}", ring.slots, bytes(ring.slot_bytes as u64)),
            bytes(ring.allocated_bytes),
            ring.next_sequence.to_string(),
            ring.alive("writer").to_string(),
            (ring.alive("reader") + ring.alive("taker")).to_string(),
            ring.dead().to_string(),
        ]);
    }
    table
}
