//! Reading without being registered, through a read-only mapping.
//!
//! No writer waits for an observer, so it may lag in every ring and gets `Lagged` like a reader of
//! a lossy ring. It reads as every reader does, copying first and validating the slot's stamp
//! afterwards, which needs no store. It cannot announce that it sleeps, so writers do not wake it:
//! it naps and polls. (A wake for a sleeping reader also wakes the observers, which wait on the
//! same futex.)

use crate::api::form::{Form, Until, forms};
use crate::api::inspect::Segment;
use crate::memory::RacyBytes;
use crate::memory::message_header::{HeaderFormat, LoadedHeader};
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::Mismatch;
use crate::protocol::diagnostics;
use crate::protocol::gap;
use crate::protocol::seqlock::Refused;
use crate::protocol::slots::Slots;
use crate::protocol::stats::Participant;
use crate::protocol::stream_state::{self, Phase, StreamObserver, StreamStatus};
use crate::sync::futex::Scope;
use crate::sync::{Relaxed, spin_loop, yield_now};
use crate::types::config::Delivery;
use crate::types::error::{Corrupt, Lagged, ReadError, RingError, TryReadError};
use crate::types::location::Location;
use crate::types::message::{Received, Start};
use crate::types::participant::Role;
use crate::types::waiting::WaitStrategy;
use std::fmt;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// An unregistered reader of a ring that was created with
/// [`Config::observers`](crate::Config::observers). It needs only the right to read.
///
/// `read` has its `try_read` and its `read_timeout` form, as with a [`Reader`](crate::Reader).
///
/// ```
/// use seqring::{Config, Observer, Ring, Start};
/// # let name = format!("doc-observer-{}", std::process::id());
/// let ring = Ring::create(&name, &Config::slots(8).of_bytes(64).observers(true))?;
/// ring.writer()?.write(b"hello")?;
/// let mut observer = Observer::open(&name, Start::Oldest)?;
/// let mut buffer = [0; 64];
/// let received = observer.read(&mut buffer)?;
/// assert_eq!(&buffer[..received.len], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Progress
/// `try_` calls are wait-free. No participant waits for an observer or detects it, and it does not
/// keep the ring's name.
pub struct Observer {
    segment: Segment,
    slots: Slots,
    header_format: HeaderFormat,
    /// Which ends of the stream were reported.
    stream: StreamObserver,
    index: SlotIndex,
    lost: u64,
    metadata: Box<[u8]>,
    meta_len: usize,
    waiting: WaitStrategy,
    /// When it last checked whether a writer lives.
    checked_at: Instant,
    /// The last check found no living writer.
    deserted: bool,
}

const FIRST_NAP: Duration = Duration::from_micros(50);
const LONGEST_NAP: Duration = Duration::from_millis(20);
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// A read that fails without a result is repeated: correct peers cause only a few repetitions.
const TRIES: usize = 1000;

/// Why a read of the next message returned nothing.
enum Refusal {
    Slot(Refused),
    TooSmall { needed: usize },
}

impl Observer {
    /// Observes the ring at `location`.
    ///
    /// # Errors
    /// As [`Segment::inspect`]; [`RingError::Unusable`] if the ring does not allow observers or is
    /// a queue.
    pub fn open(location: impl Into<Location>, start: Start) -> Result<Self, RingError> {
        Segment::inspect(location)?.observe(start)
    }

