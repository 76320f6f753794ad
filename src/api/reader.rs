//! Reading: each reader sees every message, at its own pace.

mod batch;
mod typed;

use crate::api::view::View;
use crate::endpoint::notifier::NotifierThread;
use crate::endpoint::read_cursor::ReadCursor;
use crate::endpoint::wait::{self, ColdResult, Endpoint};
use crate::memory::RacyBytes;
use crate::protocol::registry::Registration;
use crate::types::error::{ReadError, TryReadError};
use crate::types::message::{Received, Start};
use crate::types::participant::ParkTicket;
use crate::types::participant::Role;
use crate::types::waiting::WaitStrategy;
use std::time::{Duration, Instant};

/// A registered reader. Dropping it leaves the ring.
///
/// # Progress
/// `try_` calls are wait-free. In a lossy ring nobody waits for this reader. In a gated ring writers do: a
/// reader that is stopped stops them when the ring is full, and nobody else.
#[derive(Debug)]
pub struct Reader {
    endpoint: Endpoint,
    position: ReadCursor,
    empty_looks: u32,
    /// Who makes the descriptor of this reader readable, if it has one.
    watcher: Option<Box<NotifierThread>>,
}

/// A clock read takes as long as an empty look, so only some of them make one.
const EMPTY_LOOKS_PER_CLOCK_READ: u32 = 64;

impl Reader {
    #[cfg(seqring_model)]
    pub(crate) fn entry(&self) -> usize {
        self.endpoint.registration.index()
    }

    pub(crate) fn join(registration: Registration, start: Start) -> Self {
        let position = ReadCursor::join(&registration, start);
        Self::from_parts(registration, position)
    }

    pub(crate) fn from_parts(registration: Registration, position: ReadCursor) -> Self {
        Reader { position, endpoint: Endpoint::new(registration), empty_looks: 0, watcher: None }
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.endpoint.registration
    }

    /// See [`Self::park`].
    #[expect(clippy::result_large_err, reason = "the caller gets the reader back")]
    pub(crate) fn try_into_parked(self) -> Result<ParkTicket, Self> {
        let Reader { endpoint, position, watcher, .. } = self;
        drop(watcher); // It waits by the same entry.
        position.park();
        endpoint.registration.park().map_err(|registration| Self::from_parts(registration, position))
    }

    /// Copies the next message to the front of `out`, without waiting.
    ///
    /// # Errors
    /// [`TryReadError::Empty`]; [`TryReadError::Lagged`], after which the reader stands at a message that it can
    /// hope to read; [`TryReadError::TooSmall`], which loses nothing; [`TryReadError::WriterDied`], once for each death of
    /// a last writer, when everything before it was read: read on; [`TryReadError::Closed`], now and at every
    /// later call until a writer joins again; [`TryReadError::Forked`]; [`TryReadError::Corrupt`].
    ///
    /// # Cost
    /// One copy, two loads of the slot's stamp, one store of the cursor; in a gated ring of arena slots three stores to
    /// this reader's own line, and a full fence (6 ns). System calls only if a writer sleeps, or every 20 ms while nothing
    /// comes, to see whether the writer lives.
    #[inline(always)]
    pub fn try_read(&mut self, out: &mut [u8]) -> Result<Received, TryReadError> {
        match self.position.read_fast(out) {
            Some(received) => Ok(received),
            None => self.try_read_thoroughly(out).into_result(),
        }
    }

    /// Copies the next message to the front of `out`, waiting for it.
    ///
    /// # Errors
    /// As [`Self::try_read`], without `Empty`.
    #[inline(always)]
    pub fn read(&mut self, out: &mut [u8]) -> Result<Received, ReadError> {
        match self.position.read_fast(out) {
            Some(received) => Ok(received),
            None => self.read_thoroughly(out).into_result(),
        }
    }

    /// Copies the next message to the front of `out`, waiting for it for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::read`], and [`ReadError::TimedOut`].
    pub fn read_timeout(&mut self, out: &mut [u8], timeout: Duration) -> Result<Received, ReadError> {
        self.wait(wait::deadline(timeout), |position| position.read_into(out))
    }

