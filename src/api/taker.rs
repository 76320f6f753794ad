//! Taking: each message of a queue goes to exactly one taker.

#[cfg(not(any(seqring_model, seqring_fuzz)))]
mod held;
mod receiver;
#[cfg(all(test, not(any(seqring_model, seqring_fuzz))))]
mod tests;
mod waiting;

#[cfg(not(any(seqring_model, seqring_fuzz)))]
pub(crate) use held::Held;
use receiver::{Origin, Receiver, TakeNext, TakenBuffer};

use crate::api::form::{Form, Until, forms};
use crate::endpoint::wait::{ColdResult, Endpoint};
use crate::memory::message_header::HeaderFormat;
use crate::memory::stamp::ArenaStamp;
use crate::protocol::attachment::WaitFor;
use crate::protocol::intent_log::Recovered;
use crate::protocol::multi_writer;
use crate::protocol::registry::{Adoption, Registration};
use crate::protocol::stream_state::StreamObserver;
use crate::protocol::take::TakeCursor;
use crate::sync::backoff::Backoff;
use crate::sync::{Relaxed, yield_now};
use crate::types::cast;
use crate::types::error::{ReadError, RegisterError, TryReadError};
use crate::types::frame::{Element, ShapeError};
use crate::types::message::Received;
use crate::types::waiting::WaitStrategy;
use crate::zerocopy::{FromBytes, Immutable, KnownLayout};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, ops};

/// A registered taker of a queue. Dropping it leaves the ring.
///
/// The verb has three forms. `take` waits for a message. `try_take` does not wait and returns
/// `Empty`. `take_timeout` waits for at most a duration and returns `TimedOut`.
///
/// ```
/// use seqring::{Config, Delivery, Ring};
/// let ring = Ring::heap(&Config::slots(8).of_bytes(64).delivery(Delivery::Queue))?;
/// let (mut writer, mut one, mut other) = (ring.writer()?, ring.taker()?, ring.taker()?);
/// writer.write_each(&["first", "second"])?;
/// let (first, second) = (one.take()?, other.take()?);
/// assert_eq!((&*first, &*second), (&b"first"[..], &b"second"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # When a taker dies
/// If a taker dies before it [finishes](Taken) a message, another taker gets it, unless the ring
/// [drops it](crate::Config::redelivery). Between processes a waiting taker gets it within some
/// 60 ms, and a taker that never waits within 1024 takes. It comes after later messages. `Closed`
/// does not await the messages that other takers hold: if such a taker dies after the others left,
/// its message stays for the next taker, and the ring stays as after every kill.
///
/// # Progress
/// `try_` calls are lock-free. A suspended taker or writer blocks no other. Only the message that a
/// suspended taker holds is delayed.
pub struct Taker {
    pub(super) endpoint: Endpoint,
    receiver: Receiver,
    /// Takes until the next search for messages that dead takers left.
    until_search: u32,
    /// Another taker searches for the messages of dead takers.
    leaves_recovery: bool,
    /// The message of the dead taker whose entry this taker took over, in this taker's own buffer.
    inherited: Option<Recovered>,
    /// A wait saw a message that a dead taker left. The next take searches for it.
    orphan_seen: bool,
}

/// A search for messages that dead takers left costs 0.5 µs for each living taker.
const TAKES_PER_SEARCH: u32 = 1024;

