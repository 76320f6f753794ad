//! Row: the memory that a ring takes, against its bound. Nothing is timed.

use crate::text;
use harness::table::{Finding, Row};
use seqring::{Config, Ring, SlotClass};
use std::os::unix::fs::MetadataExt;

/// The unit in which the system counts what it set apart.
const BLOCK: usize = 512;

pub(crate) fn row() -> Row {
    Row::new(
        "memory",
        "what the file system has set apart for rings of every class with their writer: 1 to 65,536 slots, 1 B to 1 MiB, \
         with and without options, and the scenarios' geometries",
        "<= slots x (slot_bytes rounded to 64 + 128 + metadata) + 1 buffer + 64 KiB + 128 B a participant",
        |_| measure(),
    )
}

fn measure() -> Result<Finding, String> {
    let mut fullest = (0.0, String::new());
    let mut count = 0;
    for config in configurations() {
        // A combination that cannot be (1 MiB inline) is an error by design.
        let name = format!("reach-memory-{}", std::process::id());
        let Ok(ring) = Ring::create(&name, &config.0) else { continue };
        let _writer = ring.writer().map_err(text)?;
        let path = ring.path().ok_or("a named ring without a path")?;
        let blocks = std::fs::metadata(path).map_err(text)?.blocks();
        let (bytes, bound) = (blocks as usize * BLOCK, config.bound());
        let share = bytes as f64 / bound as f64;
        count += 1;
        if share > fullest.0 {
            fullest = (share, format!("{}: {bytes} of {bound} bytes", config.1));
        }
    }
    let measured = format!("{count} rings; the fullest takes {:.3} of its bound ({})", fullest.0, fullest.1);
    Ok(Finding::new(fullest.0 <= 1.0, measured))
}

/// A configuration, its description, and its participants, which it has no getter for.
struct Case(Config, String, usize);

impl Case {
    fn bound(&self) -> usize {
        let Self(config, _, participants) = self;
        let buffer = config.slot_bytes.next_multiple_of(64);
        let slots = config.slots * (buffer + 128 + config.meta_bytes);
        slots + buffer + (64 << 10) + 128 * participants
    }
}

fn configurations() -> impl Iterator<Item = Case> {
    let shapes = [1, 2, 3, 10, 1000, 65_536]
        .into_iter()
        .flat_map(|slots| [1, 8, 16, 56, 57, 64, 65, 1024, 4096, 65_536].map(|bytes| (slots, bytes)))
        .filter(|(slots, bytes)| slots * bytes <= 1 << 24)
        .chain([(4, 1 << 20), (50, 1_000_000), (10, 1_000_000), (3, 100_000_000)]);
    shapes.flat_map(|(slots, bytes)| {
        [SlotClass::Packed, SlotClass::Lines, SlotClass::Arena].into_iter().flat_map(move |class| {
            [0, 5, 64].into_iter().flat_map(move |meta| {
                [2, 128].map(|participants| {
                    let config = Config::slots(slots).of_bytes(bytes).slot_class(class).meta_bytes(meta);
                    let config = config.participants(participants).tag(meta > 0).timestamp(meta > 0);
                    let name = format!(
                        "{class:?}, {slots} x {bytes} B, {meta} B metadata, {participants} participants"
                    );
                    Case(config, name, participants)
                })
            })
        })
    })
}
