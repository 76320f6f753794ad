//! The reading end of a stream: it checks each message and counts.

use super::Transfer;
use super::end::{End, Miss};
use crate::content::{Content, differences, word_of};
use crate::engine::{Batch, EngineReader};
use crate::patience::Stop;
use crate::refusal::Refusal;
use crate::ring_spec::{Delivery, RingSpec};
use std::iter::Sum;
use std::thread::yield_now;
use zerocopy::IntoBytes;

/// Messages of one gathering read, at most; and of one batch that is written.
pub(super) const BATCH: usize = 64;

/// The upper bits of a message's word are the number of its writer.
pub(super) const WRITER_SHIFT: u32 = 56;

/// What an end has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Messages written, or received.
    pub(super) messages: u64,
    /// The sum of their words, of written and of taken ones: equal if each message was taken once.
    pub(super) sum: u64,
    /// Messages that were lost.
    pub(super) missed: u64,
    /// How often some were.
    pub(super) lags: u64,
}

impl Tally {
    pub(super) fn add(&mut self, word: u64) {
        self.messages += 1;
        self.sum = self.sum.wrapping_add(word);
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |total, one| Self {
            messages: total.messages + one.messages,
            sum: total.sum.wrapping_add(one.sum),
            missed: total.missed + one.missed,
            lags: total.lags + one.lags,
        })
    }
}

/// The way of one receiver: each has a loop of its own.
enum Way {
    Copied,
    InPlace,
    Gathered,
    /// One of several takers: the messages of each writer come in their order, with gaps that other
    /// takers got.
    Taken,
}

/// 64 bytes on a cache line: some engines' messages must be read to such.
#[derive(Clone, Copy)]
#[repr(align(64))]
#[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
struct CacheLine([u64; 8]);

pub(super) struct Receiver<'a, R, C> {
    reader: R,
    end: End<'a>,
    way: Way,
    content: C,
    batch: Vec<CacheLine>,
    /// The next message of each writer.
    next: Vec<u64>,
    expected: u64,
    tally: Tally,
}

