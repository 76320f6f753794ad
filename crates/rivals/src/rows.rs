//! The rows: what must be reached, against which rivals, and with which rings.

use crate::comparison::{Aim, Comparison, Group};
use crate::message::{Kibibyte, Line, Message};
use crate::rings::{
    Array, Broadcast, Crossbeam, Disruptor, DisruptorForTwo, Fifo, Iceoryx, Kanal, Photon, PosixQueue,
    Ringbuf, Ringfire, Rtrb, Shared, Socket, Std, Tokio,
};
use engines::calls::Calls;
use engines::seqring::{Arena, Packed, Seqring, Shaped};
use harness::content::{Content, Large, Small};
use harness::drive::{Candidate, DITHERED, Peers, Pinning, RoundTrip, Stream, Transfer, Wait};
use harness::engine::Engine;
use harness::floor::Bare;
use harness::ring_spec::{Delivery, RingSpec};
use harness::table::judge::Better;
use photon_ring::Pod;

/// One writer and one reader, each on a core of its own.
const STREAMING: &[Wait] = &[Wait::Pauses(1), Wait::Pauses(16), Wait::Pauses(64), Wait::Blocking];
const TRIPPING: &[Wait] = &[Wait::Pauses(1), Wait::Pauses(4), Wait::Pauses(16), Wait::Blocking];

/// More ends than cores.
const CROWDED: &[Wait] = &[Wait::Yielding, Wait::Blocking];

/// Between processes: a blocking call of some would not notice that the other end is gone.
const BETWEEN: &[Wait] = &[Wait::Pauses(1), Wait::Pauses(4), Wait::Pauses(16)];
const KERNEL: &[Wait] = &[Wait::Pauses(1), Wait::Blocking];

pub(crate) fn comparisons() -> Vec<Comparison> {
    let mut rows = streams_of_words();
    rows.extend(streams());
    rows.extend([
        broadcast(),
        trip::<[u64; 1], [u64; 1], Small<1>>("trip-8", Aim { reach: 1.0, goal: 0.9 }),
        trip::<Line, [u64; 8], Small<8>>("trip-64", Aim { reach: 0.95, goal: 0.7 }),
        trip::<Kibibyte, [u64; 128], Small<128>>("trip-1024", Aim { reach: 0.95, goal: 0.85 }),
        between_64(),
        between_mebibyte(Transfer::Copied),
        between_mebibyte(Transfer::InPlace),
        queue("queue-64-split", Pinning::Split),
        queue("queue-64-mixed", Pinning::Mixed),
        call::<Small<1>>("call-8", Peers::Threads),
        call::<Small<3>>("call-24", Peers::Threads),
        call::<Small<1>>("call-8-processes", Peers::Processes),
        call::<Small<3>>("call-24-processes", Peers::Processes),
    ]);
    rows
}

fn spec(slots: usize, slot_bytes: usize, delivery: Delivery) -> RingSpec {
    RingSpec { slots, slot_bytes, delivery, writers: 1, readers: 1 }
}

type Sided = (Group, Candidate);

/// What each engine of a row is measured in.
trait Traffic: Copy {
    fn through<E: Engine + 'static, C: Content + 'static>(self) -> Candidate;
}

impl Traffic for (Stream, &[Wait]) {
    fn through<E: Engine + 'static, C: Content + 'static>(self) -> Candidate {
        Candidate::stream::<E, C>(self.0, self.1)
    }
}

impl Traffic for (RoundTrip, &[Wait]) {
    fn through<E: Engine + 'static, C: Content + 'static>(self) -> Candidate {
        Candidate::round_trip::<E, C>(self.0, self.1)
    }
}

/// The engines, and whose they are.
macro_rules! candidates {
    ($traffic:expr, $content:ty; $($group:ident: $($engine:ty),+;)+) => {
        vec![$($((Group::$group, $traffic.through::<$engine, $content>()),)+)+]
    };
}

/// Rings of bare messages carry `A`, rings that stamp each message carry `B`.
fn one_to_one<A: Message, B: Message + Pod, C: Content + 'static>(traffic: impl Traffic) -> Vec<Sided> {
    let mut candidates = candidates![traffic, C;
        Ours: Seqring;
        Rival: Disruptor<A>, Rtrb<A>, Ringbuf<A>, Broadcast<B>, Photon<B>, Ringfire<B>, Array<B>, Crossbeam<B>, Kanal<B>, Std<B>;
    ];
    if C::BYTES > 64 {
        candidates.push((Group::Ours, traffic.through::<Shaped<Arena>, C>()));
    }
    candidates
}

