//! `seqring gc`: removes rings that have no live user, and what belongs to them.

use super::record::shown;
use super::{Common, bytes};
use crate::output;
use anyhow::{Context, Result};
use clap::Args;
use seqring::inspect::{Segment, SegmentEntry, printable};
use seqring::{Location, Ring, RingError};
use serde::Serialize;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Removes rings whose users were all killed before they could remove them.
///
/// Without --remove it only lists them. A ring that a live process has open stays, and so does one
/// that was created to be kept. Files of large items of Python's queues go with their queue.
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
    let mut records: Vec<GcRecord> = found.iter().map(|found| judge(found, options)).collect();
    records.extend(left_items(directory, &records, options)?);
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
    let location = Location::in_directory(directory, name);
    let removed =
        if options.kept { Ring::unlink_unused_even_kept(location) } else { Ring::unlink_unused(location) };
    match removed {
        Ok(true) | Err(RingError::NotFound { .. }) => Ok(Verdict::Removed), // By this process, or by another one.
        Ok(false) => Ok(Verdict::InUse),                                    // A process opened it meanwhile.
        Err(error) => Err(error),
    }
}

/// The files of items whose queue is gone, or is one of `rings` that is unused.
fn left_items(directory: &Path, rings: &[GcRecord], options: &GcOptions) -> io::Result<Vec<GcRecord>> {
    let mut records = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let Some(queue) = name.to_str().and_then(queue_of).map(|queue| directory.join(queue)) else {
            continue;
        };
        let is_unused = |ring: &GcRecord| ring.verdict == Verdict::Unused && ring.path == shown(&queue);
        let is_gone = queue.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        if !is_gone && !rings.iter().any(is_unused) {
            continue;
        }
        let allocated_bytes = entry.metadata().map_or(0, |file| file.len());
        let (verdict, why) = match options.remove.then(|| fs::remove_file(&path)) {
            None => (Verdict::Unused, None),
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => {
                (Verdict::Failed, Some(format!("{}: {error}", printable(&path))))
            }
            Some(_) => (Verdict::Removed, None),
        };
        records.push(GcRecord { path: shown(&path), allocated_bytes, verdict, why });
    }
    records.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(records)
}

/// The file of the queue whose item has this file: `.NAME.seqring-0123456789abcdef.item`, as the
/// Python package names them.
fn queue_of(item: &str) -> Option<&str> {
    let (queue, number) = item.strip_prefix('.')?.strip_suffix(".item")?.rsplit_once('-')?;
    let is_number = number.len() == 16 && number.bytes().all(|digit| digit.is_ascii_hexdigit());
    (is_number && queue.ends_with(".seqring")).then_some(queue)
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
