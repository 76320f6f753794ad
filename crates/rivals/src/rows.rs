//! The rows: what must be reached, against whom, and with which rings.

use crate::contest::{Aim, Contest};
use crate::end::Wait;
use crate::engines::{
    Array, Broadcast, Channel, Crossbeam, Disruptor, DisruptorForTwo, Fifo, Iceoryx, Kanal, Photon,
    PosixQueue, Ringbuf, Rtrb, Shared, Socket, Std, Tokio,
};
use crate::entrant::{Entrant, Role};
use crate::manner::Form;
use crate::message::{Kibibyte, Line, Message};
use crate::payload::{Mebibyte, Payload};
use crate::stream::{Pinning, Stream};
use crate::trip::Trip;
use harness::content::Small;
use harness::floor::{Geometry, two_core_copy};
use harness::peer::Peers;
use harness::ring_spec::{Delivery, RingSpec, Writers};
use harness::table::Figures;
use harness::table::judge::Better;
use photon_ring::Pod;
use engines::seqring::{Arena, Packed, Seqring, Shaped};

/// One writer and one reader, each on a core of its own.
const STREAMING: &[Wait] = &[Wait::Pauses(1), Wait::Pauses(16), Wait::Pauses(64), Wait::Blocking];
const TRIPPING: &[Wait] = &[Wait::Pauses(1), Wait::Pauses(4), Wait::Pauses(16), Wait::Blocking];

/// More ends than cores.
const CROWDED: &[Wait] = &[Wait::Yielding, Wait::Blocking];

/// Between processes: a blocking call of some would not notice that the other end is gone.
const BETWEEN: &[Wait] = &[Wait::Pauses(1), Wait::Pauses(4), Wait::Pauses(16)];
const KERNEL: &[Wait] = &[Wait::Pauses(1), Wait::Blocking];

pub(crate) fn contests() -> Vec<Contest> {
    let mut contests = Vec::new();
    contests.extend(streams_of_words());
    contests.extend(streams());
    contests.push(broadcast());
    contests.extend([
        trip::<[u64; 1], [u64; 1], Small<1>>("trip-8", Aim { reach: 1.0, goal: 0.9 }),
        trip::<Line, [u64; 8], Small<8>>("trip-64", Aim { reach: 0.95, goal: 0.7 }),
        trip::<Kibibyte, [u64; 128], Small<128>>("trip-1024", Aim { reach: 0.95, goal: 0.85 }),
    ]);
    contests.push(between_64());
    contests.extend([between_mebibyte(Form::Copied), between_mebibyte(Form::InPlace)]);
    contests.extend([queue("queue-64-split", Pinning::Split), queue("queue-64-mixed", Pinning::Mixed)]);
    contests
}

fn spec(slots: usize, slot_bytes: usize, delivery: Delivery) -> RingSpec {
    RingSpec { slots, slot_bytes, delivery, writers: Writers::One, readers: 1 }
}

fn stream(spec: RingSpec) -> Stream {
    Stream { spec, pinning: Pinning::Split, in_batches: false, scale: 1.0 }
}

/// Rings of bare messages carry `A`, rings that stamp each message carry `B`.
fn one_to_one<A: Message, B: Message + Pod, C: Payload + 'static>(stream: Stream) -> Vec<Entrant> {
    let mut entrants = vec![
        Entrant::stream::<Seqring, C>(Role::Ours, stream, STREAMING),
        Entrant::stream::<Disruptor<A>, C>(Role::Rival, stream, STREAMING),
        Entrant::stream::<Rtrb<A>, C>(Role::Rival, stream, STREAMING),
        Entrant::stream::<Ringbuf<A>, C>(Role::Rival, stream, STREAMING),
        Entrant::stream::<Broadcast<B>, C>(Role::Rival, stream, STREAMING),
        Entrant::stream::<Photon<B>, C>(Role::Rival, stream, STREAMING),
        Entrant::stream::<Channel<Array<B>>, C>(Role::Rival, stream, STREAMING),
        Entrant::stream::<Channel<Crossbeam<B>>, C>(Role::Rival, stream, STREAMING),
        Entrant::stream::<Channel<Kanal<B>>, C>(Role::Rival, stream, STREAMING),
        Entrant::stream::<Channel<Std<B>>, C>(Role::Rival, stream, STREAMING),
    ];
    if C::BYTES == 64 {
        entrants.push(Entrant::stream::<Shaped<Packed>, C>(Role::Ours, stream, STREAMING));
    }
    if C::BYTES > 64 {
        entrants.push(Entrant::stream::<Shaped<Arena>, C>(Role::Ours, stream, STREAMING));
    }
    entrants
}

fn streamed(name: &'static str, what: &str, stream: Stream, aim: Aim, entrants: Vec<Entrant>) -> Contest {
    let RingSpec { slots, slot_bytes, .. } = stream.spec;
    let what = format!("{what}, {slot_bytes} B, ring of {slots}, heap, a core for each end");
    Contest { name, what, unit: "M msg/s", better: Better::More, aim, entrants }
}

