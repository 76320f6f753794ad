//! Reading: each reader gets every message, at its own pace.

mod messages;
pub(crate) mod typed;

pub use messages::Messages;
use typed::TypedReader;

use crate::api::batch::Batch;
use crate::api::form::{Form, Until, forms};
use crate::api::typed::MessageType;
use crate::api::view::View;
use crate::endpoint::read_cursor::{NotRead, ReadCursor, Shown};
use crate::endpoint::wait::{ColdResult, Endpoint};
use crate::memory::RacyBytes;
use crate::protocol::attachment::WaitFor;
use crate::protocol::registry::Registration;
use crate::types::config::Config;
use crate::types::error::{ReadError, TryReadError};
use crate::types::frame::ShapeError;
use crate::types::message::{Received, Start};
use crate::types::participant::ParkTicket;
use crate::types::waiting::WaitStrategy;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// A registered reader. Dropping it leaves the ring.
///
/// What a verb reads, and in what form:
///
/// | messages                    | verb                                      |
/// |-----------------------------|-------------------------------------------|
/// | one, copied                 | [`read`](Self::read)                      |
/// | one, as a slice             | [`view`](Self::view)                      |
/// | one, as a value or array    | [`typed`](Self::typed), then `read`       |
/// | one, in place, then checked | [`read_in_place`](Self::read_in_place)    |
/// | many of one length, copied  | [`read_batch`](Self::read_batch)          |
/// | many values                 | [`typed`](Self::typed), then `read_batch` |
/// | many of any length, copied  | [`read_each`](Self::read_each)            |
/// | all, in a `for` loop        | [`messages`](Self::messages)              |
///
/// How long it waits is its second half: `read` waits for a message. `try_read` does not wait and
/// returns `Empty`. `read_timeout` waits for at most a duration and returns `TimedOut`. Each verb
/// of the table, except `messages`, has these three.
///
/// ```
/// use seqring::{Config, Ring, Start, TryReadError};
/// let ring = Ring::heap(&Config::slots(8).of_bytes(64))?;
/// let (mut reader, mut writer) = (ring.reader(Start::Next)?, ring.writer()?);
/// writer.write(b"hello")?;
/// let mut buffer = [0; 64];
/// let received = reader.read(&mut buffer)?;
/// assert_eq!((received.sequence, &buffer[..received.len]), (0, &b"hello"[..]));
/// assert_eq!(reader.try_read(&mut buffer), Err(TryReadError::Empty));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Progress
/// `try_` calls are wait-free. In a lossy ring no writer waits for this reader. In a gated ring the
/// writers wait for it when the ring is full, so a suspended reader stops them; it never stops
/// another reader.
pub struct Reader {
    pub(super) endpoint: Endpoint,
    pub(super) cursor: ReadCursor,
}

impl Reader {
    forms! {
        /// Copies the next message to the front of `out`, waiting for it.
        ///
        /// # Errors
        /// - [`ReadError::Lagged`]: messages were lost. The reader has moved to one that it can
        ///   expect to read; read on.
        /// - [`ReadError::TooSmall`]: the message is still there.
        /// - [`ReadError::WriterDied`]: once for each death of a last writer, after everything
        ///   before it was read; read on.
        /// - [`ReadError::Closed`]: no writer is registered, or the ring was closed for good, and
        ///   everything was read. If a writer joins later, reads succeed again.
        /// - [`ReadError::Forked`]; [`ReadError::Corrupt`].
        ///
        /// # Cost
        /// One copy, two loads of the slot's stamp, one store of the cursor; in a gated ring of
        /// arena slots three stores to this reader's own line, and a full fence (6 ns). System
        /// calls only if a writer sleeps, or every 20 ms while no message comes, to detect writers
        /// that died.
        #[inline(always)]
        pub fn read, try_read, read_timeout(&mut self)(out: &mut [u8])
            -> Result<Received, ReadError, TryReadError::Empty> = |form| self.get(out, form)
    }

