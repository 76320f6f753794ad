//! Rows: streams from one writer to one reader, small ones between threads and large ones between
//! processes.

use engines::seqring::{Arena, Lines, Packed, Shaped};
use harness::class::LineClass;
use harness::content::{Content, Large, Small};
use harness::drive::{Candidate, Peers, Stream, Transfer, Wait, contestants};
use harness::floor::Bare;
use harness::repeat::Record;
use harness::ring_spec::{Delivery, RingSpec};
use harness::table::judge::{Best, Bound, by_figure, by_ratio};
use harness::table::{Figures, Row, Session};

/// The requirements between threads are messages a second, not a ratio: they were set where a cache
/// line goes between two cores and back in 45 to 110 ns, and are judged there.
const CLASS: LineClass = LineClass::Near;

/// Of what was published, this much must arrive.
const LEAST_SHARE: f64 = 0.95;

const WAITS: [Wait; 4] = [Wait::Pauses(1), Wait::Pauses(16), Wait::Pauses(64), Wait::Blocking];

/// Between processes: a blocking call would not notice a killed peer.
pub(crate) const POLLING: [Wait; 3] = [Wait::Pauses(1), Wait::Pauses(4), Wait::Pauses(16)];

pub(crate) fn spec(slots: usize, slot_bytes: usize, delivery: Delivery) -> RingSpec {
    RingSpec { slots, slot_bytes, delivery, writers: 1, readers: 1 }
}

pub(crate) fn between_threads() -> [Row; 3] {
    [
        rate::<Small<8>>("threads-64", 1024, Delivery::Gated, 45.0),
        rate::<Small<1>>("threads-8", 1024, Delivery::Gated, 200.0),
        rate::<Small<1>>("threads-8-lossy", 65_536, Delivery::Lossy, 450.0),
    ]
}

fn rate<C: Content + 'static>(name: &'static str, slots: usize, delivery: Delivery, millions: f64) -> Row {
    let stream = Stream::new(spec(slots, C::BYTES, delivery));
    let candidates = vec![
        Candidate::stream::<Shaped<Packed>, C>(stream, &WAITS).only(Transfer::Copied),
        Candidate::stream::<Shaped<Lines>, C>(stream, &WAITS).only(Transfer::Copied),
    ];
    let what = format!(
        "1 writer, 1 reader, two threads, heap, {slots} slots x {} B, {delivery:?}, packed and lines, {} modes of \
         waiting, pinned; every word of every message checked",
        C::BYTES,
        WAITS.len()
    );
    let is_lossy = delivery == Delivery::Lossy;
    let share = if is_lossy {
        format!(", >= {:.0} % of what is published", 100.0 * LEAST_SHARE)
    } else {
        String::new()
    };
    let required = format!(">= {millions} M msg/s received{share}; class {CLASS}");
    Row::of_candidates(name, what, required, candidates, move |session, candidates| {
        let record = interleave(session, (name, "M msg/s"), Some(CLASS), candidates)?;
        by_figure(session, &record, CLASS, (Bound::at_least(millions), "M msg/s"), |best| {
            if is_lossy { received(&record, best) } else { (true, String::new()) }
        })
    })
}

/// Every candidate in every mode, in turn.
pub(crate) fn interleave(
    session: &Session,
    (row, unit): (&str, &str),
    class: Option<LineClass>,
    candidates: &[Candidate],
) -> Result<Record<Figures>, String> {
    let run = session.run_of(row);
    session.interleave(row, unit, class, &mut contestants(candidates, &run))
}

/// Whether enough of what was published arrived, and how often the reader fell behind.
fn received(record: &Record<Figures>, best: &Best) -> (bool, String) {
    let of = |name: &'static str| {
        let summary = record.summary(best.contestant, CLASS, |figures| figures.also(name));
        summary.spread.expect("the same runs as the main figure")
    };
    let (share, lags) = (of("share"), of("lags"));
    let (least, most) = (lags.min, lags.max);
    let remark = format!(
        "; received of published: {share:.3}; lagged {:.0} times a run ({least:.0} to {most:.0})",
        lags.median
    );
    (share.median >= LEAST_SHARE, remark)
}

pub(crate) fn between_processes() -> [Row; 2] {
    [copies::<{ 1 << 20 }>("processes-1-MiB", 4, 0.85), copies::<100_000_000>("scenario-4-unlimited", 3, 0.8)]
}

/// Large messages copied in and out, against a `memcpy` on each side.
fn copies<const BYTES: usize>(name: &'static str, slots: usize, share: f64) -> Row {
    let scale = BYTES as f64 / 1e3;
    let stream =
        Stream { peers: Peers::Processes, scale, ..Stream::new(spec(slots, BYTES, Delivery::Gated)) };
    let candidates = vec![
        Candidate::stream::<Bare, Large<BYTES>>(stream, &POLLING[..1]).only(Transfer::Copied).named("memcpy"),
        Candidate::stream::<Shaped<Arena>, Large<BYTES>>(stream, &POLLING).only(Transfer::Copied),
    ];
    let what = format!(
        "{BYTES} B x {slots}, two processes, /dev/shm, arena, gated, copied in by write and out by read, \
         pinned; a word of each page checked"
    );
    let required =
        format!(">= {share} x memcpy on both cores through {slots} slots of the same size, shared memory");
    Row::of_candidates(name, what, required, candidates, move |session, candidates| {
        let record = interleave(session, (name, "GB/s"), None, candidates)?;
        by_ratio(session, &record, Bound::at_least(share), "GB/s")
    })
}
