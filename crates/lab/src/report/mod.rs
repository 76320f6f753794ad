//! `seqring-lab report`: pages and conclusions from a record of `compare`, all of them computed.
//!
//! ```text
//! record ──▶ data: comparable repetitions of each point ──▶ conclusions, each with its sign
//!                                   └──▶ tables ──▶ Markdown, or blocks of a document
//!                                   └──▶ charts ──▶ one HTML page
//! ```

mod chart;
mod conclusions;
mod csv;
pub(crate) mod markdown;
pub(crate) mod number;
mod page;
mod rivals;
mod tables;

use crate::compare::calls::Calls;
use crate::compare::death::{Death, Role};
use crate::compare::figures::Figures;
use crate::compare::record::{Header, Record, Run};
use crate::compare::repetitions::Repetitions;
use crate::compare::sweep::{SWEEPS, Sweep};
use crate::engines::EngineName;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use conclusions::conclusions;
pub(crate) use conclusions::{Conclusion, Sign};
use harness::class::Bounds;
use harness::latency::Quantiles;
use harness::summary::Dropped;
use seqring_cli::output;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tables::Table;

const OURS: EngineName = EngineName::Seqring;

/// Makes pages of a record: report.html, one self-contained file, and report.md.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportOptions {
    /// A record of `compare`
    #[arg(value_name = "RECORD", default_value = "compare.jsonl")]
    record: PathBuf,

    /// Directory of the pages
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    out: PathBuf,

    /// Also use repetitions that other processes disturbed, or during which the cores moved. Every
    /// page then says so: such figures are no evidence, only a sign that everything runs
    #[arg(long)]
    with_disturbed: bool,

    /// On the pages also the runs of crates/rivals: the output of its --json
    #[arg(long, value_name = "FILE")]
    rivals: Option<PathBuf>,

    /// Instead of pages: replace the blocks of this document by the tables of the record
    #[arg(long, value_name = "DOCUMENT")]
    splice: Option<PathBuf>,

    /// With --splice: change nothing, and fail if anything would change
    #[arg(long, requires = "splice")]
    check: bool,

    /// Instead of pages: every repetition as comma-separated values (docs/records/DATA.md)
    #[arg(long, conflicts_with = "splice")]
    csv: bool,

    /// Instead of pages: compare the conclusions with those of this record, and fail if two
    /// contradict each other
    #[arg(long, value_name = "RECORD", conflicts_with = "splice")]
    agrees_with: Option<PathBuf>,
}

/// Makes what the flags ask for.
///
/// # Errors
/// A record that cannot be read, a page that cannot be written, blocks that differ from the record.
pub(crate) fn run(options: &ReportOptions) -> Result<()> {
    if options.csv {
        return Ok(output::stdout().write_all(csv::lines(&Record::read(&options.record)?).as_bytes())?);
    }
    let read = |path| Ok::<_, anyhow::Error>(Data::of(Record::read(path)?, options.with_disturbed));
    let mut data = read(&options.record)?;
    data.rivals = options.rivals.as_deref().map(rivals::table).transpose()?;
    if let Some(document) = &options.splice {
        return markdown::splice_data(document, &data, options.check);
    }
    if let Some(other) = &options.agrees_with {
        return agree(&conclusions(&data), &conclusions(&read(other)?));
    }
    fs::create_dir_all(&options.out).with_context(|| format!("making {}", options.out.display()))?;
    for (name, page) in [("report.html", page::page(&data)), ("report.md", markdown::page(&data))] {
        let path = options.out.join(name);
        fs::write(&path, page).with_context(|| format!("writing {}", path.display()))?;
        writeln!(output::stdout(), "{}", path.display())?;
    }
    data.nothing_comparable().map_or(Ok(()), |why| bail!("{why}"))
}

/// The conclusions of a record.
///
/// # Errors
/// A record that cannot be read.
pub(crate) fn stated(record: &Path) -> Result<Vec<Conclusion>> {
    Ok(conclusions(&Data::of(Record::read(record)?, false)))
}

/// Prints how the conclusions of two records compare.
///
/// # Errors
/// If any two contradict each other, or if no conclusion is stated by both.
fn agree(ours: &[Conclusion], theirs: &[Conclusion]) -> Result<()> {
    let mut output = output::stdout();
    let (mut both, mut one, mut against) = (0, 0, 0);
    for conclusion in ours {
        let Some(other) = theirs.iter().find(|other| other.key == conclusion.key) else { continue };
        match (conclusion.sign, other.sign) {
            (Sign::Open, Sign::Open) => {}
            (a, b) if a == b => both += 1,
            (Sign::Open, _) | (_, Sign::Open) => one += 1,
            _ => {
                against += 1;
                let Conclusion { key, text, .. } = conclusion;
                writeln!(output, "contradicted: {key}\n    {text}\n    {}", other.text)?;
            }
        }
    }
    writeln!(
        output,
        "{both} conclusions are stated by both records, {one} by one of them, {against} contradicted"
    )?;
    ensure!(against == 0, "{against} conclusions contradict each other");
    ensure!(both > 0, "no conclusion is stated by both records");
    Ok(())
}