    forms! {
        /// Returns the next message as bytes that stay while the view lives, waiting for it.
        ///
        /// In a gated ring with arena slots these are the bytes in the ring, not copied: writers do
        /// not overwrite that message until the view is dropped. In other rings the view holds a
        /// copy.
        ///
        /// # Errors
        /// As [`Self::read`], without `TooSmall`.
        ///
        /// # Cost
        /// In place: three stores to this reader's own line and a full fence (6 ns); otherwise as
        /// [`Self::read`].
        pub fn view, try_view, view_timeout(&mut self)()
            -> Result<View<'_>, ReadError, TryReadError::Empty> = |form| self.show(form)
    }

    forms! {
        /// Reads the next message in place, waiting for it: `read` gets bytes that a writer may be
        /// overwriting, and its result is returned only if no writer did.
        ///
        /// `read` may be called several times and its results dropped, so it must have no effects.
        ///
        /// # Errors
        /// As [`Self::read`], without `TooSmall`.
        ///
        /// # Cost
        /// As [`Self::read`], less the copy.
        pub fn read_in_place, try_read_in_place, read_in_place_timeout[T, R: FnMut(RacyBytes<'_>) -> T](&mut self)(read: R)
            -> Result<(Received, T), ReadError, TryReadError::Empty>
            = |form| {
                let mut read = read;
                self.call(form, |cursor| cursor.read_with(&mut read))
            }
    }

    forms! {
        /// Copies the next messages, which have `message_bytes` bytes each, end to end to `out`,
        /// waiting for the first only: until `out` has no room for another, or no more are there.
        /// Returns how many.
        ///
        /// The last of them has the sequence [`position`](Self::position) − 1, and none is missing
        /// between them.
        ///
        /// # Errors
        /// As [`Self::read`], if not even one message was read; [`ReadError::OtherLength`] instead
        /// of `TooSmall`: the message is still there. An error after the first message is returned
        /// by the next call.
        ///
        /// # Panics
        /// If `message_bytes` is 0.
        ///
        /// # Cost
        /// One store of the cursor and one check for sleeping writers: writers get the slots when
        /// all are read. In a ring of small messages without headers nothing for a message but its
        /// copy and one load of its stamp, and for 16 of them one load more: 9 instructions for 8
        /// bytes in packed slots where a single read takes 36, 33 where it takes 63 for 64 bytes on
        /// lines of their own (x86-64; `cargo bench --bench batches` counts them). In a lossy ring
        /// all 16 are lost if the writer overtakes this reader meanwhile.
        #[inline]
        pub fn read_batch, try_read_batch, read_batch_timeout(&mut self)(message_bytes: usize, out: &mut [u8])
            -> Result<usize, ReadError, TryReadError::Empty> = |form| {
                assert!(message_bytes > 0, "messages without bytes fill no buffer: read them into a `Batch`");
                self.get_batch(message_bytes, out, form)
            }
    }

    forms! {
        /// Copies the next messages, of any lengths and with their headers, to `batch`, waiting for
        /// the first only: until `batch` has no room for another, or no more are there. It replaces
        /// what was in `batch`.
        ///
        /// # Errors
        /// As [`Self::read`], if not even one message was read. An error after the first message is
        /// returned by the next call.
        ///
        /// # Cost
        /// As single reads, but one store of the cursor and one check for sleeping writers for all
        /// of them: writers get the slots when all are read. (Arena slots of gated rings: all but
        /// the last one earlier.)
        pub fn read_each, try_read_each, read_each_timeout(&mut self)(batch: &mut Batch)
            -> Result<(), ReadError, TryReadError::Empty> = |form| self.call(form, |cursor| batch.fill(cursor))
    }

    /// This reader, to read values `T`, or slices `[E]`: in a ring that describes a frame, slices
    /// of that frame.
    ///
    /// # Errors
    /// [`ShapeError::ZeroSized`]; [`ShapeError::SlotTooSmall`]; in a ring that describes a frame
    /// [`ShapeError::Element`] and [`ShapeError::FrameLength`] for another one.
    ///
    /// # Cost
    /// A few comparisons.
    #[inline]
    pub fn typed<T: MessageType + ?Sized>(&mut self) -> Result<TypedReader<'_, T>, ShapeError> {
        let bytes = T::message_bytes(self.config())?;
        Ok(TypedReader { reader: self, bytes, of: PhantomData })
    }

    /// Returns an iterator over the messages from here on, each copied, which waits for the next.
    /// It ends when no writer is registered, or the ring is closed.
    ///
    /// An item is an error where messages were lost or a last writer died; the next item continues
    /// after it. A [`ReadError::Forked`] or [`ReadError::Corrupt`], which every later read would
    /// return, is the last item.
    pub fn messages(&mut self) -> Messages<'_> {
        Messages::new(self)
    }

