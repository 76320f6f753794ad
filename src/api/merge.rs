//! Several rings read as one stream.

use crate::api::form::{Form, Until};
use crate::api::reader::Reader;
use crate::api::wait_set::WaitSet;
use crate::memory::message_header::now_ns;
use crate::types::error::{ReadError, TryReadError, WaitError};
use crate::types::message::Received;
use std::fmt;
use std::time::{Duration, Instant};

/// Several readers, read as one stream of messages: as they come, or in the order of their time
/// stamps.
///
/// ```
/// use seqring::wait::Merge;
/// use seqring::{Config, Ring, Start};
/// use std::time::Duration;
/// let config = Config::slots(4).of_bytes(8).timestamp(true);
/// let rings = [Ring::heap(&config)?, Ring::heap(&config)?];
/// let readers = [rings[0].reader(Start::Next)?, rings[1].reader(Start::Next)?];
/// let mut writers = [rings[0].writer()?, rings[1].writer()?];
/// for n in 0..4u8 {
///     writers[usize::from(n % 2)].write(&[n])?;
/// }
/// drop(writers); // Both streams end.
///
/// let mut merge = Merge::by_time(readers, Duration::from_millis(5));
/// let (mut messages, mut buffer) = (Vec::new(), [0; 8]);
/// while let Some((source, message)) = merge.read(&mut buffer)? {
///     message?;
///     messages.push((source, buffer[0]));
/// }
/// assert_eq!(messages, [(0, 0), (1, 1), (0, 2), (1, 3)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Merge {
    sources: Vec<Source>,
    /// The source that is read next.
    at: usize,
    /// How many messages it may still return in a row.
    turn: u32,
    /// `None` for messages as they come.
    lateness: Option<Duration>,
}

struct Source {
    /// Its place among the readers that the merge was made of.
    number: usize,
    reader: Reader,
    /// Of a merge by time: its next message.
    head: Option<(Received, Vec<u8>)>,
}

/// Messages of one source in a row, while others may have some, too.
const TURN: u32 = 64;

/// A message, or the error of its reader, with the reader's number.
pub type Merged = (usize, Result<Received, ReadError>);

impl Merge {
    /// Merges messages as they come. Of sources that all have messages, each returns at most 64 in
    /// a row.
    pub fn new(readers: impl IntoIterator<Item = Reader>) -> Self {
        let sources = readers.into_iter().enumerate();
        let sources = sources.map(|(number, reader)| Source { number, reader, head: None }).collect();
        Merge { sources, at: 0, turn: TURN, lateness: None }
    }

    /// Merges messages in the order of their [time stamps](crate::Config::timestamp).
    ///
    /// A message is returned when every other source has a later one or has ended, or `lateness`
    /// after its own time stamp. So the order is exact if each message can be read within
    /// `lateness` after it was stamped; one that comes later is returned as soon as it is its turn
    /// among those that are there. A ring without time stamps counts as stamped at 0: its messages
    /// come first.
    ///
    /// The merge has one message of each source in memory of its own.
    pub fn by_time(readers: impl IntoIterator<Item = Reader>, lateness: Duration) -> Self {
        Merge { lateness: Some(lateness), ..Merge::new(readers) }
    }

    /// Copies the next message to the front of `out`, waiting for it. `None` if all streams have
    /// ended: the merge drops a reader whose stream has ended.
    ///
    /// # Errors
    /// Inside, those of [`Reader::read`], with the number of the reader; read on. Outside,
    /// [`WaitError::System`].
    ///
    /// # Cost
    /// As they come: a [`Reader::try_read`], and a comparison. By time: two copies, and a
    /// comparison for each source.
    pub fn read(&mut self, out: &mut [u8]) -> Result<Option<Merged>, WaitError> {
        self.read_until(out, Until::FOREVER)
    }