impl<'a, R: EngineReader, C: Content> Receiver<'a, R, C> {
    pub(super) fn new(reader: R, end: End<'a>, transfer: Transfer, spec: &RingSpec) -> Self {
        let way = match (spec.delivery, transfer) {
            (Delivery::Queue, _) => Way::Taken,
            (_, Transfer::Copied) => Way::Copied,
            (_, Transfer::InPlace) => Way::InPlace,
            (_, Transfer::Gathered) => Way::Gathered,
        };
        let lines = if matches!(way, Way::Gathered) { BATCH * C::BYTES / size_of::<CacheLine>() } else { 0 };
        Self {
            reader,
            end,
            way,
            content: C::new(),
            batch: vec![CacheLine([1; 8]); lines],
            next: vec![0; spec.writers],
            expected: 0,
            tally: Tally::default(),
        }
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Reads so many messages, or up to a batch more.
    #[inline(always)]
    pub(super) fn receive(&mut self, messages: u64) -> Result<(), Stop> {
        match self.way {
            Way::Copied => (0..messages).try_for_each(|_| self.copy()),
            Way::InPlace => (0..messages).try_for_each(|_| self.look()),
            Way::Taken => (0..messages).try_for_each(|_| self.take()),
            Way::Gathered => {
                let enough = self.tally.messages + messages;
                while self.tally.messages < enough {
                    self.gather()?;
                }
                Ok(())
            }
        }
    }

    #[inline(always)]
    fn copy(&mut self) -> Result<(), Stop> {
        match self.end.until(|timeout| self.reader.get(self.content.out(), timeout)) {
            Ok(bytes) => {
                let is_whole = self.content.is_whole(self.expected, bytes);
                self.arrived(is_whole)
            }
            Err(miss) => self.lost(miss),
        }
    }

    #[inline(always)]
    fn look(&mut self) -> Result<(), Stop> {
        let expected = self.expected;
        let look = |timeout| self.reader.get_with(timeout, |bytes| C::shows(bytes, expected));
        match self.end.until(look) {
            Ok(is_whole) => self.arrived(is_whole),
            Err(miss) => self.lost(miss),
        }
    }

    #[inline(always)]
    fn arrived(&mut self, is_whole: bool) -> Result<(), Stop> {
        if !is_whole {
            return Err(Stop::Failed(format!("message {} is missing or torn", self.expected)));
        }
        self.expected += 1;
        self.tally.messages += 1;
        Ok(())
    }

    #[cold]
    fn lost(&mut self, miss: Miss) -> Result<(), Stop> {
        let Miss::Lost(missed) = miss else { return Err(miss.into()) };
        self.expected += missed;
        self.tally.missed += missed;
        self.tally.lags += 1;
        Ok(())
    }

    #[inline(always)]
    fn gather(&mut self) -> Result<(), Stop> {
        let Self { reader, end, batch, .. } = self;
        let room = batch.as_mut_bytes();
        let got = match end.until(|_| reader.get_batch(C::BYTES, room)) {
            Err(Miss::Lost(missed)) => Batch { messages: 0, missed },
            got => got?,
        };
        self.check(got)
    }

    /// Checks that each message is what it should be, and that no more are missing than the engine
    /// says.
    #[inline(always)]
    fn check(&mut self, Batch { messages, missed }: Batch) -> Result<(), Stop> {
        let bytes = &self.batch.as_bytes()[..messages * C::BYTES];
        let (mut wrong, mut skipped) = (0, 0);
        for message in bytes.chunks_exact(C::BYTES) {
            if missed > 0 {
                // Anywhere before or between them, but no more than all that are missed.
                skipped += word_of(message).wrapping_sub(self.expected);
                self.expected = word_of(message);
            }
            wrong |= differences(message, self.expected);
            self.expected += 1;
        }
        // Messages that were lost behind the last one show in the next batch, as part of a gap that
        // this one counted.
        if wrong != 0 || skipped > missed {
            let what = format!("up to {messages} messages are missing or torn before {}", self.expected);
            return Err(Stop::Failed(what));
        }
        self.expected += missed - skipped;
        self.tally.messages += messages as u64;
        self.tally.missed += missed;
        self.tally.lags += u64::from(missed > 0);
        Ok(())
    }

    #[inline(always)]
    fn take(&mut self) -> Result<(), Stop> {
        let Self { reader, end, next, tally, .. } = self;
        end.until(|timeout| reader.get_with(timeout, |bytes| note::<C>(next, tally, bytes)))?
    }

    /// Takes the rest of a queue once `are_done` says that no writer writes any more.
    pub(super) fn drain(mut self, are_done: impl Fn() -> bool) -> Result<Tally, Stop> {
        let Self { reader, next, tally, .. } = &mut self;
        loop {
            let done = are_done();
            match reader.get_with(None, |bytes| note::<C>(next, tally, bytes)) {
                Ok(noted) => noted?,
                Err(Refusal::Empty) if done => return Ok(*tally),
                Err(Refusal::Empty) => yield_now(),
                Err(Refusal::Closed) => return Ok(*tally),
                Err(other) => return Err(Stop::failed(other)),
            }
        }
    }
}

#[inline(always)]
fn note<C: Content>(next: &mut [u64], tally: &mut Tally, bytes: &[u8]) -> Result<(), Stop> {
    let word = word_of(bytes);
    let (writer, number) = (word >> WRITER_SHIFT, word & ((1 << WRITER_SHIFT) - 1));
    match next.get_mut(writer as usize) {
        Some(next) if number >= *next && C::shows(bytes, word) => *next = number + 1,
        _ => return Err(Stop::Failed(format!("message {number} of writer {writer} is torn or late"))),
    }
    tally.add(word);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Small;
    use crate::drive::Wait;
    use std::collections::VecDeque;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    /// Gives messages of a word each, and losses.
    struct Scripted(VecDeque<Result<u64, u64>>);

    impl EngineReader for Scripted {
        fn get_with<T>(&mut self, _: Option<Duration>, view: impl FnOnce(&[u8]) -> T) -> Result<T, Refusal> {
            match self.0.pop_front().ok_or(Refusal::Closed)? {
                Ok(word) => Ok(view([word; 8].as_bytes())),
                Err(missed) => Err(Refusal::Lagged { missed }),
            }
        }
    }

    fn received(
        script: &[Result<u64, u64>],
        (delivery, transfer): (Delivery, Transfer),
        messages: u64,
    ) -> Result<Tally, Stop> {
        let stop = AtomicBool::new(false);
        let end = End { wait: Wait::Pauses(1), stop: &stop };
        let spec = RingSpec { slots: 8, slot_bytes: 64, delivery, writers: 1, readers: 1 };
        let reader = Scripted(script.iter().copied().collect());
        let mut receiver = Receiver::<_, Small<8>>::new(reader, end, transfer, &spec);
        receiver.receive(messages).map(|()| receiver.tally())
    }

    const STREAMS: [(Delivery, Transfer); 3] = [
        (Delivery::Lossy, Transfer::Copied),
        (Delivery::Lossy, Transfer::InPlace),
        (Delivery::Lossy, Transfer::Gathered),
    ];
    const QUEUE: (Delivery, Transfer) = (Delivery::Queue, Transfer::Copied);

    #[test]
    fn messages_and_losses_are_counted() {
        for how in STREAMS {
            // A gathering receiver counts messages, the others reads.
            let enough = if how.1 == Transfer::Gathered { 3 } else { 4 };
            let tally = received(&[Ok(0), Ok(1), Err(3), Ok(5)], how, enough).unwrap();
            assert_eq!(tally, Tally { messages: 3, missed: 3, lags: 1, sum: 0 }, "{how:?}");
        }
        let taken = Tally { messages: 3, sum: 8, ..Tally::default() };
        assert_eq!(received(&[Ok(0), Ok(1), Ok(7)], QUEUE, 3).unwrap(), taken);
    }

    #[test]
    fn a_message_that_is_not_due_is_a_failure() {
        for how in STREAMS {
            for script in [&[Ok(1)][..], &[Ok(0), Ok(0)], &[Err(2), Ok(3)]] {
                let end = received(script, how, script.len() as u64);
                assert!(matches!(end, Err(Stop::Failed(_))), "{script:?} {how:?}");
            }
        }
        assert!(matches!(received(&[Ok(1), Ok(1)], QUEUE, 2), Err(Stop::Failed(_))), "taken twice");
        assert!(matches!(received(&[Err(1)], QUEUE, 1), Err(Stop::Failed(_))), "lost");
        assert!(matches!(received(&[Ok(1 << WRITER_SHIFT)], QUEUE, 1), Err(Stop::Failed(_))), "of no writer");
    }
}