    /// Observes the ring behind a descriptor, which may be read-only.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_descriptor(descriptor: impl Into<OwnedFd>, start: Start) -> Result<Self, RingError> {
        Segment::from_descriptor(descriptor)?.observe(start)
    }

    fn new(segment: Segment, start: Start) -> Self {
        let slots = Slots::new(segment.memory().clone());
        let config = slots.config();
        let next = slots.next_sequence();
        let oldest = next.saturating_sub(config.slots as u64).max(config.first_sequence);
        let position = match start {
            Start::Next => next,
            Start::Oldest => oldest,
            Start::Newest => next.saturating_sub(1).max(oldest),
            Start::Sequence(sequence) => sequence.clamp(oldest, next),
        };
        Observer {
            header_format: HeaderFormat::of(config),
            stream: StreamObserver::new(segment.memory()),
            index: SlotIndex::new(position, config.slots),
            lost: 0,
            metadata: vec![0; config.meta_bytes].into(),
            meta_len: 0,
            waiting: WaitStrategy::default(),
            checked_at: Instant::now(),
            deserted: false,
            segment,
            slots,
        }
    }

    forms! {
        /// Copies the next message to the front of `out`, waiting for it.
        ///
        /// # Errors
        /// - [`ReadError::Lagged`], in any ring; [`ReadError::TooSmall`]: the message is still
        ///   there.
        /// - [`ReadError::WriterDied`], once for each death of a last writer that a participant has
        ///   detected.
        /// - [`ReadError::Closed`], until a writer joins again: no writer is registered or alive,
        ///   or the ring was closed for good.
        /// - [`ReadError::Forked`]; [`ReadError::Corrupt`].
        ///
        /// # Cost
        /// One copy and two loads of the slot's word. While no message comes, a check for living
        /// writers every 20 ms.
        pub fn read, try_read, read_timeout(&mut self)(out: &mut [u8])
            -> Result<Received, ReadError, TryReadError::Empty> = |form| self.get(out, form)
    }

    forms! {
        /// Reads the next message in place, waiting for it. See
        /// [`Reader::read_in_place`](crate::Reader::read_in_place).
        ///
        /// # Errors
        /// As [`Self::read`], without `TooSmall`.
        pub fn read_in_place, try_read_in_place, read_in_place_timeout[T, R: FnMut(RacyBytes<'_>) -> T](&mut self)(read: R)
            -> Result<(Received, T), ReadError, TryReadError::Empty>
            = |form| {
                let mut read = read;
                self.call(form, |observer| observer.next(|message| Ok(read(message))))
            }
    }

    /// Waits for at most `timeout` until a `try_` call would not return `Empty`. Returns whether
    /// that is so. Reads nothing.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let ready = |observer: &mut Self| if observer.is_ready() { Ok(()) } else { Err(TryReadError::Empty) };
        self.call(Until::within(timeout), ready).is_ok()
    }

    /// Skips to the newest message, which is read next. See
    /// [`Reader::skip_to_newest`](crate::Reader::skip_to_newest).
    pub fn skip_to_newest(&mut self) -> u64 {
        let newest = self.slots.next_sequence().saturating_sub(1);
        let skipped = newest.saturating_sub(self.position());
        if skipped > 0 {
            self.index.seek(newest);
        }
        skipped
    }

    /// The metadata of the message read last; empty if it had none, and after a read that failed.
    pub fn metadata(&self) -> &[u8] {
        &self.metadata[..self.meta_len]
    }

    /// The sequence that this observer reads next.
    pub fn position(&self) -> u64 {
        self.index.sequence
    }

    /// Messages published and not yet read by this observer.
    pub fn lag(&self) -> u64 {
        self.slots.next_sequence().saturating_sub(self.position())
    }

    /// Messages that this observer lost: the sum of its `Lagged` errors.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The segment that this observer reads.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Sets how this observer waits: it spins and yields like a reader, then naps. Each nap is
    /// twice as long as the one before, up to 20 ms.
    pub fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.waiting = strategy;
    }

    fn get<F: Form>(&mut self, out: &mut [u8], form: F) -> Result<Received, F::ReadError> {
        let read = self.call(form, |observer| {
            observer.next(|message| {
                let room = out.get_mut(..message.len());
                let room = room.ok_or(Refusal::TooSmall { needed: message.len() })?;
                message.copy_to_slice(room);
                Ok(())
            })
        });
        Ok(read?.0)
    }

    /// Reads the next message by `copy`, validates it, and moves on.
    fn next<T>(
        &mut self,
        mut copy: impl FnMut(RacyBytes<'_>) -> Result<T, Refusal>,
    ) -> Result<(Received, T), TryReadError> {
        for _ in 0..TRIES {
            match self.attempt(&mut copy) {
                Ok(read) => {
                    self.index.advance();
                    self.deserted = false;
                    return Ok(read);
                }
                Err(refusal) => self.refused(&refusal)?,
            }
        }
        Err(Corrupt { what: "a slot or the state of the stream keeps changing" }.into())
    }

    /// Reads the next message once.
    fn attempt<T>(
        &mut self,
        copy: &mut impl FnMut(RacyBytes<'_>) -> Result<T, Refusal>,
    ) -> Result<(Received, T), Refusal> {
        self.meta_len = 0; // A failed read may have loaded the metadata of another message.
        let read = self.slots.optimistic_read(&self.index).map_err(Refusal::Slot)?;
        let LoadedHeader { tag, timestamp_ns, meta_len } =
            self.header_format.load(read.header, &mut self.metadata);
        let copied = copy(read.message);
        if !read.validate() {
            return Err(Refusal::Slot(Refused::Torn));
        }
        let copied = copied?;
        self.meta_len = meta_len;
        Ok((Received { sequence: self.index.sequence, len: read.message.len(), tag, timestamp_ns }, copied))
    }

    /// The error of a refused read; `Ok` to try again.
    fn refused(&mut self, refusal: &Refusal) -> Result<(), TryReadError> {
        match *refusal {
            Refusal::TooSmall { needed } => Err(TryReadError::TooSmall { needed }),
            Refusal::Slot(Refused::Corrupt(corrupt)) => Err(corrupt.into()),
            Refusal::Slot(Refused::Torn | Refused::Mismatch(Mismatch::Overtaken { .. })) => {
                Err(self.lagged().into())
            }
            Refusal::Slot(Refused::Mismatch(Mismatch::NotYet)) => self.why_empty(),
        }
    }

    /// Decides why there is nothing to read: whether the message was overwritten, or is still to
    /// come; `Ok` to try again.
    fn why_empty(&mut self) -> Result<(), TryReadError> {
        let status = self.stream.status(self.segment.memory());
        let over = status != StreamStatus::Live || self.is_deserted();
        let gap_end = self.gap_end();
        // The stream has ended, or a later message or number is there: what was published before is
        // visible now, and what is not there now will not come.
        if !over && gap_end.is_none() && !self.is_behind() {
            return Err(TryReadError::Empty);
        }
        if self.slots.check(&self.index) != Err(Mismatch::NotYet) {
            return Ok(());
        }
        if let Some(end) = gap_end {
            return Err(self.skip_to(self.slots.first_published(self.position(), end)).into());
        }
        let next = self.slots.next_sequence();
        if next > self.position() {
            return Err(self.skip_to(if over { next } else { self.position() + 1 }).into());
        }
        match status {
            _ if !over => Ok(()),
            StreamStatus::Died(death) => {
                self.stream.set_reported(death);
                Err(TryReadError::WriterDied { pid: death.pid })
            }
            StreamStatus::Forked => Err(TryReadError::Forked),
            StreamStatus::Live | StreamStatus::Ended | StreamStatus::Closed => Err(TryReadError::Closed),
        }
    }

    /// Whether a read would not return `Empty`.
    fn is_ready(&mut self) -> bool {
        self.slots.check(&self.index) != Err(Mismatch::NotYet)
            || self.stream.status(self.segment.memory()) != StreamStatus::Live
            || self.gap_end().is_some()
            || self.is_behind()
            || self.is_deserted()
    }

    /// The end of a gap in the stream, if this observer is below it.
    fn gap_end(&self) -> Option<u64> {
        let end = gap::end(self.segment.memory());
        (end > self.position()).then_some(end)
    }

    /// Whether a later message than the next is there: then the next one was overwritten.
    fn is_behind(&self) -> bool {
        // Relaxed: a hint where the newest message is; its slot decides.
        let newest = self.segment.memory().control().next.load(Relaxed).saturating_sub(1);
        newest > self.position()
            && newest < crate::memory::layout::SEQUENCE_LIMIT
            && self.slots.check(&SlotIndex::new(newest, self.slots.config().slots)) != Err(Mismatch::NotYet)
    }

    /// After an overwritten message: continues a quarter of the ring above the oldest message that
    /// is left, as a reader does.
    fn lagged(&mut self) -> Lagged {
        let slots = self.slots.config().slots as u64;
        let resume = (self.slots.next_sequence() + slots / 4).saturating_sub(slots);
        self.skip_to(resume.max(self.position() + 1))
    }

    fn skip_to(&mut self, sequence: u64) -> Lagged {
        let lost = sequence - self.position();
        self.index.seek(sequence);
        self.lost += lost;
        Lagged { lost }
    }

    /// Whether the stream is open, but no writer lives: there may be no participant that would mark
    /// its end.
    fn is_deserted(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.checked_at) >= CHECK_EVERY {
            self.checked_at = now;
            let writes = |participant: &Participant| participant.role == Role::Writer && participant.alive;
            let open = stream_state::phase(self.segment.memory()) == Phase::Open;
            self.deserted = open && !self.segment.stats().participants.iter().any(writes);
        }
        self.deserted
    }

    /// Calls `attempt` in the given form, until it has succeeded or failed for another reason than
    /// an empty ring.
    fn call<F: Form, T>(
        &mut self,
        mut form: F,
        mut attempt: impl FnMut(&mut Self) -> Result<T, TryReadError>,
    ) -> Result<T, F::ReadError> {
        let (mut polls, mut nap) = (0, FIRST_NAP);
        loop {
            let word = self.segment.memory().control().published.load(Relaxed); // Relaxed: a nap ends by itself.
            let error = match attempt(self) {
                Ok(read) => return Ok(read),
                Err(error) => error,
            };
            let deadline = form.deadline();
            let ends = !F::WAITS || deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if error != TryReadError::Empty || ends {
                let writers = || diagnostics::writers(self.segment.memory());
                return Err(F::read_error(error, || ReadError::TimedOut { writers: writers() }));
            }
            polls += 1;
            if polls <= self.waiting.spins {
                (0..self.waiting.pauses).for_each(|_| spin_loop());
            } else if polls - self.waiting.spins <= self.waiting.yields {
                yield_now();
            } else {
                self.nap(word, nap, deadline);
                nap = (2 * nap).min(LONGEST_NAP);
            }
            if self.waiting.spins == u32::MAX {
                polls = 0;
            }
        }
    }

    fn nap(&self, word: u32, nap: Duration, deadline: Option<Instant>) {
        let left = deadline.map_or(nap, |deadline| deadline.saturating_duration_since(Instant::now()));
        self.segment.memory().control().published.wait(word, Some(nap.min(left)), Scope::Processes);
    }
}

impl Segment {
    /// Observes the ring of this segment.
    ///
    /// # Errors
    /// [`RingError::Unusable`] if the ring does not allow observers, or is a queue: there each
    /// message belongs to its taker.
    pub fn observe(self, start: Start) -> Result<Observer, RingError> {
        let refuse =
            |reason: &str| Err(RingError::Unusable { path: self.path().into(), reason: reason.into() });
        if self.config().delivery == Delivery::Queue {
            return refuse("a queue cannot be observed: each message belongs to its taker");
        }
        if !self.config().observers {
            return refuse("it was created without observers");
        }
        Ok(Observer::new(self, start))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observer(next {}, {:?})", self.position(), self.segment)
    }
}
