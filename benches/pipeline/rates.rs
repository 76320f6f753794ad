//! Rows: items a second; small ones, large ones against a bare `memcpy`, and in order against any
//! order.

use crate::work::{PRODUCERS, SMALL, Work, rate};
use harness::drive::Peers;
use harness::floor::one_core_copy;
use harness::repeat::Contestant;
use harness::table::judge::{Bound, by_figure, by_ratio};
use harness::table::{Figures, Row, Session};
use seqring::pipeline::{ItemOrder, Pipeline};

/// Thousand small items a second.
const THOUSANDS: f64 = 500.0;

/// A frame of 2048 x 2048 pixels of three bytes.
const LARGE: usize = 2048 * 2048 * 3;
const LARGE_SHARE: f64 = 0.85;
/// Two in flight, the producer's, the consumer's: so many are in use with one producer.
const BUFFERS: usize = 4;

const ORDERED_PRODUCERS: usize = 2;
const ORDERED_SHARE: f64 = 0.95;

const THOUSAND_ITEMS: &str = "thousand items/s";

pub(crate) fn rows() -> [Row; 6] {
    let (threads, processes) = (Peers::Threads, Peers::Processes);
    [
        small("small-threads", threads),
        small("small-processes", processes),
        large("large-threads", threads),
        large("large-processes", processes),
        order("order-threads", threads),
        order("order-processes", processes),
    ]
}

/// A pipeline as a contestant; its figure is items a second times `scale`.
fn contestant<'a>(
    name: String,
    (work, peers): (Work, Peers),
    pipeline: Pipeline,
    (session, scale): (&'a Session, f64),
    check: impl Fn(u64, &[u8]) -> bool + 'a,
) -> Contestant<'a, Figures> {
    Contestant::new(name, move || {
        let items = work.start(peers, &pipeline)?;
        rate(items, session.effort.repetition, &check).map(|rate| Figures::main(rate * scale))
    })
}

fn small(name: &'static str, peers: Peers) -> Row {
    let what = format!(
        "items of {SMALL} B, each filled whole by its producer, in order, {peers:?}; 1, 2, 8 producers, as many in \
         flight as is default, not pinned"
    );
    Row::new(name, what, format!(">= {THOUSANDS} {THOUSAND_ITEMS}"), move |session| {
        let is_whole =
            |n: u64, item: &[u8]| item.iter().step_by(4096).chain(item.last()).all(|byte| *byte == n as u8);
        let mut contestants = PRODUCERS.map(|producers| {
            let pipeline = Pipeline::new().bytes(SMALL).producers(producers);
            let name = format!("{producers} producers");
            contestant(name, (Work::Fill, peers), pipeline, (session, 1e-3), is_whole)
        });
        let record = session.interleave(name, THOUSAND_ITEMS, None, &mut contestants)?;
        let class = record.best_class();
        let all = |_: &_| {
            let medians = record.names.iter().enumerate().filter_map(|(contestant, name)| {
                let spread = record.summary(contestant, class, |figures| figures.main).spread?;
                Some(format!("; {name}: {:.0}", spread.median))
            });
            (true, medians.collect())
        };
        by_figure(session, &record, class, (Bound::at_least(THOUSANDS), THOUSAND_ITEMS), all)
    })
}

fn large(name: &'static str, peers: Peers) -> Row {
    let what = format!(
        "items of {LARGE} B, each copied into place by its producer from a private source, in order, {peers:?}; 1, 2, \
         8 producers, not pinned; a byte of each page checked"
    );
    let required = format!(
        ">= {LARGE_SHARE} x memcpy of the same size on one core, into {BUFFERS} private buffers in turn"
    );
    Row::new(name, what, required, move |session| {
        let is_whole = |n: u64, item: &[u8]| {
            item[..8] == n.to_le_bytes() && item[8..].iter().step_by(4096).all(|byte| *byte == 0x5a)
        };
        let memcpy = || Ok(Figures::main(one_core_copy(LARGE, BUFFERS, session.effort.repetition) / 1e9));
        let mut contestants = vec![Contestant::new("memcpy", memcpy)];
        contestants.extend(PRODUCERS.map(|producers| {
            let pipeline = Pipeline::new().bytes(LARGE).producers(producers);
            let name = format!("{producers} producers");
            contestant(name, (Work::Copy, peers), pipeline, (session, LARGE as f64 / 1e9), is_whole)
        }));
        let record = session.interleave(name, "GB/s", None, &mut contestants)?;
        by_ratio(session, &record, Bound::at_least(LARGE_SHARE), "GB/s")
    })
}

/// What the order of the commands costs, with producers that are equally fast.
fn order(name: &'static str, peers: Peers) -> Row {
    let what = format!("items of {SMALL} B in order, {ORDERED_PRODUCERS} producers, {peers:?}, not pinned");
    Row::new(name, what, format!(">= {ORDERED_SHARE} x items/s in any order"), move |session| {
        let mut contestants = [ItemOrder::Unordered, ItemOrder::Ordered].map(|order| {
            let pipeline = Pipeline::new().bytes(SMALL).producers(ORDERED_PRODUCERS).order(order);
            let is_right = |n: u64, item: &[u8]| item[0] == n as u8;
            contestant(format!("{order:?}"), (Work::Fill, peers), pipeline, (session, 1e-3), is_right)
        });
        let record = session.interleave(name, THOUSAND_ITEMS, None, &mut contestants)?;
        by_ratio(session, &record, Bound::at_least(ORDERED_SHARE), THOUSAND_ITEMS)
    })
}
