//! Several rings of one writer each, under one name.
//!
//! # A set of files
//! The rings are `NAME.0`, `NAME.1` and so on. `NAME.0` is created first, so one of several
//! creators is first, and dropped last, so no process creates a set while another one is dropped.
//! Its last user word says how many rings there are, and is stored when all of them exist.
//!
//! There are three cases. An opener that loads zero reports that there is no such set. One that
//! loads the number finds all rings. One that loads it and does not find a name, because the set is
//! being dropped, reports that there is no such set, too. So that word orders nothing; the names of
//! the rings, and what they hold, are published by their own creation.

mod lanes;
mod reader;
mod taker;
#[cfg(test)]
mod tests;

pub use reader::FanInReader;
pub use taker::FanInTaker;

use crate::api::open::OPEN_EVERY;
use crate::api::ring::Ring;
use crate::api::writer::Writer;
use crate::memory::format::WRITER_ENTRY;
use crate::protocol::{diagnostics, registry};
use crate::sync::Relaxed;
use crate::types::config::{Config, Writers};
use crate::types::error::{RegisterError, RingError};
use crate::types::location::Location;
use crate::types::message::Start;
use crate::types::open_options::OpenOptions;
use crate::types::participant::{Peer, Role};
use lanes::Lanes;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, ops};

/// Several writers at the speed of one: each has a ring of its own, and a reader or taker merges
/// them.
///
/// A set of one to [128](Self::MOST_WRITERS) rings of one [`Config`]. A [writer](Self::writer)
/// joins the first ring without a living one. A [reader](Self::reader) gets the messages of all
/// rings, a [taker](Self::taker) of queues takes from all of them. Messages of one writer come in
/// their order; between writers there is none, and each ring numbers its own messages. A ring for
/// [many writers](crate::Writers::Many) has one order and one row of numbers, and is slower.
///
/// ```
/// use seqring::fan_in::FanIn;
/// use seqring::{Config, ReadError, Start};
/// // For two writers. Between processes, instead: `FanIn::create("name", …)` in one,
/// // `FanIn::open("name")` in the others.
/// let set = FanIn::heap(&Config::slots(64).of::<u64>(), 2)?;
/// let mut reader = set.reader(Start::Next)?;
/// for first in [0, 1000_u64] {
///     let mut writer = set.writer()?;
///     std::thread::spawn(move || {
///         (first..first + 1000).for_each(|n| drop(writer.write(&n.to_le_bytes()).unwrap()));
///     }); // The writer is dropped here.
/// }
/// let (mut next, mut message) = ([0, 1000], [0; 8]);
/// loop {
///     match reader.read(&mut message) {
///         Ok(_) => {
///             let expected = &mut next[reader.ring()];
///             assert_eq!(u64::from_le_bytes(message), *expected);
///             *expected += 1;
///         }
///         Err(ReadError::Closed) => break, // All writers have left.
///         Err(error) => return Err(error.into()),
///     }
/// }
/// assert_eq!(next, [1000, 2000]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The rings
/// Ring `n` of a named set is the ring `NAME.n`; `seqring ls` and `seqring stat` show each of them.
/// Everything in [`Config`] holds for each ring: `slots` for each writer, `participants`,
/// `await_readers` and losses. The application has the first [`Config::user_words`] user words of
/// each ring; the set has one more.
///
/// # The end
/// As that of one ring for many writers: the stream ends when a writer has joined and none is left,
/// and continues when one joins again. A ring that no writer has joined yet neither keeps the set
/// open nor ends it. If the last writer leaves one ring while another joins another ring, there are
/// two cases: if it joins before the first one leaves, no reader reports an end; if it joins after
/// that, a reader may report the end, and its later reads return the messages of the new writer.
///
/// # Deaths
/// The death of each writer is reported once, after its messages: each is the last one of its ring.
/// The next writer that joins takes its ring over, and continues its numbers.
#[derive(Clone)]
pub struct FanIn {
    rings: Arc<Rings>,
}

/// The rings of a set. Dropped from the last one to the first.
struct Rings(Vec<Ring>);

impl Drop for Rings {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

/// The user word of a complete set: this, and the number of its rings in the lowest byte.
const COMPLETE: u64 = u64::from_be_bytes(*b"fan-in:\0");

/// Creating and opening.
impl FanIn {
    /// The most rings of a set: one system call waits for so many.
    pub const MOST_WRITERS: usize = 128;

    /// Creates a set of so many rings in shared memory under a name. See [`Ring::create`].
    ///
    /// # Errors
    /// As [`Ring::create`]; [`RingError::Config`] for no writer or more than
    /// [`Self::MOST_WRITERS`], and for a configuration that is neither gated nor lossy with one
    /// writer, nor a queue.
    pub fn create(location: impl Into<Location>, config: &Config, writers: usize) -> Result<Self, RingError> {
        OpenOptions::new().create_fan_in(location, config, writers)
    }

