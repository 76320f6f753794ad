//! A wait for several rings, and for descriptors.
//!
//! A sleep of a set is one sleep on the event counts of all its rings
//! ([`crate::sync::event_count::several`]). A set of more than 128 rings, or with descriptors,
//! sleeps in `poll` instead, and the process's watcher sleeps on the event counts.

#[cfg(all(target_os = "linux", not(seqring_model)))]
mod poll;
mod sources;

#[cfg(all(target_os = "linux", not(seqring_model)))]
pub use sources::Descriptor;
pub use sources::Source;

#[cfg(all(target_os = "linux", not(seqring_model)))]
use poll::Poll;
pub(crate) use sources::Place;
#[cfg(not(any(seqring_model, seqring_fuzz)))]
pub(crate) use sources::Waits;

use crate::api::form::{Form, Until};
use crate::memory::Memory;
use crate::protocol::attachment::WaitFor;
use crate::sync::event_count::EventCounts;
use crate::sync::event_count::several::{self, Waiter};
use crate::sync::futex::{self, Expected};
use crate::types::error::WaitError;
use crate::types::participant::Peer;
use crate::types::waiting::WaitStrategy;
use std::fmt;
use std::ops::{Index, IndexMut};
use std::time::{Duration, Instant};

/// Sources that one thread waits for together: [readers](crate::Reader), [takers](crate::Taker),
/// [readers of tables](crate::table::TableReader), [observers](crate::Observer),
/// [writers](crate::Writer) that wait for room, and descriptors (`seqring::wait::Descriptor`), of
/// heap rings and shared ones.
///
/// The set owns its sources, so none is dropped while it is waited for. `set[token]` is a source.
/// `S` can be a reference, too: a set of `&mut dyn Source` has sources of several types.
///
/// A wait reports every source that is ready: a reader, taker or observer whose next `try_` call
/// would not return `Empty`, a writer whose next one would not return `Full`. That includes the end
/// of a stream and the death of its writer, and what was there before the source was added. A
/// source is reported again until a call has used up what is there. A stream that has ended stays
/// ready: remove its reader.
///
/// ```
/// use seqring::wait::WaitSet;
/// use seqring::{Config, Ring, Start, TryReadError};
/// let config = Config::slots(4).of_bytes(8);
/// let rings = [Ring::heap(&config)?, Ring::heap(&config)?];
/// let mut set = WaitSet::new();
/// for ring in &rings {
///     set.add(ring.reader(Start::Next)?);
/// }
/// for (ring, message) in rings.iter().zip(["one", "two"]) {
///     ring.writer()?.write(message.as_bytes())?; // The writer leaves: the stream ends.
/// }
/// let (mut messages, mut buffer) = (Vec::new(), [0; 8]);
/// while !set.is_empty() {
///     for token in set.wait()? {
///         match set[token].try_read(&mut buffer) {
///             Ok(received) => messages.push(buffer[..received.len].to_vec()),
///             Err(TryReadError::Closed) => drop(set.remove(token)),
///             Err(error) => return Err(error.into()),
///         }
///     }
/// }
/// assert_eq!(messages, [b"one", b"two"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Fairness
/// The sources are reported in the order in which they were added, from the one on that follows the
/// first one of the report before. So a program that handles only the first of each report handles
/// each source that stays ready once a round. A taker may find nothing after a report, if another
/// taker was first; so may one of many writers.
///
/// # Cost
/// A look takes a few loads for each source, for a descriptor a system call. A sleep takes, for
/// each source, one read-modify-write, and all together one or two `membarrier` calls and one
/// `futex_waitv` call. A set of more than 128 rings, or with descriptors, has an eventfd, and
/// watches of the process's watcher (see [`Reader::notifier`](crate::Reader::notifier)): a message
/// then takes two wakes. Observers cannot announce a sleep: a set with one naps for 50 µs to 20 ms.
/// Where the kernel has no `futex_waitv` (before Linux 5.16), and for rings of the portable
/// backend, a set naps for 1 ms.
///
/// Between processes a sleep ends after 40 ms, to look for deaths in 8 of the rings, in turn.
pub struct WaitSet<S> {
    /// In the order of their tokens.
    sources: Vec<(Token, S)>,
    next: Token,
    /// The next report begins with this source or a later one.
    first: Token,
    /// Whose ring is looked at next for deaths.
    next_look: usize,
    waiting: WaitStrategy,
    #[cfg(all(target_os = "linux", not(seqring_model)))]
    poll: Option<Poll>,
}