    /// Waits for at most `timeout` until a `try_` call would not return `Empty`. Returns whether
    /// that is so. Reads nothing.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let deadline = Until::within(timeout).deadline();
        self.cursor.is_ready() || self.wait(deadline)
    }

    /// Skips to the newest message, which is read next. Does nothing if that is so already, or if
    /// everything was read. Returns how many messages it skipped: [`Self::lost`] does not count
    /// them.
    ///
    /// To display only the latest frame, call this before each read: a reader of a lossy ring that
    /// is merely slow lags, and continues three quarters of a ring behind the writer.
    ///
    /// # Cost
    /// Loads of up to 65 slots, and in a gated ring as for a read.
    pub fn skip_to_newest(&mut self) -> u64 {
        self.cursor.skip_to_newest()
    }

    /// Returns a descriptor that becomes readable when there is something to read, for an event
    /// loop.
    ///
    /// The descriptor is readable at first. After a call that found nothing (`Empty`, `TimedOut`,
    /// or false from [`Self::ready_within`]), it becomes readable as soon as the next call would
    /// find anything, also the end of the stream; it stays readable until a call finds nothing
    /// again. Spurious readability is possible. Each call returns a handle on the same descriptor.
    ///
    /// With the feature `async`, `read_async` and `stream` need no descriptor, under any executor.
    ///
    /// # Cancellation
    /// To wait for the descriptor reads nothing. So a future that waits for it and then makes a
    /// `try_` call can be dropped wherever it waits: the message is still the next one, and the
    /// descriptor still becomes readable.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread or create a descriptor.
    ///
    /// # Cost
    /// The process has one thread for the notifiers of up to 127 endpoints. It sleeps on the event
    /// counts of their rings, and ends with the last of these endpoints. To writers this is one
    /// sleeping reader. An `Empty` makes five system calls. A message after an `Empty` takes two
    /// wakes to arrive: of the thread, and by the descriptor of the program.
    #[cfg(all(target_os = "linux", not(seqring_model)))]
    pub fn notifier(&mut self) -> std::io::Result<crate::Notifier> {
        self.endpoint.notifier()
    }

    /// The metadata of the message read last; empty if it had none, and after a read that failed.
    pub fn metadata(&self) -> &[u8] {
        self.cursor.metadata()
    }

    /// The sequence that this reader reads next.
    pub fn position(&self) -> u64 {
        self.cursor.sequence()
    }

    /// Messages published and not yet read by this reader.
    pub fn lag(&self) -> u64 {
        self.cursor.lag()
    }

    /// Messages that this reader lost since it joined: the sum of its `Lagged` errors.
    pub fn lost(&self) -> u64 {
        self.cursor.lost()
    }

    /// Sets how this reader waits.
    pub fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.endpoint.waiting = strategy;
    }
}

/// For the other modules of the crate.
impl Reader {
    pub(crate) fn join(registration: Registration, start: Start) -> Self {
        let cursor = ReadCursor::join(&registration, start);
        Self::from_parts(registration, cursor)
    }

    pub(crate) fn from_parts(registration: Registration, cursor: ReadCursor) -> Self {
        Reader { cursor, endpoint: Endpoint::new(registration) }
    }

    #[cfg(seqring_model)]
    pub(crate) fn entry(&self) -> usize {
        self.endpoint.registration.index()
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.endpoint.registration
    }

    fn config(&self) -> &Config {
        &self.registration().attachment().memory.layout().config
    }

