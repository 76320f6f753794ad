//! Writing: the one writer of a ring, or one of many, publishes messages in order, without gaps.

use crate::api::claim::Claim;
use crate::api::form::{Form, Until, forms};
use crate::api::typed::MessageType;
use crate::endpoint::publisher::{EndToEnd, Messages, Publisher};
use crate::endpoint::wait::{ColdResult, Endpoint};
use crate::protocol::attachment::{Attachment, WaitFor};
use crate::protocol::registry::{self, Registration};
use crate::types::config::{Config, Delivery};
use crate::types::error::{Corrupt, RegisterError, TryWriteError, WriteError};
use crate::types::frame::ShapeError;
use crate::types::message::MessageHeader;
use crate::types::participant::Role;
use crate::types::waiting::WaitStrategy;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use typed::TypedWriter;

/// A registered writer of a ring: the only one, or one of many. Dropping the last writer ends the
/// stream until another joins.
///
/// What a verb writes, and in what form:
///
/// | messages                        | verb                                       |
/// |---------------------------------|--------------------------------------------|
/// | one, copied                     | [`write`](Self::write)                     |
/// | one, with a tag or metadata     | [`write_with`](Self::write_with)           |
/// | one, filled in place            | [`claim`](Self::claim)                     |
/// | one, as a value or array        | [`typed`](Self::typed), then `write`       |
/// | one, as a value filled in place | [`typed`](Self::typed), then `claim`       |
/// | one, under an assigned number   | [`assigned`](Self::assigned), then `write` or `claim` |
/// | many of one length              | [`write_batch`](Self::write_batch)         |
/// | many values                     | [`typed`](Self::typed), then `write_batch` |
/// | many of any length              | [`write_each`](Self::write_each)           |
///
/// How long it waits is its second half: `write` waits while the ring is full, in a gated ring for
/// the slowest registered reader, in a queue for the takers. `try_write` does not wait and returns
/// `Full`. `write_timeout` waits for at most a duration and returns `TimedOut`. Each verb of the
/// table has these three. A write to a lossy ring never waits.
///
/// ```
/// use seqring::{Config, Ring, Start, TryWriteError};
/// let ring = Ring::heap(&Config::slots(2).of_bytes(64))?;
/// let _reader = ring.reader(Start::Next)?;
/// let mut writer = ring.writer()?;
/// assert_eq!(writer.write(b"one")?, 0);
/// assert_eq!(writer.try_write(b"two")?, 1);
/// assert_eq!(writer.try_write(b"three"), Err(TryWriteError::Full));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Progress
/// A `try_` call of the only writer is wait-free, and so is every call in a lossy ring. A `try_`
/// call of one of many writers is lock-free: it tries again if another writer published first.
pub struct Writer {
    pub(super) endpoint: Endpoint,
    pub(super) publisher: Publisher,
    /// The private bytes of the last claim.
    pub(super) private: Vec<u8>,
}

/// Messages of [`Writer::write_each`] whose bytes are asked for together.
const CHUNK: usize = 64;

impl Writer {
    forms! {
        /// Publishes `payload`, waiting for room. Returns the message's sequence.
        ///
        /// # Errors
        /// [`WriteError::TooLarge`]; [`WriteError::Closed`]; [`WriteError::Forked`];
        /// [`WriteError::Corrupt`].
        ///
        /// # Cost
        /// One copy, and one or two stores beside it. The only writer of a gated ring reads all
        /// readers' cursors once in up to `slots` messages; in a ring with slots of 32 KiB or more,
        /// and enough of them, after each. One of many writers executes one exchange of the slot's
        /// word, one time in 16 a second read-modify-write, stores to its own line, and in a gated
        /// ring now and then a read of all cursors. System calls only if a reader or taker sleeps,
        /// or every 20 ms while the ring is full, to detect readers that died.
        #[inline(always)]
        pub fn write, try_write, write_timeout(&mut self)(payload: &[u8])
            -> Result<u64, WriteError, TryWriteError::Full> = |form| self.put(payload, form)
    }