fn streamed(name: &'static str, what: &str, stream: Stream, aim: Aim, candidates: Vec<Sided>) -> Comparison {
    let RingSpec { slots, slot_bytes, .. } = stream.spec;
    let what = format!("{what}, {slot_bytes} B, ring of {slots}, heap, a core for each end");
    Comparison { name, what, unit: "M msg/s", better: Better::More, aim, candidates }
}

fn streams_of_words() -> Vec<Comparison> {
    let aim = Aim { reach: 0.8, goal: 1.1 };
    let gated = |slots| Stream::new(spec(slots, 8, Delivery::Gated));
    let batches = |slots| Stream { in_batches: true, ..gated(slots) };
    let row = |name, what, stream: Stream| {
        let candidates = one_to_one::<[u64; 1], [u64; 1], Small<1>>((stream, STREAMING));
        streamed(name, what, stream, aim, candidates)
    };
    vec![
        row("threads-8", "1 to 1, gated, written singly", gated(1024)),
        row("threads-8-batch-1024", "1 to 1, gated, written and read by 64", batches(1024)),
        row("threads-8-batch-65536", "1 to 1, gated, written and read by 64", batches(65_536)),
        lossy(),
    ]
}

/// Those that lose beside those that wait: what is received counts.
fn lossy() -> Comparison {
    type Word = [u64; 1];
    let lossy = Stream::new(spec(65_536, 8, Delivery::Lossy));
    let gated = Stream::new(spec(65_536, 8, Delivery::Gated));
    let mut candidates = candidates![(lossy, STREAMING), Small<1>;
        Ours: Seqring;
        Rival: Photon<Word>, Ringfire<Word>, Tokio<Word>;
    ];
    candidates.extend(candidates![(gated, STREAMING), Small<1>;
        Rival: Rtrb<Word>, Ringbuf<Word>, Disruptor<Word>;
    ]);
    let what = "1 to 1, lossy where there is such a mode, written singly";
    streamed("threads-8-lossy", what, lossy, Aim { reach: 1.4, goal: 1.6 }, candidates)
}

fn streams() -> Vec<Comparison> {
    let gated = |slots, bytes| Stream::new(spec(slots, bytes, Delivery::Gated));
    let what = "1 to 1, gated, written singly";
    let lines = |name, slots, aim| {
        let stream = gated(slots, 64);
        let mut candidates = one_to_one::<Line, [u64; 8], Small<8>>((stream, STREAMING));
        candidates.extend(candidates![(stream, STREAMING), Small<8>; Ours: Shaped<Packed>;]);
        streamed(name, what, stream, aim, candidates)
    };
    let kibibytes = gated(1024, 1024);
    let candidates = one_to_one::<Kibibyte, [u64; 128], Small<128>>((kibibytes, STREAMING));
    vec![
        lines("threads-64", 1024, Aim { reach: 1.15, goal: 1.5 }),
        lines("threads-64-65536", 65_536, Aim { reach: 0.9, goal: 1.2 }),
        streamed("threads-1024", what, kibibytes, Aim { reach: 1.1, goal: 1.4 }, candidates),
    ]
}

fn broadcast() -> Comparison {
    let to_two = |delivery| Stream::new(RingSpec { readers: 2, ..spec(1024, 64, delivery) });
    let mut candidates = candidates![(to_two(Delivery::Gated), CROWDED), Small<8>;
        Ours: Seqring, Shaped<Packed>;
        Rival: DisruptorForTwo<Line>, Broadcast<[u64; 8]>, Photon<[u64; 8]>, Ringfire<[u64; 8]>;
    ];
    candidates.extend(candidates![(to_two(Delivery::Lossy), CROWDED), Small<8>; Rival: Tokio<[u64; 8]>;]);
    let what =
        "1 to 2, each gets every message, 64 B, ring of 1024, heap, both readers on one core; tokio loses";
    Comparison {
        name: "broadcast-64",
        what: what.into(),
        unit: "M deliveries/s",
        better: Better::More,
        aim: Aim { reach: 1.25, goal: 1.7 },
        candidates,
    }
}

fn trip<A: Message, B: Message + Pod, C: Content + 'static>(name: &'static str, aim: Aim) -> Comparison {
    let trip = RoundTrip { spec: spec(1024, C::BYTES, Delivery::Gated), peers: Peers::Threads, scale: 1.0 };
    let candidates = one_to_one::<A, B, C>((trip, TRIPPING));
    let what =
        format!("{} B there and back, two rings of 1024, heap, a core for each side; {DITHERED}", C::BYTES);
    Comparison { name, what, unit: "ns", better: Better::Less, aim, candidates }
}

