//! Creating, opening and mapping a ring's memory.

use crate::api::ring::Ring;
use crate::endpoint::wait;
use crate::memory::Memory;
use crate::memory::layout::Layout;
use crate::memory::slot_index::SlotIndex;
use crate::protocol::reader_entry::Cursor;
use crate::protocol::slots::{Class, Slots};
#[cfg(target_os = "linux")]
use crate::segment::memfd;
use crate::segment::{self, Backing, Draft, Opened};
use crate::sync::Relaxed;
use crate::types::config::Config;
use crate::types::error::RingError;
use crate::types::location::Location;
use crate::types::open_options::OpenOptions;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often `open_timeout` tries.
pub(super) const OPEN_EVERY: Duration = Duration::from_millis(1);
/// Tries of `open_or_create` while other processes create and remove the name.
const OPEN_OR_CREATE_TRIES: usize = 1000;

impl OpenOptions {
    /// Creates a ring under a name. See [`Ring::create`].
    ///
    /// # Errors
    /// As [`Ring::create`]; [`RingError::Config`] for an invalid mode, or one that excludes the
    /// creator.
    pub fn create(&self, location: impl Into<Location>, config: &Config) -> Result<Ring, RingError> {
        let location = location.into();
        let layout = self.layout(config)?;
        self.make_way(&location)?;
        let draft = Draft::at(&location, &layout, self)?;
        publish(draft, layout)
    }

    /// Opens the ring of that name. See [`Ring::open`].
    ///
    /// # Errors
    /// As [`Ring::open`].
    pub fn open(&self, location: impl Into<Location>) -> Result<Ring, RingError> {
        self.open_as(&location.into(), None)
    }

    pub(super) fn open_as(&self, location: &Location, wanted: Option<&Config>) -> Result<Ring, RingError> {
        Ok(attach(Opened::at(location, wanted, self)?))
    }

    /// Opens the ring of that name, once it is created. See [`Ring::open_timeout`].
    ///
    /// # Errors
    /// As [`Ring::open_timeout`].
    pub fn open_timeout(&self, location: impl Into<Location>, timeout: Duration) -> Result<Ring, RingError> {
        let location = location.into();
        Self::until_found(&location, timeout, || self.open(&location))
    }

    /// Calls `open` until it finds something that is in use, or the timeout has passed.
    ///
    /// `location` is that of the ring, or of the first of several.
    pub(super) fn until_found<T>(
        location: &Location,
        timeout: Duration,
        open: impl Fn() -> Result<T, RingError>,
    ) -> Result<T, RingError> {
        let deadline = wait::deadline(timeout);
        let (begun, mut waited) = (Instant::now(), Duration::ZERO);
        loop {
            let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if is_late || !segment::is_unused(location).unwrap_or(false) {
                match open() {
                    Err(RingError::NotFound { .. }) if !is_late => {}
                    Err(RingError::NotFound { path, .. }) => {
                        return Err(RingError::NotFound { path, waited });
                    }
                    opened => return opened,
                }
            }
            std::thread::sleep(OPEN_EVERY);
            waited = begun.elapsed();
        }
    }

    /// Opens the ring of that name, or creates it. See [`Ring::open_or_create`].
    ///
    /// # Errors
    /// As [`Ring::open_or_create`].
    pub fn open_or_create(&self, location: impl Into<Location>, config: &Config) -> Result<Ring, RingError> {
        let location = location.into();
        self.layout(config)?; // Before a ring is removed for it.
        self.make_way(&location)?;
        let mut tries = 0..OPEN_OR_CREATE_TRIES;
        loop {
            match self.open_as(&location, Some(config)) {
                Err(RingError::NotFound { .. }) => {}
                result => return result,
            }
            match self.create(&location, config) {
                Err(RingError::AlreadyExists { .. }) if tries.next().is_some() => std::thread::yield_now(),
                result => return result,
            }
        }
    }

    /// Creates a ring for the threads of this process. See [`Ring::heap`]. Of the options, only
    /// [`core_dump`](Self::core_dump) has an effect.
    ///
    /// # Errors
    /// As [`Ring::heap`].
    pub fn heap(&self, config: &Config) -> Result<Ring, RingError> {
        let layout = Layout::new(config).map_err(RingError::Config)?;
        if !cfg!(seqring_model) {
            segment::limits::check_memory(layout.resident_bytes as u64)?;
        }
        let bytes = layout.total_bytes as u64;
        let memory = Memory::heap(Arc::new(layout), self.core_dump)
            .map_err(|text| segment::limits::exceeded(bytes).unwrap_or(RingError::Config(text)))?;
        initialise(&memory);
        Ok(Ring::attach(memory, Backing::Heap, Vec::new()))
    }

