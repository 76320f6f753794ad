//! Row: the segments and descriptors of a pipeline of processes. Nothing is timed.

use crate::work::{SMALL, Work};
use harness::drive::Peers;
use harness::table::{Finding, Row};
use seqring::pipeline::Pipeline;
use std::fs;

const PRODUCERS: usize = 8;
/// Beside one a worker.
const DESCRIPTORS: usize = 4;

pub(crate) fn row() -> Row {
    Row::new(
        "resources",
        format!("segments and descriptors of the host, {PRODUCERS} producers and the commander, processes"),
        format!("one segment, <= {DESCRIPTORS} descriptors beside one a worker, none when it has stopped"),
        |_| measure(),
    )
}

fn measure() -> Result<Finding, String> {
    let before = descriptors()?;
    let mut items = Work::Fill.start(Peers::Processes, &Pipeline::new().bytes(SMALL).producers(PRODUCERS))?;
    drop(items.next());
    let at_work = descriptors()? - before - (PRODUCERS + 1);
    let segments = segments()?;
    Work::stop(items)?;
    let left = descriptors()? - before;
    let measured =
        format!("{segments} segments, {at_work} descriptors beside one a worker, {left} when it has stopped");
    Ok(Finding::new(segments == 1 && at_work <= DESCRIPTORS && left == 0, measured))
}

fn descriptors() -> Result<usize, String> {
    Ok(fs::read_dir("/proc/self/fd").map_err(|error| error.to_string())?.count())
}

/// Files of rings that this process has mapped, by their numbers.
fn segments() -> Result<usize, String> {
    let maps = fs::read_to_string("/proc/self/maps").map_err(|error| error.to_string())?;
    let mut files: Vec<&str> = maps
        .lines()
        .filter(|line| line.contains("seqring") && line.contains("memfd:") || line.contains(".seqring"))
        .filter_map(|line| line.split_ascii_whitespace().nth(4))
        .collect();
    files.sort_unstable();
    files.dedup();
    Ok(files.len())
}
