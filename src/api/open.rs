//! How a ring's memory is created, opened and mapped.

use crate::api::ring::{Ring, initialise};
use crate::memory::Memory;
use crate::memory::layout::Layout;
use crate::protocol::fork::{self, HoldOff};
#[cfg(target_os = "linux")]
use crate::segment::linux::memfd;
use crate::segment::{self, Draft, Opened};
use crate::types::config::Config;
use crate::types::error::RingError;
use crate::types::location::Location;
use crate::types::open_options::OpenOptions;
use std::sync::Arc;

/// Who opens a name that others create and remove at the same time tries again so often.
const OPEN_OR_CREATE_TRIES: usize = 1000;

impl OpenOptions {
    /// Creates a ring under a name. See [`Ring::create`].
    ///
    /// # Errors
    /// As [`Ring::create`]; [`RingError::Config`] for a mode that is none or that shuts the creator out.
    pub fn create(&self, location: impl Into<Location>, config: &Config) -> Result<Ring, RingError> {
        let location = location.into();
        let layout = self.layout(config)?;
        self.make_way(&location)?;
        let forks = fork::hold_off();
        let draft = Draft::at(&location, &layout, self)?;
        publish(draft, layout, forks)
    }

    /// Opens the ring of that name. See [`Ring::open`].
    ///
    /// # Errors
    /// As [`Ring::open`].
    pub fn open(&self, location: impl Into<Location>) -> Result<Ring, RingError> {
        let location = location.into();
        let forks = fork::hold_off();
        Ok(attach(Opened::at(&location, self)?, forks))
    }

    /// Opens the ring of that name, or creates it. See [`Ring::open_or_create`].
    ///
    /// # Errors
    /// As [`Ring::open_or_create`].
    pub fn open_or_create(&self, location: impl Into<Location>, config: &Config) -> Result<Ring, RingError> {
        let location = location.into();
        self.make_way(&location)?;
        let mut tries = 0..OPEN_OR_CREATE_TRIES;
        loop {
            match self.open(&location) {
                Ok(ring) => return is_as_wanted(ring, &location, config),
                Err(RingError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
            match self.create(&location, config) {
                Err(RingError::AlreadyExists { .. }) if tries.next().is_some() => std::thread::yield_now(),
                result => return result,
            }
        }
    }

    /// Removes what [`Self::replace_unused`] says.
    fn make_way(&self, location: &Location) -> Result<(), RingError> {
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
        let forks = fork::hold_off();
        let draft = memfd::draft(&layout, self)?;
        publish(draft, layout, forks)
    }

    /// Opens the ring behind a descriptor. See [`Ring::from_descriptor`].
    ///
    /// # Errors
    /// As [`Ring::from_descriptor`].
    pub fn from_descriptor(&self, descriptor: impl Into<std::os::fd::OwnedFd>) -> Result<Ring, RingError> {
        let forks = fork::hold_off();
        Ok(attach(memfd::open(&descriptor.into(), 0, self)?, forks))
    }
}

/// Two rings in one file: for what is made of both. The first is where any ring is, the second behind it.
#[cfg(all(target_os = "linux", not(any(seqring_model, seqring_fuzz))))]
impl OpenOptions {
    pub(crate) fn anonymous_pair(&self, configs: [&Config; 2]) -> Result<[Ring; 2], RingError> {
        let [first, second] = [self.layout(configs[0])?, self.layout(configs[1])?];
        let forks = fork::hold_off();
        let one = publish(memfd::draft_first(&first, self)?, first.clone(), forks)?;
        let forks = fork::hold_off();
        let draft = memfd::draft_behind((one.file()?, &first), &second, self)?;
        Ok([one, publish(draft, second, forks)?])
    }

    /// Where in its file the second of a pair begins.
    pub(crate) fn start_of_second(one: &Ring) -> Result<u64, RingError> {
        Ok(one.file()?.file_bytes(one.attachment.memory.layout()) as u64)
    }

    /// The ring that begins at byte `start` behind a descriptor.
    pub(crate) fn open_at(&self, descriptor: &std::os::fd::OwnedFd, start: u64) -> Result<Ring, RingError> {
        let forks = fork::hold_off();
        Ok(attach(memfd::open(descriptor, start, self)?, forks))
    }
}

/// Gives the words of a draft their first values, and then lets others see it.
fn publish(draft: Draft, layout: Layout, forks: HoldOff) -> Result<Ring, RingError> {
    let (mapping, warnings, keep) = (Arc::clone(&draft.mapping), draft.warnings.clone(), layout.config.keep);
    let memory = Memory::new(mapping, Arc::new(layout));
    initialise(&memory);
    Ok(Ring::attach(memory, draft.publish(keep)?, warnings, forks))
}

fn attach(opened: Opened, forks: HoldOff) -> Ring {
    let Opened { mapping, layout, warnings, backing } = opened;
    Ring::attach(Memory::new(Arc::new(mapping), Arc::new(layout)), backing, warnings, forks)
}

/// A ring that was there already must be the one that would have been created.
fn is_as_wanted(ring: Ring, location: &Location, config: &Config) -> Result<Ring, RingError> {
    if ring.config() == config {
        return Ok(ring);
    }
    let reason = format!("it is another ring than asked for: it has {:?}", ring.config());
    Err(RingError::Unusable { path: location.path()?, reason })
}