    /// Removes an unused ring, with [`Self::replace_unused`].
    pub(super) fn make_way(&self, location: &Location) -> Result<(), RingError> {
        if !self.replace_unused {
            return Ok(());
        }
        match segment::remove_unused(location, false) {
            Ok(_) | Err(RingError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn layout(&self, config: &Config) -> Result<Layout, RingError> {
        if self.mode & !0o777 != 0 || self.mode & 0o600 != 0o600 {
            let mode = self.mode;
            return Err(RingError::Config(format!(
                "the mode must be within 0o777 and hold 0o600, not {mode:#o}"
            )));
        }
        Layout::new(config).map_err(RingError::Config)
    }
}

#[cfg(target_os = "linux")]
impl OpenOptions {
    /// Creates a ring without a name. See [`Ring::anonymous`].
    ///
    /// # Errors
    /// As [`Ring::anonymous`].
    pub fn anonymous(&self, config: &Config) -> Result<Ring, RingError> {
        let layout = self.layout(config)?;
        let draft = memfd::draft(&layout, self)?;
        publish(draft, layout)
    }

    /// Opens the ring behind a descriptor. See [`Ring::from_descriptor`].
    ///
    /// # Errors
    /// As [`Ring::from_descriptor`].
    pub fn from_descriptor(&self, descriptor: impl Into<std::os::fd::OwnedFd>) -> Result<Ring, RingError> {
        Ok(attach(memfd::open(&descriptor.into(), 0, self)?))
    }
}

/// Two rings in one file, for a pipeline. The first begins at byte 0 as any ring, the second behind
/// it.
#[cfg(all(target_os = "linux", not(any(seqring_model, seqring_fuzz))))]
impl OpenOptions {
    pub(crate) fn anonymous_pair(&self, configs: [&Config; 2]) -> Result<[Ring; 2], RingError> {
        let [first, second] = [self.layout(configs[0])?, self.layout(configs[1])?];
        let one = publish(memfd::draft_first(&first, self)?, first.clone())?;
        let draft = memfd::draft_behind((one.file()?, &first), &second, self)?;
        Ok([one, publish(draft, second)?])
    }

    /// The byte of the file at which the second of a pair begins.
    pub(crate) fn start_of_second(one: &Ring) -> Result<u64, RingError> {
        Ok(one.file()?.file_bytes(one.attachment.memory.layout()) as u64)
    }

    /// The ring that begins at byte `start` behind a descriptor.
    pub(crate) fn open_at(&self, descriptor: &std::os::fd::OwnedFd, start: u64) -> Result<Ring, RingError> {
        Ok(attach(memfd::open(descriptor, start, self)?))
    }
}

/// Initialises a draft, then publishes it.
fn publish(draft: Draft, layout: Layout) -> Result<Ring, RingError> {
    let (mapping, warnings, keep) = (Arc::clone(&draft.mapping), draft.warnings.clone(), layout.config.keep);
    let memory = Memory::new(mapping, Arc::new(layout));
    initialise(&memory);
    Ok(Ring::attach(memory, draft.publish(keep)?, warnings))
}

pub(crate) fn attach(opened: Opened) -> Ring {
    let Opened { mapping, layout, warnings, backing } = opened;
    Ring::attach(Memory::new(Arc::new(mapping), Arc::new(layout)), backing, warnings)
}

/// Gives every shared word its first value, before any other process sees the memory.
pub(crate) fn initialise(memory: &Memory) {
    let config = &memory.layout().config;
    let first = config.first_sequence;
    // Relaxed, all of them: a thread's start, or the publication under a name, orders them for the
    // others.
    memory.control().next.store(first, Relaxed);
    memory.control().taken.store(first, Relaxed);
    memory.control().limit.store(first, Relaxed);
    for index in 0..config.participants {
        memory.entry(index).cursor.store(Cursor::VACANT.word(), Relaxed);
    }
    let class = Slots::new(memory.clone()).class;
    let mut index = SlotIndex::new(first, config.slots);
    for _ in 0..config.slots {
        match class {
            Class::Inline(stamps) => {
                let stamp = stamps.of(index.sequence);
                memory.inline_slot(&index).stamp.store(stamp.writing(), Relaxed);
            }
            Class::Arena(stamps) => {
                memory.slot_word(&index).store(stamps.awaiting(index.lap(), index.index()), Relaxed);
            }
        }
        index.advance();
    }
}
