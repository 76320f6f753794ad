//! The page of a record: every sentence, table and figure computed.

use super::analysis::Balance;
use super::cell::{Cell, Fault, Victim};
use super::contestants::{CONTESTANTS, Contestant};
use super::picture;
use super::record::{Found, Outcome, Record, RemovedBy, Run, Successor};
use crate::report::markdown::{self, list, rows};
use crate::report::number::nanos;
use anyhow::{Context, Result, ensure};
use harness::spread::Spread;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The runs of one contestant and cell that show something.
pub(crate) struct Summary<'r> {
    pub(crate) contestant: &'static Contestant,
    pub(crate) cell: Cell,
    runs: Vec<&'r Found>,
}

/// What a record states about the survivors of a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claim {
    pub(crate) contestant: &'static str,
    pub(crate) cell: Cell,
    pub(crate) runs: usize,
    pub(crate) went_on: usize,
}

impl Claim {
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        Self {
            contestant: "seqring-gated",
            cell: Cell { fault: Fault::Kill, victim: Victim::Writer },
            runs: 1,
            went_on: 1,
        }
    }

    /// Whether both are about the same contestant and cell.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        (self.contestant, self.cell) == (other.contestant, other.cell)
    }

    /// The share of runs in which all survivors went on.
    pub(crate) fn share(&self) -> f64 {
        self.went_on as f64 / self.runs as f64
    }
}

impl Summary<'_> {
    fn count(&self, holds: impl Fn(&Found) -> bool) -> usize {
        self.runs.iter().filter(|found| holds(found)).count()
    }

    pub(crate) fn claim(&self) -> Claim {
        let went_on = self.count(|found| found.outcome == Outcome::WentOn);
        Claim { contestant: self.contestant.name, cell: self.cell, runs: self.runs.len(), went_on }
    }

    /// Median and highest of a figure of the runs that have it.
    fn spread(&self, figure: impl Fn(&Found) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.runs.iter().filter_map(|found| figure(found)).collect())
    }

    /// `all`, `none`, or how many of how many.
    fn share(&self, holds: impl Fn(&Found) -> bool) -> String {
        match (self.count(holds), self.runs.len()) {
            (0, _) => "none".into(),
            (count, runs) if count == runs => "all".into(),
            (count, runs) => format!("{count} of {runs}"),
        }
    }

    fn total(&self, count: impl Fn(&Balance) -> u64) -> u64 {
        self.runs.iter().map(|found| count(&found.balance)).sum()
    }
}

/// A count of messages.
type Count = fn(&Balance) -> u64;

/// The cells of a record, in the order of the contestants.
pub(crate) fn summaries(record: &Record) -> Vec<Summary<'_>> {
    let mut found: BTreeMap<(&str, Cell), Vec<&Found>> = BTreeMap::new();
    for Run { contestant, cell, result, .. } in &record.runs {
        if let Ok(result) = result {
            found.entry((contestant, *cell)).or_default().push(result);
        }
    }
    let of = |contestant: &'static Contestant| {
        let found = &found;
        Cell::ALL.into_iter().filter_map(move |cell| {
            let runs = found.get(&(contestant.name, cell))?.clone();
            Some(Summary { contestant, cell, runs })
        })
    };
    CONTESTANTS.iter().flat_map(of).collect()
}

/// What the record states, cell by cell.
pub(crate) fn claims(record: &Record) -> Vec<Claim> {
    summaries(record).iter().map(Summary::claim).collect()
}

fn about(record: &Record) -> String {
    let machine = &record.header.machine;
    let failed = record.runs.iter().filter(|run| run.result.is_err()).count();
    let summaries = summaries(record);
    let counts = Spread::of(summaries.iter().map(|summary| summary.runs.len() as f64).collect());
    let counts =
        counts.map_or_else(String::new, |spread| format!(", {} to {} in a cell", spread.min, spread.max));
    format!(
        "{} runs{counts}; {failed} more could not be made. {}, {} cores{}, {}, commit {}. A survivor hangs when it is silent \
         for {} ms.\n",
        record.runs.len() - failed,
        machine.cpu_model,
        machine.allowed_cores,
        if machine.virtual_machine { ", a virtual machine" } else { "" },
        machine.kernel,
        record.header.commit,
        record.header.bound_ms,
    )
}

