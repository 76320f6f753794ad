//! The reading ends of streams: one message at a time, in place, many at a time, or shared with other takers.

use crate::end::{End, Miss};
use crate::message::Line;
use crate::payload::{Payload, differences, word_of};
use harness::content::Content;
use harness::engine::{Batch, EngineReader};
use harness::patience::Stop;
use harness::receiver::{Arrival, Got, Next, Receiver, Tally};
use harness::refusal::ReadRefused;
use harness::sink::Scratch;
use std::marker::PhantomData;
use std::thread::yield_now;
use zerocopy::{FromZeros, IntoBytes};

/// Messages of one gathering read, at most; and of one batch that is written.
pub(crate) const BATCH: usize = 64;

/// Which writer a word is of stands in its upper bits.
pub(crate) const WRITER_SHIFT: u32 = 56;

/// A reading end that checks and counts.
pub(crate) trait Receive {
    /// Reads so many messages, or a few more.
    fn receive(&mut self, messages: u64) -> Result<(), Stop>;

    fn tally(&self) -> Tally;
}

impl<C: Content, N: Next> Receive for Receiver<C, N> {
    #[inline(always)]
    fn receive(&mut self, messages: u64) -> Result<(), Stop> {
        Receiver::receive(self, messages)
    }

    fn tally(&self) -> Tally {
        Receiver::tally(self)
    }
}

fn got(result: Result<Arrival, Miss>) -> Result<Got, Stop> {
    match result {
        Ok(arrival) => Ok(Got::Message(arrival)),
        Err(Miss::Lost(missed)) => Ok(Got::Missed(missed)),
        Err(miss) => Err(miss.into()),
    }
}

/// One message at a time, copied out.
pub(crate) struct Copying<'a, R>(pub(crate) R, pub(crate) End<'a>);

impl<R: EngineReader> Next for Copying<'_, R> {
    #[inline(always)]
    fn next(&mut self, expected: u64, out: &mut [u8]) -> Result<Got, Stop> {
        let Self(reader, end) = self;
        got(end.get(reader, out).map(|bytes| Arrival { sequence: expected, bytes }))
    }
}

/// One message at a time, looked at where it lies; goes with [`Seen`].
pub(crate) struct Looking<'a, R, C> {
    reader: R,
    end: End<'a>,
    scratch: Scratch,
    content: PhantomData<C>,
}

impl<'a, R, C: Payload> Looking<'a, R, C> {
    pub(crate) fn new(reader: R, end: End<'a>) -> Self {
        Self { reader, end, scratch: Scratch::new(C::BYTES), content: PhantomData }
    }
}

impl<R: EngineReader, C: Payload> Next for Looking<'_, R, C> {
    #[inline(always)]
    fn next(&mut self, expected: u64, _: &mut [u8]) -> Result<Got, Stop> {
        let look = |bytes: &[u8]| {
            let sequence = if C::shows(bytes, expected) { expected } else { word_of(bytes) };
            Arrival { sequence, bytes: if sequence == expected { bytes.len() } else { 0 } }
        };
        got(self.end.get_with(&mut self.reader, &mut self.scratch, look))
    }
}

/// Content that was checked where it lay.
pub(crate) struct Seen;

impl Content for Seen {
    fn message(&mut self, _: u64) -> &[u8] {
        &[]
    }

    fn out(&mut self) -> &mut [u8] {
        &mut []
    }

    #[inline(always)]
    fn is_whole(&self, _: u64, bytes: usize) -> bool {
        bytes > 0
    }
}

/// Up to [`BATCH`] messages by one call.
pub(crate) struct Gathering<'a, R, C> {
    reader: R,
    end: End<'a>,
    /// On cache lines: some messages may lie nowhere else.
    room: Vec<Line>,
    expected: u64,
    tally: Tally,
    content: PhantomData<C>,
}

impl<'a, R, C: Payload> Gathering<'a, R, C> {
    pub(crate) fn new(reader: R, end: End<'a>) -> Self {
        let room = vec![Line::new_zeroed(); BATCH * C::BYTES / size_of::<Line>()];
        Self { reader, end, room, expected: 0, tally: Tally::default(), content: PhantomData }
    }
}

