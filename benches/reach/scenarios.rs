//! Rows: the five scenarios of the package `ringbuffer`, by the command itself.

use crate::perf;
use harness::repeat::{Contestant, Standing};
use harness::spread::Spread;
use harness::table::{Figures, Finding, Row, Session};
use serde_json::Value;

/// How far the rate may be from its target.
const TOLERANCE_PERCENT: f64 = 1.5;

const NAMES: [&str; 5] = ["scenario-1", "scenario-2", "scenario-3", "scenario-4", "scenario-5"];

pub(crate) fn rows() -> impl Iterator<Item = Row> {
    (1..).zip(NAMES).map(|(number, name)| {
        let is_lossy = number == 5;
        let (delivery, ends) = if is_lossy {
            ("lossy", "losses exact, nothing torn")
        } else {
            ("gated", "none refused, none lost")
        };
        let arguments = format!("--scenario {number} --delivery {delivery}");
        let what = format!("seqring perf {arguments}: processes, /dev/shm, not pinned");
        let required = format!("each run within {TOLERANCE_PERCENT} % of the target rate, {ends}");
        Row::new(name, what, required, move |session| measure(session, name, &arguments, is_lossy))
    })
}

fn measure(session: &Session, name: &str, arguments: &str, is_lossy: bool) -> Result<Finding, String> {
    let seconds = if session.effort.enough == 1 { "1" } else { "3" };
    let contestant = Contestant::new(name, || run(&format!("{arguments} --duration {seconds}")));
    let record = session.repeat(name, "% of the target rate", contestant)?;
    let (mut runs, mut disturbed) = (Vec::new(), 0);
    for run in &record.runs {
        match &run.outcome {
            Ok(figures) => runs.push(figures),
            Err(failure) => return Ok(Finding::new(false, format!("a run failed: {failure}"))),
        }
        disturbed += usize::from(run.standing(record.bounds) == Standing::Disturbed);
    }
    let rate = Spread::of(runs.iter().map(|run| run.main).collect()).ok_or("stopped on request")?;
    let most = |name| runs.iter().map(|run| run.also(name)).fold(0.0, f64::max);
    let (refused, lost) = (most("refused"), most("lost"));
    let is_near = |rate: &f64| (rate - 100.0).abs() <= TOLERANCE_PERCENT;
    let is_reached = rate.runs.iter().all(is_near) && (is_lossy || refused == 0.0);
    let measured = format!(
        "{rate} % of the target rate, at most {refused} refused and {lost} lost in a run; {disturbed} of {} runs \
         disturbed by others",
        runs.len()
    );
    // A target that is met beside other programs is met; one that is missed beside them is no
    // evidence against the ring.
    if is_reached || disturbed == 0 { Ok(Finding::new(is_reached, measured)) } else { Err(measured) }
}

/// One run of the command: percent of the target rate.
fn run(arguments: &str) -> Result<Figures, String> {
    let record = perf::run(arguments)?;
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