/// Sentences: one for each cell about going on, then about reports, messages, and what is left.
fn sentences(summaries: &[Summary<'_>]) -> Vec<String> {
    let of = |cell: Cell| summaries.iter().filter(move |summary| summary.cell == cell);
    let name = |summary: &&Summary<'_>| summary.contestant.name;
    let mut sentences = Vec::new();
    for cell in Cell::ALL {
        let (all, some): (Vec<_>, Vec<_>) = of(cell).partition(|one| one.claim().went_on == one.runs.len());
        if all.is_empty() && some.is_empty() {
            continue;
        }
        let some = some.iter().map(|one| {
            let claim = one.claim();
            format!("{} ({} of {})", claim.contestant, claim.runs - claim.went_on, claim.runs)
        });
        sentences.push(format!(
            "{}: in every run all survivors went on: {}. In some run one hung or starved: {}.",
            capital(&cell.to_string()),
            list(all.iter().map(name)),
            list(some)
        ));
    }
    for victim in [Victim::Writer, Victim::Reader] {
        let cell = Cell { fault: Fault::Kill, victim };
        let reports = |share: &str| {
            of(cell)
                .filter(|one| one.share(|f| f.reported_ms.is_some()) == share)
                .map(|one| name(&one))
                .collect::<Vec<_>>()
        };
        if of(cell).next().is_some() {
            let (all, none) = (reports("all"), reports("none"));
            let some = of(cell).map(|one| name(&one)).filter(|one| !all.contains(one) && !none.contains(one));
            sentences.push(format!(
                "{}: a survivor gets a report from its library in every run: {}; in some: {}; in none: {}.",
                capital(&cell.to_string()),
                list(&all),
                list(some),
                list(&none)
            ));
        }
    }
    let kinds: [(&str, Count); 4] = [
        ("lost without a report, although the write had returned", |balance| balance.lost),
        ("read twice without a mark", |balance| balance.doubled),
        ("torn", |balance| balance.torn),
        ("out of order", |balance| balance.disordered),
    ];
    for (what, count) in kinds {
        let with = CONTESTANTS.iter().filter_map(|contestant| {
            let cells = summaries.iter().filter(|one| one.contestant.name == contestant.name);
            let faults: Vec<String> = cells
                .filter(|one| one.total(count) > 0)
                .map(|one| {
                    format!(
                        "{} {} in {} runs",
                        one.cell,
                        one.total(count),
                        one.count(|found| count(&found.balance) > 0)
                    )
                })
                .collect();
            (!faults.is_empty()).then(|| format!("{} ({})", contestant.name, faults.join(", ")))
        });
        sentences.push(format!("Messages {what}: {}.", list(with)));
    }
    let all = |summary: &&Summary<'_>, by: RemovedBy| summary.count(|found| found.removed_by > by) == 0;
    let killed = || summaries.iter().filter(|one| one.cell.fault == Fault::Kill);
    let removed: [(&str, RemovedBy); 4] = [
        ("nothing stays", RemovedBy::Nothing),
        ("the next use of the name removes what stays", RemovedBy::NextUse),
        ("the documented clean-up removes it", RemovedBy::CleanUp),
        ("a removal by hand", RemovedBy::Hand),
    ];
    let worst = |name: &str| {
        killed().filter(|one| one.contestant.name == name).fold(RemovedBy::Nothing, |worst, one| {
            removed.iter().map(|(_, by)| *by).find(|by| all(&one, *by)).unwrap_or(RemovedBy::Hand).max(worst)
        })
    };
    let there = |contestant: &&Contestant| killed().any(|one| one.contestant.name == contestant.name);
    let parts = removed.map(|(what, by)| {
        let names = CONTESTANTS.iter().filter(there).map(|one| one.name).filter(|name| worst(name) == by);
        format!("{what}: {}", list(names))
    });
    if killed().next().is_some() {
        sentences.push(format!("Files after kills, when all participants are gone: {}.", parts.join("; ")));
    }
    sentences
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_uppercase() + rest
}

/// The share of runs in which all survivors went on, by contestant and cell.
fn matrix(summaries: &[Summary<'_>]) -> String {
    let cells: Vec<Cell> =
        Cell::ALL.into_iter().filter(|cell| summaries.iter().any(|one| one.cell == *cell)).collect();
    let head =
        std::iter::once("contestant".to_owned()).chain(cells.iter().map(ToString::to_string)).collect();
    let row = |contestant: &Contestant| {
        let cell = |cell: &Cell| {
            let summary =
                summaries.iter().find(|one| one.cell == *cell && one.contestant.name == contestant.name);
            summary.map_or("–".into(), |one| one.share(|found| found.outcome == Outcome::WentOn))
        };
        std::iter::once(contestant.name.to_owned()).chain(cells.iter().map(cell)).collect()
    };
    let there = |contestant: &&Contestant| summaries.iter().any(|one| one.contestant.name == contestant.name);
    rows(head, CONTESTANTS.iter().filter(there).map(row).collect())
}

/// The figures of one cell, by contestant.
fn figures(summaries: &[Summary<'_>], cell: Cell) -> String {
    let head = [
        "contestant",
        "runs",
        "hung",
        "starved",
        "longest silence",
        "reported",
        "after",
        "successor",
        "lost",
        "reported lost",
        "doubled",
        "torn",
        "out of order",
        "in hand",
        "stays",
        "removed by",
    ];
    let row = |one: &Summary<'_>| {
        let time = |spread: Option<Spread>| {
            spread.map_or("–".into(), |spread| {
                format!("{} (≤ {})", nanos(1e6 * spread.median), nanos(1e6 * spread.max))
            })
        };
        let successor =
            |works: bool| one.count(|found| matches!(found.successor, Some(Successor::Works(_))) == works);
        let left: Vec<&String> = one.runs.iter().flat_map(|found| &found.left).collect();
        let worst = one.runs.iter().map(|found| found.removed_by).max();
        vec![
            one.contestant.name.to_owned(),
            one.runs.len().to_string(),
            one.count(|found| found.outcome == Outcome::Hung).to_string(),
            one.count(|found| found.outcome == Outcome::Starved).to_string(),
            time(one.spread(|found| Some(found.silent_ms))),
            one.share(|found| found.reported_ms.is_some()),
            time(one.spread(|found| found.reported_ms)),
            match (successor(true), one.runs.len()) {
                (works, runs) if works == runs => "works".into(),
                (works, runs) => format!("works in {works} of {runs}"),
            },
            one.total(|balance| balance.lost).to_string(),
            one.total(|balance| balance.reported_lost).to_string(),
            one.total(|balance| balance.doubled).to_string(),
            one.total(|balance| balance.torn).to_string(),
            one.total(|balance| balance.disordered).to_string(),
            one.total(|balance| balance.in_hand).to_string(),
            if left.is_empty() { "nothing".into() } else { format!("{} files", left.len()) },
            match worst {
                None | Some(RemovedBy::Nothing) => "–",
                Some(RemovedBy::NextUse) => "the next use",
                Some(RemovedBy::CleanUp) => "its clean-up",
                Some(RemovedBy::Hand) => "hand",
            }
            .into(),
        ]
    };
    let body: Vec<_> = summaries.iter().filter(|one| one.cell == cell).map(row).collect();
    if body.is_empty() { "Not in this record.\n".into() } else { rows(head.map(Into::into).into(), body) }
}

/// The contestants, and why some are absent.
fn contestants(record: &Record) -> String {
    let row = |one: &Contestant| {
        let version = record.header.contestants.get(one.name);
        let version = match version {
            Some(Ok(version)) => version.clone(),
            Some(Err(why)) => format!("absent: {why}"),
            None => "absent".into(),
        };
        vec![
            one.name.into(),
            format!("{} {version}", one.package),
            one.what.into(),
            format!("{}, {}", one.writers, one.readers),
            one.bytes.to_string(),
        ]
    };
    let head = ["contestant", "package", "use", "writers, readers", "bytes"].map(Into::into).into();
    rows(head, CONTESTANTS.iter().map(row).collect())
}

/// The first report of each contestant, and the errors of successors, in the words of the library.
fn words(record: &Record) -> String {
    let mut seen: BTreeMap<(&str, Cell), &str> = BTreeMap::new();
    for run in &record.runs {
        if let Ok(found) = &run.result {
            let refused = match &found.successor {
                Some(Successor::Refused(text)) => text,
                _ => &found.report,
            };
            if !refused.is_empty() && run.cell.fault == Fault::Kill {
                seen.entry((&run.contestant, run.cell)).or_insert(refused);
            }
        }
    }
    let row = |((contestant, cell), text): (&(&str, Cell), &&str)| {
        vec![(*contestant).into(), cell.to_string(), text.replace('|', "\\|")]
    };
    let body: Vec<_> = seen.iter().map(row).collect();
    if body.is_empty() {
        "No report.\n".into()
    } else {
        rows(["contestant", "fault", "first report"].map(Into::into).into(), body)
    }
}

/// Every block of the page: its name and its text.
fn blocks(record: &Record) -> Vec<(String, String)> {
    let summaries = summaries(record);
    let mut claims = String::new();
    for sentence in sentences(&summaries) {
        let _ = writeln!(claims, "- {sentence}"); // Writing to a string does not fail.
    }
    let cell = |fault, victim| figures(&summaries, Cell { fault, victim });
    [
        ("about", about(record)),
        ("claims", claims),
        ("matrix", matrix(&summaries)),
        ("writer-killed", cell(Fault::Kill, Victim::Writer)),
        ("reader-killed", cell(Fault::Kill, Victim::Reader)),
        ("name-removed", cell(Fault::Unlink, Victim::Name)),
        ("words", words(record)),
        ("contestants", contestants(record)),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into()
}

/// Puts the blocks of a record into a document, and its picture beside it as `deaths.svg`; or
/// checks that neither would change.
///
/// # Errors
/// As [`markdown::splice`], and a picture that differs.
pub(crate) fn splice(document: &Path, record: &Record, check: bool) -> Result<()> {
    let svg = picture::svg(&summaries(record)).context("the record has no runs")?;
    let path = document.with_file_name("deaths.svg");
    markdown::splice(document, &blocks(record), |_| false, check)?;
    if check {
        let there = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        ensure!(there == svg, "{} is not what its record says", path.display());
        return Ok(());
    }
    fs::write(&path, svg).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two runs of a cell: one in which all went on, and one of `outcome` with a lost message.
    fn record(outcome: Outcome) -> Record {
        let header = super::super::record::Header::new(2000, BTreeMap::new()).unwrap();
        let cell = Cell { fault: Fault::Kill, victim: Victim::Writer };
        let run = |number, outcome, lost| {
            let balance = Balance { lost, ..Balance::default() };
            let found = Found {
                outcome,
                silent_ms: 12.0,
                reported_ms: (number == 0).then_some(5.0),
                report: String::new(),
                successor: Some(Successor::Works(3.0)),
                balance,
                stuck: 0,
                left: Vec::new(),
                removed_by: RemovedBy::NextUse,
            };
            Run { contestant: "seqring-gated".into(), cell, number, seed: 0, delay_us: 0, result: Ok(found) }
        };
        Record { header, runs: vec![run(0, Outcome::WentOn, 0), run(1, outcome, 7)] }
    }

    #[test]
    fn a_sentence_says_what_the_runs_say() {
        let all = |outcome| sentences(&summaries(&record(outcome))).join("\n");
        assert!(
            all(Outcome::WentOn)
                .contains("all survivors went on: seqring-gated. In some run one hung or starved: none")
        );
        assert!(
            all(Outcome::Hung)
                .contains("went on: none. In some run one hung or starved: seqring-gated (1 of 2)")
        );
        assert!(all(Outcome::Hung).contains("in every run: none; in some: seqring-gated; in none: none"));
        assert!(all(Outcome::Hung).contains("had returned: seqring-gated (writer killed 7 in 1 runs)"));
        assert!(all(Outcome::Hung).contains("removes what stays: seqring-gated"));
    }

    #[test]
    fn a_claim_counts_the_runs_and_a_failure_is_none() {
        let mut record = record(Outcome::Starved);
        record.runs[0].result = Err(super::super::record::Failure { failure: "it did not start".into() });
        let [claim] = &claims(&record)[..] else { panic!("one cell") };
        assert_eq!((claim.runs, claim.went_on), (1, 0));
        assert!(about(&record).contains("1 more could not be made"));
    }

    #[test]
    fn the_picture_has_a_square_for_each_cell() {
        let svg = picture::svg(&summaries(&record(Outcome::Hung))).unwrap();
        assert!(svg.contains("50") && svg.contains("seqring-gated"), "{svg}");
    }
}
