//! `seqring-lab reproduce`: every claim of the records again, briefly, on the machine at hand.
//!
//! | claims | recorded in | measured by |
//! |---|---|---|
//! | what others see of a death | `deaths.jsonl` | `deaths`, a few runs of each cell |
//! | seqring beside locks | `compare.jsonl` | `compare --quick` |
//! | required figures | `reach.txt` | `cargo bench --bench reach -- --quick` |
//! | seqring beside other rings | `rivals.txt` | `crates/rivals`, `--quick`, where that is built |

use crate::compare::{self, CompareOptions};
use crate::deaths::contestants::source;
use crate::deaths::record::Record;
use crate::deaths::{self, Claim};
use crate::report::{self, Conclusion, Sign};
use anyhow::{Context, Result};
use clap::Args;
use seqring_cli::output;
use seqring_cli::perf::Interrupted;
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Measures every claim of the records again, briefly, and compares.
///
/// A claim is confirmed, not confirmed, or cannot be measured here. It takes up to 20 minutes on an
/// otherwise idle machine; a part that no time is left for is left out, and says so.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReproduceOptions {
    /// The records
    #[arg(long, value_name = "DIRECTORY", default_value_os_t = source("docs/records"))]
    records: PathBuf,

    /// What is measured here goes there; what is there is continued
    #[arg(long, value_name = "DIRECTORY", default_value = "target/reproduce")]
    out: PathBuf,

    /// Only these parts
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,

    /// No part begins that would end later than that
    #[arg(long, default_value_t = 20)]
    minutes: u64,

    /// Runs of each cell of `deaths`
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    runs: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Deaths,
    Compare,
    Reach,
    Rivals,
}

impl Part {
    /// How long it takes at most.
    fn minutes(self) -> u64 {
        match self {
            Self::Deaths | Self::Compare | Self::Reach => 6,
            Self::Rivals => 4,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Confirmed,
    NotConfirmed,
    Unmeasured,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Confirmed => "confirmed",
            Self::NotConfirmed => "not confirmed",
            Self::Unmeasured => "cannot be measured here",
        })
    }
}

/// A claim, what the record says of it, what was found here, and what follows.
#[derive(Debug)]
struct Finding {
    claim: String,
    recorded: String,
    here: String,
    verdict: Verdict,
}

impl Finding {
    fn unmeasured(claim: impl Into<String>, recorded: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            claim: claim.into(),
            recorded: recorded.into(),
            here: why.into(),
            verdict: Verdict::Unmeasured,
        }
    }
}

/// Prints each claim as soon as it is measured. Says whether none was found to be wrong.
///
/// # Errors
/// [`Interrupted`], records that cannot be read.
pub(crate) fn run(options: &ReproduceOptions) -> Result<bool> {
    let begin = Instant::now();
    fs::create_dir_all(&options.out).with_context(|| format!("making {}", options.out.display()))?;
    let mut counts = [0; 3];
    writeln!(output::stdout(), "| claim | recorded | here | |\n|---|---|---|---|")?;
    for part in [Part::Deaths, Part::Compare, Part::Reach, Part::Rivals] {
        if !options.only.is_empty() && !options.only.contains(&part) {
            continue;
        }
        let end = begin.elapsed() + Duration::from_secs(60 * part.minutes());
        let found = if end > Duration::from_secs(60 * options.minutes) {
            vec![Finding::unmeasured(format!("{part:?}").to_lowercase(), "", "no time is left")]
        } else {
            match measure(part, options) {
                Err(error) if error.is::<Interrupted>() => return Err(error),
                Err(error) => {
                    vec![Finding::unmeasured(format!("{part:?}").to_lowercase(), "", format!("{error:#}"))]
                }
                Ok(found) => found,
            }
        };
        for Finding { claim, recorded, here, verdict } in found {
            counts[verdict as usize] += 1;
            writeln!(output::stdout(), "| {claim} | {recorded} | {here} | **{verdict}** |")?;
        }
    }
    let [confirmed, not, unmeasured] = counts;
    let seconds = begin.elapsed().as_secs();
    writeln!(
        output::stdout(),
        "\n{confirmed} confirmed, {not} not confirmed, {unmeasured} cannot be measured here; {seconds} s"
    )?;
    Ok(not == 0)
}

fn measure(part: Part, options: &ReproduceOptions) -> Result<Vec<Finding>> {
    let ReproduceOptions { records, out, runs, .. } = options;
    match part {
        Part::Deaths => {
            let recorded = deaths::claims(&Record::read(&records.join("deaths.jsonl"))?);
            let here = deaths::claims(&deaths::trial(&out.join("deaths"), &[], *runs)?);
            Ok(recorded
                .iter()
                .map(|claim| of_death(claim, here.iter().find(|one| claim.is_of(one))))
                .collect())
        }
        Part::Compare => {
            let record = out.join("compare.jsonl");
            let recorded = report::stated(&records.join("compare.jsonl"))?;
            compare::run(&CompareOptions::quick(record.clone()))?;
            let here = report::stated(&record)?;
            let find = |one: &Conclusion| here.iter().find(|other| other.key == one.key);
            Ok(recorded.iter().map(|one| of_conclusion(one, find(one))).collect())
        }
        Part::Reach => {
            let mut bench = Command::new("cargo");
            bench.args(["bench", "--bench", "reach", "--", "--quick"]).current_dir(source(""));
            of_tables(&records.join("reach.txt"), bench)
        }
        Part::Rivals => {
            let program = source("crates/rivals/target/release/rivals");
            anyhow::ensure!(program.exists(), "not built: run scripts/deaths --build");
            let mut rivals = Command::new(program);
            rivals.arg("--quick");
            of_tables(&records.join("rivals.txt"), rivals)
        }
    }
}