    forms! {
        /// Publishes `payload` with a tag or metadata, waiting for room. Returns the message's
        /// sequence.
        ///
        /// # Errors
        /// As [`Self::write`]; metadata longer than the ring carries is `TooLarge`.
        pub fn write_with, try_write_with, write_with_timeout(&mut self)(payload: &[u8], header: &MessageHeader<'_>)
            -> Result<u64, WriteError, TryWriteError::Full>
            = |form| self.call(form, |publisher| publisher.write(payload, header))
    }

    forms! {
        /// Claims room for a message of `len` bytes, to be filled in place and published, waiting
        /// for it.
        ///
        /// # Errors
        /// As [`Self::write`].
        pub fn claim, try_claim, claim_timeout(&mut self)(len: usize)
            -> Result<Claim<'_>, WriteError, TryWriteError::Full> = |form| self.begin_claim(len, form)
    }

    forms! {
        /// Publishes the messages of `message_bytes` bytes each that lie end to end in `messages`,
        /// in order, waiting for room. Returns how many: all, unless an error kept a later one from
        /// being published, which the next call returns.
        ///
        /// ```
        /// use seqring::{Config, Ring, Start};
        /// let ring = Ring::heap(&Config::slots(4).of_bytes(8))?;
        /// let mut reader = ring.reader(Start::Next)?;
        /// let mut writer = ring.writer()?;
        /// assert_eq!(writer.try_write_batch(2, b"a1b2c3d4e5")?, 4); // "e5" has no slot.
        ///
        /// let mut out = [0; 6];
        /// assert_eq!(reader.try_read_batch(2, &mut out)?, 3);
        /// assert_eq!(&out, b"a1b2c3");
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        ///
        /// # Errors
        /// As [`Self::write`], if not even the first message was published.
        ///
        /// # Panics
        /// If `message_bytes` is 0, or `messages` is not a whole number of messages.
        ///
        /// # Cost
        /// One check for sleepers, and in a ring of small messages without headers nothing for a
        /// message but its slot: 11 instructions for 8 bytes in packed slots where a single write
        /// takes 33, and 49 where it takes 70 for 64 bytes on lines of their own (x86-64; `cargo
        /// bench --bench batches` counts them). Readers get each message as soon as it is
        /// published: a batch is invisible to them.
        #[inline]
        pub fn write_batch, try_write_batch, write_batch_timeout(&mut self)(message_bytes: usize, messages: &[u8])
            -> Result<usize, WriteError, TryWriteError::Full>
            = |form| self.put_batch(message_bytes, messages, form)
    }

    forms! {
        /// Publishes `messages` of any lengths, in order, waiting for room. Returns how many: see
        /// [`Self::write_batch`].
        ///
        /// ```
        /// use seqring::{Config, Ring};
        /// let mut writer = Ring::heap(&Config::slots(4).of_bytes(8))?.writer()?;
        /// assert_eq!(writer.write_each(&["one", "", "three"])?, 3);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        ///
        /// # Errors
        /// As [`Self::write_batch`].
        ///
        /// # Cost
        /// As [`Self::write_batch`], and one check for sleepers per 64 messages.
        ///
        /// # Panics
        /// If `as_ref` of a message does. The messages before its chunk of 64 are published; the
        /// writer continues after them.
        #[inline]
        pub fn write_each, try_write_each, write_each_timeout[M: AsRef<[u8]>](&mut self)(messages: &[M])
            -> Result<usize, WriteError, TryWriteError::Full> = |form| self.put_each(messages, form)
    }

    /// This writer, to publish values `T`, or slices `[E]`: in a ring that describes a frame,
    /// slices of that frame.
    ///
    /// # Errors
    /// [`ShapeError::ZeroSized`]; [`ShapeError::SlotTooSmall`]; in a ring that describes a frame
    /// [`ShapeError::Element`] and [`ShapeError::FrameLength`] for another one.
    ///
    /// # Cost
    /// A few comparisons; no message is checked again, except for the length of a slice.
    #[inline]
    pub fn typed<T: MessageType + ?Sized>(&mut self) -> Result<TypedWriter<'_, T>, ShapeError> {
        let bytes = T::message_bytes(self.config())?;
        Ok(TypedWriter { writer: self, bytes, of: PhantomData })
    }

