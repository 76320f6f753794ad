//! Rows: how long from the commander to the consumer, with one item in flight and with all buffers
//! in use.

use crate::work::{SMALL, Work};
use harness::clock::Moment;
use harness::drive::Peers;
use harness::latency::Latencies;
use harness::repeat::Contestant;
use harness::table::judge::{Bound, by_figure};
use harness::table::{Figures, Finding, Row, Session};
use seqring::pipeline::Pipeline;
use std::time::{Duration, Instant};

/// Microseconds, with one item in flight.
const ONE: f64 = 100.0;
/// Times in flight / rate, with so many.
const MANY: (usize, f64) = (64, 1.2);

pub(crate) fn rows() -> [Row; 4] {
    [
        row("latency-threads", Peers::Threads, 1),
        row("latency-processes", Peers::Processes, 1),
        row("saturated-threads", Peers::Threads, MANY.0),
        row("saturated-processes", Peers::Processes, MANY.0),
    ]
}

fn row(name: &'static str, peers: Peers, in_flight: usize) -> Row {
    let what = format!(
        "from the commander's `next` to the consumer's, median; {SMALL} B, {in_flight} in flight, 1 or 2 producers, \
         {peers:?}, not pinned"
    );
    let (required, bound, unit) = if in_flight == 1 {
        (format!("<= {ONE} us"), Bound::at_most(ONE), "us")
    } else {
        (format!("<= {} x in flight / rate", MANY.1), Bound::at_most(MANY.1), "x in flight / rate")
    };
    Row::new(name, what, required, move |session| measure(session, (name, unit), peers, in_flight, bound))
}

fn measure(
    session: &Session,
    (name, unit): (&str, &str),
    peers: Peers,
    in_flight: usize,
    bound: Bound,
) -> Result<Finding, String> {
    let duration = session.effort.repetition;
    let mut contestants = [1, 2].map(|producers| {
        let pipeline = Pipeline::new().bytes(SMALL).producers(producers).in_flight(in_flight);
        Contestant::new(format!("{producers} producers"), move || {
            repetition(peers, &pipeline, in_flight, duration)
        })
    });
    let record = session.interleave(name, unit, None, &mut contestants)?;
    by_figure(session, &record, record.best_class(), (bound, unit), |_| (true, String::new()))
}

fn repetition(
    peers: Peers,
    pipeline: &Pipeline,
    in_flight: usize,
    duration: Duration,
) -> Result<Figures, String> {
    let mut items = Work::Stamp.start(peers, pipeline)?;
    let mut next = || -> Result<Moment, String> {
        let item = items.next().ok_or("the items ended")?.map_err(|error| error.to_string())?;
        let stamp = item.array(0).first_chunk().ok_or("no room for a time")?;
        Ok(Moment::from_nanos(u64::from_le_bytes(*stamp)))
    };
    for _ in 0..4 * in_flight {
        next()?;
    }
    let (start, mut latencies) = (Instant::now(), Latencies::new());
    while start.elapsed() < duration {
        let issued = next()?;
        latencies.record_since(issued, Moment::now());
    }
    let rate = latencies.count() as f64 / start.elapsed().as_secs_f64();
    Work::stop(items)?;
    let median = latencies.quantiles().ok_or("no item came")?.p50 as f64 / 1e9;
    Ok(Figures::main(if in_flight == 1 { median * 1e6 } else { median * rate / in_flight as f64 }))
}
