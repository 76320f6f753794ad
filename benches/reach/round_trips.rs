//! Rows: the round trip of a message, against what a cache line and a bare exchange need.

use crate::streams::{POLLING, interleave, spec};
use engines::seqring::{Lines, Packed, Shaped};
use harness::content::Small;
use harness::drive::{Candidate, DITHERED, Peers, RoundTrip, Transfer, Wait, contestants};
use harness::floor::Bare;
use harness::line::LineProbe;
use harness::repeat::Contestant;
use harness::ring_spec::Delivery;
use harness::table::judge::{Bound, by_ratio};
use harness::table::{Figures, Row};

const SLOTS: usize = 1024;

/// Round trips of a burst of the line: 9 bursts of near cores take some 0.4 s.
const LINE_TRIPS: u64 = 700_000;

const WAITS: [Wait; 4] = [Wait::Pauses(1), Wait::Pauses(16), Wait::Pauses(64), Wait::Blocking];

pub(crate) fn rows() -> [Row; 2] {
    [words(), lines()]
}

fn words() -> Row {
    let trip = RoundTrip { spec: spec(SLOTS, 8, Delivery::Gated), peers: Peers::Threads, scale: 1.0 };
    let candidates = vec![Candidate::round_trip::<Shaped<Packed>, Small<1>>(trip, &WAITS)];
    let what = format!(
        "8 B there and back, two threads, heap, 2 rings of {SLOTS} packed slots, gated, pinned; {DITHERED}"
    );
    let required = "<= 1.7 x the round trip of one cache line";
    Row::of_candidates("round-trip-8", what, required, candidates, |session, candidates| {
        let run = session.run_of("round-trip-8");
        let line = || match LineProbe::new(run.cores).with_trips(LINE_TRIPS).measure() {
            Ok(nanos) => Ok(Figures::main(nanos)),
            Err(error) => Err(error.to_string()),
        };
        let mut all = vec![Contestant::new("one line", line)];
        all.extend(contestants(candidates, &run));
        let record = session.interleave(run.row, "ns", None, &mut all)?;
        by_ratio(session, &record, Bound::at_most(1.7), "ns")
    })
}

fn lines() -> Row {
    let trip =
        |slots, delivery| RoundTrip { spec: spec(slots, 64, delivery), peers: Peers::Processes, scale: 1.0 };
    let (gated, lossy) = (trip(SLOTS, Delivery::Gated), trip(1, Delivery::Lossy));
    let candidates = vec![
        Candidate::round_trip::<Bare, Small<8>>(trip(1, Delivery::Gated), &POLLING[..1])
            .only(Transfer::Copied)
            .named("bare exchange"),
        Candidate::round_trip::<Shaped<Packed>, Small<8>>(gated, &POLLING).only(Transfer::Copied),
        Candidate::round_trip::<Shaped<Lines>, Small<8>>(gated, &POLLING).only(Transfer::Copied),
        Candidate::round_trip::<Shaped<Lines>, Small<8>>(lossy, &POLLING)
            .only(Transfer::Copied)
            .named("one slot"),
    ];
    let what = format!(
        "64 B there and back, two processes, /dev/shm, 2 rings of {SLOTS} slots, packed and lines, gated, \
         and of one slot, lines, lossy; pinned; {DITHERED}"
    );
    let required = "<= 1.4 x a bare exchange of 64 B and a stamp, two lines, shared memory, two processes";
    let name = "processes-round-trip-64";
    Row::of_candidates(name, what, required, candidates, move |session, candidates| {
        let record = interleave(session, (name, "ns"), None, candidates)?;
        by_ratio(session, &record, Bound::at_most(1.4), "ns")
    })
}