/// No rival has calls: the floor is the one line that a call needs.
fn call<C: Content + 'static>(name: &'static str, peers: Peers) -> Comparison {
    let trip = RoundTrip { spec: spec(1024, C::BYTES, Delivery::Gated), peers, scale: 1.0 };
    let (of, place) = match peers {
        Peers::Threads => ("threads", "heap"),
        Peers::Processes => ("processes", "/dev/shm"),
    };
    let candidates = vec![
        (Group::Ours, Candidate::call::<Calls, C>(peers, TRIPPING)),
        (Group::Rival, Candidate::line()),
        (Group::Beside, Candidate::round_trip::<Seqring, C>(trip, &TRIPPING[..1]).named("two rings")),
    ];
    Comparison {
        name,
        what: format!(
            "a call of {} B and its answer between two {of}, {place}, a core for each side; the rival is the \
             round trip of one cache line between two threads; {DITHERED}",
            C::BYTES
        ),
        unit: "ns",
        better: Better::Less,
        aim: Aim { reach: 1.3, goal: 1.15 },
        candidates,
    }
}

fn between_64() -> Comparison {
    // One way is half of there and back, as iceoryx2's own benchmark counts.
    let trip = RoundTrip { spec: spec(1024, 64, Delivery::Gated), peers: Peers::Processes, scale: 0.5 };
    let mut candidates = candidates![(trip, BETWEEN), Small<8>;
        Ours: Seqring, Shaped<Packed>;
        Rival: Iceoryx<8>, Ringfire<[u64; 8]>;
    ];
    candidates.extend(candidates![(trip, KERNEL), Small<8>; Beside: Fifo, Socket, PosixQueue;]);
    Comparison {
        name: "processes-64",
        what: format!(
            "64 B between processes, one way: half a round trip; two rings of 1024; the rivals are iceoryx2 and ringfire; {DITHERED}"
        ),
        unit: "ns",
        better: Better::Less,
        aim: Aim { reach: 0.5, goal: 0.4 },
        candidates,
    }
}

fn between_mebibyte(transfer: Transfer) -> Comparison {
    const BYTES: usize = 1 << 20;
    const SLOTS: usize = 4;
    type C = Large<BYTES>;
    let spec = spec(SLOTS, BYTES, Delivery::Gated);
    let (peers, scale) = (Peers::Processes, BYTES as f64 / 1e3);
    let stream = Stream { peers, scale, ..Stream::new(spec) };
    let mut candidates = candidates![(stream, BETWEEN), C;
        Ours: Seqring;
        Beside: Iceoryx<{ BYTES / 8 }>;
    ];
    let (name, how, aim) = if transfer == Transfer::InPlace {
        let aim = Aim { reach: 1.0, goal: 2.0 };
        ("processes-1-MiB-in-place", "a word of each page put and looked at in place", aim)
    } else {
        candidates.extend(candidates![(stream, KERNEL), C; Beside: Fifo, Socket, PosixQueue;]);
        ("processes-1-MiB", "copied in and out", Aim { reach: 0.95, goal: 1.0 })
    };
    let what = format!(
        "1 MiB x {SLOTS} between processes, {how}; the rival is a memcpy on each side through {SLOTS} shared slots"
    );
    let mut candidates: Vec<_> =
        candidates.into_iter().map(|(group, one)| (group, one.only(transfer))).collect();
    let floor = Candidate::stream::<Bare, C>(stream, &BETWEEN[..1]).only(Transfer::Copied).named("memcpy");
    candidates.push((Group::Rival, floor));
    Comparison { name, what, unit: "GB/s", better: Better::More, aim, candidates }
}

fn queue(name: &'static str, pinning: Pinning) -> Comparison {
    type Words = [u64; 8];
    let spec = RingSpec { writers: 2, readers: 2, ..spec(1024, 64, Delivery::Queue) };
    let stream = Stream { pinning, ..Stream::new(spec) };
    let candidates = candidates![(stream, CROWDED), Small<8>;
        Ours: Seqring;
        Rival: Kanal<Words>, Shared<Words>, Array<Words>;
        Beside: Crossbeam<Words>;
    ];
    let cores = match pinning {
        Pinning::Split => "writers on one core, takers on the other",
        Pinning::Mixed => "a writer and a taker on each core",
    };
    Comparison {
        name,
        what: format!("2 writers to 2 takers, each message to one, 64 B, queue of 1024, heap, {cores}"),
        unit: "M msg/s",
        better: Better::More,
        aim: Aim { reach: 1.0, goal: 1.3 },
        candidates,
    }
}