/// A source of a set. The set has no two sources with one token, also after one was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

/// The rings in which one look searches for deaths. It takes a system call for each participant.
const LOOKS: usize = 8;
const FIRST_NAP: Duration = Duration::from_micros(50);
const LONGEST_NAP: Duration = Duration::from_millis(20);

impl<S: Source> WaitSet<S> {
    /// An empty set.
    pub fn new() -> Self {
        WaitSet {
            sources: Vec::new(),
            next: Token(0),
            first: Token(0),
            next_look: 0,
            waiting: WaitStrategy::default(),
            #[cfg(all(target_os = "linux", not(seqring_model)))]
            poll: None,
        }
    }

    /// Adds a source.
    pub fn add(&mut self, source: S) -> Token {
        let token = self.next;
        self.next = Token(token.0 + 1);
        self.sources.push((token, source));
        token
    }

    /// Removes a source, and returns it, if it is in the set.
    pub fn remove(&mut self, token: Token) -> Option<S> {
        let index = self.index(token)?;
        Some(self.sources.remove(index).1)
    }

    /// How many sources there are.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there is no source.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Sets how the set waits. The strategies of its sources have no effect on it.
    pub fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.waiting = strategy;
    }

    /// Waits until a source is ready. Returns the ready ones: at least one.
    ///
    /// # Errors
    /// [`WaitError::NoSource`]; [`WaitError::System`].
    pub fn wait(&mut self) -> Result<Vec<Token>, WaitError> {
        if self.is_empty() {
            return Err(WaitError::NoSource);
        }
        self.wait_until(Until::FOREVER)
    }

    /// As [`Self::wait`], for at most `timeout`. An empty set waits so long.
    ///
    /// # Errors
    /// [`WaitError::TimedOut`]; [`WaitError::System`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Vec<Token>, WaitError> {
        self.wait_until(Until::within(timeout))
    }

    /// Returns the sources that are ready now; none, perhaps.
    pub fn try_wait(&mut self) -> Vec<Token> {
        let start = self.sources.partition_point(|(token, _)| *token < self.first);
        let (before, from) = self.sources.split_at_mut(start);
        let is_ready = |(token, source): &mut (Token, S)| source.is_ready().then_some(*token);
        let ready: Vec<_> = from.iter_mut().chain(before).filter_map(is_ready).collect();
        if let Some(reported) = ready.first() {
            self.first = Token(reported.0 + 1);
        }
        ready
    }

    /// A source of a set from which none was removed, by its number.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    #[inline(always)]
    pub(super) fn source(&self, number: usize) -> &S {
        &self.sources[number].1
    }

    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    #[inline(always)]
    pub(super) fn source_mut(&mut self, number: usize) -> &mut S {
        &mut self.sources[number].1
    }

    fn index(&self, token: Token) -> Option<usize> {
        self.sources.binary_search_by_key(&token, |(token, _)| *token).ok()
    }

    pub(super) fn wait_until(&mut self, mut until: Until) -> Result<Vec<Token>, WaitError> {
        loop {
            let ready = self.try_wait();
            if !ready.is_empty() {
                return Ok(ready);
            }
            if !self.sleep(until.deadline())? {
                let mut peers = Vec::new();
                self.sources.iter().for_each(|(_, source)| source.awaited(&mut peers));
                return Err(WaitError::TimedOut { peers });
            }
        }
    }

    /// Waits until a source may be ready. Returns false if the deadline passed.
    pub(super) fn sleep(&mut self, deadline: Option<Instant>) -> Result<bool, WaitError> {
        // Handles of their own: the sources are looked at during the sleep.
        let ring_of = |(_, source): &(Token, S)| match source.place() {
            Place::Ring(endpoint, event) => {
                let memory = endpoint.registration.attachment().memory.clone();
                Some((endpoint.event_counts(event), memory, event))
            }
            _ => None,
        };
        let rings: Vec<_> = self.sources.iter().filter_map(ring_of).collect();
        let naps = self.sources.iter().any(|(_, source)| matches!(source.place(), Place::Observer));
        let mut sleeping = Sleeping {
            sources: &mut self.sources,
            rings: &rings,
            next_look: &mut self.next_look,
            nap: naps.then_some(FIRST_NAP),
            #[cfg(all(target_os = "linux", not(seqring_model)))]
            poll: &mut self.poll,
            failed: None,
        };
        let words = rings.iter().map(|(of, memory, event)| (*of, event.event_count(memory.control())));
        let event_counts: Vec<_> = words.collect();
        let ready = several::wait_any(&event_counts, self.waiting, deadline, &mut sleeping);
        match sleeping.failed {
            Some(error) => Err(error.into()),
            None => Ok(ready),
        }
    }
}

