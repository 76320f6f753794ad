//! A table of latest values: the writer sets the value of a key, and readers get the latest one.

use crate::api::form::{Form, Until};
use crate::api::ring::Ring;
use crate::endpoint::wait::Endpoint;
use crate::memory::format::WRITER_ENTRY;
use crate::memory::message_header::now_ns;
use crate::memory::{Memory, RacyBytes};
use crate::protocol::attachment::WaitFor;
use crate::protocol::registry::Registration;
use crate::protocol::stream_state::{self, Phase};
use crate::protocol::table::{self, TableCells};
use crate::sync::Relaxed;
use crate::types::config::Delivery;
use crate::types::error::{Corrupt, RegisterError, TableError};
use crate::types::participant::Role;
use crate::types::waiting::WaitStrategy;
use std::fmt;
use std::time::Duration;

/// A read whose value changes again and again is repeated: correct peers cause few repetitions.
const TRIES: usize = 1000;
/// The version of a key that was never set, for comparisons. No stamp has so many bits.
const NEVER: u64 = u64::MAX;

/// Tables.
impl Ring {
    /// Registers the writer of a table: a ring of [`Delivery::Latest`]. It continues with the
    /// values that are there.
    ///
    /// # Errors
    /// As [`Self::writer`]; [`RegisterError::Delivery`] if the ring is no table.
    pub fn table_writer(&self) -> Result<TableWriter, RegisterError> {
        self.check_table()?;
        TableWriter::join(self.only_writer(Role::Writer)?)
    }

    /// Registers a reader of a table: a ring of [`Delivery::Latest`].
    ///
    /// # Errors
    /// As [`Self::reader`]; [`RegisterError::Delivery`] if the ring is no table.
    pub fn table_reader(&self) -> Result<TableReader, RegisterError> {
        self.check_table()?;
        let entries = WRITER_ENTRY + 1..self.config().participants;
        Ok(TableReader::join(self.registration(Role::Reader, entries)?))
    }

    fn check_table(&self) -> Result<(), RegisterError> {
        match self.config().delivery {
            Delivery::Latest => Ok(()),
            delivery => Err(RegisterError::Delivery { delivery }),
        }
    }
}

/// The writer of a table. Dropping it leaves the ring; the values stay.
///
/// ```
/// use seqring::inspect::Stream;
/// use seqring::{Config, Delivery, Ring};
/// let table = Ring::heap(&Config::slots(3).of_bytes(8).delivery(Delivery::Latest))?;
/// let (mut writer, mut reader) = (table.table_writer()?, table.table_reader()?);
/// writer.set(1, b"first")?;
/// writer.set(1, b"second")?;
///
/// assert_eq!(reader.changed(), [1]);
/// let mut value = [0; 8];
/// let latest = reader.get(1, &mut value)?.expect("it was set");
/// assert_eq!((&value[..latest.len], latest.version), (&b"second"[..], 2));
/// assert_eq!(latest.stream, Stream::Open, "the writer lives");
/// assert_eq!(reader.get(2, &mut value)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Progress
/// Wait-free, whatever the readers do.
pub struct TableWriter {
    registration: Registration,
    cells: TableCells,
    updates: u64,
}

impl TableWriter {
    fn join(registration: Registration) -> Result<Self, RegisterError> {
        let memory = &registration.attachment().memory;
        let (cells, mut updates) = (TableCells::new(memory), table::updates(memory));
        if stream_state::phase(memory) == Phase::Died {
            updates += 1; // The last update of the predecessor, which may have died before it counted it.
            table::count_updates(memory, updates);
            registration.attachment().notify(WaitFor::Message);
        }
        registration.entry().joined.store(updates, Relaxed); // Relaxed: a statistic, orders nothing.
        if !stream_state::open(memory) {
            return Err(RegisterError::Closed);
        }
        Ok(TableWriter { registration, cells, updates })
    }

