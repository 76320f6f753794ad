//! Where a mirror's ring comes from, as the ring itself says it.
//!
//! A mirror's ring has [`ORIGIN_WORDS`] user words more than its source. They have the source's
//! host, name and identity, and whether the link is up, so that a reader that gets `WriterDied` can
//! name the host, and so that a mirror that starts again finds its ring.

use crate::wire::{NAME_BYTES, cut};
use seqring::Ring;
use seqring::inspect::Stream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const MAGIC: u64 = u64::from_le_bytes(*b"SQMorig1");
const NAME_WORDS: usize = NAME_BYTES / 8;
const HEAD_WORDS: usize = 6;

/// User words that a mirror's ring has more than its source.
pub const ORIGIN_WORDS: usize = HEAD_WORDS + 2 * NAME_WORDS;

/// The origin of a mirror's ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The host of the source.
    pub host: String,
    /// The name of the source ring there.
    pub source: String,
    /// Whether the link to it is up.
    pub linked: bool,
    /// The process of the source's last known writer on that host; 0 if unknown.
    pub pid: u32,
    pub(crate) identity: u128,
}

impl Origin {
    /// The origin of `ring`; `None` if it is no mirror's ring.
    pub fn of(ring: &Ring) -> Option<Self> {
        let words = words(ring)?;
        let load = |index: usize| words[index].load(Relaxed);
        if load(0) != MAGIC {
            return None;
        }
        let text = |len: u64, start: usize| {
            let bytes: Vec<u8> = words[start..start + NAME_WORDS]
                .iter()
                .flat_map(|word| word.load(Relaxed).to_le_bytes())
                .collect();
            String::from_utf8_lossy(&bytes[..(len as usize).min(NAME_BYTES)]).into_owned()
        };
        Some(Origin {
            host: text(load(5) & 0xffff, HEAD_WORDS),
            source: text(load(5) >> 16 & 0xffff, HEAD_WORDS + NAME_WORDS),
            linked: load(1) == 1,
            pid: load(2) as u32,
            identity: u128::from(load(3)) | u128::from(load(4)) << 64,
        })
    }

    /// Whether `ring` has room for an origin, and was never written: its mirror was killed before
    /// it stored the origin.
    pub(crate) fn is_missing(ring: &Ring) -> bool {
        let unused = |words: &[AtomicU64]| words.iter().all(|word| word.load(Relaxed) == 0);
        words(ring).is_some_and(unused) && ring.stats().stream == Stream::Fresh
    }

    /// Stores this origin in `ring`, which was created with room for it.
    pub(crate) fn store(&self, ring: &Ring) {
        let Some(words) = words(ring) else { return };
        let store = |index: usize, value: u64| words[index].store(value, Relaxed);
        let (host, source) = (cut(&self.host), cut(&self.source));
        store(1, self.linked.into());
        store(2, self.pid.into());
        store(3, self.identity as u64);
        store(4, (self.identity >> 64) as u64);
        store(5, host.len() as u64 | (source.len() as u64) << 16);
        for (text, start) in [(host, HEAD_WORDS), (source, HEAD_WORDS + NAME_WORDS)] {
            for (index, chunk) in text.as_bytes().chunks(8).enumerate() {
                let mut bytes = [0; 8];
                bytes[..chunk.len()].copy_from_slice(chunk);
                store(start + index, u64::from_le_bytes(bytes));
            }
        }
        store(0, MAGIC);
    }
}

fn words(ring: &Ring) -> Option<&[AtomicU64]> {
    let words = ring.user_words();
    Some(&words[words.len().checked_sub(ORIGIN_WORDS)?..])
}

#[cfg(test)]
mod tests {
    use super::{ORIGIN_WORDS, Origin};
    use seqring::{Config, Ring};

    #[test]
    fn an_origin_is_found_again_behind_the_words_of_the_application() {
        let ring = |words| Ring::heap(&Config::slots(2).of_bytes(8).user_words(words)).unwrap();
        let origin = Origin {
            host: "a".repeat(127) + "é",
            source: "cam/1".into(),
            linked: true,
            pid: 7,
            identity: 3 << 70 | 1,
        };
        let (plain, mirrored) = (ring(0), ring(2 + ORIGIN_WORDS));
        assert_eq!((Origin::of(&plain), Origin::of(&mirrored)), (None, None));
        assert_eq!((Origin::is_missing(&plain), Origin::is_missing(&mirrored)), (false, true));
        origin.store(&plain);
        origin.store(&mirrored);
        assert_eq!(Origin::of(&plain), None);
        assert!(!Origin::is_missing(&mirrored));
        assert_eq!(Origin::of(&mirrored), Some(Origin { host: "a".repeat(127), ..origin }));
        assert!(mirrored.user_words()[..2].iter().all(|word| word.load(super::Relaxed) == 0));
    }
}
