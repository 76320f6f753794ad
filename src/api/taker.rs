//! Taking: of several takers each message goes to exactly one.
#![allow(unsafe_code, reason = "a slice over a buffer that is the taker's alone")]

#[cfg(not(any(seqring_model, seqring_fuzz)))]
mod held;
mod typed;

#[cfg(not(any(seqring_model, seqring_fuzz)))]
pub(crate) use held::Held;

use crate::endpoint::wait::{self, Endpoint};
use crate::memory::message_header::HeaderFormat;
use crate::memory::stamp::ArenaStamp;
use crate::memory::{Memory, frozen_bytes};
use crate::protocol::intent_log::{self, Settled};
use crate::protocol::multi_writer;
use crate::protocol::registry::{Adoption, Registration};
use crate::protocol::stream_state::{StreamObserver, Verdict};
use crate::protocol::take::{self, TakeCursor, TakeOutcome};
use crate::sync::backoff::{Backoff, RetryBudget};
use crate::sync::event_count::EventCounts;
use crate::sync::yield_now;
use crate::types::error::{Corrupt, ReadError, RegisterError, TryReadError};
use crate::types::message::Received;
use crate::types::participant::Role;
use crate::types::waiting::WaitStrategy;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// A registered taker of a queue. Dropping it leaves the ring.
///
/// # When a taker dies
/// A message that its taker had not [done](Taken) with when it died goes to another taker, unless the ring
/// [says otherwise](crate::Config::redelivery): to one that waits, between processes within some 60 ms; to one that is always at work,
/// within 1024 messages. It comes after messages that were published later.
///
/// # Progress
/// `try_` calls are lock-free: a taker or writer that is stopped stops nobody else, and the message that a stopped taker
/// holds is the only one that waits for it.
#[derive(Debug)]
pub struct Taker {
    endpoint: Endpoint,
    hand: Hand,
    /// Takes until the next look for messages that dead takers left.
    until_look: u32,
    /// Somebody else looks for them.
    leaves_the_dead: bool,
    /// What is in this taker's own buffer since it took over a dead one's entry.
    inherited: Option<Settled>,
}

/// A taker without its manner of waiting.
#[derive(Debug)]
struct Hand {
    memory: Memory,
    takes: TakeCursor,
    standoff: Backoff,
    event_counts: EventCounts,
    plan: HeaderFormat,
    /// What this taker was told of the stream's ends.
    watch: StreamObserver,
    metadata: Box<[u8]>,
    meta_len: usize,
}

/// What was taken, and where it is.
#[derive(Debug)]
struct Got {
    received: Received,
    buffer: usize,
    /// Another taker had it before, and died.
    again: bool,
    /// The entry of that one, unless it is this taker's own by now.
    adopted: Option<Box<Registration>>,
}

/// A look for messages that dead takers left costs 0.5 µs for each living one.
const TAKES_PER_LOOK: u32 = 1024;

impl Taker {
    pub(crate) fn join(registration: Registration, words: ArenaStamp) -> Result<Self, RegisterError> {
        let own = multi_writer::own_buffer(&registration, words)?;
        Ok(Self::with_buffer(registration, words, own, None))
    }

    /// Goes on in an entry that was adopted: its message comes first.
    pub(crate) fn inherit(registration: Registration, settled: Settled, words: ArenaStamp) -> Self {
        registration.take_up();
        registration.attachment().memory.make_buffer_resident(settled.buffer);
        Self::with_buffer(registration, words, settled.buffer, Some(settled))
    }

    fn with_buffer(
        registration: Registration,
        words: ArenaStamp,
        own: usize,
        inherited: Option<Settled>,
    ) -> Self {
        let memory = registration.attachment().memory.clone();
        let config = &memory.layout().config;
        let hand = Hand {
            takes: TakeCursor::new(&memory, words, registration.index(), own),
            standoff: Backoff::default(),
            event_counts: registration.attachment().event_counts,
            plan: HeaderFormat::of(config),
            watch: StreamObserver::join(&memory),
            metadata: vec![0; config.meta_bytes].into(),
            meta_len: 0,
            memory,
        };
        Taker {
            endpoint: Endpoint::new(registration),
            hand,
            until_look: 0,
            leaves_the_dead: false,
            inherited,
        }
    }

    #[cfg(seqring_model)]
    pub(crate) fn entry(&self) -> usize {
        self.endpoint.registration.index()
    }

