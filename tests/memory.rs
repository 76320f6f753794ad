//! A ring takes no more memory than promised, and returns all resources.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::{CLASSES, DELIVERIES, create, path_of, segments_named};
use seqring::{Config, Ring, SlotClass, Start};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

/// The tests of this file count open resources of the process, so they run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The promise: for each slot the payload in whole cache lines, 128 bytes and the metadata; one
/// more such buffer for the writer; 64 KiB; 128 bytes per participant. A gated arena ring reserves
/// the addresses of one more buffer, without memory.
fn bound(slots: usize, slot_bytes: usize, meta_bytes: usize, participants: usize) -> usize {
    let payload = slot_bytes.next_multiple_of(64);
    let buffer = payload + 128 + meta_bytes;
    slots * buffer + buffer + (64 << 10) + 128 * participants
}

/// Bytes of the standby buffer, which may be without memory until it is used.
fn standby_bytes(config: &Config, class: SlotClass) -> usize {
    let pages = config.slot_bytes.next_multiple_of(64) + 128 + config.meta_bytes + 4096;
    if class == SlotClass::Arena { pages } else { 0 }
}

/// The product of several values of each parameter, and the bound of each.
fn grid() -> impl Iterator<Item = (Config, usize)> {
    const SLOTS: [usize; 6] = [1, 2, 3, 10, 50, 1000];
    const SLOT_BYTES: [usize; 10] = [1, 8, 16, 63, 64, 65, 100, 1000, 1024, 5000];
    const META_BYTES: [usize; 5] = [0, 1, 7, 64, 100];
    const PARTICIPANTS: [usize; 3] = [2, 128, 1000];
    let sizes = SLOTS.into_iter().flat_map(|slots| SLOT_BYTES.map(|slot_bytes| (slots, slot_bytes)));
    let sizes = sizes.flat_map(|(slots, slot_bytes)| META_BYTES.map(|meta| (slots, slot_bytes, meta)));
    let sizes = sizes.flat_map(|(slots, slot_bytes, meta)| {
        PARTICIPANTS.map(|participants| (slots, slot_bytes, meta, participants))
    });
    sizes.flat_map(|(slots, slot_bytes, meta, participants)| {
        let config = Config::slots(slots).of_bytes(slot_bytes).meta_bytes(meta).participants(participants);
        let config = config.tag(meta > 0).timestamp(meta > 0);
        CLASSES.map(|class| (config.clone().slot_class(class), bound(slots, slot_bytes, meta, participants)))
    })
}

/// Fails if a slot, a buffer's header, an entry or an option takes more than promised.
#[test]
fn a_ring_takes_no_more_memory_than_promised() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (config, bound) in grid() {
        let ring = Ring::heap(&config).unwrap();
        let reserved = standby_bytes(&config, ring.config().slot_class);
        assert!(ring.total_bytes() <= bound + reserved, "{} > {bound}: {config:?}", ring.total_bytes());
    }
}

/// Fails if pages are not allocated at creation (by `fallocate` or by populating), or if the file
/// has another mode.
#[test]
fn a_named_ring_is_backed_by_exactly_its_bytes_from_the_start() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (config, _) in grid().step_by(17) {
        let (name, ring) = create("blocks", &config);
        let file = fs::metadata(path_of(&name)).unwrap();
        assert_eq!(file.len(), ring.total_bytes() as u64);
        // Except for a gated ring's standby buffer, less the page that it may share.
        let unbacked = standby_bytes(&config, ring.config().slot_class) as u64;
        let backed = file.blocks() * 512;
        assert!(
            backed <= file.len() && backed + unbacked >= file.len(),
            "{backed} of {}: {config:?}",
            file.len()
        );
        assert_eq!(file.mode() & 0o777, 0o600);
    }
}

/// Resources that could leak: descriptors, mappings, names, and locks on the given files.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    mappings: usize,
    names: usize,
    locks: usize,
}

fn held(inodes: &BTreeSet<u64>) -> Held {
    let inode = |line: &str| line.split_whitespace().nth(5)?.rsplit(':').next()?.parse().ok();
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    Held {
        descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
        mappings: maps.lines().filter(|line| line.contains("/dev/shm/")).count(),
        names: segments_named(&format!("test-cycle-{}", std::process::id())).len(),
        locks: locks.lines().filter_map(inode).filter(|inode| inodes.contains(inode)).count(),
    }
}

/// Fails if a descriptor, a mapping, a name or a lock outlives its ring.
#[test]
fn a_thousand_rings_leave_nothing_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut inodes = BTreeSet::new();
    let before = held(&inodes);
    let mut out = [0; 100];
    for cycle in 0..1000 {
        let config =
            Config::slots(2).of_bytes(100).slot_class(CLASSES[cycle % 3]).delivery(DELIVERIES[cycle % 2]);
        let (name, ring) = create("cycle", &config);
        inodes.insert(fs::metadata(path_of(&name)).unwrap().ino());
        let other = Ring::open(&name).unwrap();
        let (mut writer, mut reader) = (ring.writer().unwrap(), other.reader(Start::Next).unwrap());
        writer.write(b"message").unwrap();
        if cycle == 500 {
            let during = held(&inodes);
            // One lock of each handle on the file, and one of each participant.
            assert_eq!((during.names, during.locks, during.mappings), (1, 4, before.mappings + 2));
        }
        reader.read(&mut out).unwrap();
        // The creator's side leaves first, or last.
        if cycle % 4 < 2 {
            drop((ring, reader, other, writer));
        } else {
            drop((writer, other, reader, ring));
        }
    }
    assert_eq!(held(&inodes), before);
}

/// Fails if an entry's lock is not released, or if a ring has more or fewer entries than
/// configured.
#[test]
fn entries_can_be_reused_without_limit() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (name, created) = create("entries", &Config::slots(2).of_bytes(8).participants(3));
    let opened = Ring::open(&name).unwrap();
    for ring in [&created, &opened].into_iter().cycle().take(1000) {
        let _writer = ring.writer().unwrap();
        let _readers = [ring.reader(Start::Next).unwrap(), ring.reader(Start::Oldest).unwrap()];
        assert!(created.reader(Start::Next).is_err() && opened.reader(Start::Next).is_err());
        assert_eq!(ring.participants().len(), 3);
    }
    assert!(created.participants().is_empty());
}
