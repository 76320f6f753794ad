//! `seqring gc`: removes the rings that nobody uses any more.

use super::record::shown;
use super::{Common, bytes};
use anyhow::{Context, Result};
use clap::Args;
use seqring::{Location, Ring, RingError, Segment, SegmentEntry};
use serde::Serialize;
use std::io::{self, Write};

/// Removes rings whose users are all gone, but were killed before they could remove them.
///
/// Without --remove it only says what it would do. A ring that any living process has open stays; so does one that
/// was made to be kept.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Do it
    #[arg(long)]
    remove: bool,

    /// Also rings that were made to be kept
    #[arg(long)]
    kept: bool,

    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct Record {
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
    /// Nobody uses it; it was not asked to be removed.
    Unused,
    Removed,
    /// It is no ring that this build understands, or it could not be removed.
    Failed,
}

/// Looks at all rings, and removes what is to be removed. Says whether all of that went well.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let directory = &options.common.directory;
    let found =
        seqring::segments_in(directory).with_context(|| format!("looking into {}", directory.display()))?;
    let records: Vec<Record> = found.iter().map(|found| judge(found, options)).collect();
    let mut output = io::stdout().lock();
    if options.common.json {
        writeln!(output, "{}", serde_json::to_string_pretty(&records)?)?;
    } else {
        write_text(&mut output, &records, options)?;
    }
    Ok(!options.remove || records.iter().all(|record| record.verdict != Verdict::Failed))
}

fn judge(found: &SegmentEntry, options: &Options) -> Record {
    let (verdict, why) = match &found.segment {
        Ok(segment) => match verdict(segment, options) {
            Ok(verdict) => (verdict, None),
            Err(error) => (Verdict::Failed, Some(error.to_string())),
        },
        Err(error) => (Verdict::Failed, Some(error.to_string())),
    };
    let allocated_bytes = found.segment.as_ref().map_or(0, Segment::allocated_bytes);
    Record { path: shown(&found.path), allocated_bytes, verdict, why }
}

fn verdict(segment: &Segment, options: &Options) -> Result<Verdict, RingError> {
    if segment.is_in_use() {
        return Ok(Verdict::InUse);
    }
    if segment.config().is_kept() && !options.kept {
        return Ok(Verdict::Kept);
    }
    let Some(name) = segment.name().filter(|_| options.remove) else {
        return Ok(Verdict::Unused);
    };
    let directory = segment.path().parent().unwrap_or(segment.path());
    match Ring::unlink_unused(Location::in_directory(directory, name), options.kept) {
        Ok(true) | Err(RingError::NotFound { .. }) => Ok(Verdict::Removed), // By us, or by somebody else.
        Ok(false) => Ok(Verdict::InUse),                                    // Somebody opened it meanwhile.
        Err(error) => Err(error),
    }
}

fn write_text(output: &mut impl Write, records: &[Record], options: &Options) -> io::Result<()> {
    for record in records {
        let Record { path, allocated_bytes, verdict, why } = record;
        let bytes = bytes(*allocated_bytes);
        match verdict {
            Verdict::InUse => {}
            Verdict::Kept => writeln!(output, "kept: {path}, {bytes} (--remove --kept removes it)")?,
            Verdict::Unused => writeln!(output, "unused: {path}, {bytes}")?,
            Verdict::Removed => writeln!(output, "removed: {path}, {bytes}")?,
            Verdict::Failed => writeln!(output, "left alone: {}", why.as_deref().unwrap_or(path))?,
        }
    }
    let count = |verdict| records.iter().filter(|record| record.verdict == verdict).count();
    write!(output, "{} in use, ", count(Verdict::InUse))?;
    if options.remove {
        return writeln!(output, "{} removed", count(Verdict::Removed));
    }
    writeln!(output, "{} unused; nothing was removed (--remove does it)", count(Verdict::Unused))
}