    /// Takes the next message, without waiting. It is this taker's alone: no copy is made, and nobody else gets it.
    ///
    /// # Errors
    /// [`TryReadError::Empty`]; [`TryReadError::WriterDied`], once for each death of a last writer, when everything before
    /// it was taken: go on; [`TryReadError::Closed`] when everything is taken and no writer is left, until one comes;
    /// [`TryReadError::Forked`]; [`TryReadError::Corrupt`].
    ///
    /// # Cost
    /// One exchange of a word that writers and takers share, three stores to this taker's own line, one exchange of
    /// the counter of takes. System calls only if a writer sleeps, every 1024 messages, and every 20 ms while the queue is
    /// empty, to see whether the others live.
    pub fn try_take(&mut self) -> Result<Taken<'_>, TryReadError> {
        let got = match self.attempt() {
            Err(TryReadError::Empty) if self.endpoint.look_after(Role::Writer) => {
                self.adopt(TryReadError::Empty)
            }
            other => other,
        };
        Ok(Taken { got: got?, hand: &mut self.hand })
    }

    /// Takes the next message, waiting for it.
    ///
    /// # Errors
    /// As [`Self::try_take`], without `Empty`.
    pub fn take(&mut self) -> Result<Taken<'_>, ReadError> {
        Ok(Taken { got: self.wait(None)?, hand: &mut self.hand })
    }

    /// Takes the next message, waiting for it for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::take`], and [`ReadError::TimedOut`].
    pub fn take_timeout(&mut self, timeout: Duration) -> Result<Taken<'_>, ReadError> {
        Ok(Taken { got: self.wait(wait::deadline(timeout))?, hand: &mut self.hand })
    }

    /// Waits for at most `timeout` until there is a message to take, or none will come. Says whether that is so. Takes
    /// nothing: another taker may be first.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let Taker { endpoint, hand, inherited, .. } = self;
        let deadline = wait::deadline(timeout);
        let ready = inherited.is_some()
            || hand.is_ready()
            || endpoint.wait(Role::Writer, deadline, || hand.is_ready(), |_| ());
        // What a dead taker left is for the next call that takes.
        endpoint.look_soon();
        ready
    }

    /// Sets how this taker waits.
    pub fn set_wait_strategy(&mut self, waiting: WaitStrategy) {
        self.endpoint.waiting = waiting;
    }

    /// From now on this taker takes over nothing that dead takers left, [`Self::take_over`] of another one does; and it may
    /// sleep that long, because somebody wakes it when a participant died.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn leave_the_dead(&mut self, longest_sleep: Duration) {
        self.leaves_the_dead = true;
        self.endpoint.sleep_up_to(longest_sleep);
    }

    /// A message that a dead taker left, if there is one: with the taker's entry.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn take_over(&mut self) -> Option<(usize, Taken<'_>)> {
        let got = self.adopt(TryReadError::Empty).ok()?;
        let entry = got.adopted.as_ref()?.index();
        Some((entry, Taken { got, hand: &mut self.hand }))
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Result<Got, ReadError> {
        loop {
            match self.attempt() {
                Ok(got) => return Ok(got),
                Err(TryReadError::Empty) => {}
                Err(other) => return Err(ReadError::from_try(other)),
            }
            let Taker { endpoint, hand, leaves_the_dead, .. } = self;
            let left = RefCell::new(Adoption::None);
            let ready = || matches!(*left.borrow(), Adoption::Message(..)) || hand.is_ready();
            let in_time = endpoint.wait(Role::Writer, deadline, ready, |attachment| {
                if !*leaves_the_dead && !matches!(*left.borrow(), Adoption::Message(..)) {
                    left.replace(Registration::adopt(attachment));
                }
            });
            if let Adoption::Message(registration, settled) = left.into_inner() {
                let got =
                    self.hand.receive_settled(settled, registration.index(), Some(Box::new(registration)));
                return got.map_err(ReadError::from_try);
            }
            if !in_time {
                return Err(self.endpoint.reader_timed_out());
            }
        }
    }

    /// The next message; now and then, and before the end, one that a dead taker left.
    fn attempt(&mut self) -> Result<Got, TryReadError> {
        if self.until_look == 0 {
            self.until_look = TAKES_PER_LOOK;
            // Here, where nobody comes but now and then: the first call does.
            if let Some(settled) = self.inherited.take() {
                return self.hand.receive_settled(settled, self.endpoint.registration.index(), None);
            }
            match self.adopt(TryReadError::Empty) {
                Err(TryReadError::Empty) => {}
                other => return other,
            }
        }
        self.until_look -= 1;
        match self.hand.try_take() {
            Err(TryReadError::Closed) => self.adopt(TryReadError::Closed),
            other => other,
        }
    }

    /// A message that a dead taker left, or else `error`.
    #[cold]
    fn adopt(&mut self, error: TryReadError) -> Result<Got, TryReadError> {
        if self.leaves_the_dead {
            return Err(error);
        }
        match Registration::adopt(self.endpoint.registration.attachment()) {
            Adoption::Message(registration, settled) => {
                self.hand.receive_settled(settled, registration.index(), Some(Box::new(registration)))
            }
            Adoption::None => Err(error),
            Adoption::Unknown => {
                yield_now(); // The next look finds out.
                Err(TryReadError::Empty)
            }
        }
    }
}