fn of_death(recorded: &Claim, here: Option<&Claim>) -> Finding {
    let shares = |claim: &Claim| format!("all survivors went on in {} of {} runs", claim.went_on, claim.runs);
    let (claim, said) = (format!("{}: {}", recorded.contestant, recorded.cell), shares(recorded));
    let Some(here) = here.filter(|here| here.runs > 0) else {
        return Finding::unmeasured(claim, said, "–");
    };
    let (always, again) = (recorded.went_on == recorded.runs, here.went_on == here.runs);
    // How likely so many runs show no failure, if failures are as frequent as in the record.
    let chance = recorded.share().powf(here.runs as f64);
    let verdict = match (always, again) {
        (true, true) | (false, false) => Verdict::Confirmed,
        (false, true) if chance > 0.05 => Verdict::Unmeasured,
        _ => Verdict::NotConfirmed,
    };
    Finding { claim, recorded: said, here: shares(here), verdict }
}

fn of_conclusion(recorded: &Conclusion, here: Option<&Conclusion>) -> Finding {
    let said = |one: &Conclusion| format!("{} ({})", one.text, one.sign);
    let verdict = match (recorded.sign, here.map_or(Sign::Open, |here| here.sign)) {
        (Sign::Open, _) | (_, Sign::Open) => Verdict::Unmeasured,
        (one, other) if one == other => Verdict::Confirmed,
        _ => Verdict::NotConfirmed,
    };
    Finding {
        claim: recorded.key.clone(),
        recorded: said(recorded),
        here: here.map_or("–".into(), said),
        verdict,
    }
}

/// A row of a table of requirements: its name, its figures, and whether they are reached.
type Row<'t> = (&'t str, &'t str, Option<bool>);

fn row(line: &str) -> Option<Row<'_>> {
    let cells: Vec<&str> =
        line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [name, _, _, measured, verdict] = cells[..] else { return None };
    let reached = match verdict.trim_matches('*') {
        "reached" | "goal reached" => Some(true),
        "not reached" => Some(false),
        "not measured" => None,
        _ => return None,
    };
    Some((name, measured, reached))
}

fn reached(table: &str) -> Vec<Row<'_>> {
    table.lines().filter_map(row).collect()
}

fn of_tables(record: &Path, mut command: Command) -> Result<Vec<Finding>> {
    let recorded = fs::read_to_string(record).with_context(|| format!("reading {}", record.display()))?;
    output::report(format_args!("reproduce: {command:?}"));
    let output = command.stderr(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    Ok(of_rows(&reached(&recorded), &reached(&String::from_utf8_lossy(&output.stdout))))
}

fn of_rows(recorded: &[Row<'_>], here: &[Row<'_>]) -> Vec<Finding> {
    let one = |&(name, measured, was): &Row<'_>| {
        let found = here.iter().find(|(other, ..)| *other == name);
        let verdict = match (was, found.and_then(|(.., is)| *is)) {
            (Some(was), Some(is)) if was == is => Verdict::Confirmed,
            (Some(_), Some(_)) => Verdict::NotConfirmed,
            _ => Verdict::Unmeasured,
        };
        let said = |reached: Option<bool>, figures: &str| {
            let first = figures.split(';').next().unwrap_or_default();
            match reached {
                Some(true) => format!("reached: {first}"),
                Some(false) => format!("not reached: {first}"),
                None => first.to_owned(),
            }
        };
        let here = found.map_or("–".into(), |(_, measured, is)| said(*is, measured));
        Finding { claim: name.into(), recorded: said(was, measured), here, verdict }
    };
    recorded.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(runs: usize, went_on: usize) -> Claim {
        Claim { runs, went_on, ..Claim::example() }
    }

    #[test]
    fn a_death_is_confirmed_by_the_same_outcome_and_not_denied_by_too_few_runs() {
        let verdict = |recorded, here| of_death(&recorded, Some(&here)).verdict;
        assert_eq!(verdict(claim(50, 50), claim(3, 3)), Verdict::Confirmed);
        assert_eq!(verdict(claim(50, 50), claim(3, 2)), Verdict::NotConfirmed);
        assert_eq!(verdict(claim(50, 0), claim(3, 0)), Verdict::Confirmed);
        assert_eq!(verdict(claim(50, 0), claim(3, 3)), Verdict::NotConfirmed);
        assert_eq!(verdict(claim(50, 45), claim(3, 3)), Verdict::Unmeasured);
        assert_eq!(of_death(&claim(50, 50), None).verdict, Verdict::Unmeasured);
    }

    #[test]
    fn a_row_is_compared_with_the_row_of_its_name() {
        let table = "commit x\n| row | what | required | measured | verdict |\n|---|---|---|---|---|\n";
        let row = |name: &str, verdict: &str| format!("| {name} | w | r | 1.0 x; more | **{verdict}** |\n");
        let recorded =
            [table, &row("a", "goal reached"), &row("b", "reached"), &row("c", "not reached")].concat();
        let here =
            [table, &row("a", "reached"), &row("b", "not reached"), &row("c", "not measured")].concat();
        let found = of_rows(&reached(&recorded), &reached(&here));
        let verdicts: Vec<_> = found.iter().map(|one| (one.claim.as_str(), one.verdict)).collect();
        let expected = [("a", Verdict::Confirmed), ("b", Verdict::NotConfirmed), ("c", Verdict::Unmeasured)];
        assert_eq!(verdicts, expected);
        assert_eq!(found[1].here, "not reached: 1.0 x");
    }
}