/// A ring of a sleeping set.
type Ring = (EventCounts, Memory, WaitFor);

/// A set that sleeps.
struct Sleeping<'s, S> {
    sources: &'s mut [(Token, S)],
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no poll"))]
    rings: &'s [Ring],
    next_look: &'s mut usize,
    /// The longest next sleep, if there are observers.
    nap: Option<Duration>,
    #[cfg(all(target_os = "linux", not(seqring_model)))]
    poll: &'s mut Option<Poll>,
    failed: Option<std::io::Error>,
}

impl<S: Source> Waiter for Sleeping<'_, S> {
    fn is_ready(&mut self) -> bool {
        self.failed.is_some() || self.sources.iter_mut().any(|(_, source)| source.is_ready())
    }

    fn check_peers(&mut self) {
        for _ in 0..self.sources.len().min(LOOKS) {
            *self.next_look = (*self.next_look + 1) % self.sources.len();
            self.sources[*self.next_look].1.check_peers();
        }
    }

    fn sleep(&mut self, words: &[Expected<'_>], timeout: Option<Duration>) {
        for (_, source) in &*self.sources {
            if let Place::Ring(endpoint, _) = source.place() {
                endpoint.count_sleep();
            }
        }
        let nap = self.nap;
        self.nap = nap.map(|nap| (2 * nap).min(LONGEST_NAP));
        let timeout = nap.into_iter().chain(timeout).min();
        #[cfg(all(target_os = "linux", not(seqring_model)))]
        if let Some(slept) = Poll::sleep(self.poll, self.sources, self.rings, words, timeout) {
            self.failed = slept.err();
            return;
        }
        futex::wait_any(words, timeout);
    }
}

impl<S: Source> Default for WaitSet<S> {
    fn default() -> Self {
        WaitSet::new()
    }
}

/// # Panics
/// If the source was removed.
impl<S> Index<Token> for WaitSet<S> {
    type Output = S;

    fn index(&self, token: Token) -> &S {
        let index = self.sources.binary_search_by_key(&token, |(token, _)| *token);
        &self.sources[index.expect("the source was removed")].1
    }
}

/// # Panics
/// If the source was removed.
impl<S> IndexMut<Token> for WaitSet<S> {
    fn index_mut(&mut self, token: Token) -> &mut S {
        let index = self.sources.binary_search_by_key(&token, |(token, _)| *token);
        &mut self.sources[index.expect("the source was removed")].1
    }
}

impl<S> fmt::Debug for WaitSet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WaitSet({} sources)", self.sources.len())
    }
}