    /// Waits for at most `timeout` until a `try_` call would not return `Full`. Returns whether
    /// that is so. One of many writers may still find the ring full, if another writes first.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let Writer { endpoint, publisher, .. } = self;
        let deadline = Until::within(timeout).deadline();
        let ready =
            publisher.is_ready() || endpoint.wait(WaitFor::Room, deadline, || publisher.is_ready(), |_| ());
        if !ready {
            endpoint.found_nothing(WaitFor::Room, || publisher.is_ready());
        }
        ready
    }

    /// Returns a descriptor that becomes readable when there is room for a message, for an event
    /// loop. See [`Reader::notifier`](crate::Reader::notifier); here a call that finds no room
    /// (`Full`, `TimedOut`, or false from [`Self::ready_within`]) arms it.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread or create a descriptor.
    #[cfg(all(target_os = "linux", not(seqring_model)))]
    pub fn notifier(&mut self) -> std::io::Result<crate::Notifier> {
        self.endpoint.notifier()
    }

    /// Waits for at most `timeout` until `readers` are registered, in a queue so many takers.
    /// Returns whether they are: then each of them misses no message that is published from now on.
    ///
    /// [`Config::await_readers`] holds all messages for the first readers, without a wait.
    ///
    /// # Cost
    /// One system call for each reader of another process, before the wait and every 20 ms.
    #[must_use = "false if the timeout has passed"]
    pub fn wait_for_readers(&mut self, readers: usize, timeout: Duration) -> bool {
        let attachment = Arc::clone(self.endpoint.registration.attachment());
        let is_queue = self.config().delivery == Delivery::Queue;
        let role = if is_queue { Role::Taker } else { Role::Reader };
        let registered = || registry::joined(&attachment.memory, role) >= readers;
        let recover_dead = |attachment: &Arc<Attachment>| registry::recover_dead(attachment, role);
        let deadline = Until::within(timeout).deadline();
        recover_dead(&attachment);
        registered() || self.endpoint.wait(WaitFor::Room, deadline, registered, recover_dead)
    }

    /// The sequence of the next message; with many writers, of the next message of any of them.
    pub fn next_sequence(&self) -> u64 {
        self.publisher.sequence()
    }

    /// How many calls found the ring full, whether or not they then waited.
    pub fn refused(&self) -> u64 {
        self.publisher.refused()
    }

    /// Sets how this writer waits.
    pub fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.endpoint.waiting = strategy;
    }
}

/// For the other modules of the crate.
impl Writer {
    pub(crate) fn join(registration: Registration) -> Result<Self, RegisterError> {
        let publisher = Publisher::join(&registration)?;
        Ok(Writer { publisher, private: Vec::new(), endpoint: Endpoint::new(registration) })
    }

    #[cfg(seqring_model)]
    pub(crate) fn entry(&self) -> usize {
        self.endpoint.registration.index()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.endpoint.registration.attachment().memory.layout().config
    }