    /// Sets the value of `key`. Returns the number of the value's version: from 1 on, for each key.
    ///
    /// # Errors
    /// [`TableError::NoKey`]; [`TableError::TooLarge`]; [`TableError::Closed`];
    /// [`TableError::Forked`].
    ///
    /// # Cost
    /// One copy, three stores, and with [`Config::timestamp`](crate::Config::timestamp), which a
    /// table has by default, a clock read of about 22 ns. A system call only if a reader sleeps.
    #[inline]
    pub fn set(&mut self, key: usize, value: &[u8]) -> Result<u64, TableError> {
        let attachment = self.registration.attachment();
        let (keys, max) = (self.cells.keys(), attachment.memory.slot_bytes());
        if key >= keys {
            return Err(TableError::NoKey { key, keys });
        }
        if value.len() > max {
            return Err(TableError::TooLarge { len: value.len(), max });
        }
        if stream_state::is_closed(attachment.memory.control()) {
            return Err(match stream_state::phase(&attachment.memory) {
                Phase::Forked => TableError::Forked,
                _ => TableError::Closed,
            });
        }
        let version = self.cells.store(key, value);
        self.updates += 1;
        table::count_updates(&attachment.memory, self.updates);
        attachment.notify(WaitFor::Message);
        Ok(version)
    }
}

impl fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableWriter({:?})", self.registration.attachment())
    }
}

/// What is known about a value that [`TableReader::get`] copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latest {
    /// The number of the version: how often the key was set.
    pub version: u64,
    /// Bytes of the value.
    pub len: usize,
    /// When it was set (`CLOCK_MONOTONIC`, ns). `None` in a table without
    /// [time stamps](crate::Config::timestamp).
    pub timestamp_ns: Option<u64>,
    /// Whether the table has a living writer: see [`TableReader::stream`].
    pub stream: Phase,
}

impl Latest {
    /// How long ago the value was set. `None` in a table without time stamps.
    pub fn age(&self) -> Option<Duration> {
        Some(Duration::from_nanos(now_ns().saturating_sub(self.timestamp_ns?)))
    }
}

/// A reader of a table. It can be a source of a [`WaitSet`](crate::wait::WaitSet): ready when a
/// value has changed since this reader got it, or when a writer has come or gone.
///
/// # Progress
/// A [`get`](Self::get) waits for no other participant. It is repeated if the writer sets the same
/// key twice during the copy.
pub struct TableReader {
    pub(super) endpoint: Endpoint,
    values: Values,
}

/// What a reader has got. Separate from `Endpoint` so that a wait can borrow both.
struct Values {
    memory: Memory,
    cells: TableCells,
    /// Of each key, the version that was got last.
    got: Vec<u64>,
    /// No key had changed when so many values were set.
    unchanged_at: Option<u64>,
    /// The state of the stream that was returned last, or that a wait has ended for.
    reported: Phase,
}

impl TableReader {
    fn join(registration: Registration) -> Self {
        let memory = registration.attachment().memory.clone();
        registration.entry().joined.store(table::updates(&memory), Relaxed); // Relaxed: a statistic, orders nothing.
        let cells = TableCells::new(&memory);
        let values = Values {
            got: vec![NEVER; cells.keys()],
            unchanged_at: None,
            reported: stream_state::phase(&memory),
            cells,
            memory,
        };
        TableReader { endpoint: Endpoint::new(registration), values }
    }

    /// Copies the latest value of `key` to the front of `out`. `None` if it was never set.
    ///
    /// # Errors
    /// [`TableError::NoKey`]; [`TableError::TooSmall`]; [`TableError::Forked`];
    /// [`TableError::Corrupt`].
    ///
    /// # Cost
    /// One copy and four loads. Every few ms a look whether the writer lives: one system call.
    #[inline]
    pub fn get(&mut self, key: usize, out: &mut [u8]) -> Result<Option<Latest>, TableError> {
        self.endpoint.recover_dead(WaitFor::Message);
        self.values.get(key, out)
    }

    /// The keys whose values have changed since this reader got them; at first, all that were set.
    ///
    /// # Cost
    /// A few loads if no value was set since a call that found none changed. Else two loads for
    /// each key.
    pub fn changed(&mut self) -> Vec<usize> {
        self.stream();
        let changed = self.values.changed();
        if changed.is_empty() {
            self.endpoint.found_nothing(WaitFor::Message, || self.values.is_ready());
        }
        changed
    }

    /// Whether a writer is registered and lives, or how the last one ended. After a kill it takes
    /// calls of this reader for some 40 ms until one returns the death.
    pub fn stream(&mut self) -> Phase {
        self.endpoint.recover_dead(WaitFor::Message);
        self.values.reported = stream_state::phase(&self.values.memory);
        self.values.reported
    }

    /// How many keys the table has: 0 to so many - 1.
    pub fn keys(&self) -> usize {
        self.values.cells.keys()
    }

