//! Rows: what the order of the commands costs, with producers that are equally fast.

use crate::work::{Work, rate};
use harness::peer::Peers;
use harness::repeat::Contestant;
use harness::table::judge::{Bound, by_ratio};
use harness::table::{Figures, Finding, Row, Session};
use seqring::pipeline::{ItemOrder, Pipeline};

const BYTES: usize = 12_000;
const PRODUCERS: usize = 2;
const SHARE: f64 = 0.95;

pub(crate) fn rows() -> [Row; 2] {
    [row("order-threads", Peers::Threads), row("order-processes", Peers::Processes)]
}

fn row(name: &'static str, peers: Peers) -> Row {
    let what = format!("items of {BYTES} B in order, {PRODUCERS} producers, {peers:?}, not pinned");
    Row::new(name, what, format!(">= {SHARE} x items/s in any order"), move |session| {
        measure(session, name, peers)
    })
}

fn measure(session: &Session, name: &str, peers: Peers) -> Result<Finding, String> {
    let duration = session.effort.repetition;
    let mut contestants = [ItemOrder::Unordered, ItemOrder::Ordered].map(|order| {
        let pipeline = Pipeline::new().bytes(BYTES).producers(PRODUCERS).order(order);
        Contestant::new(format!("{order:?}"), move || {
            let items = Work::Fill.start(peers, &pipeline)?;
            let Figures { main, also } = rate(items, 64, duration, |n, item| item[0] == n as u8)?;
            Ok(Figures { main: main / 1e3, also })
        })
    });
    let record = session.interleave(name, "thousand items/s", None, &mut contestants)?;
    by_ratio(session, &record, Bound::at_least(SHARE), "thousand items/s")
}