    /// Opens the set of that name.
    ///
    /// # Errors
    /// As [`Ring::open`]; [`RingError::NotFound`] also while its creator has not made all rings.
    pub fn open(location: impl Into<Location>) -> Result<Self, RingError> {
        OpenOptions::new().open_fan_in(location)
    }

    /// Opens the set of that name. Waits for at most `timeout` until all of it is created.
    ///
    /// # Errors
    /// As [`Self::open`], at once, but [`RingError::NotFound`] only after the timeout.
    pub fn open_timeout(location: impl Into<Location>, timeout: Duration) -> Result<Self, RingError> {
        let location = location.into();
        OpenOptions::until_found(&location.numbered(0), timeout, || Self::open(&location))
    }

    /// Opens the set of that name, or creates it. If several processes call this at once, one
    /// creates the set, and the others wait for it, up to 10 s.
    ///
    /// # Errors
    /// As [`Self::create`] and [`Self::open`]; [`RingError::Unusable`] if there is a set with
    /// another configuration or another number of rings; [`RingError::AlreadyExists`] if a creator
    /// died before it had made all rings ([`OpenOptions::replace_unused`] replaces them).
    pub fn open_or_create(
        location: impl Into<Location>,
        config: &Config,
        writers: usize,
    ) -> Result<Self, RingError> {
        OpenOptions::new().open_or_create_fan_in(location, config, writers)
    }

    /// Creates a set of so many rings for the threads of this process.
    ///
    /// # Errors
    /// As [`Ring::heap`], and [`RingError::Config`] as [`Self::create`].
    pub fn heap(config: &Config, writers: usize) -> Result<Self, RingError> {
        let config = config_of_ring(config, writers)?;
        let rings = (0..writers).map(|_| Ring::heap(&config));
        Ok(FanIn { rings: Arc::new(Rings(rings.collect::<Result<_, _>>()?)) })
    }
}

/// Joining, and what concerns the set as a whole.
impl FanIn {
    /// Registers a writer in the first ring without a living one.
    ///
    /// # Errors
    /// [`RegisterError::TableFull`], with the writers of all rings, if each ring has a living one;
    /// else as [`Ring::writer`].
    ///
    /// # Cost
    /// A system call for each ring before that one, between processes.
    pub fn writer(&self) -> Result<FanInWriter, RegisterError> {
        let mut holders = Vec::new();
        for (number, ring) in self.rings().iter().enumerate() {
            let joined = match ring.config().writers {
                Writers::One => ring.writer(),
                Writers::Many => {
                    // A death is reported only if it is detected before the next writer joins.
                    registry::recover_dead(&ring.attachment, Role::Writer);
                    ring.writer_in(WRITER_ENTRY..WRITER_ENTRY + 1)
                }
            };
            match joined {
                Ok(writer) => return Ok(FanInWriter { writer, number, _set: self.clone() }),
                Err(RegisterError::WriterTaken { .. } | RegisterError::TableFull { .. }) => {
                    let holder = diagnostics::peer(&ring.attachment.memory, WRITER_ENTRY, u64::MAX);
                    holders.extend(holder.map(|writer| Peer { lag: 0, ..writer }));
                }
                Err(error) => return Err(error),
            }
        }
        Err(RegisterError::TableFull { holders })
    }

    /// Registers a reader in all rings.
    ///
    /// # Errors
    /// As [`Ring::reader`].
    pub fn reader(&self, start: Start) -> Result<FanInReader, RegisterError> {
        let readers = self.rings().iter().map(|ring| ring.reader(start));
        Ok(FanInReader { lanes: Lanes::of(readers.collect::<Result<Vec<_>, _>>()?), set: self.clone() })
    }

    /// Registers a taker in all rings, which are queues.
    ///
    /// # Errors
    /// As [`Ring::taker`].
    pub fn taker(&self) -> Result<FanInTaker, RegisterError> {
        let entries = WRITER_ENTRY + 1..self.rings()[0].config().participants;
        let takers = self.rings().iter().map(|ring| ring.taker_in(entries.clone()));
        let lanes = Lanes::of(takers.collect::<Result<Vec<_>, _>>()?);
        Ok(FanInTaker { lanes, last: 0, set: self.clone() })
    }

    /// Closes all rings for good. See [`Ring::close`].
    pub fn close(&self) {
        self.rings().iter().for_each(Ring::close);
    }

    /// The rings, for their figures, names and user words. A writer or taker that joins one of them
    /// by itself may be in the way of one that joins the set.
    pub fn rings(&self) -> &[Ring] {
        &self.rings.0
    }
}

impl fmt::Debug for FanIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rings()).finish()
    }
}

/// A writer of one of the rings: a [`Writer`], with all its verbs, that keeps the whole set open.
#[derive(Debug)]
pub struct FanInWriter {
    writer: Writer,
    number: usize,
    _set: FanIn,
}