/// A record, sorted: sweeps, their points, and the comparable repetitions of each point.
struct Data {
    header: Header,
    sweeps: Vec<Answers>,
    deaths: Vec<Death>,
    calls: Vec<Calls>,
    /// The runs of another program.
    rivals: Option<Table>,
    /// Repetitions are in use that are not comparable.
    with_disturbed: bool,
}

/// The results of a sweep.
struct Answers {
    sweep: &'static Sweep,
    points: Vec<Repetitions>,
}

impl Data {
    /// Sorts a record. With disturbed ones all repetitions count as comparable.
    fn of(mut record: Record, with_disturbed: bool) -> Self {
        if with_disturbed {
            for run in &mut record.runs {
                (run.line_ns, run.others_seconds) = ([4.0 * record.header.pause_ns; 2], 0.0);
            }
        }
        let bounds = record.bounds();
        let Record { header, runs, deaths, calls } = record;
        let sweeps = SWEEPS.iter().map(|sweep| Answers::of(sweep, &runs, bounds));
        let sweeps = sweeps.filter(|answers| !answers.points.is_empty()).collect();
        Self { header, sweeps, deaths, calls, rivals: None, with_disturbed }
    }

    /// How many repetitions are used, and how many are left out.
    fn counts(&self) -> (usize, Dropped) {
        let points = self.sweeps.iter().flat_map(|answers| &answers.points);
        points.map(Repetitions::counts).fold((0, Dropped::default()), |(used, mut dropped), (here, not)| {
            dropped += not;
            (used + here, dropped)
        })
    }

    /// Why there is nothing to show, and what to do; `None` if there is something.
    fn nothing_comparable(&self) -> Option<String> {
        let (used, dropped) = self.counts();
        let runs: usize = dropped.0.iter().sum();
        (used == 0 && runs > 0).then(|| {
            format!(
                "Nothing to show: none of {runs} repetitions can be compared ({dropped}). Continue the record while nothing \
                 else runs, or see what there is, without evidence, by `report --with-disturbed`."
            )
        })
    }

    fn sweep(&self, name: &str) -> Option<&Answers> {
        self.sweeps.iter().find(|answers| answers.sweep.name == name)
    }

    fn death(&self, engine: EngineName, role: Role) -> Option<&Death> {
        self.deaths.iter().find(|death| death.engine == engine && death.killed == role)
    }
}

impl Answers {
    fn of(sweep: &'static Sweep, runs: &[Run], bounds: Bounds) -> Self {
        let runs: Vec<&Run> = runs.iter().filter(|run| run.sweep == sweep.name).collect();
        let mut points = Repetitions::of_sweep(&runs, bounds);
        points.sort_by(|one, other| sweep.place(one.x).total_cmp(&sweep.place(other.x)));
        Self { sweep, points }
    }

    /// The engines of the sweep, in their order.
    fn engines(&self) -> Vec<EngineName> {
        let asked = |engine: &EngineName| self.points.iter().any(|point| point.engines.contains(engine));
        EngineName::ALL.iter().copied().filter(asked).collect()
    }

    /// The engines of the sweep, without ours.
    fn others(&self) -> impl Iterator<Item = EngineName> {
        self.engines().into_iter().filter(|engine| *engine != OURS)
    }

    fn at(&self, x: f64) -> Option<&Repetitions> {
        self.points.iter().find(|point| point.x.total_cmp(&x).is_eq())
    }

    /// Whether any repetition has such a figure, comparable or not.
    fn has(&self, value: impl Fn(&Figures) -> f64) -> bool {
        self.points.iter().any(|point| point.has(&value))
    }
}

fn rate(figures: &Figures) -> f64 {
    figures.writes_per_second
}

/// The rate without what the measurement itself costs, at most.
fn net_rate(figures: &Figures) -> f64 {
    let [write, _] = figures.harness_ns.unwrap_or([f64::NAN; 2]);
    1e9 / (1e9 / rate(figures) - write)
}

/// A quantile in ns; not a number if too few latencies were timed.
type Quantile = fn(&Quantiles) -> Option<u64>;

fn p999(latency: &Quantiles) -> Option<u64> {
    latency.p999
}

fn known(latency: Option<Quantiles>, quantile: Quantile) -> f64 {
    latency.as_ref().and_then(quantile).map_or(f64::NAN, |nanos| nanos as f64)
}

fn writer_p999(figures: &Figures) -> f64 {
    known(figures.writer_latency_ns, p999)
}

fn reader_p999(figures: &Figures) -> f64 {
    known(figures.reader_latency_ns, p999)
}

fn lost_percent(figures: &Figures) -> f64 {
    100.0 * figures.lost_share
}

fn target_percent(figures: &Figures) -> f64 {
    figures.target_percent.unwrap_or(f64::NAN)
}