fn streams_of_words() -> Vec<Contest> {
    let aim = Aim { reach: 0.8, goal: 1.1 };
    let gated = |slots| stream(spec(slots, 8, Delivery::Gated));
    let batches = |slots| Stream { in_batches: true, ..gated(slots) };
    let entrants = one_to_one::<[u64; 1], [u64; 1], Small<1>>;
    let row = |name, what, stream: Stream| streamed(name, what, stream, aim, entrants(stream));
    vec![
        row("threads-8", "1 to 1, gated, written singly", gated(1024)),
        row("threads-8-batch-1024", "1 to 1, gated, written and read by 64", batches(1024)),
        row("threads-8-batch-65536", "1 to 1, gated, written and read by 64", batches(65_536)),
        lossy(),
    ]
}

/// Those that lose beside those that wait: what is received counts.
fn lossy() -> Contest {
    type C = Small<1>;
    let lossy = stream(spec(65_536, 8, Delivery::Lossy));
    let gated = stream(spec(65_536, 8, Delivery::Gated));
    let entrants = vec![
        Entrant::stream::<Seqring, C>(Role::Ours, lossy, STREAMING),
        Entrant::stream::<Photon<[u64; 1]>, C>(Role::Rival, lossy, STREAMING),
        Entrant::stream::<Tokio<[u64; 1]>, C>(Role::Rival, lossy, STREAMING),
        Entrant::stream::<Rtrb<[u64; 1]>, C>(Role::Rival, gated, STREAMING),
        Entrant::stream::<Ringbuf<[u64; 1]>, C>(Role::Rival, gated, STREAMING),
        Entrant::stream::<Disruptor<[u64; 1]>, C>(Role::Rival, gated, STREAMING),
    ];
    let what = "1 to 1, lossy where there is such a mode, written singly";
    streamed("threads-8-lossy", what, lossy, Aim { reach: 1.4, goal: 1.6 }, entrants)
}

fn streams() -> Vec<Contest> {
    let gated = |slots, bytes| stream(spec(slots, bytes, Delivery::Gated));
    let what = "1 to 1, gated, written singly";
    let lines = |name, slots, aim| {
        let stream = gated(slots, 64);
        streamed(name, what, stream, aim, one_to_one::<Line, [u64; 8], Small<8>>(stream))
    };
    let kibibytes = gated(1024, 1024);
    let entrants = one_to_one::<Kibibyte, [u64; 128], Small<128>>(kibibytes);
    vec![
        lines("threads-64", 1024, Aim { reach: 1.15, goal: 1.5 }),
        lines("threads-64-65536", 65_536, Aim { reach: 0.9, goal: 1.2 }),
        streamed("threads-1024", what, kibibytes, Aim { reach: 1.1, goal: 1.4 }, entrants),
    ]
}

fn broadcast() -> Contest {
    type C = Small<8>;
    let to_two = |delivery| stream(RingSpec { readers: 2, ..spec(1024, 64, delivery) });
    let (gated, lossy) = (to_two(Delivery::Gated), to_two(Delivery::Lossy));
    let entrants = vec![
        Entrant::stream::<Seqring, C>(Role::Ours, gated, CROWDED),
        Entrant::stream::<Shaped<Packed>, C>(Role::Ours, gated, CROWDED),
        Entrant::stream::<DisruptorForTwo<Line>, C>(Role::Rival, gated, CROWDED),
        Entrant::stream::<Broadcast<[u64; 8]>, C>(Role::Rival, gated, CROWDED),
        Entrant::stream::<Photon<[u64; 8]>, C>(Role::Rival, gated, CROWDED),
        Entrant::stream::<Tokio<[u64; 8]>, C>(Role::Rival, lossy, CROWDED),
    ];
    let what =
        "1 to 2, each gets every message, 64 B, ring of 1024, heap, both readers on one core; tokio loses";
    Contest {
        name: "broadcast-64",
        what: what.into(),
        unit: "M deliveries/s",
        better: Better::More,
        aim: Aim { reach: 1.25, goal: 1.7 },
        entrants,
    }
}

fn trip<A: Message, B: Message + Pod, C: Payload + 'static>(name: &'static str, aim: Aim) -> Contest {
    let trip = Trip { spec: spec(1024, C::BYTES, Delivery::Gated), scale: 1.0 };
    let mut entrants = vec![
        Entrant::trip::<Seqring, C>(Role::Ours, trip, TRIPPING),
        Entrant::trip::<Disruptor<A>, C>(Role::Rival, trip, TRIPPING),
        Entrant::trip::<Rtrb<A>, C>(Role::Rival, trip, TRIPPING),
        Entrant::trip::<Ringbuf<A>, C>(Role::Rival, trip, TRIPPING),
        Entrant::trip::<Broadcast<B>, C>(Role::Rival, trip, TRIPPING),
        Entrant::trip::<Photon<B>, C>(Role::Rival, trip, TRIPPING),
        Entrant::trip::<Channel<Array<B>>, C>(Role::Rival, trip, TRIPPING),
        Entrant::trip::<Channel<Crossbeam<B>>, C>(Role::Rival, trip, TRIPPING),
        Entrant::trip::<Channel<Kanal<B>>, C>(Role::Rival, trip, TRIPPING),
        Entrant::trip::<Channel<Std<B>>, C>(Role::Rival, trip, TRIPPING),
    ];
    if C::BYTES > 64 {
        entrants.push(Entrant::trip::<Shaped<Arena>, C>(Role::Ours, trip, TRIPPING));
    }
    let what = format!("{} B there and back, two rings of 1024, heap, a core for each side", C::BYTES);
    Contest { name, what, unit: "ns", better: Better::Less, aim, entrants }
}

