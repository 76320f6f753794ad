//! A segment in the JSON output.

use seqring::inspect::{Segment, SegmentEntry, Stats, Stream};
use seqring::table::Latest;
use seqring::{Delivery, Role, SlotClass, Writers};
use serde::Serialize;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// A segment, or a file that has the name of one.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum SegmentRecord {
    Ring(Box<RingRecord>),
    Unusable { path: String, unusable: String },
}

#[derive(Serialize)]
pub(crate) struct RingRecord {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) in_use: bool,
    pub(crate) keep: bool,
    pub(crate) stream: &'static str,
    pub(crate) delivery: &'static str,
    pub(crate) writers: &'static str,
    pub(crate) slot_class: &'static str,
    pub(crate) slots: usize,
    pub(crate) slot_bytes: usize,
    pub(crate) observers: bool,
    pub(crate) total_bytes: usize,
    pub(crate) allocated_bytes: u64,
    pub(crate) mode: String,
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) creator_pid: u64,
    pub(crate) created_unix_seconds: f64,
    pub(crate) id: String,
    pub(crate) next_sequence: u64,
    /// Readers that must join before anything is overwritten.
    pub(crate) awaited_readers: u32,
    /// Since the previous stats; absent in the first.
    pub(crate) published_per_second: Option<f64>,
    pub(crate) participants: Vec<ParticipantRecord>,
    /// Of a table: the keys that have a value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<ValueRecord>,
}

#[derive(Serialize)]
pub(crate) struct ValueRecord {
    pub(crate) key: usize,
    pub(crate) version: u64,
    pub(crate) bytes: usize,
    pub(crate) age_seconds: Option<f64>,
}

#[derive(Serialize)]
pub(crate) struct ParticipantRecord {
    pub(crate) entry: usize,
    pub(crate) role: &'static str,
    pub(crate) pid: u32,
    pub(crate) alive: bool,
    pub(crate) joined: u64,
    pub(crate) position: u64,
    pub(crate) lag: u64,
    pub(crate) lost: u64,
    pub(crate) refused: u64,
    pub(crate) sleeps: u64,
    pub(crate) passed_per_second: Option<f64>,
}

impl SegmentRecord {
    pub(crate) fn of(found: &SegmentEntry) -> Self {
        match &found.segment {
            Ok(segment) => SegmentRecord::Ring(Box::new(RingRecord::new(segment, &segment.stats(), None))),
            Err(error) => SegmentRecord::Unusable { path: shown(&found.path), unusable: error.to_string() },
        }
    }
}

impl RingRecord {
    /// The stats of a segment, with rates since `earlier`.
    pub(crate) fn new(segment: &Segment, stats: &Stats, earlier: Option<&Stats>) -> Self {
        let config = segment.config();
        let (user, group) = segment.owner();
        let created = segment.created().duration_since(UNIX_EPOCH).unwrap_or_default();
        RingRecord {
            name: segment.name().unwrap_or_default(),
            path: shown(segment.path()),
            in_use: segment.is_in_use(),
            keep: config.keep,
            stream: stream(stats.stream),
            delivery: delivery(config.delivery),
            writers: match config.writers {
                Writers::One => "one",
                Writers::Many => "many",
                _ => UNKNOWN,
            },
            slot_class: match config.slot_class {
                SlotClass::Packed => "packed",
                SlotClass::Lines => "lines",
                SlotClass::Arena => "arena",
                _ => UNKNOWN,
            },
            slots: config.slots,
            slot_bytes: config.slot_bytes,
            observers: config.observers,
            total_bytes: segment.total_bytes(),
            allocated_bytes: segment.allocated_bytes(),
            mode: format!("{:03o}", segment.mode()),
            user,
            group,
            creator_pid: segment.creator_pid(),
            created_unix_seconds: created.as_secs_f64(),
            id: format!("{:032x}", u128::from_be_bytes(segment.id())),
            next_sequence: stats.next_sequence,
            awaited_readers: stats.awaited_readers,
            published_per_second: earlier.map(|earlier| stats.published_per_second(earlier)),
            participants: participants(stats, earlier),
            values: segment.values().into_iter().map(value).collect(),
        }
    }

    /// How many participants of that role are alive.
    pub(crate) fn alive(&self, role: &str) -> usize {
        self.participants.iter().filter(|one| one.alive && one.role == role).count()
    }

    pub(crate) fn dead(&self) -> usize {
        self.participants.iter().filter(|one| !one.alive).count()
    }
}

/// What this version has no word for.
const UNKNOWN: &str = "unknown";

fn value((key, latest): (usize, Latest)) -> ValueRecord {
    let age_seconds = latest.age().map(|age| age.as_secs_f64());
    ValueRecord { key, version: latest.version, bytes: latest.len, age_seconds }
}

fn participants(stats: &Stats, earlier: Option<&Stats>) -> Vec<ParticipantRecord> {
    let record = |one: &seqring::inspect::Participant| ParticipantRecord {
        entry: one.entry,
        role: match one.role {
            Role::Writer => "writer",
            Role::Reader => "reader",
            Role::Taker => "taker",
            Role::Server => "server",
            Role::Caller => "caller",
            _ => UNKNOWN,
        },
        pid: one.pid,
        alive: one.alive,
        joined: one.joined,
        position: one.position,
        lag: one.lag,
        lost: one.lost,
        refused: one.refused,
        sleeps: one.sleeps,
        passed_per_second: earlier.and_then(|earlier| stats.passed_per_second(one, earlier)),
    };
    stats.participants.iter().map(record).collect()
}

fn stream(stream: Stream) -> &'static str {
    match stream {
        Stream::Fresh => "fresh",
        Stream::Open => "open",
        Stream::Ended => "ended",
        Stream::Died => "died",
        Stream::Closed => "closed",
        Stream::Forked => "forked",
        _ => UNKNOWN,
    }
}

fn delivery(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Gated => "gated",
        Delivery::Lossy => "lossy",
        Delivery::Queue => "queue",
        Delivery::Call => "call",
        Delivery::Latest => "latest",
        _ => UNKNOWN,
    }
}

pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
