//! This host: its name, its clocks, and what identifies a ring on it.

use crate::wire::Clock;
use seqring::Ring;
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::time::UNIX_EPOCH;

/// The name of this host.
pub(crate) fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A number that differs from that of every other call.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// The front of the keys of a ring: characters that have a meaning in a key are replaced.
pub(crate) fn key(ring: &str) -> String {
    let mut key = String::from("seqring/1/");
    for byte in ring.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            key.push(byte.into());
        } else {
            let _ = write!(key, "%{byte:02x}"); // A string takes everything.
        }
    }
    key
}

/// The boot of this host, and its clocks.
pub(crate) fn clock() -> Clock {
    let now = |clock| {
        let time = rustix::time::clock_gettime(clock);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    let offset = now(rustix::time::ClockId::Realtime) - now(rustix::time::ClockId::Monotonic);
    Clock { boot: boot(), offset }
}

fn boot() -> u128 {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&id.trim().replace('-', ""), 16).unwrap_or_default()
}

/// A number for this ring: another ring that gets the name later has another one.
pub(crate) fn identity(ring: &Ring) -> u128 {
    let file = ring.path().and_then(|path| std::fs::metadata(path).ok());
    let (inode, device, born) = file.map_or((random(), 0, 0), |file| {
        let born = file.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        (file.ino(), file.dev(), born.map_or(0, |born| born.as_nanos()))
    });
    let words = [u128::from(inode), u128::from(device), born, boot()];
    // FNV-1a: the same in every build.
    words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        })
}