    /// Lets each sleep last that long: another process detects deaths and wakes this writer.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn sleep_up_to(&mut self, longest: Duration) {
        self.endpoint.sleep_up_to(longest);
    }

    /// # Errors
    /// [`RegisterError::Delivery`] unless the ring is a queue.
    pub(crate) fn check_queue(&self) -> Result<(), RegisterError> {
        match self.config().delivery {
            Delivery::Queue => Ok(()),
            delivery => Err(RegisterError::Delivery { delivery }),
        }
    }

    /// A claim. The caller has checked that there is room.
    pub(crate) fn claim_admitted(&mut self, len: usize) -> Result<Claim<'_>, Corrupt> {
        Claim::new(self, len)
    }

    /// Calls `attempt` in the given form, until it has succeeded or failed for another reason than
    /// a full ring.
    pub(crate) fn call<F: Form, T>(
        &mut self,
        form: F,
        attempt: impl FnMut(&mut Publisher) -> Result<T, TryWriteError>,
    ) -> Result<T, F::WriteError> {
        self.call_when(Publisher::is_ready, form, attempt)
    }

    /// As [`Self::call`]: between attempts it waits until `ready`.
    pub(crate) fn call_when<F: Form, T>(
        &mut self,
        ready: impl Fn(&mut Publisher) -> bool,
        mut form: F,
        mut attempt: impl FnMut(&mut Publisher) -> Result<T, TryWriteError>,
    ) -> Result<T, F::WriteError> {
        let Writer { endpoint, publisher, .. } = self;
        let mut result = attempt(publisher);
        if matches!(result, Err(TryWriteError::Full)) {
            publisher.count_refusal();
            if !F::WAITS {
                endpoint.recover_dead(WaitFor::Room);
            }
        }
        while F::WAITS && matches!(result, Err(TryWriteError::Full)) {
            if !endpoint.wait(WaitFor::Room, form.deadline(), || ready(publisher), |_| ()) {
                break;
            }
            result = attempt(publisher);
        }
        if let Err(TryWriteError::Full) = result {
            endpoint.found_nothing(WaitFor::Room, || ready(publisher));
        }
        result.map_err(|error| F::write_error(error, || endpoint.writer_timed_out(publisher.slowest())))
    }

    #[inline(always)]
    fn put<F: Form>(&mut self, payload: &[u8], form: F) -> Result<u64, F::WriteError> {
        match self.publisher.write_fast(payload) {
            Some(sequence) => Ok(sequence),
            None if !F::WAITS && self.is_still_full(payload.len()) => {
                Err(F::write_error(TryWriteError::Full, || unreachable!("it did not wait")))
            }
            None => self.put_slow(payload, form).into_result(),
        }
    }

    /// Whether a call that does not wait returns `Full`, as the last one did. False decides
    /// nothing.
    #[inline(never)]
    fn is_still_full(&mut self, len: usize) -> bool {
        let Writer { endpoint, publisher, .. } = self;
        let full = publisher.still_blocked(len);
        if full {
            publisher.count_refusal();
            endpoint.recover_dead(WaitFor::Room);
            endpoint.found_nothing(WaitFor::Room, || publisher.is_ready());
        }
        full
    }

    #[inline(never)]
    fn put_slow<F: Form>(&mut self, payload: &[u8], form: F) -> ColdResult<u64, F::WriteError> {
        let header = MessageHeader::default();
        ColdResult::from_result(self.call(form, |publisher| publisher.write(payload, &header)))
    }

    #[inline]
    fn put_batch<F: Form>(&mut self, each: usize, bytes: &[u8], form: F) -> Result<usize, F::WriteError> {
        let all = EndToEnd::new(each, bytes);
        // A copy of a length known at compile time is a few moves.
        match each {
            8 => self.put_all(&EndToEnd::new(8, bytes), form),
            64 => self.put_all(&bytes.as_chunks::<64>().0, form),
            _ => self.put_all(&all, form),
        }
    }

    #[inline]
    fn put_all<F: Form>(&mut self, messages: &impl Messages, form: F) -> Result<usize, F::WriteError> {
        let mut done = 0;
        let result = self.call(form, |publisher| {
            loop {
                publisher.write_all(messages, &mut done)?;
                if !F::WAITS || done == messages.count() {
                    return Ok(());
                }
            }
        });
        match result {
            Err(error) if done == 0 => Err(error),
            _ => Ok(done),
        }
    }

    #[inline]
    fn put_each<M: AsRef<[u8]>, F: Form>(&mut self, messages: &[M], form: F) -> Result<usize, F::WriteError> {
        let mut done = 0;
        let result = self.call(form, |publisher| {
            loop {
                let chunk = &messages[done..messages.len().min(done + CHUNK)];
                // `as_ref` is the caller's code and may panic: it runs before the first step.
                let mut payloads = [&[][..]; CHUNK];
                payloads.iter_mut().zip(chunk).for_each(|(payload, message)| *payload = message.as_ref());
                let payloads = &payloads[..chunk.len()];
                let mut published = 0;
                let written = publisher.write_all(&payloads, &mut published);
                done += published;
                if done == messages.len() || !F::WAITS && 0 < done && published < chunk.len() {
                    return Ok(());
                }
                written?;
            }
        });
        match result {
            Err(error) if done == 0 => Err(error),
            _ => Ok(done),
        }
    }

    fn begin_claim<F: Form>(&mut self, len: usize, form: F) -> Result<Claim<'_>, F::WriteError> {
        self.call(form, |publisher| publisher.begin_claim(len))?;
        Claim::new(self, len)
            .map_err(|corrupt| F::write_error(corrupt.into(), || unreachable!("it did not wait")))
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.endpoint.registration.attachment();
        write!(f, "Writer(next {}, {ring:?})", self.next_sequence())
    }
}

// At the end, because rustdoc shows their methods where they are declared.
pub(crate) mod typed;
