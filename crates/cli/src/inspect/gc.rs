//! `seqring gc`: removes rings that have no live user.

use super::record::shown;
use super::{Common, bytes};
use crate::output;
use anyhow::{Context, Result};
use clap::Args;
use seqring::inspect::{Segment, SegmentEntry, printable};
use seqring::{Location, Ring, RingError};
use serde::Serialize;
use std::io::{self, Write};

/// Removes rings whose users were all killed before they could remove them.
///
/// Without --remove it only lists them. A ring that a live process has open stays, and so does one
/// that was created to be kept.
#[derive(Args, Clone, Debug)]
pub struct GcOptions {
    /// Remove them
    #[arg(long)]
    remove: bool,

    /// Also rings that were created to be kept
    #[arg(long)]
    kept: bool,

    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct GcRecord {
    path: String,
    allocated_bytes: u64,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    InUse,
    Kept,
    /// It has no live user; --remove was not given.
    Unused,
    Removed,
    /// It is not a ring that this build understands, or it could not be removed.
    Failed,
}

/// Inspects all rings, and removes those that are to be removed. Returns whether every removal
/// succeeded.
pub(crate) fn run(options: &GcOptions) -> Result<bool> {
    let directory = &options.common.directory;
    let found = seqring::inspect::segments_in(directory)
        .with_context(|| format!("listing {}", printable(directory)))?;
    let drafts = if options.remove { seqring::inspect::remove_drafts_in(directory).unwrap_or(0) } else { 0 };
    let records: Vec<GcRecord> = found.iter().map(|found| judge(found, options)).collect();
    let mut output = output::stdout();
    if options.common.json {
        writeln!(output, "{}", serde_json::to_string_pretty(&records)?)?;
    } else {
        if drafts > 0 {
            writeln!(output, "removed: {drafts} unfinished, of killed creators")?;
        }
        write_text(&mut output, &records, options)?;
    }
    Ok(!options.remove || records.iter().all(|record| record.verdict != Verdict::Failed))
}

fn judge(found: &SegmentEntry, options: &GcOptions) -> GcRecord {
    let (verdict, why) = match &found.segment {
        Ok(segment) => match verdict(segment, options) {
            Ok(verdict) => (verdict, None),
            Err(error) => (Verdict::Failed, Some(error.to_string())),
        },
        Err(error) => (Verdict::Failed, Some(error.to_string())),
    };
    let allocated_bytes = found.segment.as_ref().map_or(0, Segment::allocated_bytes);
    GcRecord { path: shown(&found.path), allocated_bytes, verdict, why }
}

fn verdict(segment: &Segment, options: &GcOptions) -> Result<Verdict, RingError> {
    if segment.is_in_use() {
        return Ok(Verdict::InUse);
    }
    if segment.config().keep && !options.kept {
        return Ok(Verdict::Kept);
    }
    let Some(name) = segment.name().filter(|_| options.remove) else {
        return Ok(Verdict::Unused);
    };
    let directory = segment.path().parent().unwrap_or(segment.path());
    match Ring::unlink_unused(Location::in_directory(directory, name), options.kept) {
        Ok(true) | Err(RingError::NotFound { .. }) => Ok(Verdict::Removed), // By this process, or by another one.
        Ok(false) => Ok(Verdict::InUse),                                    // A process opened it meanwhile.
        Err(error) => Err(error),
    }
}

fn write_text(output: &mut impl Write, records: &[GcRecord], options: &GcOptions) -> io::Result<()> {
    for record in records {
        let GcRecord { path, allocated_bytes, verdict, why } = record;
        let (path, bytes) = (printable(path), bytes(*allocated_bytes));
        match verdict {
            Verdict::InUse => {}
            Verdict::Kept => writeln!(output, "kept: {path}, {bytes} (--remove --kept removes it)")?,
            Verdict::Unused => writeln!(output, "unused: {path}, {bytes}")?,
            Verdict::Removed => writeln!(output, "removed: {path}, {bytes}")?,
            Verdict::Failed => writeln!(output, "left alone: {}", why.as_deref().unwrap_or(&path))?,
        }
    }
    let count = |verdict| records.iter().filter(|record| record.verdict == verdict).count();
    write!(output, "{} in use, ", count(Verdict::InUse))?;
    if options.remove {
        return writeln!(output, "{} removed", count(Verdict::Removed));
    }
    writeln!(output, "{} unused; nothing was removed (--remove removes them)", count(Verdict::Unused))
}
