//! Rows: what a pipeline costs when nothing happens, all its processes together.

use crate::work::{FEW, SMALL, Work};
use harness::drive::Peers;
use harness::repeat::Contestant;
use harness::table::{Figures, Finding, Row, Session};
use harness::usage::{children, cpu_time_of};
use seqring::pipeline::{Items, Pipeline, PipelineError};
use std::thread::sleep;
use std::time::Duration;

const PRODUCERS: usize = 8;
/// Percent of a core.
const ALLOWED: f64 = 1.0;
const WATCHED: Duration = Duration::from_secs(3);

/// Which of them waits for which: the consumer for a command, for the producers, or they for it,
/// because all buffers are full.
const STATES: [(&str, Work); 3] =
    [("NoCommand", Work::NoCommand), ("ProducersBlocked", Work::Blocked), ("ConsumerAway", Work::Fill)];

pub(crate) fn rows() -> [Row; 2] {
    [row("idle-threads", Peers::Threads), row("idle-processes", Peers::Processes)]
}

fn row(name: &'static str, peers: Peers) -> Row {
    let what = format!(
        "CPU time of the whole tree over {WATCHED:?}, {PRODUCERS} producers and the commander, {peers:?}: no command; \
         producers blocked; consumer away and all buffers full"
    );
    Row::new(name, what, format!("< {ALLOWED} % of a core in each state"), move |session| {
        measure(session, name, peers)
    })
}

fn measure(session: &Session, name: &str, peers: Peers) -> Result<Finding, String> {
    let (mut all, mut is_reached) = (Vec::new(), true);
    for (state, work) in STATES {
        let contestant = Contestant::new(state, move || watch(peers, work).map(Figures::main));
        let record = session.repeat(name, "% of a core", contestant)?;
        for run in &record.runs {
            let figures = run.outcome.as_ref().map_err(Clone::clone)?;
            is_reached &= figures.main < ALLOWED;
        }
        let spread = record.runs.iter().filter_map(|run| Some(run.outcome.as_ref().ok()?.main)).collect();
        let spread = harness::spread::Spread::of(spread).ok_or("stopped on request")?;
        all.push(format!("{state}: {spread:.3} % of a core"));
    }
    Ok(Finding::new(is_reached, all.join("; ")))
}

fn watch(peers: Peers, work: Work) -> Result<f64, String> {
    let mut items = work.start(peers, &Pipeline::new().bytes(SMALL).producers(PRODUCERS))?;
    for _ in 0..FEW {
        items.next().ok_or("the items ended")?.map_err(|error| error.to_string())?;
    }
    sleep(Duration::from_secs(1)); // Until all have gone to sleep.
    let mut tree = children().map_err(|error| error.to_string())?;
    tree.push(std::process::id());
    let cpu = || tree.iter().map(|pid| cpu_time_of(*pid)).sum::<std::io::Result<Duration>>();
    let before = cpu().map_err(|error| error.to_string())?;
    wait(&mut items, work)?;
    let used = cpu().map_err(|error| error.to_string())?.saturating_sub(before);
    Work::stop(items)?;
    Ok(100.0 * used.as_secs_f64() / WATCHED.as_secs_f64())
}

fn wait(items: &mut Items, work: Work) -> Result<(), String> {
    if work == Work::Fill {
        sleep(WATCHED);
        return Ok(());
    }
    match items.next_timeout(WATCHED) {
        Err(PipelineError::TimedOut { .. }) => Ok(()),
        other => Err(format!("it was not idle: {other:?}")),
    }
}