    /// Waits for at most `timeout` until a value has changed since this reader got it, or until the
    /// state of the stream is another than [`Self::stream`] returned, or
    /// [`Self::changed`] saw. Returns whether that is so.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let TableReader { endpoint, values } = self;
        let deadline = Until::within(timeout).deadline();
        let ready =
            values.is_ready() || endpoint.wait(WaitFor::Message, deadline, || values.is_ready(), |_| ());
        if !ready {
            endpoint.found_nothing(WaitFor::Message, || values.is_ready());
        }
        ready
    }

    /// Returns a descriptor that becomes readable when a wait would end, for an event loop. See
    /// [`Reader::notifier`](crate::Reader::notifier); here [`Self::changed`] without a key, or
    /// false from [`Self::ready_within`], arms it.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread or create a descriptor.
    #[cfg(all(target_os = "linux", not(seqring_model)))]
    pub fn notifier(&mut self) -> std::io::Result<crate::Notifier> {
        self.endpoint.notifier()
    }

    /// Sets how this reader waits.
    pub fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.endpoint.waiting = strategy;
    }
}

/// For a wait for several.
impl TableReader {
    pub(super) fn is_ready(&mut self) -> bool {
        self.values.is_ready()
    }
}

/// The latest value of `key`, and what `copy` returned for its bytes. The other results of `copy`
/// are dropped.
#[inline(always)]
pub(super) fn latest<T>(
    memory: &Memory,
    cells: &TableCells,
    key: usize,
    mut copy: impl FnMut(RacyBytes<'_>) -> T,
) -> Result<Option<(Latest, T)>, Corrupt> {
    // Loaded before the value: if the writer had ended by then, the value is its last one.
    let stream = stream_state::current_phase(memory);
    for _ in 0..TRIES {
        let Some(version) = cells.latest(key) else { return Ok(None) };
        let read = cells.read(key, version)?;
        let (len, timestamp_ns) = (read.message.len(), cells.timestamp_ns(&read));
        let copied = copy(read.message);
        if read.validate() {
            return Ok(Some((Latest { version: version.number, len, timestamp_ns, stream }, copied)));
        }
    }
    Err(Corrupt { what: "a value keeps changing" })
}

impl Values {
    #[inline(always)]
    fn get(&mut self, key: usize, out: &mut [u8]) -> Result<Option<Latest>, TableError> {
        let keys = self.cells.keys();
        if key >= keys {
            return Err(TableError::NoKey { key, keys });
        }
        let copy = |value: RacyBytes<'_>| out.get_mut(..value.len()).map(|room| value.copy_to_slice(room));
        let Some((latest, copied)) = latest(&self.memory, &self.cells, key, copy)? else { return Ok(None) };
        if latest.stream == Phase::Forked {
            return Err(TableError::Forked);
        }
        copied.ok_or(TableError::TooSmall { needed: latest.len })?;
        self.got[key] = latest.version;
        Ok(Some(latest))
    }

    fn changed(&mut self) -> Vec<usize> {
        let updates = table::updates(&self.memory);
        // A dead writer may not have counted its last update.
        if self.unchanged_at == Some(updates) && stream_state::current_phase(&self.memory) != Phase::Died {
            return Vec::new();
        }
        let is_other =
            |key: &usize| self.cells.latest(*key).is_some_and(|latest| latest.number != self.got[*key]);
        let changed: Vec<_> = (0..self.cells.keys()).filter(is_other).collect();
        if changed.is_empty() {
            self.unchanged_at = Some(updates);
        }
        changed
    }

    fn is_ready(&mut self) -> bool {
        stream_state::current_phase(&self.memory) != self.reported || !self.changed().is_empty()
    }
}

impl fmt::Debug for TableReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableReader({:?})", self.endpoint.registration.attachment())
    }
}

#[cfg(all(test, not(seqring_model)))]
mod tests {
    use super::*;
    use crate::types::config::Config;

    /// Fails if a reader trusts the count of updates of a writer that died before it counted.
    #[test]
    fn a_value_that_its_dead_writer_did_not_count_is_a_change() {
        for has_successor in [false, true] {
            let table = Ring::heap(&Config::slots(2).of_bytes(8).delivery(Delivery::Latest)).unwrap();
            let (mut writer, mut reader) = (table.table_writer().unwrap(), table.table_reader().unwrap());
            writer.set(0, b"counted").unwrap();
            reader.get(0, &mut [0; 8]).unwrap().unwrap();
            assert_eq!(reader.changed(), []);
            writer.cells.store(1, b"not"); // It is killed between the steps 2 and 3.
            writer.registration.die_as(1);
            let _successor = has_successor.then(|| table.table_writer().unwrap());
            assert_eq!(reader.changed(), [1], "{has_successor}");
        }
    }
}
