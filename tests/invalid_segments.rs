//! A file that is not a valid ring of this format is refused with the reason, for an error in any
//! byte. A refused file is not changed.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::{CLASSES, create, fresh_name, path_of};
use seqring::{Config, Ring, RingError, SlotClass};
use std::fs;

const HEADER: usize = 192;
const VERSION: usize = 8;
const OLDEST_VERSION: usize = 12;
const CHECKSUM: usize = 16;
const TOTAL_BYTES: usize = 24;
const SLOTS: usize = 32;
const SLOT_CLASS: usize = 60;
const DELIVERY: usize = 64;
const WRITERS: usize = 68;
const FLAGS: usize = 72;
const ID: usize = 160;

/// The bytes of an unused ring.
fn segment(class: SlotClass) -> Vec<u8> {
    let (name, _ring) = create("segment", &Config::slots(2).of_bytes(40).slot_class(class).meta_bytes(8));
    fs::read(path_of(&name)).unwrap()
}

/// Writes `bytes` to a file, opens it as a ring, and removes it. Checks that a refused file was not
/// changed.
fn open(bytes: &[u8]) -> Result<Ring, RingError> {
    let name = fresh_name("bad-segment");
    fs::write(path_of(&name), bytes).unwrap();
    let opened = Ring::open(&name);
    if opened.is_ok() {
        Ring::unlink(&name).unwrap();
    } else {
        assert!(fs::read(path_of(&name)).unwrap() == bytes, "a refused file was changed");
        fs::remove_file(path_of(&name)).unwrap();
    }
    opened
}

fn assert_refused(bytes: &[u8], says: &str) {
    let error = open(bytes).expect_err(says);
    let RingError::Unusable { reason, .. } = &error else { panic!("{error:?}") };
    assert!(reason.contains(says), "{reason:?} does not contain {says:?}");
    assert!(error.to_string().contains("cannot be used") && !error.to_string().ends_with('.'));
}

/// The same segment with other bytes at `offset` and the matching checksum (FNV-1a, 64 bits).
fn forged(segment: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut forged = segment.to_vec();
    forged[offset..offset + bytes.len()].copy_from_slice(bytes);
    let checksum = forged[TOTAL_BYTES..ID].iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    forged[CHECKSUM..TOTAL_BYTES].copy_from_slice(&checksum.to_ne_bytes());
    forged
}

/// Fails if a check is missing, or if an error does not contain the value found.
#[test]
fn a_foreign_segment_is_refused_with_the_wrong_value() {
    let segment = segment(SlotClass::Lines);
    let swapped: Vec<u8> = segment.chunks(8).flat_map(|word| word.iter().rev()).copied().collect();
    assert_refused(b"", "0 bytes");
    assert_refused(&segment[..HEADER - 1], "191 bytes, less than a header");
    assert_refused(&segment[..HEADER], "the file has 192");
    assert_refused(&segment[..segment.len() - 1], &format!("the file has {}", segment.len() - 1));
    assert_refused(&vec![0; segment.len()], "not a seqring segment");
    assert_refused(&vec![0xff; segment.len()], "not a seqring segment");
    assert_refused(&swapped, "other byte order");
    let newer = forged(&segment, VERSION, &[9u32.to_ne_bytes(), 8u32.to_ne_bytes()].concat());
    assert_refused(&newer, "version 9 (readable since 8)");
    assert_refused(&newer, "update it, or recreate the ring");
    assert_refused(&forged(&segment, FLAGS, &0x8000_0000u32.to_ne_bytes()), "flags 0x80000000");
    assert_refused(&forged(&segment, SLOT_CLASS, &77u32.to_ne_bytes()), "slot class 77");
    assert_refused(&forged(&segment, DELIVERY, &78u32.to_ne_bytes()), "delivery 78");
    assert_refused(&forged(&segment, WRITERS, &79u32.to_ne_bytes()), "writers mode 79");
    let longer = segment.len() as u64 + 4096;
    assert_refused(&forged(&segment, TOTAL_BYTES, &longer.to_ne_bytes()), &format!("claims {longer} bytes"));
    assert_refused(&forged(&segment, SLOTS, &1000u64.to_ne_bytes()), "its geometry takes");
    let mut damaged = segment.clone();
    damaged[CHECKSUM] ^= 1;
    assert_refused(&damaged, "checksum");
    assert!(open(&segment).is_ok());
}

/// Fails if the error does not say what the file is, or claims that what removes rings removes it.
#[test]
fn a_file_that_is_no_ring_is_in_the_way_of_a_new_one() {
    let name = fresh_name("garbage");
    for garbage in [&b""[..], &[7; 4096]] {
        fs::write(path_of(&name), garbage).unwrap();
        let config = Config::slots(2).of_bytes(8);
        for refused in [Ring::create(&name, &config), Ring::open_or_create(&name, &config)] {
            let text = refused.unwrap_err().to_string();
            let says = text.contains("not a seqring segment") || text.contains("0 bytes, less than a header");
            assert!(says && text.ends_with("; remove the file, or use another name"), "{text}");
        }
        assert!(!Ring::unlink_unused(&name).unwrap_or(false), "it is left alone");
        Ring::unlink(&name).unwrap();
    }
}

/// Fails if a byte of the header is not checked, except those that differ from ring to ring.
#[test]
fn every_bit_of_the_header_is_checked() {
    for class in CLASSES {
        let segment = segment(class);
        for bit in 0..8 * HEADER {
            let mut damaged = segment.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let word = |at: usize| u32::from_ne_bytes(damaged[at..at + 4].try_into().unwrap());
            // A later version that this one may read; and the creator and time of creation.
            let may_differ = match bit / 8 {
                VERSION..CHECKSUM => word(OLDEST_VERSION) <= 2 && word(VERSION) >= 2,
                byte => byte >= ID,
            };
            assert_eq!(open(&damaged).is_ok(), may_differ, "{class:?}: byte {}, bit {}", bit / 8, bit % 8);
        }
    }
}

/// Fails if a number of the header is used before it is checked, for example in a multiplication.
#[test]
fn an_invalid_header_with_a_valid_checksum_is_refused() {
    let wrong = [0, 1, 3, u64::MAX, u64::MAX / 2, 1 << 62, 1 << 61, 1 << 40, 1 << 30, 1 << 20];
    for class in CLASSES {
        let segment = segment(class);
        for offset in (TOTAL_BYTES..ID).step_by(4) {
            for value in wrong {
                let size = if offset + 8 <= ID { 8 } else { 4 };
                let forged = forged(&segment, offset, &value.to_ne_bytes()[..size]);
                let result = open(&forged);
                assert!(matches!(result, Ok(_) | Err(RingError::Unusable { .. })), "{result:?}");
            }
        }
    }
}
