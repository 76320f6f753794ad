//! Rows: the five scenarios of the package `ringbuffer`, by the command itself.
//!
//! `seqring perf` is another package's program, so it must be built before: it is looked for where `cargo build
//! --release` puts it, beside this program's directory.

use harness::repeat::{Contestant, Standing};
use harness::spread::Spread;
use harness::table::{Figures, Session};
use harness::table::{Finding, Row};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// How far the rate may be from its target.
const TOLERANCE_PERCENT: f64 = 1.5;

const NAMES: [&str; 5] = ["scenario-1", "scenario-2", "scenario-3", "scenario-4", "scenario-5"];

pub(crate) fn rows() -> impl Iterator<Item = Row> {
    (1..).zip(NAMES).map(|(number, name)| {
        let (delivery, ends) = delivery(number);
        let what = format!(
            "seqring perf --scenario {number} --delivery {delivery}: processes, /dev/shm, not pinned"
        );
        let required = format!("each run within {TOLERANCE_PERCENT} % of the target rate, {ends}");
        Row::new(name, what, required, move |session| measure(session, number, name))
    })
}

fn delivery(number: u8) -> (&'static str, &'static str) {
    if number == 5 { ("lossy", "losses exact, nothing torn") } else { ("gated", "none refused, none lost") }
}

fn measure(session: &Session, number: u8, name: &str) -> Result<Finding, String> {
    let program = program()?;
    let contestant = Contestant::new(name, || run(&program, number, session));
    let record = session.repeat(name, "% of the target rate", contestant)?;
    let (mut runs, mut disturbed) = (Vec::new(), 0);
    for run in &record.runs {
        match &run.outcome {
            Ok(figures) => runs.push(figures),
            Err(failure) => return Ok(Finding::new(false, format!("a run failed: {failure}"))),
        }
        disturbed += usize::from(run.standing() == Standing::Disturbed);
    }
    let spread = |figure: fn(&Figures) -> f64| Spread::of(runs.iter().map(|run| figure(run)).collect());
    let rate = spread(|run| run.main).ok_or("stopped on request")?;
    let (refused, lost) = (spread(|run| run.also("refused")), spread(|run| run.also("lost")));
    let of = |all: Option<Spread>| all.map_or(f64::NAN, |all| all.max);
    let (refused, lost) = (of(refused), of(lost));
    let is_near = |rate: &f64| (rate - 100.0).abs() <= TOLERANCE_PERCENT;
    let is_reached = rate.runs.iter().all(is_near) && (number == 5 || refused == 0.0);
    let measured = format!(
        "{rate} % of the target rate, at most {refused} refused and {lost} lost in a run; {disturbed} of {} runs \
         disturbed by others",
        runs.len()
    );
    // A target that is met beside others is met; one that is missed beside them says nothing of the ring.
    if is_reached || disturbed == 0 { Ok(Finding::new(is_reached, measured)) } else { Err(measured) }
}

/// `target/release/seqring`, seen from `target/release/deps/reach-…`.
pub(crate) fn program() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = here.parent().and_then(|deps| deps.parent()).map(|release| release.join("seqring"));
    program
        .filter(|program| program.exists())
        .ok_or_else(|| "build the command first: cargo build --release --workspace".into())
}

/// One run of the command: percent of the target rate. It fails if the command says that anything is wrong.
fn run(program: &PathBuf, number: u8, session: &Session) -> Result<Figures, String> {
    let number = number.to_string();
    let seconds = if session.effort.enough == 1 { "1" } else { "3" };
    let mut command = Command::new(program);
    command.args(["perf", "--json", "--scenario", &number, "--duration-seconds", seconds]);
    command.args(["--delivery", delivery(number.parse().expect("it was a number")).0]);
    let output = command.output().map_err(|error| error.to_string())?;
    let record: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}; it said: {}", String::from_utf8_lossy(&output.stderr)))?;
    if !output.status.success() || record["ok"] != true {
        return Err(format!("{}: {}", output.status, record["failures"]));
    }
    let writer = &record["writers"][0];
    let readers = record["readers"].as_array().ok_or("no readers in the record")?;
    let number = |value: &Value| value.as_f64().ok_or_else(|| format!("not a number: {value}"));
    let lost: Result<Vec<f64>, _> = readers.iter().map(|reader| number(&reader["lost"])).collect();
    Ok(Figures {
        main: number(&writer["relative_to_target_percent"])?,
        also: vec![
            ("refused", number(&writer["waited_for_readers"])?),
            ("lost", lost?.iter().sum()),
            ("readers", readers.len() as f64),
        ],
    })
}
