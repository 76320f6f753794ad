//! The record: a line of JSON for the header and for each repetition, appended as it ends.
//!
//! | line | what |
//! |---|---|
//! | `{"header": …}` | first line: version of the format, machine, command, commit |
//! | `{"run": …}` | one repetition of one engine at one point: measurements, surroundings |
//! | `{"death": …}` | one peer killed in the middle of its work, and whether the others went on |
//! | `{"calls": …}` | the system calls of one engine, counted |
//!
//! If a crash cut the last line short, it is ignored and overwritten.

use super::calls::Calls;
use super::death::{Death, Role};
use super::figures::Figures;
use super::schedule::Point;
use super::sweep::Sweep;
use crate::engines::EngineName;
use anyhow::{Context, Result};
use harness::class::Bounds;
use harness::machine::Machine;
use seqring_cli::perf::BadInput;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// The version of the format. A reader refuses later ones. Records of version 1 have no
/// latencies: they timed one message in 64, which misses the calls that block.
pub(crate) const VERSION: u32 = 2;
/// How the first line begins.
const BEGINNING: &str = r#"{"header":"#;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    Header(Header),
    Run(Run),
    Death(Death),
    Calls(Calls),
}

/// The origin of the rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) program: String,
    pub(crate) command: String,
    pub(crate) commit: String,
    pub(crate) began_unix_seconds: u64,
    pub(crate) quick: bool,
    pub(crate) machine: Machine,
    /// How long a PAUSE takes: the unit of the classes of repetitions.
    #[serde(default = "pause_of_version_1")]
    pub(crate) pause_ns: f64,
}

/// Of the machines of the project then.
fn pause_of_version_1() -> f64 {
    25.0
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) sweep: String,
    pub(crate) x: f64,
    pub(crate) engine: EngineName,
    pub(crate) round: usize,
    /// Round trip of a cache line before and after it, in ns.
    pub(crate) line_ns: [f64; 2],
    /// How long it took, its preparations included.
    pub(crate) elapsed_seconds: f64,
    /// CPU time that others took meanwhile.
    pub(crate) others_seconds: f64,
    /// Its results, or why it failed.
    pub(crate) outcome: Result<Figures, String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) header: Header,
    pub(crate) runs: Vec<Run>,
    pub(crate) deaths: Vec<Death>,
    pub(crate) calls: Vec<Calls>,
}

impl Record {
    fn new(header: Header) -> Self {
        Self { header, runs: Vec::new(), deaths: Vec::new(), calls: Vec::new() }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// A line of another form, [`BadInput`] for another version.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut lines = text.split_inclusive('\n').enumerate().filter(|(_, line)| line.ends_with('\n'));
        let parse = |(number, line): (usize, &str)| {
            serde_json::from_str(line).with_context(|| format!("line {} is no line of a record", number + 1))
        };
        let Some(Line::Header(header)) = lines.next().map(parse).transpose()? else {
            return Err(BadInput("not a record of `compare`: no header".into()).into());
        };
        if header.version > VERSION {
            let what =
                format!("a record of version {}, and this program reads up to {VERSION}", header.version);
            return Err(BadInput(what).into());
        }
        let mut record = Self::new(header);
        for line in lines {
            match parse(line)? {
                Line::Header(_) => {
                    return Err(BadInput(format!("a second header in line {}", line.0 + 1)).into());
                }
                result => record.add(result),
            }
        }
        Ok(record)
    }

    /// The bounds of the classes of its repetitions.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds::of(self.header.pause_ns, self.runs.iter().flat_map(|run| run.line_ns))
    }

    fn add(&mut self, line: Line) {
        match line {
            Line::Header(header) => self.header = header,
            Line::Run(run) => self.runs.push(run),
            Line::Death(death) => self.deaths.push(death),
            Line::Calls(calls) => self.calls.push(calls),
        }
    }
}

/// The record as it grows.
pub(crate) struct Journal {
    file: File,
    record: Record,
}

impl Journal {
    /// Opens the record at `path` to continue it, or begins one with `header`.
    ///
    /// # Errors
    /// [`BadInput`] for a record of another machine, kernel, commit or effort: its repetitions are
    /// not comparable.
    pub(crate) fn open(path: &Path, header: &Header) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let record = if whole == 0 && (text.starts_with(BEGINNING) || BEGINNING.starts_with(&text)) {
            Record::new(header.clone())
        } else if whole == 0 {
            return Err(BadInput(format!("{} is no record of `compare`", path.display())).into());
        } else {
            Record::parse(&text[..whole]).with_context(|| path.display().to_string())?
        };
        let there = &record.header;
        let kind = |of: &Header| (of.machine.clone(), of.commit.clone(), of.quick);
        if kind(there) != kind(header) {
            let what = format!(
                "{} is of another machine, commit or effort ({}, at {}): give --record another name",
                path.display(),
                there.command,
                there.commit
            );
            return Err(BadInput(what).into());
        }
        // Only now is it sure that the file is a record: what a crash cut short is removed.
        let file = File::options().create(true).append(true).open(path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        file.set_len(whole as u64)?;
        let mut journal = Self { file, record };
        if whole == 0 {
            journal.append(Line::Header(header.clone()))?;
        }
        Ok(journal)
    }

    pub(crate) fn append(&mut self, line: Line) -> Result<()> {
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        self.file.write_all(&text).context("writing the record")?;
        self.record.add(line);
        Ok(())
    }

    pub(crate) fn runs_of(&self, sweep: &Sweep) -> Vec<&Run> {
        self.record.runs.iter().filter(|run| run.sweep == sweep.name).collect()
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.record.bounds()
    }

    /// Complete rounds of `point`, with every one of `engines`; numbered from 0 without a gap.
    pub(crate) fn whole_rounds(&self, point: &Point, engines: &[EngineName]) -> u32 {
        let there: BTreeSet<(usize, EngineName)> =
            self.runs_at(point).map(|run| (run.round, run.engine)).collect();
        let is_whole = |round: &usize| engines.iter().all(|engine| there.contains(&(*round, *engine)));
        (0..usize::MAX).take_while(is_whole).count() as u32
    }

    /// Rounds of `point`, incomplete ones included.
    pub(crate) fn rounds(&self, point: &Point) -> u32 {
        self.runs_at(point).map(|run| run.round as u32 + 1).max().unwrap_or(0)
    }

    fn runs_at(&self, point: &Point) -> impl Iterator<Item = &Run> {
        self.runs_of(point.sweep).into_iter().filter(|run| run.x.total_cmp(&point.x).is_eq())
    }

    pub(crate) fn has_death(&self, engine: EngineName, role: Role) -> bool {
        self.record.deaths.iter().any(|death| death.engine == engine && death.killed == role)
    }

    pub(crate) fn has_calls(&self, engine: EngineName) -> bool {
        self.record.calls.iter().any(|calls| calls.engine == engine)
    }
}
