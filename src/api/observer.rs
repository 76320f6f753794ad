//! Reading without taking part: through a mapping that cannot be written to, unseen by everybody.
//!
//! An observer is told what it lost, like a reader of a lossy ring, whatever the ring's delivery: nobody waits for it.
//! It reads as every reader does, copy first and look at the slot's word afterwards; that needs no store. What it cannot
//! do is say that it sleeps, so nobody wakes it: it naps, and looks again. (If a reader that sleeps is woken, so are all
//! observers, whom the same futex holds.)

use crate::api::inspect::Segment;
use crate::endpoint::wait::deadline;
use crate::memory::RacyBytes;
use crate::memory::message_header::{HeaderFormat, LoadedHeader};
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::Mismatch;
use crate::protocol::diagnostics;
use crate::protocol::seqlock::Refused;
use crate::protocol::slots::Slots;
use crate::protocol::stats::Participant;
use crate::protocol::stream_state::{self, Phase, StreamObserver, Verdict};
use crate::sync::futex::Scope;
use crate::sync::{Relaxed, spin_loop, yield_now};
use crate::types::config::Delivery;
use crate::types::error::{Corrupt, Lagged, ReadError, RingError, TryReadError};
use crate::types::location::Location;
use crate::types::message::{Received, Start};
use crate::types::participant::Role;
use crate::types::waiting::WaitStrategy;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Reads a ring that was made with [`Config::observers`](crate::Config::observers), without the right to write to it
/// and without being registered.
///
/// ```
/// use seqring::{Config, Observer, Ring, Start};
/// # let name = format!("doc-observer-{}", std::process::id());
/// let ring = Ring::create(&name, &Config::new(8, 64).observers(true))?;
/// ring.writer()?.write(b"hello")?;
/// let mut observer = Observer::open(&name, Start::Oldest)?;
/// let mut buffer = [0; 64];
/// let received = observer.read(&mut buffer)?;
/// assert_eq!(&buffer[..received.len], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Progress
/// `try_` calls are wait-free. Nobody waits for an observer, nor notices it, and it does not keep the ring's name.
#[derive(Debug)]
pub struct Observer {
    segment: Segment,
    slots: Slots,
    plan: HeaderFormat,
    /// What this observer was told of the stream's ends.
    watch: StreamObserver,
    place: SlotIndex,
    lost: u64,
    metadata: Box<[u8]>,
    meta_len: usize,
    waiting: WaitStrategy,
    longest_nap: Duration,
    /// When it last looked whether a writer lives.
    looked_after: Instant,
    /// No writer lived when it looked.
    deserted: bool,
}

const FIRST_NAP: Duration = Duration::from_micros(50);
const LONGEST_NAP: Duration = Duration::from_millis(20);
const LOOK_AFTER_EVERY: Duration = Duration::from_millis(20);
/// A look that is refused without a reason to tell is repeated: correct peers never cause more than a few.
const TRIES: usize = 1000;

/// Why a look at the next message returned nothing.
enum Refusal {
    Slot(Refused),
    TooSmall { needed: usize },
}

impl Observer {
    /// Observes the ring of that name.
    ///
    /// # Errors
    /// As [`Segment::inspect`]; [`RingError::Unusable`] if the ring allows no observers or is a queue.
    pub fn open(location: impl Into<Location>, start: Start) -> Result<Self, RingError> {
        Segment::inspect(location)?.observe(start)
    }