impl Taker {
    forms! {
        /// Takes the next message, waiting for it. It is this taker's alone: no copy is made, and
        /// no other taker gets it.
        ///
        /// # Errors
        /// - [`ReadError::WriterDied`]: once for each death of the last writer, after all
        ///   earlier messages were taken. The taker can continue.
        /// - [`ReadError::Closed`]: no writer is registered, or the ring was closed for good, and
        ///   everything was taken. If a writer joins later, takes succeed again.
        /// - [`ReadError::Forked`]; [`ReadError::Corrupt`].
        ///
        /// # Cost
        /// One exchange of a word that writers and takers share, four stores to this taker's own
        /// line, one to the message's buffer; one time in 16 a second read-modify-write. System
        /// calls only if a writer sleeps, every 1024 messages, and every 20 ms while the queue is
        /// empty, to detect writers and takers that died.
        #[inline(always)]
        pub fn take, try_take, take_timeout(&mut self)() -> Result<Taken<'_>, ReadError, TryReadError::Empty> = |form| {
            self.call(form)?;
            Ok(self.holding())
        }
    }

    /// Waits for at most `timeout`. Returns true if there is a message to take, or if none will
    /// come. Takes nothing: another taker may be first.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let deadline = Until::within(timeout).deadline();
        let mut ready = self.is_ready();
        if !ready {
            let Taker { endpoint, receiver, .. } = self;
            let orphan = Cell::new(false);
            let is_ready = || orphan.get() || receiver.is_ready();
            let seen = |attachment: &Arc<_>| orphan.set(Registration::has_orphan(attachment));
            ready = endpoint.wait(WaitFor::Message, deadline, is_ready, seen);
            ready |= orphan.get() && self.search_soon();
        }
        // The next call that takes searches for messages of dead takers.
        self.endpoint.recover_soon();
        if !ready {
            self.endpoint.found_nothing(WaitFor::Message, || self.receiver.is_ready());
        }
        ready
    }

    /// Finishes the message that was [put off](Taken::put_off), if there is one.
    pub fn finish(&mut self) {
        if self.inherited.is_none() {
            self.receiver.finish();
        }
    }

    /// Returns a descriptor that becomes readable when there is something to take, for an event
    /// loop. See [`Reader::notifier`](crate::Reader::notifier): of several takers, all descriptors
    /// become readable for one message, and the next call of all but one finds nothing.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread or create a descriptor.
    #[cfg(all(target_os = "linux", not(seqring_model)))]
    pub fn notifier(&mut self) -> std::io::Result<crate::Notifier> {
        self.endpoint.notifier()
    }

    /// Sets how this taker waits.
    pub fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.endpoint.waiting = strategy;
    }
}

impl Taker {
    pub(crate) fn join(registration: Registration, stamps: ArenaStamp) -> Result<Self, RegisterError> {
        let own = multi_writer::own_buffer(&registration, stamps)?;
        Ok(Self::with_buffer(registration, stamps, own, None))
    }

    /// Registers in the entry of a dead taker, and takes that taker's message first.
    pub(crate) fn inherit(registration: Registration, recovered: Recovered, stamps: ArenaStamp) -> Self {
        registration.become_taker();
        registration.attachment().memory.make_buffer_resident(recovered.buffer);
        Self::with_buffer(registration, stamps, recovered.buffer, Some(recovered))
    }

    fn with_buffer(
        registration: Registration,
        stamps: ArenaStamp,
        own: usize,
        inherited: Option<Recovered>,
    ) -> Self {
        let memory = registration.attachment().memory.clone();
        let config = &memory.layout().config;
        let taken = memory.control().taken.load(Relaxed);
        registration.entry().joined.store(taken, Relaxed); // Relaxed: a count and a statistic, order nothing.
        registration.attachment().notify(WaitFor::Room); // Writers may wait for takers to register.
        let receiver = Receiver {
            takes: TakeCursor::new(&memory, stamps, registration.index(), own),
            backoff: Backoff::default(),
            event_counts: registration.attachment().event_counts,
            header_format: HeaderFormat::of(config),
            stream: StreamObserver::new(&memory),
            metadata: vec![0; config.meta_bytes].into(),
            taken: TakenBuffer::default(),
            origin: Origin::default(),
            damaged: None,
            memory,
        };
        Taker {
            endpoint: Endpoint::new(registration),
            receiver,
            until_search: 0,
            leaves_recovery: false,
            inherited,
            orphan_seen: false,
        }
    }

    #[cfg(seqring_model)]
    pub(crate) fn entry(&self) -> usize {
        self.endpoint.registration.index()
    }

