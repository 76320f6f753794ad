//! Helpers of the integration tests: rings to test, messages that identify themselves, and peer
//! processes.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod peer;

use seqring::{Config, Delivery, Lagged, ReadError, Reader, Received, Ring, SlotClass};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) const CLASSES: [SlotClass; 3] = [SlotClass::Packed, SlotClass::Lines, SlotClass::Arena];
pub(crate) const DELIVERIES: [Delivery; 2] = [Delivery::Gated, Delivery::Lossy];

/// Limit for a call that must return. A longer wait fails the test instead of hanging it.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Each slot class with each broadcast delivery.
pub(crate) fn kinds() -> impl Iterator<Item = (SlotClass, Delivery)> {
    CLASSES.into_iter().flat_map(|class| DELIVERIES.map(|delivery| (class, delivery)))
}

/// The bytes of message `sequence` with length `len`: its number, then words that differ between
/// messages at each position. A mixture of two messages, or the right bytes under a wrong number,
/// is detected.
pub(crate) fn bytes_of(sequence: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    let mut word = sequence;
    while bytes.len() < len {
        bytes.extend_from_slice(&word.to_le_bytes());
        word = mix(word);
    }
    bytes.truncate(len);
    bytes
}

/// A length from 0 to `slot_bytes`, a function of the message's number.
pub(crate) fn len_of(sequence: u64, slot_bytes: usize) -> usize {
    mix(!sequence) as usize % (slot_bytes + 1)
}

/// Message `sequence` of a stream with random lengths.
pub(crate) fn message(sequence: u64, slot_bytes: usize) -> Vec<u8> {
    bytes_of(sequence, len_of(sequence, slot_bytes))
}

/// Panics unless `bytes` are the whole message `received.sequence` of that stream.
pub(crate) fn assert_whole(received: Received, bytes: &[u8], slot_bytes: usize) {
    let sequence = received.sequence;
    assert_eq!(received.len, bytes.len(), "message {sequence}");
    assert!(bytes == message(sequence, slot_bytes), "message {sequence} is torn or another: {bytes:02x?}");
}

/// The finalizer of `SplitMix64`: a bijection, so different words stay different.
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Counts of one reader: messages read (whole and in order), and messages reported as lost.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) read: u64,
    pub(crate) lost: u64,
}

impl Counts {
    pub(crate) fn total(&self) -> u64 {
        self.read + self.lost
    }
}

/// Reads until the stream ends, and checks that a further read reports the end again. No writer may
/// join meanwhile.
pub(crate) fn read_to_the_end(reader: &mut Reader, slot_bytes: usize) -> Counts {
    let counts = read_until_closed(reader, slot_bytes);
    let again = reader.read(&mut vec![0; slot_bytes]);
    assert_eq!(again, Err(ReadError::Closed), "the end is not reported again");
    assert_eq!(reader.lost(), counts.lost);
    counts
}

/// Reads, blocking for each message, until no writer is left.
pub(crate) fn read_until_closed(reader: &mut Reader, slot_bytes: usize) -> Counts {
    let mut out = vec![0; slot_bytes];
    let (mut counts, mut expected) = (Counts::default(), reader.position());
    loop {
        match reader.read(&mut out) {
            Ok(received) => {
                assert_eq!(received.sequence, expected);
                assert_whole(received, &out[..received.len], slot_bytes);
                (counts.read, expected) = (counts.read + 1, expected + 1);
            }
            Err(ReadError::Lagged(Lagged { lost })) => {
                assert!(lost > 0);
                (counts.lost, expected) = (counts.lost + lost, expected + lost);
            }
            Err(ReadError::Closed) => return counts,
            Err(other) => panic!("{other}"),
        }
        assert_eq!(reader.position(), expected);
    }
}

/// A ring for threads.
pub(crate) fn ring(delivery: Delivery, class: SlotClass, slots: usize, slot_bytes: usize) -> Ring {
    Ring::heap(&Config::slots(slots).of_bytes(slot_bytes).slot_class(class).delivery(delivery)).unwrap()
}

/// A named ring for processes.
pub(crate) fn create(what: &str, config: &Config) -> (String, Ring) {
    let name = fresh_name(what);
    let ring = Ring::create(&name, config).unwrap();
    (name, ring)
}

/// A ring name that no other test and no other run uses at the same time.
pub(crate) fn fresh_name(what: &str) -> String {
    static USED: AtomicUsize = AtomicUsize::new(0);
    format!("test-{what}-{}-{}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed))
}

/// The path of the segment of that name.
pub(crate) fn path_of(name: &str) -> std::path::PathBuf {
    format!("/dev/shm/{name}.seqring").into()
}

/// The descriptors of this process that programs inherit which it executes, and whose target
/// contains `part`.
#[cfg(target_os = "linux")]
pub(crate) fn inherited_descriptors(part: &str) -> Vec<String> {
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let open = std::fs::read_dir("/proc/self/fd").expect("Linux has it").filter_map(Result::ok);
    let inherited = open.filter_map(|entry| {
        // Another test may close a descriptor meanwhile.
        let target = std::fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", entry.file_name().display()));
        let info = info.ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        let flags = u32::from_str_radix(flags.trim(), 8).expect("flags are octal");
        (flags & CLOSE_ON_EXEC == 0 && target.contains(part)).then_some(target)
    });
    inherited.collect()
}

/// The files in /dev/shm whose names contain `part`.
pub(crate) fn segments_named(part: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/dev/shm").expect("tests of named rings need /dev/shm");
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains(part)).collect()
}
