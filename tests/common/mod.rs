//! What the integration tests share: rings to try, and messages that prove themselves.
#![allow(dead_code, reason = "each test binary uses its own part")]

use seqring::{Config, Delivery, Lagged, ReadError, Reader, Received, Ring, SlotClass};
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const CLASSES: [SlotClass; 3] = [SlotClass::Packed, SlotClass::Lines, SlotClass::Arena];
pub(crate) const DELIVERIES: [Delivery; 2] = [Delivery::Gated, Delivery::Lossy];

/// The bytes of message `sequence` if it is `len` long: its number first, then words that no other message has at
/// that place. Whoever holds a mixture of two messages, or the right bytes at the wrong number, finds out.
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

/// A length from 0 to `slot_bytes` that everybody can compute from the number of the message.
pub(crate) fn len_of(sequence: u64, slot_bytes: usize) -> usize {
    mix(!sequence) as usize % (slot_bytes + 1)
}

/// Message `sequence` of a stream of random lengths.
pub(crate) fn message(sequence: u64, slot_bytes: usize) -> Vec<u8> {
    bytes_of(sequence, len_of(sequence, slot_bytes))
}

/// Panics unless `bytes` are message `received.sequence` of that stream, whole.
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

/// What a reader got until the stream ended: messages in order, each whole, none missing that it was not told of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) read: u64,
    pub(crate) missed: u64,
}

/// Reads until the stream ends, and once more. Nobody may continue the stream meanwhile.
pub(crate) fn read_to_the_end(reader: &mut Reader, slot_bytes: usize) -> Got {
    let got = read_until_closed(reader, slot_bytes);
    assert_eq!(reader.read(&mut vec![0; slot_bytes]), Err(ReadError::Closed), "the end is not said again");
    assert_eq!(reader.lost(), got.missed);
    got
}

/// Reads, waiting for each message, until no writer is left.
pub(crate) fn read_until_closed(reader: &mut Reader, slot_bytes: usize) -> Got {
    let mut out = vec![0; slot_bytes];
    let (mut got, mut expected) = (Got::default(), reader.position());
    loop {
        match reader.read(&mut out) {
            Ok(received) => {
                assert_eq!(received.sequence, expected);
                assert_whole(received, &out[..received.len], slot_bytes);
                (got.read, expected) = (got.read + 1, expected + 1);
            }
            Err(ReadError::Lagged(Lagged { missed })) => {
                assert!(missed > 0);
                (got.missed, expected) = (got.missed + missed, expected + missed);
            }
            Err(ReadError::Closed) => return got,
            Err(other) => panic!("{other}"),
        }
        assert_eq!(reader.position(), expected);
    }
}

/// A ring for threads.
pub(crate) fn ring(delivery: Delivery, class: SlotClass, slots: usize, slot_bytes: usize) -> Ring {
    Ring::heap(&Config::new(slots, slot_bytes).slot_class(class).delivery(delivery)).unwrap()
}

/// A ring name that no other test and no other run uses at the same time.
pub(crate) fn fresh_name(what: &str) -> String {
    static USED: AtomicUsize = AtomicUsize::new(0);
    format!("test-{what}-{}-{}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed))
}

/// Where the segment of that name lies.
pub(crate) fn path_of(name: &str) -> std::path::PathBuf {
    format!("/dev/shm/{name}.seqring").into()
}

/// The files in /dev/shm whose names contain `part`.
pub(crate) fn segments_named(part: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/dev/shm").expect("tests of named rings need /dev/shm");
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains(part)).collect()
}
