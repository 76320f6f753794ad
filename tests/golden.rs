//! Detects changes of the format: rings made by fixed steps equal the files in `tests/golden/` byte
//! for byte, and this build reads the rings in those files.
//!
//! A golden file lists the nonzero words of a segment in the order of the file. Values that differ
//! from run to run (the id, the creator, clocks, processes and threads) count as zero. After an
//! intended change that FORMAT.md describes, run `SEQRING_BLESS=1 cargo test --test golden
//! a_ring_made_by` and commit the difference.
#![cfg(all(target_os = "linux", target_endian = "little"))]
#![allow(missing_docs)]

mod common;

use common::{bytes_of, create, fresh_name, path_of};
use seqring::{Config, Delivery, Frame, MessageHeader, Reader, Ring, SlotClass, Start, TryReadError, Writer};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;

const WORD: usize = 8;
const HEADER: usize = 0;
const CONTROL: usize = 4096;
const ENTRIES: usize = 8192;
const SLOTS: usize = 12288;
const PARTICIPANTS: usize = 4;

/// The state at the comparison: messages 40–47 are written, the readers' cursors are 43 and 48.
const FIRST: u64 = 40;
const NEXT: u64 = 48;
const READ: u64 = 3;

struct Golden {
    name: &'static str,
    config: Config,
    /// Offsets of time stamps, if the ring has them.
    timestamps: Vec<usize>,
}

fn goldens() -> Vec<Golden> {
    let config = |slot_bytes, class, delivery| {
        Config::slots(5)
            .of_bytes(slot_bytes)
            .slot_class(class)
            .delivery(delivery)
            .participants(PARTICIPANTS)
            .first_sequence(FIRST)
    };
    let frame = Frame { kind: 2, bits: 32, dimensions: 2, shape: [3, 5, 0, 0, 0, 0, 0, 0] };
    // In each slot: stamp, tag, time, length of the metadata, two words of metadata, payload.
    let slot_bytes = 20;
    let lines = config(slot_bytes, SlotClass::Lines, Delivery::Lossy).tag(true).timestamp(true).meta_bytes(9);
    vec![
        Golden {
            name: "packed-gated",
            config: config(20, SlotClass::Packed, Delivery::Gated),
            timestamps: vec![],
        },
        Golden {
            name: "lines-lossy-header",
            config: lines,
            timestamps: (0..5).map(|slot| SLOTS + slot * 128 + 2 * WORD).collect(),
        },
        Golden {
            name: "arena-gated-frame",
            config: config(100, SlotClass::Arena, Delivery::Gated).frame(frame).observers(true),
            timestamps: vec![],
        },
    ]
}

/// The bytes of a ring, and its participants at that time.
struct Populated {
    bytes: Vec<u8>,
    _held: (Writer, Vec<Reader>, Ring),
}

fn populate(config: &Config) -> Populated {
    let (name, ring) = create("golden", config);
    let mut writer = ring.writer().unwrap();
    let mut readers: Vec<_> = (0..2).map(|_| ring.reader(Start::Next).unwrap()).collect();
    drop(ring.reader(Start::Next).unwrap());
    let mut out = [0; 100];
    for sequence in FIRST..NEXT {
        let metadata = bytes_of(!sequence, config.meta_bytes);
        let header = MessageHeader { tag: !sequence, metadata: &metadata };
        let len = sequence as usize % (config.slot_bytes + 1);
        assert_eq!(writer.try_write_with(&bytes_of(sequence, len), &header), Ok(sequence));
        readers[0].try_read(&mut out).unwrap();
        if sequence < FIRST + READ {
            readers[1].try_read(&mut out).unwrap();
        }
    }
    let bytes = std::fs::read(path_of(&name)).unwrap();
    Populated { bytes, _held: (writer, readers, ring) }
}

/// Bytes that differ from run to run.
fn varying(golden: &Golden) -> Vec<Range<usize>> {
    let (id, creator_and_time) = (160..176, 176..192);
    let owners = (0..PARTICIPANTS).map(|entry| ENTRIES + entry * 128 + 72..ENTRIES + entry * 128 + 88);
    let timestamps = golden.timestamps.iter().map(|at| *at..*at + WORD);
    [id, creator_and_time].into_iter().chain(owners).chain(timestamps).collect()
}

fn dump(bytes: &[u8]) -> String {
    let mut text =
        String::from("# offset   bytes in the order of the file; words that are not listed are zero\n");
    let _ = writeln!(text, "size {}", bytes.len());
    let mut part = "";
    for (index, word) in bytes.chunks(WORD).enumerate().filter(|(_, word)| word.iter().any(|byte| *byte != 0))
    {
        let offset = index * WORD;
        let here = match offset {
            HEADER..CONTROL => "header",
            CONTROL..ENTRIES => "control",
            ENTRIES..SLOTS => "entries",
            _ => "slots",
        };
        if here != part {
            let _ = writeln!(text, "# {here}");
            part = here;
        }
        let _ = write!(text, "{offset:#08x} ");
        for byte in word {
            let _ = write!(text, " {byte:02x}");
        }
        text.push('\n');
    }
    text
}

