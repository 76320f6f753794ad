//! The message header: a tag, a time stamp and metadata beside the payload. Options of the ring,
//! off by default.
//!
//! Its words lie in this order, each only if the ring has the option: tag, time stamp, length of
//! the metadata, metadata. They are stored and loaded between the same stamps as the payload, so
//! they are whole exactly when it is.

use crate::memory::format::REDELIVERED;
use crate::sync::{AtomicU64, Relaxed};
use crate::types::config::Config;
use crate::types::message::MessageHeader;

const WORD: usize = size_of::<u64>();

/// The header of one received message, without the metadata.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LoadedHeader {
    pub(crate) tag: Option<u64>,
    pub(crate) timestamp_ns: Option<u64>,
    pub(crate) meta_len: usize,
}

/// Which header the messages of a ring have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderFormat {
    any: bool,
    tag: bool,
    timestamp: bool,
    meta_bytes: usize,
    /// The time stamp of all messages that are stored; `None`: the time of the store.
    time: Option<u64>,
    /// What is added to the lengths of all messages that are stored: [`REDELIVERED`] or 0.
    mark: u64,
}

impl HeaderFormat {
    pub(crate) fn of(config: &Config) -> Self {
        let Config { tag, timestamp, meta_bytes, .. } = *config;
        HeaderFormat {
            any: tag || timestamp || meta_bytes > 0,
            tag,
            timestamp,
            meta_bytes,
            time: None,
            mark: 0,
        }
    }

    /// Sets the time stamp of the messages that are stored from now on.
    pub(crate) fn set_time(&mut self, time: Option<u64>) {
        self.time = time;
    }

    /// Sets whether the messages that are stored from now on are marked as redelivered.
    pub(crate) fn set_redelivered(&mut self, redelivered: bool) {
        self.mark = if redelivered { REDELIVERED } else { 0 };
        // Checked off the path of messages without a header.
        self.any = redelivered || self.tag || self.timestamp || self.meta_bytes > 0;
    }

    /// What is added to the length of a message that has a header.
    #[inline(always)]
    pub(crate) fn mark(&self) -> u64 {
        self.mark
    }

    /// Whether messages have a header.
    #[inline(always)]
    pub(crate) fn is_any(&self) -> bool {
        self.any
    }

    /// Stores `header` into `words`. The metadata must fit.
    #[inline(always)]
    pub(crate) fn store(&self, words: &[AtomicU64], header: &MessageHeader<'_>) {
        if self.is_any() {
            self.store_each(words, header);
        }
    }

    #[inline(never)]
    fn store_each(&self, words: &[AtomicU64], header: &MessageHeader<'_>) {
        let mut words = words.iter();
        let mut put = |value: u64| {
            let word = words.next().expect("the layout has a word for each option");
            word.store(value, Relaxed); // Relaxed: ordered by the stamps around it, like the payload.
        };
        if self.tag {
            put(header.tag);
        }
        if self.timestamp {
            put(self.time.unwrap_or_else(now_ns));
        }
        if self.meta_bytes > 0 {
            put(header.metadata.len() as u64);
            for chunk in header.metadata.chunks(WORD) {
                let mut bytes = [0; WORD];
                bytes[..chunk.len()].copy_from_slice(chunk);
                put(u64::from_le_bytes(bytes));
            }
        }
    }

    /// Loads a header from `words`. Its metadata goes to the front of `metadata`, which has room
    /// for the longest. A longer length, which no correct peer stores, is cut to that room.
    #[inline(always)]
    pub(crate) fn load(&self, words: &[AtomicU64], metadata: &mut [u8]) -> LoadedHeader {
        if self.is_any() { self.load_each(words, metadata) } else { LoadedHeader::default() }
    }

    #[inline(never)]
    fn load_each(&self, words: &[AtomicU64], metadata: &mut [u8]) -> LoadedHeader {
        let mut words = words.iter();
        // Relaxed: ordered by the stamps around it, like the payload.
        let mut get = || words.next().expect("the layout has a word for each option").load(Relaxed);
        let mut loaded = LoadedHeader::default();
        if self.tag {
            loaded.tag = Some(get());
        }
        if self.timestamp {
            loaded.timestamp_ns = Some(get());
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

/// The monotonic clock, which all processes of a machine share.
#[cfg(target_os = "linux")]
fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// Elsewhere: ns since the first call in this process, comparable within the process only.
#[cfg(not(target_os = "linux"))]
fn now_ns() -> u64 {
    use std::{sync::OnceLock, time::Instant};
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}