    /// Observes the ring behind a descriptor, for which the right to read is enough.
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
            plan: HeaderFormat::of(config),
            watch: StreamObserver::join(segment.memory()),
            place: SlotIndex::of(position, config.slots),
            lost: 0,
            metadata: vec![0; config.meta_bytes].into(),
            meta_len: 0,
            waiting: WaitStrategy::default(),
            longest_nap: LONGEST_NAP,
            looked_after: Instant::now(),
            deserted: false,
            segment,
            slots,
        }
    }

    /// Copies the next message to the front of `out`, without waiting.
    ///
    /// # Errors
    /// [`TryReadError::Empty`]; [`TryReadError::Lagged`], in any ring; [`TryReadError::TooSmall`], which loses nothing;
    /// [`TryReadError::WriterDied`], once for each death of a last writer that somebody who takes part has found;
    /// [`TryReadError::Closed`], now and at every later call until a writer joins again: that all writers died is the
    /// end, too; [`TryReadError::Corrupt`].
    ///
    /// # Cost
    /// One copy and two loads of the slot's word. While nothing comes, a look at the writers every 20 ms.
    pub fn try_read(&mut self, out: &mut [u8]) -> Result<Received, TryReadError> {
        let received = self.look(|message| match out.get_mut(..message.len()) {
            Some(out) => {
                message.copy_to_slice(out);
                Ok(())
            }
            None => Err(Refusal::TooSmall { needed: message.len() }),
        });
        Ok(received?.0)
    }

    /// Copies the next message to the front of `out`, waiting for it.
    ///
    /// # Errors
    /// As [`Self::try_read`], without `Empty`.
    pub fn read(&mut self, out: &mut [u8]) -> Result<Received, ReadError> {
        self.wait(None, |observer| observer.try_read(out))
    }

    /// Copies the next message to the front of `out`, waiting for it for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::read`], and [`ReadError::TimedOut`].
    pub fn read_timeout(&mut self, out: &mut [u8], timeout: Duration) -> Result<Received, ReadError> {
        self.wait(deadline(timeout), |observer| observer.try_read(out))
    }

    /// Reads the next message in place, without waiting. See
    /// [`Reader::try_read_with`](crate::Reader::try_read_with).
    ///
    /// # Errors
    /// As [`Self::try_read`], without `TooSmall`.
    pub fn try_read_with<T>(
        &mut self,
        mut read: impl FnMut(RacyBytes<'_>) -> T,
    ) -> Result<(Received, T), TryReadError> {
        self.look(|message| Ok(read(message)))
    }

    /// Waits for at most `timeout` until a read has something to tell: a message, or why there will be none. Says
    /// whether it has. Reads nothing.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let look = |observer: &mut Self| if observer.is_ready() { Ok(()) } else { Err(TryReadError::Empty) };
        self.wait(deadline(timeout), look).is_ok()
    }

    /// Passes over what was published before the newest message, which is read next. See
    /// [`Reader::skip_to_newest`](crate::Reader::skip_to_newest).
    pub fn skip_to_newest(&mut self) -> u64 {
        let newest = self.slots.next_sequence().saturating_sub(1);
        let passed = newest.saturating_sub(self.position());
        if passed > 0 {
            self.place.jump(newest);
        }
        passed
    }

    /// The metadata of the message read last; empty if it had none, and after a read that failed.
    pub fn metadata(&self) -> &[u8] {
        &self.metadata[..self.meta_len]
    }

    /// The sequence that this observer reads next.
    pub fn position(&self) -> u64 {
        self.place.sequence
    }

    /// Messages published and not yet read by this observer.
    pub fn lag(&self) -> u64 {
        self.slots.next_sequence().saturating_sub(self.position())
    }

    /// Messages that it lost: the sum of what its `Lagged` errors said.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The segment that it looks at.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Sets how this observer waits: it spins and yields as said, then naps, each nap twice as long as the one
    /// before, up to `longest_nap` (20 ms unless said otherwise).
    pub fn set_wait_strategy(&mut self, waiting: WaitStrategy, longest_nap: Duration) {
        self.waiting = waiting;
        self.longest_nap = longest_nap;
    }

    /// Reads the next message by `copy`, validated, and moves on; or says why not.
    fn look<T>(
        &mut self,
        mut copy: impl FnMut(RacyBytes<'_>) -> Result<T, Refusal>,
    ) -> Result<(Received, T), TryReadError> {
        for _ in 0..TRIES {
            match self.attempt(&mut copy) {
                Ok(read) => {
                    self.place.step();
                    self.deserted = false;
                    return Ok(read);
                }
                Err(refusal) => self.refused(&refusal)?,
            }
        }
        Err(Corrupt { what: "a slot or the state of the stream keeps changing" }.into())
    }

    /// One validated look at the next message.
    fn attempt<T>(
        &mut self,
        copy: &mut impl FnMut(RacyBytes<'_>) -> Result<T, Refusal>,
    ) -> Result<(Received, T), Refusal> {
        self.meta_len = 0; // Until this read succeeds there is none, or what is loaded may be another message's.
        let read = self.slots.optimistic_read(&self.place).map_err(Refusal::Slot)?;
        let LoadedHeader { tag, timestamp_ns, meta_len } = self.plan.load(read.extras, &mut self.metadata);
        let copied = copy(read.message);
        if !read.validate() {
            return Err(Refusal::Slot(Refused::Torn));
        }
        let copied = copied?;
        self.meta_len = meta_len;
        Ok((Received { sequence: self.place.sequence, len: read.message.len(), tag, timestamp_ns }, copied))
    }

    /// What to tell the caller when a message could not be read; `Ok` to try again.
    fn refused(&mut self, refusal: &Refusal) -> Result<(), TryReadError> {
        match *refusal {
            Refusal::TooSmall { needed } => Err(TryReadError::TooSmall { needed }),
            Refusal::Slot(Refused::Corrupt(corrupt)) => Err(corrupt.into()),
            Refusal::Slot(Refused::Torn | Refused::Other(Mismatch::Overtaken { .. })) => {
                Err(self.lagged().into())
            }
            Refusal::Slot(Refused::Other(Mismatch::NotYet)) => self.nothing(),
        }
    }

    /// There is nothing to read: has it gone already, or is there still somebody to wait for?
    fn nothing(&mut self) -> Result<(), TryReadError> {
        let verdict = self.watch.verdict(self.segment.memory());
        let over = verdict != Verdict::GoesOn || self.is_deserted();
        // The end is established, or a later message was seen: what was published before is visible now. What is not
        // there now will not come.
        if !over && !self.is_behind() {
            return Err(TryReadError::Empty);
        }
        if self.slots.look(&self.place) != Err(Mismatch::NotYet) {
            return Ok(());
        }
        let next = self.slots.next_sequence();
        if next > self.position() {
            return Err(self.skip_to(if over { next } else { self.position() + 1 }).into());
        }
        match verdict {
            _ if !over => Ok(()),
            Verdict::Died(death) => {
                self.watch.tell(death);
                Err(TryReadError::WriterDied { pid: death.pid })
            }
            Verdict::Forked => Err(TryReadError::Forked),
            Verdict::GoesOn | Verdict::Ended | Verdict::Closed => Err(TryReadError::Closed),
        }
    }

    /// Whether a read has something to tell: a message, or why there will be none.
    fn is_ready(&mut self) -> bool {
        self.slots.look(&self.place) != Err(Mismatch::NotYet)
            || self.watch.verdict(self.segment.memory()) != Verdict::GoesOn
            || self.is_behind()
            || self.is_deserted()
    }

    /// Whether a later message than the next is there: then the next one was, and its buffer is in use again.
    fn is_behind(&self) -> bool {
        // Relaxed: where the newest may be; its slot decides.
        let newest = self.segment.memory().control().next.load(Relaxed).saturating_sub(1);
        newest > self.position()
            && newest < crate::memory::layout::SEQUENCE_LIMIT
            && self.slots.look(&SlotIndex::of(newest, self.slots.config().slots)) != Err(Mismatch::NotYet)
    }

    /// The message was overwritten. Goes on a little above the oldest that is left, as a reader does.
    fn lagged(&mut self) -> Lagged {
        let slots = self.slots.config().slots as u64;
        let resume = (self.slots.next_sequence() + slots / 4).saturating_sub(slots);
        self.skip_to(resume.max(self.position() + 1))
    }

    fn skip_to(&mut self, sequence: u64) -> Lagged {
        let missed = sequence - self.position();
        self.place.jump(sequence);
        self.lost += missed;
        Lagged { missed }
    }

    /// Whether the stream stands open, but whoever wrote to it was killed. Nobody may be there to say that it ended.
    fn is_deserted(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.looked_after) >= LOOK_AFTER_EVERY {
            self.looked_after = now;
            let writes = |participant: &Participant| participant.role == Role::Writer && participant.alive;
            let open = stream_state::phase(self.segment.memory()) == Phase::Open;
            self.deserted = open && !self.segment.stats().participants.iter().any(writes);
        }
        self.deserted
    }

    fn wait<T>(
        &mut self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut Self) -> Result<T, TryReadError>,
    ) -> Result<T, ReadError> {
        let mut looks = 0;
        let mut nap = FIRST_NAP;
        loop {
            let word = self.segment.memory().control().published.load(Relaxed); // Relaxed: a nap ends by itself.
            match attempt(self) {
                Err(TryReadError::Empty) => {}
                other => return other.map_err(ReadError::from_try),
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(ReadError::TimedOut { writers: diagnostics::writers(self.segment.memory()) });
            }
            looks += 1;
            if looks <= self.waiting.spins {
                (0..self.waiting.pauses).for_each(|_| spin_loop());
            } else if looks - self.waiting.spins <= self.waiting.yields {
                yield_now();
            } else {
                self.nap(word, nap, deadline);
                nap = (2 * nap).min(self.longest_nap);
            }
            if self.waiting.spins == u32::MAX {
                looks = 0;
            }
        }
    }

    fn nap(&self, word: u32, nap: Duration, deadline: Option<Instant>) {
        let left = deadline.map_or(nap, |deadline| deadline.saturating_duration_since(Instant::now()));
        self.segment.memory().control().published.wait(word, Some(nap.min(left)), Scope::Processes);
    }
}

impl Segment {
    /// Observes the ring.
    ///
    /// # Errors
    /// [`RingError::Unusable`] if the ring allows no observers, or is a queue: there a message is its taker's.
    pub fn observe(self, start: Start) -> Result<Observer, RingError> {
        let refuse =
            |reason: &str| Err(RingError::Unusable { path: self.path().into(), reason: reason.into() });
        if self.config().delivery == Delivery::Queue {
            return refuse("a queue cannot be observed: each message is its taker's");
        }
        if !self.config().observers {
            return refuse("it was made without Config::observers, so its writers do not expect any");
        }
        Ok(Observer::new(self, start))
    }
}