fn undump(text: &str) -> Vec<u8> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let size =
        lines.next().and_then(|line| line.strip_prefix("size ")).expect("the first line says the size");
    let mut bytes = vec![0; size.parse().unwrap()];
    for line in lines {
        let (offset, word) = line.split_once("  ").unwrap();
        let offset = usize::from_str_radix(offset.strip_prefix("0x").unwrap(), 16).unwrap();
        for (index, byte) in word.split(' ').enumerate() {
            bytes[offset + index] = u8::from_str_radix(byte, 16).unwrap();
        }
    }
    bytes
}

fn committed(golden: &Golden) -> PathBuf {
    format!("{}/tests/golden/{}.txt", env!("CARGO_MANIFEST_DIR"), golden.name).into()
}

/// Fails if a field of the format moves, is added, or changes its value at these steps.
#[test]
fn a_ring_made_by_fixed_steps_has_the_committed_bytes() {
    for golden in goldens() {
        compare(&golden, populate(&golden.config).bytes);
    }
    let golden = golden_table();
    let (name, table) = create("golden", &golden.config);
    let (mut writer, _reader) = (table.table_writer().unwrap(), table.table_reader().unwrap());
    for version in 1..=VERSIONS {
        assert_eq!(writer.set(KEY, &bytes_of(version, 5 + version as usize)), Ok(version));
    }
    compare(&golden, std::fs::read(path_of(&name)).unwrap());
}

/// Of a table of two keys: one has several versions, the other none.
fn golden_table() -> Golden {
    Golden {
        name: "table",
        config: Config::slots(2).of_bytes(20).delivery(Delivery::Latest).participants(PARTICIPANTS),
        // In each slot: stamp, time, payload. The key has the third and the fourth.
        timestamps: (2..4).map(|slot| SLOTS + slot * 64 + WORD).collect(),
    }
}

const KEY: usize = 1;
const VERSIONS: u64 = 3;

fn compare(golden: &Golden, mut bytes: Vec<u8>) {
    for range in varying(golden) {
        bytes[range].fill(0);
    }
    let dump = dump(&bytes);
    if std::env::var_os("SEQRING_BLESS").is_some() {
        std::fs::write(committed(golden), &dump).unwrap();
    }
    let expected = std::fs::read_to_string(committed(golden)).unwrap();
    let changed: Vec<_> = dump.lines().filter(|line| !expected.lines().any(|known| known == *line)).collect();
    let changed = changed.join("\n");
    assert!(dump == expected, "{} differs from its golden file:\n{changed}", golden.name);
}

#[test]
fn a_committed_table_opens_and_its_values_are_got() {
    let (golden, name) = (golden_table(), fresh_name("golden-old"));
    let bytes = undump(&std::fs::read_to_string(committed(&golden)).unwrap());
    std::fs::write(path_of(&name), bytes).unwrap();
    let table = Ring::open(&name).unwrap();
    assert_eq!(table.config(), &golden.config);
    let mut reader = table.table_reader().unwrap();
    assert_eq!(reader.changed(), [KEY]);
    let mut out = [0; 20];
    let latest = reader.get(KEY, &mut out).unwrap().unwrap();
    assert_eq!(latest.version, VERSIONS);
    assert_eq!(out[..latest.len], bytes_of(VERSIONS, 5 + VERSIONS as usize));
    assert_eq!(table.table_writer().unwrap().set(KEY, b"new"), Ok(VERSIONS + 1));
}

/// Fails if this build cannot read a ring that an earlier build of the same format version wrote.
/// All users of that ring are dead: no process holds the locks of their entries.
#[test]
fn a_committed_ring_opens_and_its_messages_are_read() {
    for golden in goldens() {
        let name = fresh_name("golden-old");
        let bytes = undump(&std::fs::read_to_string(committed(&golden)).unwrap());
        std::fs::write(path_of(&name), bytes).unwrap();
        let ring = Ring::open(&name).unwrap();
        assert_eq!(ring.config(), &golden.config);
        assert_eq!(ring.next_sequence(), NEXT);
        let mut reader = ring.reader(Start::Sequence(FIRST + READ)).unwrap();
        let mut out = [0; 100];
        for sequence in FIRST + READ..NEXT {
            let received = reader.try_read(&mut out).unwrap();
            assert_eq!(received.sequence, sequence);
            assert!(
                out[..received.len] == bytes_of(sequence, sequence as usize % (golden.config.slot_bytes + 1))
            );
            let metadata = bytes_of(!sequence, golden.config.meta_bytes);
            assert_eq!(reader.metadata(), metadata);
            assert_eq!(received.tag, golden.config.tag.then_some(!sequence));
        }
        assert_eq!(reader.try_read(&mut out), Err(TryReadError::Empty));
        let mut writer = ring.writer().unwrap();
        assert_eq!(writer.write(b"new"), Ok(NEXT));
        assert_eq!(reader.try_read(&mut out).map(|received| received.len), Ok(3));
        drop((reader, writer, ring));
        assert!(!path_of(&name).exists());
    }
}
