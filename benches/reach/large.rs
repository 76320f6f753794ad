//! Rows: large messages copied in and out between two processes, against a `memcpy` on each side.

use crate::stream::Stream;
use crate::wait::Wait;
use harness::floor::{Geometry, two_core_copy};
use harness::peer::Peers;
use harness::repeat::Contestant;
use harness::table::judge::{Bound, by_ratio};
use harness::table::{Figures, Session};
use harness::table::{Finding, Row};
use seqring::{Config, SlotClass};

pub(crate) fn rows() -> [Row; 2] {
    [
        row("processes-1-MiB", Geometry { slots: 4, slot_bytes: 1 << 20 }, 0.85),
        row("scenario-4-unlimited", Geometry { slots: 3, slot_bytes: 100_000_000 }, 0.8),
    ]
}

fn row(name: &'static str, geometry: Geometry, share: f64) -> Row {
    let Geometry { slots, slot_bytes } = geometry;
    let what = format!(
        "{slot_bytes} B x {slots}, two processes, /dev/shm, arena, gated, copied in by write and out by read, \
         pinned; a word of each page checked"
    );
    let required =
        format!(">= {share} x memcpy on both cores through {slots} slots of the same size, shared memory");
    Row::new(name, what, required, move |session| measure(session, name, geometry, Bound::at_least(share)))
}

fn measure(session: &Session, name: &str, geometry: Geometry, bound: Bound) -> Result<Finding, String> {
    let (cores, duration) = (session.cores, session.effort.repetition);
    let Geometry { slots, slot_bytes } = geometry;
    let mut contestants = vec![Contestant::new("memcpy", move || {
        let rate = two_core_copy(geometry, Peers::Processes, cores, duration);
        rate.map(|rate| Figures::main(rate.bytes_per_second() / 1e9)).map_err(|error| error.to_string())
    })];
    contestants.extend(Wait::POLLED.map(|wait| {
        let config = Config::new(slots, slot_bytes).slot_class(SlotClass::Arena);
        let stream = Stream { config, peers: Peers::Processes, cores, duration };
        Contestant::new(format!("Arena, {wait}"), move || {
            let Figures { main, also } = stream.repetition(wait)?;
            Ok(Figures { main: main * slot_bytes as f64 / 1e3, also })
        })
    }));
    let record = session.interleave(name, "GB/s", None, &mut contestants)?;
    by_ratio(session, &record, bound, "GB/s")
}