impl Hand {
    fn try_take(&mut self) -> Result<Got, TryReadError> {
        let mut patience = RetryBudget::default();
        loop {
            match self.takes.try_take(&self.memory)? {
                TakeOutcome::Taken(sequence) => {
                    self.event_counts.ring(&self.memory.control().freed);
                    let buffer = self.takes.own();
                    let received = self.receive(sequence, buffer);
                    let received = received.inspect_err(|_| self.takes.acknowledge(&self.memory))?;
                    return Ok(Got { received, buffer, again: false, adopted: None });
                }
                TakeOutcome::Late => {}
                TakeOutcome::Empty => self.nothing()?,
            }
            if !patience.lasts(take::next(&self.memory), &mut self.standoff) {
                let what = "the counter of takes stands still, or the slots keep changing";
                return Err(Corrupt { what }.into());
            }
        }
    }

    /// There is nothing to take: is there still somebody to wait for? `Ok` to try again.
    #[cold]
    fn nothing(&mut self) -> Result<(), TryReadError> {
        let verdict = self.watch.verdict(&self.memory);
        // The end is established; what was published before it is visible now.
        if verdict != Verdict::GoesOn && self.takes.is_ready(&self.memory) {
            return Ok(());
        }
        Err(match verdict {
            Verdict::GoesOn => TryReadError::Empty,
            Verdict::Died(death) => {
                self.watch.tell(death);
                TryReadError::WriterDied { pid: death.pid }
            }
            Verdict::Ended | Verdict::Closed => TryReadError::Closed,
            Verdict::Forked => TryReadError::Forked,
        })
    }

    /// The message that a dead taker left in `entry`. One that is damaged is done with.
    fn receive_settled(
        &mut self,
        settled: Settled,
        entry: usize,
        adopted: Option<Box<Registration>>,
    ) -> Result<Got, TryReadError> {
        let Settled { buffer, redelivery } = settled;
        let received = self.receive(redelivery.unwrap_or_default(), buffer);
        let received = received.inspect_err(|_| intent_log::rest(&self.memory, entry, buffer))?;
        Ok(Got { received, buffer, again: true, adopted })
    }

    /// What goes with the message in a buffer that is this taker's.
    fn receive(&mut self, sequence: u64, buffer: usize) -> Result<Received, TryReadError> {
        let (header, payload) = self.memory.buffer(buffer)?;
        // Relaxed: ours since the exchange.
        let len = usize::try_from(header.len.load(crate::sync::Relaxed)).unwrap_or(usize::MAX);
        if len > payload.bytes() {
            return Err(Corrupt { what: "a buffer claims more bytes than it has" }.into());
        }
        let extras = self.memory.buffer_extras(buffer);
        let loaded = self.plan.load(extras, &mut self.metadata);
        self.meta_len = loaded.meta_len;
        Ok(Received { sequence, len, tag: loaded.tag, timestamp_ns: loaded.timestamp_ns })
    }

    /// The bytes of a message that this hand took last and has not done with, or adopted.
    fn bytes(&self, got: &Got) -> &[u8] {
        let Ok((_, payload)) = self.memory.buffer(got.buffer) else { return &[] };
        // SAFETY:
        // - valid and aligned: the start of a buffer, and the length was checked against it when the message was taken;
        // - alive: `self` holds the memory, and the slice borrows `self`;
        // - frozen: the buffer came to this taker by the exchange of its slot, and goes on by this taker's next one, which
        //   needs the taker that `Taken` borrows or `Held` owns; or to the dead one whose entry `got` holds. Its writer gave
        //   it up by its own exchange; nobody else knows it.
        unsafe { frozen_bytes(payload.as_ptr(), got.received.len) }
    }

    /// The message is done with.
    fn done(&self, got: &Got) {
        match &got.adopted {
            None => self.takes.acknowledge(&self.memory),
            Some(registration) => intent_log::rest(&self.memory, registration.index(), got.buffer),
        }
    }

    fn is_ready(&mut self) -> bool {
        self.takes.is_ready(&self.memory) || self.watch.has_news(&self.memory)
    }
}

/// A message that was taken, and the buffer that it is in. Dropping it says that the message is done with; until then
/// it goes to another taker if this one dies.
#[derive(Debug)]
pub struct Taken<'t> {
    hand: &'t mut Hand,
    got: Got,
}

impl Taken<'_> {
    /// The message's number, length and options.
    pub fn received(&self) -> Received {
        self.got.received
    }

    /// Whether another taker had it before, and died before it was done with it.
    pub fn is_redelivered(&self) -> bool {
        self.got.again
    }

    /// The metadata of the message; empty if it had none.
    pub fn metadata(&self) -> &[u8] {
        &self.hand.metadata[..self.hand.meta_len]
    }
}

impl std::ops::Deref for Taken<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.hand.bytes(&self.got)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.hand.done(&self.got);
    }
}
