//! Rows: the round trip of a message, against what a cache line and a bare exchange need.

use crate::streams::{POLLING, interleave, spec};
use engines::calls::Calls;
use engines::seqring::{Lines, Packed, Shaped};
use harness::content::Small;
use harness::drive::{Candidate, DITHERED, Peers, RoundTrip, Transfer, Wait};
use harness::floor::Bare;
use harness::ring_spec::Delivery;
use harness::table::Row;
use harness::table::judge::{Bound, by_ratio};

const SLOTS: usize = 1024;

const WAITS: [Wait; 4] = [Wait::Pauses(1), Wait::Pauses(16), Wait::Pauses(64), Wait::Blocking];

pub(crate) fn rows() -> [Row; 4] {
    [words(), lines(), calls("call", Peers::Threads), calls("processes-call", Peers::Processes)]
}

fn words() -> Row {
    let trip = RoundTrip { spec: spec(SLOTS, 8, Delivery::Gated), peers: Peers::Threads, scale: 1.0 };
    let candidates = vec![Candidate::line(), Candidate::round_trip::<Shaped<Packed>, Small<1>>(trip, &WAITS)];
    let what = format!(
        "8 B there and back, two threads, heap, 2 rings of {SLOTS} packed slots, gated, pinned; {DITHERED}"
    );
    against_line("round-trip-8", what, "<= 1.7 x the round trip of one cache line", 1.7, candidates)
}

fn calls(name: &'static str, peers: Peers) -> Row {
    let call = Candidate::call::<Calls, Small<1>>(peers, &WAITS);
    let longer = Candidate::call::<Calls, Small<3>>(peers, &WAITS).named("24 B");
    let of = if peers == Peers::Threads { "threads, heap" } else { "processes, /dev/shm" };
    let what = format!("a call of 8 B and its answer, and of 24 B, two {of}, pinned; {DITHERED}");
    let required = "<= 1.3 x the round trip of one cache line between two threads";
    against_line(name, what, required, 1.3, vec![Candidate::line(), call, longer])
}

/// A row of candidates, of which the first is the line.
fn against_line(
    name: &'static str,
    what: String,
    required: &'static str,
    most: f64,
    candidates: Vec<Candidate>,
) -> Row {
    Row::of_candidates(name, what, required, candidates, move |session, candidates| {
        let record = interleave(session, (name, "ns"), None, candidates)?;
        by_ratio(session, &record, Bound::at_most(most), "ns")
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