    /// Reads the next message in place, without waiting: `read` looks at bytes that may change under its eyes,
    /// and its result is passed on only if they did not.
    ///
    /// `read` may run several times and its results be dropped; it must not act on what it sees.
    ///
    /// # Errors
    /// As [`Self::try_read`], without `TooSmall`.
    ///
    /// # Cost
    /// As [`Self::try_read`], less the copy.
    #[inline]
    pub fn try_read_with<T>(
        &mut self,
        read: impl FnMut(RacyBytes<'_>) -> T,
    ) -> Result<(Received, T), TryReadError> {
        let result = self.position.read_with(read);
        self.looked(result)
    }

    /// Reads the next message in place, waiting for it. See [`Self::try_read_with`].
    ///
    /// # Errors
    /// As [`Self::read`], without `TooSmall`.
    pub fn read_with<T>(
        &mut self,
        mut read: impl FnMut(RacyBytes<'_>) -> T,
    ) -> Result<(Received, T), ReadError> {
        self.wait(None, |position| position.read_with(&mut read))
    }

    /// The next message as bytes to look at for as long as the view lives, without waiting.
    ///
    /// In a gated ring with arena slots these are the bytes in the ring, not copied: writers leave that one
    /// message alone until the view is dropped. In other rings the view holds a copy.
    ///
    /// # Errors
    /// As [`Self::try_read`], without `TooSmall`.
    ///
    /// # Cost
    /// In place: three stores to this reader's own line and a full fence (6 ns); else as [`Self::try_read`].
    pub fn try_view(&mut self) -> Result<View<'_>, TryReadError> {
        let shown = self.position.show();
        let shown = self.looked(shown)?;
        Ok(View::new(&mut self.position, shown))
    }

    /// The next message as bytes to look at, waiting for it. See [`Self::try_view`].
    ///
    /// # Errors
    /// As [`Self::read`], without `TooSmall`.
    pub fn view(&mut self) -> Result<View<'_>, ReadError> {
        let shown = self.wait(None, ReadCursor::show)?;
        Ok(View::new(&mut self.position, shown))
    }

