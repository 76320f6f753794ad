//! What a message may carry beside its payload: a tag, a time, metadata. Options of the ring, off by default.
//!
//! They lie in words of their own, in this order, each only if the ring has it: tag, time stamp, length of the
//! metadata, metadata. They are stored and copied out between the same stamps as the payload, so they are
//! whole exactly when it is.

use crate::sync::{AtomicU64, Relaxed};
use crate::types::config::Config;
use crate::types::message::MessageHeader;

const WORD: usize = size_of::<u64>();

/// The extras of one received message, but for its metadata.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LoadedHeader {
    pub(crate) tag: u64,
    pub(crate) timestamp_ns: u64,
    pub(crate) meta_len: usize,
}

/// Which extras a ring carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderFormat {
    tag: bool,
    timestamp: bool,
    meta_bytes: usize,
}

impl HeaderFormat {
    pub(crate) fn of(config: &Config) -> Self {
        HeaderFormat { tag: config.tag, timestamp: config.timestamp, meta_bytes: config.meta_bytes }
    }

    /// Whether it carries any.
    #[inline(always)]
    fn has_any(&self) -> bool {
        self.tag || self.timestamp || self.meta_bytes > 0
    }

    /// Stores `extras` into `words`. The metadata must fit.
    #[inline(always)]
    pub(crate) fn store(&self, words: &[AtomicU64], extras: &MessageHeader<'_>) {
        if self.has_any() {
            self.store_each(words, extras);
        }
    }

    #[inline(never)]
    fn store_each(&self, words: &[AtomicU64], extras: &MessageHeader<'_>) {
        let mut words = words.iter();
        let mut put = |value: u64| {
            let word = words.next().expect("the layout has a word for each extra");
            word.store(value, Relaxed); // Relaxed: ordered by the stamps around it, like the payload.
        };
        if self.tag {
            put(extras.tag);
        }
        if self.timestamp {
            put(now_ns());
        }
        if self.meta_bytes > 0 {
            put(extras.metadata.len() as u64);
            for chunk in extras.metadata.chunks(WORD) {
                let mut bytes = [0; WORD];
                bytes[..chunk.len()].copy_from_slice(chunk);
                put(u64::from_le_bytes(bytes));
            }
        }
    }

    /// Copies extras out of `words`; the metadata goes to the front of `metadata`, which has room for the
    /// longest. A length that no correct peer wrote is cut to that room.
    #[inline(always)]
    pub(crate) fn load(&self, words: &[AtomicU64], metadata: &mut [u8]) -> LoadedHeader {
        if self.has_any() { self.load_each(words, metadata) } else { LoadedHeader::default() }
    }

    #[inline(never)]
    fn load_each(&self, words: &[AtomicU64], metadata: &mut [u8]) -> LoadedHeader {
        let mut words = words.iter();
        // Relaxed: ordered by the stamps around it, like the payload.
        let mut get = || words.next().expect("the layout has a word for each extra").load(Relaxed);
        let mut loaded = LoadedHeader::default();
        if self.tag {
            loaded.tag = get();
        }
        if self.timestamp {
            loaded.timestamp_ns = get();
        }
        if self.meta_bytes > 0 {
            loaded.meta_len = usize::try_from(get()).unwrap_or(usize::MAX).min(metadata.len());
            for chunk in metadata[..loaded.meta_len].chunks_mut(WORD) {
                chunk.copy_from_slice(&get().to_le_bytes()[..chunk.len()]);
            }
        }
        loaded
    }
}

/// The time of the clock that all processes of a machine share and nobody sets back.
#[cfg(target_os = "linux")]
fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// Elsewhere: ns since this process first asked, hence comparable within the process only.
#[cfg(not(target_os = "linux"))]
fn now_ns() -> u64 {
    use std::{sync::OnceLock, time::Instant};
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}