fn between_64() -> Contest {
    type C = Small<8>;
    // One way is half of there and back, as iceoryx2's own benchmark counts.
    let trip = Trip { spec: spec(1024, 64, Delivery::Gated), scale: 0.5 };
    let entrants = vec![
        Entrant::trip_between::<Seqring, C>(Role::Ours, trip, BETWEEN),
        Entrant::trip_between::<Shaped<Packed>, C>(Role::Ours, trip, BETWEEN),
        Entrant::trip_between::<Iceoryx<8>, C>(Role::Rival, trip, BETWEEN),
        Entrant::trip_between::<Fifo, C>(Role::Beside, trip, KERNEL),
        Entrant::trip_between::<Socket, C>(Role::Beside, trip, KERNEL),
        Entrant::trip_between::<PosixQueue, C>(Role::Beside, trip, KERNEL),
    ];
    Contest {
        name: "processes-64",
        what: "64 B between processes, one way: half a round trip; two rings of 1024; the rival is iceoryx2"
            .into(),
        unit: "ns",
        better: Better::Less,
        aim: Aim { reach: 0.5, goal: 0.4 },
        entrants,
    }
}

fn between_mebibyte(form: Form) -> Contest {
    type C = Mebibyte;
    const SLOTS: usize = 4;
    let gigabytes = C::BYTES as f64 / 1e3;
    let spec = spec(SLOTS, C::BYTES, Delivery::Gated);
    let stream = Stream { scale: gigabytes, ..stream(spec) };
    let mut entrants = vec![
        Entrant::stream_between::<Seqring, C>(Role::Ours, form, stream, BETWEEN),
        Entrant::stream_between::<Iceoryx<{ C::BYTES / 8 }>, C>(Role::Beside, form, stream, BETWEEN),
        Entrant::floor("memcpy", |run| {
            let geometry = Geometry { slots: SLOTS, slot_bytes: C::BYTES };
            let rate = two_core_copy(geometry, Peers::Processes, run.cores, run.duration);
            rate.map(|rate| Figures::main(rate.bytes_per_second() / 1e9)).map_err(|error| error.to_string())
        }),
    ];
    let (name, how, aim) = match form {
        Form::InPlace => {
            let aim = Aim { reach: 1.0, goal: 2.0 };
            ("processes-1-MiB-in-place", "a word of each page put and looked at in place", aim)
        }
        Form::Copied | Form::Gathered => {
            entrants.extend([
                Entrant::stream_between::<Fifo, C>(Role::Beside, form, stream, KERNEL),
                Entrant::stream_between::<Socket, C>(Role::Beside, form, stream, KERNEL),
                Entrant::stream_between::<PosixQueue, C>(Role::Beside, form, stream, KERNEL),
            ]);
            ("processes-1-MiB", "copied in and out", Aim { reach: 0.95, goal: 1.0 })
        }
    };
    let what = format!(
        "1 MiB x {SLOTS} between processes, {how}; the rival is a memcpy on each side through {SLOTS} shared slots"
    );
    Contest { name, what, unit: "GB/s", better: Better::More, aim, entrants }
}

fn queue(name: &'static str, pinning: Pinning) -> Contest {
    type C = Small<8>;
    let spec = RingSpec { writers: Writers::Many(2), readers: 2, ..spec(1024, 64, Delivery::Queue) };
    let stream = Stream { pinning, ..stream(spec) };
    let entrants = vec![
        Entrant::stream::<Seqring, C>(Role::Ours, stream, CROWDED),
        Entrant::stream::<Channel<Kanal<[u64; 8]>>, C>(Role::Rival, stream, CROWDED),
        Entrant::stream::<Shared<[u64; 8]>, C>(Role::Rival, stream, CROWDED),
        Entrant::stream::<Channel<Array<[u64; 8]>>, C>(Role::Rival, stream, CROWDED),
        Entrant::stream::<Channel<Crossbeam<[u64; 8]>>, C>(Role::Beside, stream, CROWDED),
    ];
    let cores = match pinning {
        Pinning::Split => "writers on one core, takers on the other",
        Pinning::Mixed => "a writer and a taker on each core",
    };
    Contest {
        name,
        what: format!("2 writers to 2 takers, each message to one, 64 B, queue of 1024, heap, {cores}"),
        unit: "M msg/s",
        better: Better::More,
        aim: Aim { reach: 1.0, goal: 1.3 },
        entrants,
    }
}
