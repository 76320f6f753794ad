//! Rows: how many items of 12 kB a second.

use crate::work::{PRODUCERS, Work, rate};
use harness::peer::Peers;
use harness::repeat::Contestant;
use harness::table::judge::{Bound, by_figure};
use harness::table::{Figures, Finding, Row, Session};
use seqring::pipeline::Pipeline;

const BYTES: usize = 12_000;
/// Thousand items a second.
const REQUIRED: f64 = 500.0;

pub(crate) fn rows() -> [Row; 2] {
    [row("small-threads", Peers::Threads), row("small-processes", Peers::Processes)]
}

fn row(name: &'static str, peers: Peers) -> Row {
    let what = format!(
        "items of {BYTES} B, each filled whole by its producer, in order, {peers:?}; 1, 2, 8 producers, as many in \
         flight as is default, not pinned"
    );
    Row::new(name, what, format!(">= {REQUIRED} thousand items/s"), move |session| {
        measure(session, name, peers)
    })
}

fn measure(session: &Session, name: &str, peers: Peers) -> Result<Finding, String> {
    let duration = session.effort.repetition;
    let mut contestants: Vec<_> = PRODUCERS
        .iter()
        .map(|&producers| {
            let pipeline = Pipeline::new().bytes(BYTES).producers(producers);
            Contestant::new(format!("{producers} producers"), move || {
                let items = Work::Fill.start(peers, &pipeline)?;
                let is_whole = |n: u64, item: &[u8]| {
                    item.iter().step_by(4096).chain(item.last()).all(|byte| *byte == n as u8)
                };
                let Figures { main, also } = rate(items, 64, duration, is_whole)?;
                Ok(Figures { main: main / 1e3, also })
            })
        })
        .collect();
    let unit = "thousand items/s";
    let record = session.interleave(name, unit, None, &mut contestants)?;
    let class = record.best_class();
    let all = |_: &_| {
        let medians = record.names.iter().enumerate().filter_map(|(contestant, name)| {
            let spread = record.summary(contestant, class, |figures| figures.main).spread?;
            Some(format!("; {name}: {:.0}", spread.median))
        });
        (true, medians.collect())
    };
    by_figure(session, &record, class, (Bound::at_least(REQUIRED), unit), all)
}
