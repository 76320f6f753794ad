//! Rings of the portable backend: its files lie in a directory where any user can create some.
#![cfg(all(target_os = "linux", feature = "portable"))]
#![allow(missing_docs)]

mod common;

use common::fresh_name;
use seqring::{Config, Location, RegisterError, Ring, RingError, Start};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn config() -> Config {
    Config::slots(4).of_bytes(64)
}

/// Fails if the content of a file in the temporary directory, where any user can create one, is
/// trusted.
#[test]
fn the_file_of_a_portable_ring_leads_to_the_memory_of_a_ring_or_is_refused() {
    let location = Location::portable(fresh_name("link"));
    let path = location.path().unwrap();
    let refused = |says: &str| {
        let error = Ring::open(&location).unwrap_err();
        assert!(matches!(&error, RingError::Unusable { reason, .. } if reason.contains(says)), "{error:?}");
    };
    for text in ["", "junk", "/other", "/shmem_", "/shmem_12/../other", "/shmem_FFFFFFFFFFFFFFFFx"] {
        fs::write(&path, text).unwrap();
        refused("does not lead to memory");
        assert!(Ring::unlink(&location).is_err() && path.exists(), "{text:?}");
    }
    fs::write(&path, "/shmem_FFFFFFFFFFFFFFFF").unwrap();
    refused("its memory is gone");
    Ring::unlink(&location).unwrap();
    std::os::unix::fs::symlink("/dev/shm", &path).unwrap();
    refused("not a regular file");
    fs::remove_file(&path).unwrap();
}

/// The name of a draft in the temporary directory that leads to the memory of that number, and the
/// path of that memory.
fn draft_of(number: u64) -> (PathBuf, PathBuf) {
    let draft = std::env::temp_dir().join(format!(".shmem_{number:X}.draft.seqring"));
    fs::write(&draft, format!("/shmem_{number:X}")).unwrap();
    (draft, format!("/dev/shm/shmem_{number:X}").into())
}

/// Fails if a creator removes memory because of a file that another user made or could write, or
/// memory that holds no ring: then another user chooses what this one removes.
#[test]
fn a_draft_of_another_user_or_of_other_memory_removes_nothing() {
    let kept = Ring::create(Location::portable(fresh_name("kept")), &config()).unwrap();
    let id = fs::read_to_string(kept.path().unwrap()).unwrap();
    let ring = fs::read(format!("/dev/shm{id}")).unwrap();
    let foreign = u64::from(std::process::id()) << 32;
    let mut drafts = Vec::new();
    for (number, content, mode, owner) in [
        (1, &ring[..], 0o600, None), // The dead draft of a ring: removed.
        (2, &b"another program's"[..], 0o600, None),
        (3, &ring, 0o666, None),
        (4, &ring, 0o600, Some(65534)),
    ] {
        let (draft, memory) = draft_of(foreign + number);
        fs::write(&memory, content).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(mode)).unwrap();
        // Only root can give files away.
        let given = std::os::unix::fs::chown(&draft, owner, None);
        if given.is_ok() {
            drafts.push((number, draft, memory));
        } else {
            fs::remove_file(draft).unwrap();
            fs::remove_file(memory).unwrap();
        }
    }
    drop(Ring::create(Location::portable(fresh_name("drafts")), &config()).unwrap());
    for (number, draft, memory) in drafts {
        let there = (draft.exists(), memory.exists());
        let (_, _) = (fs::remove_file(draft), fs::remove_file(memory));
        assert_eq!(
            there,
            [(false, false), (false, true), (true, true), (true, true)][number as usize - 1],
            "{number}"
        );
    }
}

/// Fails if a file of another user is believed when a ring is opened or removed: as the last user,
/// this process would remove the memory that the other user chose.
#[test]
fn a_file_that_another_user_made_or_can_write_is_no_ring() {
    let ring = Ring::create(Location::portable(fresh_name("victim")), &config()).unwrap();
    let id = fs::read_to_string(ring.path().unwrap()).unwrap();
    let location = Location::portable(fresh_name("foreign"));
    let path = location.path().unwrap();
    fs::write(&path, &id).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(Ring::open(&location), Err(RingError::Unusable { .. })));
    assert!(Ring::unlink(&location).is_err());
    assert!(Ring::unlink_unused_even_kept(&location).is_err());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    if std::os::unix::fs::chown(&path, Some(65534), None).is_ok() {
        assert!(matches!(Ring::open(&location), Err(RingError::ForeignOwner { owner: 65534, .. })));
        assert!(Ring::unlink(&location).is_err());
        assert!(Ring::unlink_unused_even_kept(&location).is_err());
    }
    fs::remove_file(&path).unwrap();
    assert!(Path::new(&format!("/dev/shm{id}")).exists());
}

/// Fails if a pipe in the place of one of a portable ring's files stops a process.
#[test]
fn a_pipe_in_the_place_of_a_portable_rings_file_stops_no_process() {
    let pipe = |path: &Path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let beside = Location::portable(fresh_name("pipe-beside")).path().unwrap();
    pipe(&beside);
    let (draft, _) = draft_of(u64::from(std::process::id()) << 40); // A creator looks for its name.
    let location = Location::portable(fresh_name("pipe"));
    let path = location.path().unwrap();
    let ring = Ring::create(&location, &config()).unwrap();
    // If another creator has it locked at this moment, that one or the next one removes it.
    let create_more = || Ring::create(Location::portable(fresh_name("pipe-later")), &config()).unwrap();
    assert!((0..1000).any(|_| !draft.exists() || create_more().path().is_none()));
    let id = fs::read_to_string(&path).unwrap().trim_start_matches('/').to_owned();
    let entry = path.with_file_name(format!(".{id}.1.seqring"));
    pipe(&entry);
    assert!(matches!(ring.reader(Start::Next), Ok(_) | Err(RegisterError::TableFull { .. })));
    assert!(ring.participants().iter().all(|one| one.entry != 1));
    fs::remove_file(&path).unwrap();
    pipe(&path);
    assert!(matches!(Ring::open(&location), Err(RingError::Unusable { .. })));
    assert!(matches!(Ring::unlink(&location), Err(RingError::Unusable { .. })));
    assert!(matches!(Ring::create(&location, &config()), Err(RingError::Unusable { .. })));
    drop(ring);
    assert!(path.exists() && !entry.exists(), "the last user removes its own files");
    fs::remove_file(&path).unwrap();
    fs::remove_file(&beside).unwrap();
}