impl<R: EngineReader, C: Payload> Receive for Gathering<'_, R, C> {
    #[inline(always)]
    fn receive(&mut self, messages: u64) -> Result<(), Stop> {
        let enough = self.tally.received + messages;
        while self.tally.received < enough {
            let Self { reader, end, room, .. } = self;
            let room = room.as_mut_bytes();
            let batch = match reader.try_read_batch(C::BYTES, room) {
                Ok(batch) => batch,
                Err(ReadRefused::Lagged { missed }) => Batch { messages: 0, missed },
                Err(refused) => end.poll(refused.into(), || Ok(reader.try_read_batch(C::BYTES, room)?))?,
            };
            self.check(batch)?;
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}

impl<R, C: Payload> Gathering<'_, R, C> {
    /// Every message is what it should be, and those that are missing are as many as it is said.
    #[inline(always)]
    fn check(&mut self, batch: Batch) -> Result<(), Stop> {
        let Batch { messages, missed } = batch;
        let bytes = &self.room.as_bytes()[..messages * C::BYTES];
        let mut wrong = 0;
        let mut skipped = 0;
        for message in bytes.chunks_exact(C::BYTES) {
            if missed > 0 {
                // Somewhere before or between them; not behind their total.
                skipped += word_of(message).wrapping_sub(self.expected);
                self.expected = word_of(message);
            }
            wrong |= differences(message, self.expected);
            self.expected += 1;
        }
        // What was lost behind the last message shows in the next batch, as part of a gap that this one counted.
        if wrong != 0 || skipped > missed {
            let what = format!("up to {} messages are missing or torn before {}", messages, self.expected);
            return Err(Stop::Failed(what));
        }
        self.expected += missed - skipped;
        self.tally.received += messages as u64;
        self.tally.missed += missed;
        self.tally.lags += u64::from(missed > 0);
        Ok(())
    }
}

/// How many messages, and the sum of their words: equal on both sides if each was taken once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) messages: u64,
    pub(crate) sum: u64,
}

impl Account {
    pub(crate) fn add(&mut self, word: u64) {
        self.messages += 1;
        self.sum = self.sum.wrapping_add(word);
    }
}

impl std::iter::Sum for Account {
    fn sum<I: Iterator<Item = Self>>(accounts: I) -> Self {
        accounts.fold(Self::default(), |total, account| Self {
            messages: total.messages + account.messages,
            sum: total.sum.wrapping_add(account.sum),
        })
    }
}

/// One of several takers: the messages of each writer come in their order, with gaps that are others'.
pub(crate) struct Taking<'a, R, C> {
    reader: R,
    end: End<'a>,
    scratch: Scratch,
    next: Vec<u64>,
    account: Account,
    content: PhantomData<C>,
}

impl<'a, R: EngineReader, C: Payload> Taking<'a, R, C> {
    pub(crate) fn new(reader: R, end: End<'a>, writers: usize) -> Self {
        let scratch = Scratch::new(C::BYTES);
        let next = vec![0; writers];
        Self { reader, end, scratch, next, account: Account::default(), content: PhantomData }
    }

    #[inline(always)]
    fn note(next: &mut [u64], account: &mut Account, bytes: &[u8]) -> Result<(), Stop> {
        let word = word_of(bytes);
        let (writer, number) = (word >> WRITER_SHIFT, word & ((1 << WRITER_SHIFT) - 1));
        match next.get_mut(writer as usize) {
            Some(next) if number >= *next && C::shows(bytes, word) => *next = number + 1,
            _ => return Err(Stop::Failed(format!("message {number} of writer {writer} is torn or late"))),
        }
        account.add(word);
        Ok(())
    }

    /// Takes what is left once `are_done` says that no writer writes any more.
    pub(crate) fn drain(mut self, are_done: impl Fn() -> bool) -> Result<Account, Stop> {
        let Self { reader, scratch, next, account, .. } = &mut self;
        loop {
            let done = are_done();
            match reader.try_read_with(scratch, |bytes| Self::note(next, account, bytes)) {
                Ok(noted) => noted?,
                Err(ReadRefused::Empty) if done => return Ok(*account),
                Err(ReadRefused::Empty) => yield_now(),
                Err(ReadRefused::Closed) => return Ok(*account),
                Err(other) => return Err(Stop::failed(other)),
            }
        }
    }
}

impl<R: EngineReader, C: Payload> Receive for Taking<'_, R, C> {
    #[inline(always)]
    fn receive(&mut self, messages: u64) -> Result<(), Stop> {
        let Self { reader, end, scratch, next, account, .. } = self;
        for _ in 0..messages {
            end.get_with(reader, scratch, |bytes| Self::note(next, account, bytes))??;
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        Tally { received: self.account.messages, ..Tally::default() }
    }
}