    /// See [`Self::park`].
    #[expect(clippy::result_large_err, reason = "the caller gets the reader back")]
    pub(crate) fn try_into_parked(self) -> Result<ParkTicket, Self> {
        let Reader { mut endpoint, cursor } = self;
        endpoint.end_watch(); // Before the entry is another process's.
        cursor.park();
        endpoint.registration.park().map_err(|registration| Self::from_parts(registration, cursor))
    }

    #[inline(always)]
    fn get<F: Form>(&mut self, out: &mut [u8], form: F) -> Result<Received, F::ReadError> {
        match self.cursor.read_fast(out) {
            Ok(received) => Ok(received),
            Err(NotRead::Empty) if !F::WAITS => Err(self.nothing::<F>()),
            Err(_) => self.get_slow(out, form).into_result(),
        }
    }

    #[inline(never)]
    fn get_slow<F: Form>(&mut self, out: &mut [u8], form: F) -> ColdResult<Received, F::ReadError> {
        ColdResult::from_result(self.call(form, |cursor| {
            let fast = if F::WAITS { cursor.read_fast(out).ok() } else { None };
            fast.map_or_else(|| cursor.read_into(out), Ok)
        }))
    }

    #[inline]
    fn get_batch<F: Form>(&mut self, each: usize, out: &mut [u8], form: F) -> Result<usize, F::ReadError> {
        if !F::WAITS && out.len() >= each && self.cursor.finds_nothing() {
            return Err(self.nothing::<F>());
        }
        self.get_all(each, out, form)
    }

    /// Out of line, so that a call that finds nothing saves no registers.
    #[inline(never)]
    fn get_all<F: Form>(&mut self, each: usize, out: &mut [u8], form: F) -> Result<usize, F::ReadError> {
        self.call(form, |cursor| cursor.read_all(each, out))
    }

    fn show<F: Form>(&mut self, form: F) -> Result<View<'_>, F::ReadError> {
        let shown = self.shown(form)?;
        Ok(View::new(&mut self.cursor, shown))
    }

    pub(super) fn shown<F: Form>(&mut self, form: F) -> Result<Shown, F::ReadError> {
        self.call(form, ReadCursor::show)
    }

    /// Calls `attempt` in the given form, until it has succeeded or failed for another reason than
    /// an empty ring.
    #[inline(always)]
    fn call<F: Form, T>(
        &mut self,
        mut form: F,
        mut attempt: impl FnMut(&mut ReadCursor) -> Result<T, TryReadError>,
    ) -> Result<T, F::ReadError> {
        loop {
            match attempt(&mut self.cursor) {
                Ok(read) => return Ok(read),
                Err(TryReadError::Empty) if self.found_nothing(&mut form) => {}
                Err(error) => return Err(F::read_error(error, || self.endpoint.reader_timed_out())),
            }
        }
    }

    /// The error of a call that does not wait and found nothing.
    #[inline(always)]
    fn nothing<F: Form>(&mut self) -> F::ReadError {
        self.found_nothing_now();
        F::read_error(TryReadError::Empty, || unreachable!("it did not wait"))
    }

    /// After an attempt that found nothing: waits for a message if the form does. Returns whether
    /// to try again.
    #[inline(always)]
    fn found_nothing<F: Form>(&mut self, form: &mut F) -> bool {
        if F::WAITS {
            return self.wait(form.deadline());
        }
        self.found_nothing_now();
        false
    }

    #[inline(always)]
    fn found_nothing_now(&mut self) {
        self.endpoint.found_nothing(WaitFor::Message, || self.cursor.is_ready());
        self.endpoint.recover_dead(WaitFor::Message);
    }

    /// Waits until an attempt would not find the ring empty. Returns false if the deadline passed.
    fn wait(&mut self, deadline: Option<Instant>) -> bool {
        let Reader { endpoint, cursor } = self;
        let ready = endpoint.wait(WaitFor::Message, deadline, || cursor.is_ready(), |_| ());
        if !ready {
            endpoint.found_nothing(WaitFor::Message, || cursor.is_ready());
        }
        ready
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.registration().attachment();
        write!(f, "Reader(next {}, {ring:?})", self.position())
    }
}
