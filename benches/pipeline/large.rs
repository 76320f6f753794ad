//! Rows: items of 12.6 MB that producers copy into place, against a bare `memcpy` of the same size.

use crate::work::{PRODUCERS, Work, rate};
use harness::peer::Peers;
use harness::repeat::Contestant;
use harness::table::judge::{Bound, by_ratio};
use harness::table::{Figures, Finding, Row, Session};
use seqring::pipeline::Pipeline;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A frame of 2048 x 2048 pixels of three bytes.
const BYTES: usize = 2048 * 2048 * 3;
const SHARE: f64 = 0.85;
/// Two in flight, the producer's, the consumer's: so many are in use with one producer.
const BUFFERS: usize = 4;

pub(crate) fn rows() -> [Row; 2] {
    [row("large-threads", Peers::Threads), row("large-processes", Peers::Processes)]
}

fn row(name: &'static str, peers: Peers) -> Row {
    let what = format!(
        "items of {BYTES} B, each copied into place by its producer from a private source, in order, {peers:?}; 1, 2, \
         8 producers, not pinned; a byte of each page checked"
    );
    let required =
        format!(">= {SHARE} x memcpy of the same size on one core, into {BUFFERS} private buffers in turn");
    Row::new(name, what, required, move |session| measure(session, name, peers))
}

fn measure(session: &Session, name: &str, peers: Peers) -> Result<Finding, String> {
    let duration = session.effort.repetition;
    let mut contestants = vec![Contestant::new("memcpy", move || Ok(Figures::main(copies(duration))))];
    contestants.extend(PRODUCERS.map(|producers| {
        let pipeline = Pipeline::new().bytes(BYTES).producers(producers);
        Contestant::new(format!("{producers} producers"), move || {
            let items = Work::Copy.start(peers, &pipeline)?;
            let is_whole = |n: u64, item: &[u8]| {
                item[..8] == n.to_le_bytes() && item[8..].iter().step_by(4096).all(|byte| *byte == 0x5a)
            };
            let Figures { main, also } = rate(items, 2 * producers, duration, is_whole)?;
            Ok(Figures { main: main * BYTES as f64 / 1e9, also })
        })
    }));
    let record = session.interleave(name, "GB/s", None, &mut contestants)?;
    by_ratio(session, &record, Bound::at_least(SHARE), "GB/s")
}

/// GB/s of a core that copies a private source into one buffer after the other.
fn copies(duration: Duration) -> f64 {
    let source = vec![0x5a_u8; BYTES];
    let mut buffers: Vec<Vec<u8>> = (0..BUFFERS).map(|_| vec![0; BYTES]).collect();
    let mut copy_all = || {
        for buffer in &mut buffers {
            buffer.copy_from_slice(black_box(&source));
            black_box(buffer);
        }
    };
    copy_all(); // Pages come at their first use.
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < duration {
        copy_all();
        count += BUFFERS;
    }
    (count * BYTES) as f64 / start.elapsed().as_secs_f64() / 1e9
}