    /// As [`Self::read`], waiting for at most `timeout`.
    ///
    /// # Errors
    /// As there, and [`WaitError::TimedOut`].
    pub fn read_timeout(&mut self, out: &mut [u8], timeout: Duration) -> Result<Option<Merged>, WaitError> {
        self.read_until(out, Until::within(timeout))
    }

    fn read_until(&mut self, out: &mut [u8], mut until: Until) -> Result<Option<Merged>, WaitError> {
        loop {
            let (merged, due) = match self.lateness {
                None => (self.next(out), None),
                Some(lateness) => self.next_in_time(out, lateness),
            };
            if merged.is_some() || self.sources.is_empty() {
                return Ok(merged);
            }
            let mut set = WaitSet::new();
            let headless = self.sources.iter_mut().filter(|source| source.head.is_none());
            for source in headless {
                set.add(&mut source.reader);
            }
            let ended = match (due, until.deadline()) {
                // The time of a head comes before the deadline of this call.
                (Some(due), deadline) if deadline.is_none_or(|deadline| due < deadline) => {
                    set.wait_until(Until::at(Some(due))).or_else(|error| match error {
                        WaitError::TimedOut { .. } => Ok(Vec::new()),
                        error => Err(error),
                    })
                }
                (_, deadline) => set.wait_until(Until::at(deadline)),
            };
            ended?;
        }
    }

    /// The next message as they come, if there is one.
    #[inline]
    fn next(&mut self, out: &mut [u8]) -> Option<Merged> {
        let mut without = 0;
        while without < self.sources.len() {
            if self.turn == 0 || self.at >= self.sources.len() {
                self.at = (self.at + 1) % self.sources.len().max(1);
                self.turn = TURN;
            }
            let Source { number, reader, .. } = &mut self.sources[self.at];
            match reader.try_read(out) {
                Err(TryReadError::Empty) => (self.turn, without) = (0, without + 1),
                Err(TryReadError::Closed) => drop(self.sources.remove(self.at)),
                Err(error) => return Some((*number, Err(ReadError::from_try(error)))),
                Ok(received) => {
                    self.turn -= 1;
                    return Some((*number, Ok(received)));
                }
            }
        }
        None
    }

    /// The next message in the order of time stamps, if it is due; else when it is, if there is
    /// one.
    fn next_in_time(&mut self, out: &mut [u8], lateness: Duration) -> (Option<Merged>, Option<Instant>) {
        let mut index = 0;
        while index < self.sources.len() {
            let Source { number, reader, head } = &mut self.sources[index];
            if head.is_none() {
                match reader.try_view().map(|view| (view.received(), view.to_vec())) {
                    Ok(message) => *head = Some(message),
                    Err(TryReadError::Empty) => {}
                    Err(TryReadError::Closed) => {
                        self.sources.remove(index);
                        continue;
                    }
                    Err(error) => return (Some((*number, Err(ReadError::from_try(error)))), None),
                }
            }
            index += 1;
        }
        let stamp = |source: &Source| Some(source.head.as_ref()?.0.timestamp_ns.unwrap_or(0));
        let heads = self.sources.iter().enumerate().filter_map(|(at, source)| Some((stamp(source)?, at)));
        let Some((stamped, at)) = heads.min() else { return (None, None) };
        if self.sources.iter().any(|source| source.head.is_none()) {
            let age = Duration::from_nanos(now_ns().saturating_sub(stamped));
            if let Some(left) = lateness.checked_sub(age).filter(|left| !left.is_zero()) {
                return (None, Instant::now().checked_add(left));
            }
        }
        let Source { number, head, .. } = &mut self.sources[at];
        let (received, bytes) = head.take().expect("it has the lowest time stamp");
        let merged = if let Some(out) = out.get_mut(..bytes.len()) {
            out.copy_from_slice(&bytes);
            Ok(received)
        } else {
            let needed = bytes.len();
            *head = Some((received, bytes));
            Err(ReadError::TooSmall { needed })
        };
        (Some((*number, merged)), None)
    }
}

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Merge({} sources)", self.sources.len())
    }
}
