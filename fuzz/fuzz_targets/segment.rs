//! Arbitrary bytes as a segment: they are refused and not changed, or are a usable ring.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seqring::fuzzing::attach;
use seqring::inspect::Segment;
use seqring::{Observer, Ring, RingError, Start};
use seqring_fuzz::{Act, Change, Place, Shape, Users};
use std::fs;
use std::path::PathBuf;

#[derive(arbitrary::Arbitrary, Debug)]
enum Bytes {
    /// The bytes of a ring with some words changed; `sealed` corrects the checksum afterwards.
    Changed {
        shape: Shape,
        used: Vec<Act>,
        changes: Vec<(Place, Change)>,
        sealed: bool,
        lost: u8,
    },
    Any(Vec<u8>),
}

#[derive(arbitrary::Arbitrary, Debug)]
struct Input {
    bytes: Bytes,
    acts: Vec<Act>,
}

fuzz_target!(|input: Input| {
    let bytes = match input.bytes {
        Bytes::Any(bytes) => bytes,
        Bytes::Changed { shape, used, changes, sealed, lost } => {
            let (name, path) = name();
            let ring = Ring::create(&name, &shape.config()).expect("the shapes are valid");
            let mut users = Users::new(ring);
            users.act(&used, &mut || ());
            let mut bytes = fs::read(&path).expect("the file exists");
            drop(users);
            change(&mut bytes, &changes, sealed);
            bytes.truncate(bytes.len() - usize::from(lost));
            bytes
        }
    };
    let in_file = open(&bytes, &input.acts);
    let in_memory = attach(&bytes);
    assert_eq!(in_file.is_ok(), in_memory.is_ok(), "{in_file:?} and {in_memory:?}");
    if let Ok(ring) = in_memory {
        Users::new(ring).act(&input.acts, &mut || ());
    }
});

/// Opens the bytes as a file, and uses the ring if they are one.
fn open(bytes: &[u8], acts: &[Act]) -> Result<(), RingError> {
    let (name, path) = name();
    fs::write(&path, bytes).expect("there is room");
    inspect(&name);
    let opened = Ring::open(&name);
    match &opened {
        Ok(_) => fs::remove_file(&path).expect("the file exists"),
        Err(error) => {
            assert!(matches!(error, RingError::Unusable { .. }), "{error:?}");
            assert!(fs::read(&path).expect("the file exists") == bytes, "a refused file was changed");
            fs::remove_file(&path).expect("the file exists");
        }
    }
    opened.map(|ring| Users::new(ring).act(acts, &mut || ()))
}

/// Reads the bytes through a read-only mapping.
fn inspect(name: &str) {
    let _ = Segment::inspect(name).map(|segment| segment.stats());
    let Ok(mut observer) = Observer::open(name, Start::Oldest) else { return };
    for _ in 0..8 {
        let _ = observer.try_read(&mut [0; 512]);
    }
}

fn name() -> (String, PathBuf) {
    let name = format!("fuzz-segment-{}", std::process::id());
    let path = format!("/dev/shm/{name}.seqring").into();
    (name, path)
}

fn change(bytes: &mut [u8], changes: &[(Place, Change)], sealed: bool) {
    let ring = attach(bytes).expect("it was just made");
    for (place, change) in changes {
        change.make(&ring, *place);
    }
    for (word, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        seqring::fuzzing::poke(&ring, word, |value| {
            chunk.copy_from_slice(&value.to_ne_bytes());
            value
        });
    }
    if sealed {
        let checksum = bytes[24..152].iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        bytes[16..24].copy_from_slice(&checksum.to_ne_bytes());
    }
}