    /// The next message as bytes to look at, waiting for it for at most `timeout`. See [`Self::try_view`].
    ///
    /// # Errors
    /// As [`Self::view`], and [`ReadError::TimedOut`].
    pub fn view_timeout(&mut self, timeout: Duration) -> Result<View<'_>, ReadError> {
        let shown = self.wait(wait::deadline(timeout), ReadCursor::show)?;
        Ok(View::new(&mut self.position, shown))
    }

    /// The messages from here on, each copied, waiting for the next. Ends when no writer is left, or the ring is closed.
    ///
    /// An item is an error where messages were lost, or a last writer died; the next item goes on after that. A
    /// [`ReadError::Forked`] or [`ReadError::Corrupt`], which every read from then on would say, is the last item.
    pub fn messages(&mut self) -> Messages<'_> {
        Messages { reader: self, done: false }
    }

    /// Waits for at most `timeout` until a read has something to tell: a message, or why there will be none. Says
    /// whether it has. Reads nothing.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let Reader { endpoint, position, .. } = self;
        let deadline = wait::deadline(timeout);
        position.is_ready() || endpoint.wait(Role::Writer, deadline, || position.is_ready(), |_| ())
    }

    /// Passes over what was published before the newest message, which is read next; nothing happens if that is so already, or
    /// everything was read. Returns how many messages that were: [`Self::lost`] does not count them.
    ///
    /// For whoever shows a frame now and then. A reader of a lossy ring that merely reads slowly is told that it lagged, and
    /// goes on three quarters of a ring behind the writer.
    ///
    /// # Cost
    /// A look at up to 65 slots, and in a gated ring as for a read.
    pub fn skip_to_newest(&mut self) -> u64 {
        self.position.skip_to_newest()
    }

    /// A descriptor that becomes readable when there is something to read, for a program that waits for many things at once.
    ///
    /// The reader goes on being read by `try_` calls. After one that says `Empty`, the descriptor becomes readable as soon as
    /// the next one would say anything else, be it that the stream has ended; and stays so until a call says `Empty` again.
    /// It may become readable for nothing. Every call of this returns a handle on the same descriptor.
    ///
    /// `examples/tokio_reader.rs` has it in an event loop.
    ///
    /// # Errors
    /// What the system says if there is no thread or no descriptor to be had.
    ///
    /// # Cost
    /// The first call starts a thread of this reader's, which sleeps on the ring's event_count after an `Empty` and ends with the
    /// reader. Writers pay nothing for it that they would not pay for a reader that sleeps. What comes after an `Empty` gets
    /// through by two wakes: that of the thread, and by the descriptor that of the program.
    #[cfg(all(target_os = "linux", not(seqring_model)))]
    pub fn notifier(&mut self) -> std::io::Result<crate::Notifier> {
        let watcher = match self.watcher.take() {
            Some(watcher) => watcher,
            None => Box::new(NotifierThread::start(&self.endpoint.registration)?),
        };
        Ok(self.watcher.insert(watcher).notifier())
    }

    /// The metadata of the message read last; empty if it had none, and after a read that failed.
    pub fn metadata(&self) -> &[u8] {
        self.position.metadata()
    }

    /// The sequence that this reader reads next.
    pub fn position(&self) -> u64 {
        self.position.sequence()
    }

    /// Messages published and not yet read by this reader.
    pub fn lag(&self) -> u64 {
        self.position.lag()
    }

    /// Messages that this reader lost since it joined: the sum of what its `Lagged` errors said.
    pub fn lost(&self) -> u64 {
        self.position.lost()
    }

    /// Sets how this reader waits.
    pub fn set_wait_strategy(&mut self, waiting: WaitStrategy) {
        self.endpoint.waiting = waiting;
    }

    #[inline(never)]
    fn try_read_thoroughly(&mut self, out: &mut [u8]) -> ColdResult<Received, TryReadError> {
        let result = self.position.read_into(out);
        ColdResult::from_result(self.looked(result))
    }

    #[inline(never)]
    fn read_thoroughly(&mut self, out: &mut [u8]) -> ColdResult<Received, ReadError> {
        ColdResult::from_result(self.wait(None, |position| match position.read_fast(out) {
            Some(received) => Ok(received),
            None => position.read_into(out),
        }))
    }

    /// After a call that does not wait: one that finds nothing, over and over, looks whether the writer lives.
    #[inline(always)]
    fn looked<T>(&mut self, result: Result<T, TryReadError>) -> Result<T, TryReadError> {
        if let Err(TryReadError::Empty) = result {
            self.found_nothing();
        }
        result
    }

    #[cold]
    fn found_nothing(&mut self) {
        if let Some(watcher) = &self.watcher {
            watcher.arm(self.position.sequence(), self.position.stream());
        }
        self.empty_looks = self.empty_looks.wrapping_add(1);
        if self.empty_looks.is_multiple_of(EMPTY_LOOKS_PER_CLOCK_READ) {
            self.endpoint.look_after(Role::Writer);
        }
    }

    fn wait<T>(
        &mut self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut ReadCursor) -> Result<T, TryReadError>,
    ) -> Result<T, ReadError> {
        let Reader { endpoint, position, .. } = self;
        loop {
            match attempt(position) {
                Err(TryReadError::Empty) => {}
                other => return other.map_err(ReadError::from_try),
            }
            if !endpoint.wait(Role::Writer, deadline, || position.is_ready(), |_| ()) {
                return Err(endpoint.reader_timed_out());
            }
        }
    }
}

/// An iterator over messages: see [`Reader::messages`].
#[derive(Debug)]
pub struct Messages<'r> {
    reader: &'r mut Reader,
    /// It said what every later read would say, too.
    done: bool,
}

impl Iterator for Messages<'_> {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match self.reader.view() {
            Ok(view) => Some(Ok(view.to_vec())),
            Err(ReadError::Closed) => None,
            Err(error) => {
                self.done = matches!(error, ReadError::Forked | ReadError::Corrupt(_));
                Some(Err(error))
            }
        }
    }
}

#[cfg(all(test, not(seqring_model)))]
mod tests {
    use crate::sync::Relaxed;
    use crate::{Config, ReadError, Ring, Start};

    /// Fails if a loop over messages that only notes errors goes on for ever in a damaged ring.
    #[test]
    fn messages_end_with_what_every_read_would_say_again() {
        let ring = Ring::heap(&Config::new(4, 8)).unwrap();
        let mut writer = ring.writer().unwrap();
        let mut reader = ring.reader(Start::Next).unwrap();
        writer.write(b"one").unwrap();
        assert_eq!(reader.messages().next(), Some(Ok(b"one".to_vec())));
        // Where no reader can be moved to.
        ring.attachment.memory.entry(reader.registration().index()).floor.store(1000, Relaxed);
        let items: Vec<_> = reader.messages().take(3).collect();
        assert!(matches!(items[..], [Err(ReadError::Corrupt(_))]), "{items:?}");
    }
}