    /// Leaves the messages of dead takers to the taker that calls [`Self::take_over`], and lets
    /// a sleep last up to `longest_sleep`: another process detects deaths and wakes this taker.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn leave_recovery(&mut self, longest_sleep: Duration) {
        self.leaves_recovery = true;
        self.endpoint.sleep_up_to(longest_sleep);
    }

    /// Takes a message that a dead taker left, if there is one. Returns that taker's entry with it.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn take_over(&mut self) -> Option<(usize, Taken<'_>)> {
        self.adopt(TryReadError::Empty).ok()?;
        let Origin::Adopted(entry) = &self.receiver.origin else { return None };
        Some((entry.index(), Taken { receiver: &mut self.receiver }))
    }

    #[inline(always)]
    pub(super) fn call<F: Form>(&mut self, form: F) -> Result<(), F::ReadError> {
        // Mostly there is a message, and no search is due.
        match self.take_fast() {
            TakeNext::Taken => Ok(()),
            TakeNext::Empty if !F::WAITS => self.nothing::<F>(),
            _ => self.call_slow(form).into_result(),
        }
    }

    /// Takes the next message.
    #[inline(never)]
    fn take_fast(&mut self) -> TakeNext {
        match self.until_search.checked_sub(1) {
            Some(left) if !self.receiver.is_redelivered() => self.until_search = left,
            _ => return TakeNext::Unknown,
        }
        self.receiver.take_next()
    }

    /// After a call that does not wait found nothing.
    #[inline(always)]
    fn nothing<F: Form>(&mut self) -> Result<(), F::ReadError> {
        if self.endpoint.recover_dead(WaitFor::Message) {
            return self.search::<F>().into_result();
        }
        self.endpoint.found_nothing(WaitFor::Message, || self.receiver.is_ready());
        Err(F::read_error(TryReadError::Empty, || unreachable!("it did not wait")))
    }

    /// The same, if dead participants were looked for.
    #[inline(never)]
    fn search<F: Form>(&mut self) -> ColdResult<(), F::ReadError> {
        let found = self.adopt(TryReadError::Empty);
        if let Err(TryReadError::Empty) = found {
            self.endpoint.found_nothing(WaitFor::Message, || self.receiver.is_ready());
        }
        ColdResult::from_result(
            found.map_err(|error| F::read_error(error, || unreachable!("it did not wait"))),
        )
    }

    #[inline(never)]
    fn call_slow<F: Form>(&mut self, mut form: F) -> ColdResult<(), F::ReadError> {
        // It is one of a dead taker, and its `Taken` was forgotten.
        if self.receiver.is_redelivered() {
            self.receiver.finish();
        }
        let result = loop {
            if let Some(error) = self.receiver.damaged.take() {
                break Err(error);
            }
            match self.attempt() {
                Err(TryReadError::Empty) if F::WAITS => {}
                Err(TryReadError::Empty) if self.endpoint.recover_dead(WaitFor::Message) => {
                    break self.adopt(TryReadError::Empty);
                }
                other => break other,
            }
            match self.wait(form.deadline()).transpose() {
                None => {}
                Some(result) => break result,
            }
        };
        if let Err(TryReadError::Empty) = result {
            self.endpoint.found_nothing(WaitFor::Message, || self.receiver.is_ready());
        }
        ColdResult::from_result(
            result.map_err(|error| F::read_error(error, || self.endpoint.reader_timed_out())),
        )
    }

    /// Waits for a message. `Some` is one that a dead taker left; `Empty` means that the deadline
    /// passed.
    fn wait(&mut self, deadline: Option<Instant>) -> Result<Option<()>, TryReadError> {
        let Taker { endpoint, receiver, leaves_recovery, .. } = self;
        let left = RefCell::new(Adoption::None);
        let ready = || matches!(*left.borrow(), Adoption::Message(..)) || receiver.is_ready();
        let in_time = endpoint.wait(WaitFor::Message, deadline, ready, |attachment| {
            if !*leaves_recovery && !matches!(*left.borrow(), Adoption::Message(..)) {
                left.replace(Registration::adopt(attachment));
            }
        });
        match left.into_inner() {
            Adoption::Message(registration, recovered) => {
                self.receiver.receive_adopted(registration, recovered).map(Some)
            }
            _ if in_time => Ok(None),
            _ => Err(TryReadError::Empty),
        }
    }

    /// Takes the next message. Every [`TAKES_PER_SEARCH`] calls, and before it reports the end, it
    /// takes one that a dead taker left, if there is one.
    fn attempt(&mut self) -> Result<(), TryReadError> {
        if self.until_search == 0 {
            (self.until_search, self.orphan_seen) = (TAKES_PER_SEARCH, false);
            // Checked here, off the common path: the first call enters this branch.
            if let Some(recovered) = self.inherited.take() {
                let index = self.endpoint.registration.index();
                return self.receiver.receive_recovered(recovered, index, Origin::Inherited);
            }
            match self.adopt(TryReadError::Empty) {
                Err(TryReadError::Empty) => {}
                other => return other,
            }
        }
        self.until_search -= 1;
        match self.receiver.try_take() {
            Err(TryReadError::Closed) => self.adopt(TryReadError::Closed),
            other => other,
        }
    }

    /// Takes a message that a dead taker left. Returns `error` if there is none.
    #[cold]
    fn adopt(&mut self, error: TryReadError) -> Result<(), TryReadError> {
        if self.leaves_recovery {
            return Err(error);
        }
        match Registration::adopt(self.endpoint.registration.attachment()) {
            Adoption::Message(entry, recovered) => self.receiver.receive_adopted(entry, recovered),
            Adoption::None => Err(error),
            Adoption::Unknown => {
                yield_now(); // The next search decides.
                Err(TryReadError::Empty)
            }
        }
    }
}

