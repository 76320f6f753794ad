//! The record of the deaths: a line of JSON for its header, for each contestant that cannot be run
//! here, and for each run.

use super::analysis::Balance;
use super::cell::Cell;
use anyhow::{Context, Result};
use harness::machine::Machine;
use seqring_cli::perf::BadInput;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

const VERSION: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    Deaths(Header),
    Run(Run),
}

/// The origin of the runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) commit: String,
    pub(crate) machine: Machine,
    /// How long a survivor may be silent.
    pub(crate) bound_ms: u64,
    /// The version of each contestant, or why there is none.
    pub(crate) contestants: BTreeMap<String, Result<String, String>>,
}

/// How the survivors fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// All went on.
    WentOn,
    /// The calls of one returned, and nothing moved to the end.
    Starved,
    /// A call of one did not return.
    Hung,
}

/// How a participant fared that took the place of the victim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Successor {
    /// Milliseconds until its first message.
    Works(f64),
    /// The error with which it was refused.
    Refused(String),
    /// It joined, and no message came through.
    Silent,
    /// The call to join did not return.
    Hung,
}

/// What removes what a run left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RemovedBy {
    /// There was nothing.
    Nothing,
    /// The next use of the name.
    NextUse,
    /// The documented clean-up.
    CleanUp,
    /// A removal of the files.
    Hand,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) contestant: String,
    #[serde(flatten)]
    pub(crate) cell: Cell,
    pub(crate) number: u64,
    pub(crate) seed: u64,
    /// From the last survivor's first message to the fault.
    pub(crate) delay_us: u64,
    #[serde(flatten)]
    pub(crate) result: Result<Found, Failure>,
}

/// Why a run shows nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) failure: String,
}

/// What a run found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) outcome: Outcome,
    /// The longest silence of a survivor.
    pub(crate) silent_ms: f64,
    /// Until a survivor's library reported something, from the fault on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reported_ms: Option<f64>,
    /// The report, in the words of the library.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) report: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) successor: Option<Successor>,
    #[serde(flatten)]
    pub(crate) balance: Balance,
    /// Survivors that did not leave when they should have.
    #[serde(default)]
    pub(crate) stuck: usize,
    /// Names in the file system, and System V objects, after all are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left: Vec<String>,
    pub(crate) removed_by: RemovedBy,
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) header: Header,
    pub(crate) runs: Vec<Run>,
}

impl Record {
    /// Reads a record. What a crash cut short at its end is ignored.
    ///
    /// # Errors
    /// A line of another form, [`BadInput`] for another kind or version.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).enumerate();
        let parse = |(number, line): (usize, &str)| {
            serde_json::from_str(line).with_context(|| format!("line {} is no line of a record", number + 1))
        };
        let header = match lines.next().map(parse).transpose()? {
            Some(Line::Deaths(header)) if header.version <= VERSION => header,
            Some(Line::Deaths(header)) => {
                return Err(BadInput(format!("a record of version {}, not {VERSION}", header.version)).into());
            }
            _ => return Err(BadInput("no record of `deaths`".into()).into()),
        };
        let runs = lines.map(|line| match parse(line)? {
            Line::Run(run) => Ok(run),
            Line::Deaths(_) => Err(BadInput("a second header".into()).into()),
        });
        Ok(Self { header, runs: runs.collect::<Result<_>>()? })
    }
}

/// The record as it grows.
pub(crate) struct Journal {
    file: File,
    /// Runs of each contestant and cell.
    counts: BTreeMap<(String, Cell), u64>,
}

impl Header {
    pub(crate) fn new(bound_ms: u64, contestants: BTreeMap<String, Result<String, String>>) -> Result<Self> {
        Ok(Self {
            version: VERSION,
            commit: harness::commit!().into(),
            machine: Machine::this()?,
            bound_ms,
            contestants,
        })
    }
}

impl Journal {
    /// Continues the record at `path`, or begins one.
    ///
    /// # Errors
    /// [`BadInput`] for a record of another machine, commit or set of contestants.
    pub(crate) fn open(path: &Path, header: &Header) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut counts = BTreeMap::new();
        if !text.is_empty() {
            let record = Record::parse(&text[..whole]).with_context(|| path.display().to_string())?;
            if record.header != *header {
                let what = format!(
                    "{} is of another machine, commit or contestants: give --record another name",
                    path.display()
                );
                return Err(BadInput(what).into());
            }
            for run in record.runs {
                *counts.entry((run.contestant, run.cell)).or_default() += 1;
            }
        }
        let file = File::options().create(true).append(true).open(path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        file.set_len(whole as u64)?;
        let mut journal = Self { file, counts };
        if whole == 0 {
            journal.write(&Line::Deaths(header.clone()))?;
        }
        Ok(journal)
    }

    /// How many runs of a cell there are.
    pub(crate) fn count(&self, contestant: &str, cell: Cell) -> u64 {
        self.counts.get(&(contestant.into(), cell)).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, run: Run) -> Result<()> {
        *self.counts.entry((run.contestant.clone(), run.cell)).or_default() += 1;
        self.write(&Line::Run(run))
    }

    fn write(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text).context("writing the record")
    }
}