impl FanInWriter {
    /// The number of its ring.
    pub fn ring(&self) -> usize {
        self.number
    }
}

impl ops::Deref for FanInWriter {
    type Target = Writer;

    #[inline(always)]
    fn deref(&self) -> &Writer {
        &self.writer
    }
}

impl ops::DerefMut for FanInWriter {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

/// How often `open_or_create_fan_in` waits for another creator, [`OPEN_EVERY`] each.
const CREATE_TRIES: usize = 10_000;

/// Sets of rings: [`FanIn`].
impl OpenOptions {
    /// Creates a set of rings under a name. See [`FanIn::create`].
    ///
    /// # Errors
    /// As [`FanIn::create`].
    pub fn create_fan_in(
        &self,
        location: impl Into<Location>,
        config: &Config,
        writers: usize,
    ) -> Result<FanIn, RingError> {
        let (location, config) = (location.into(), config_of_ring(config, writers)?);
        let mut rings = Rings(Vec::new());
        for number in 0..writers {
            rings.0.push(self.create(location.numbered(number), &config)?);
        }
        count_word(&rings.0[0]).store(COMPLETE | writers as u64, Relaxed); // Relaxed: see above.
        Ok(FanIn { rings: Arc::new(rings) })
    }

    /// Opens the set of rings of that name. See [`FanIn::open`].
    ///
    /// # Errors
    /// As [`FanIn::open`].
    pub fn open_fan_in(&self, location: impl Into<Location>) -> Result<FanIn, RingError> {
        self.open_rings(&location.into(), None)
    }

    /// Opens the set of rings of that name, or creates it. See [`FanIn::open_or_create`].
    ///
    /// # Errors
    /// As [`FanIn::open_or_create`].
    pub fn open_or_create_fan_in(
        &self,
        location: impl Into<Location>,
        config: &Config,
        writers: usize,
    ) -> Result<FanIn, RingError> {
        let (location, of_ring) = (location.into(), config_of_ring(config, writers)?);
        for number in 0..writers {
            self.make_way(&location.numbered(number))?;
        }
        let mut tries = 0..CREATE_TRIES;
        loop {
            match self.open_rings(&location, Some((&of_ring, writers))) {
                Err(RingError::NotFound { .. }) => {}
                result => return result,
            }
            match self.create_fan_in(&location, config, writers) {
                Err(RingError::AlreadyExists { .. }) if tries.next().is_some() => {
                    std::thread::sleep(OPEN_EVERY);
                }
                result => return result,
            }
        }
    }

    fn open_rings(&self, location: &Location, wanted: Option<(&Config, usize)>) -> Result<FanIn, RingError> {
        let config = wanted.map(|(config, _)| config);
        let mut rings = Rings(vec![self.open_as(&location.numbered(0), config)?]);
        let first = &rings.0[0];
        let path = || first.path().map_or_else(PathBuf::new, PathBuf::from);
        let unusable = |reason| Err(RingError::Unusable { path: path(), reason });
        if first.config().user_words == 0 {
            return unusable("it is a ring by itself, and no ring of a fan-in".into());
        }
        let word = count_word(first).load(Relaxed); // Relaxed: see above.
        let count = (word ^ COMPLETE) as usize;
        match count {
            _ if word == 0 => return Err(RingError::NotFound { path: path(), waited: Duration::ZERO }),
            1..=FanIn::MOST_WRITERS => {}
            _ => return unusable("its last user word is not that of a fan-in".into()),
        }
        if let Some((_, writers)) = wanted.filter(|(_, writers)| *writers != count) {
            return unusable(format!("the fan-in has {count} rings, not {writers}"));
        }
        for number in 1..count {
            rings.0.push(self.open_as(&location.numbered(number), config)?);
        }
        Ok(FanIn { rings: Arc::new(rings) })
    }
}

/// The configuration of each ring of a set.
fn config_of_ring(config: &Config, writers: usize) -> Result<Config, RingError> {
    use crate::types::config::Delivery::{Call, Gated, Latest, Lossy, Queue};
    let refuse = |reason: String| Err(RingError::Config(reason));
    if writers == 0 || writers > FanIn::MOST_WRITERS {
        return refuse(format!("a fan-in has 1 to {} writers, not {writers}", FanIn::MOST_WRITERS));
    }
    match (config.delivery, config.writers) {
        (Gated | Lossy, Writers::One) | (Queue, _) => {}
        (Gated | Lossy, Writers::Many) => {
            return refuse("each ring of a fan-in has one writer: Writers::One".into());
        }
        (delivery @ (Call | Latest), _) => {
            return refuse(format!("a fan-in merges streams, and {delivery:?} has none"));
        }
    }
    Ok(Config { user_words: config.user_words.saturating_add(1), ..config.clone() })
}

fn count_word(first: &Ring) -> &std::sync::atomic::AtomicU64 {
    first.user_words().last().expect("a ring of a set has a user word more")
}