/// A message that was taken, in its buffer. Dropping it finishes the message; until then it goes to
/// another taker if this one dies.
///
/// A message that is never dropped ([`std::mem::forget`]) is finished by the taker's next take. If
/// the taker is killed at the start of that take, the message may go to another taker with the
/// [sequence](Received::sequence) of the next one.
pub struct Taken<'t> {
    receiver: &'t mut Receiver,
}

impl Taken<'_> {
    /// The message's sequence, length, tag and time stamp.
    pub fn received(&self) -> Received {
        self.receiver.received()
    }

    /// Leaves the message unfinished. It is this taker's still: [`Taker::finish`] or the taker's
    /// next take finishes it, and if the taker is dropped, or dies, it goes to another taker. For
    /// a taker that hands messages on, and waits for what becomes of them.
    ///
    /// ```
    /// use seqring::{Config, Delivery, Ring};
    /// let ring = Ring::heap(&Config::slots(8).of_bytes(8).delivery(Delivery::Queue))?;
    /// let (mut writer, mut one, mut other) = (ring.writer()?, ring.taker()?, ring.taker()?);
    /// writer.write(b"task")?;
    /// one.take()?.put_off();
    /// drop(one);
    /// let again = other.take()?;
    /// assert!(again.is_redelivered() && *again == *b"task");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_off(self) {
        std::mem::forget(self);
    }

    /// Whether another taker took the message first, and did not finish it: it died, or
    /// [put it off](Self::put_off) and left.
    pub fn is_redelivered(&self) -> bool {
        self.receiver.is_redelivered()
    }

    /// The metadata of the message; empty if it had none.
    pub fn metadata(&self) -> &[u8] {
        self.receiver.metadata()
    }

    /// Returns the message as a `T`, which may be a slice, without a copy.
    ///
    /// # Errors
    /// As [`View::value`](crate::View::value).
    pub fn value<T: FromBytes + KnownLayout + Immutable + ?Sized>(&self) -> Result<&T, ShapeError> {
        cast::value(self)
    }

    /// Returns the message as the frame that the ring describes: its elements, and the extents of
    /// the array, slowest-varying first.
    ///
    /// # Errors
    /// As [`View::frame`](crate::View::frame).
    pub fn frame<T: Element>(&self) -> Result<(&[T], &[u64]), ShapeError> {
        let frame = self.receiver.memory.layout().config.frame.as_ref().ok_or(ShapeError::Undescribed)?;
        frame.check::<T>(self.len())?;
        Ok((self.value()?, frame.extents()))
    }
}

impl ops::Deref for Taken<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.receiver.bytes()
    }
}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        self.receiver.finish();
    }
}

impl fmt::Debug for Taken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Taken").field(&self.received()).finish()
    }
}

impl fmt::Debug for Taker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.endpoint.registration.attachment();
        write!(f, "Taker(next {}, {ring:?})", self.receiver.takes.next())
    }
}
