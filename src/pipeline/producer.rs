//! A producer's work, in a thread or a process: takes a command, fills the arrays of its result in place, publishes it.

use super::error::said;
use super::plan::Plan;
use super::results::Results;
use super::status::{At, Board};
use super::tag::{Label, Mark};
use super::worker::{Filling, Producer};
use crate::api::ring::Ring;
use crate::api::taker::{Taken, Taker};
use crate::api::writer::Writer;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::sync::{Mutex, MutexGuard};
use crate::types::error::{TryWriteError, WriteError};
use crate::types::message::MessageHeader;
use crate::types::message::PublishOutcome;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

pub(crate) struct Producing<P> {
    pub(crate) producer: P,
    pub(crate) commands: Taker,
    pub(crate) hand: Hand,
}

/// A producer without its producer and its commands.
pub(crate) struct Hand {
    pub(crate) index: usize,
    pub(crate) results: Results,
    /// Theirs.
    pub(crate) ring: Ring,
    /// For commands that another is to try.
    pub(crate) again: Writer,
    pub(crate) plan: Plan,
    pub(crate) board: Board,
    /// There if somebody may give up this producer without ending its process.
    pub(crate) kept: Option<Kept>,
    pub(crate) metadata: Vec<u8>,
    /// Slots of the queue of commands.
    pub(crate) slots: u64,
    /// The command taken last was passed on.
    pub(crate) passed_on: bool,
}

/// A copy of the command that a thread is at, for whoever gives the thread up: it keeps the command itself for ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<Mutex<(u64, Vec<u8>)>>);

impl Kept {
    fn keep(&self, label: Label, command: &[u8]) {
        let mut kept = self.lock();
        kept.0 = label.word();
        kept.1.clear();
        kept.1.extend_from_slice(command);
    }

    /// The command of that label, if it was the last.
    pub(crate) fn get(&self, label: Label) -> Option<Vec<u8>> {
        let kept = self.lock();
        (kept.0 == label.word()).then(|| kept.1.clone())
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Vec<u8>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // It is consistent at any time.
    }
}

/// How long a producer waits for another to take a command that it failed at itself, before it looks again.
const PASS_ON_EVERY: Duration = Duration::from_millis(20);

impl<P: Producer> Producing<P> {
    pub(crate) fn run(mut self) {
        self.hand.turn(At::Absent, At::Building);
        let producer = &mut self.producer;
        let built = said(catch_unwind(AssertUnwindSafe(|| producer.build())));
        if let Err(message) = &built
            && self.hand.tell_unbuilt(message).is_err()
        {
            return self.hand.leave();
        }
        self.hand.turn(At::Building, At::Idle); // Only now: until it has told, no other is to leave it a command.
        while let Ok(command) = self.commands.take() {
            let label = Label::from_word(command.received().tag);
            // Closed: the consumer has stopped, and nobody is left to tell.
            let told = match &built {
                Ok(()) if self.hand.is_for_another(&command) => self.hand.pass_on(label, command),
                Ok(()) => match self.hand.make(&mut self.producer, label, &command) {
                    Ok(false) => {
                        std::mem::forget(command); // Dropping it would say that it is done with.
                        break;
                    }
                    made => made.map(drop),
                },
                Err(_) => Ok(()), // The consumer comes to what it was told before it comes to this command's result.
            };
            if told.is_err() {
                break;
            }
        }
        self.hand.leave();
    }
}

impl Hand {
    /// Makes the result of a command, and tells of it. False if its process was given up before it had: it is about to be
    /// killed, and the host decides on the command that it then finds in its hands.
    fn make(
        &mut self,
        producer: &mut impl Producer,
        label: Label,
        command: &[u8],
    ) -> Result<bool, WriteError> {
        self.passed_on = false;
        if let Some(kept) = &self.kept {
            kept.keep(label, command);
        }
        let arrays = &*self.plan.arrays;
        let Some(mut room) = self.results.claim(label.number, arrays.bytes())? else { return Ok(true) };
        // Only now: nobody is late who waits for room, or has nothing to make.
        let (at, began) = (At::Work(label), Instant::now());
        let line = self.board.line(self.index);
        line.set(at);
        self.metadata.clear();
        let (number, tries) = (label.number, u32::from(label.mark) + 1);
        let mut filling = Filling {
            number,
            tries,
            arrays,
            bytes: room.bytes(),
            metadata: &mut self.metadata,
            ring: &self.ring,
        };
        let made = said(catch_unwind(AssertUnwindSafe(|| producer.produce(command, &mut filling))));
        let in_time = line.turn(at, At::Idle);
        // A thread goes on when it comes back, and somebody has the copy of its command, and decides.
        let goes_on = in_time || (self.kept.is_some() && line.turn(At::GivenUp, At::Idle));
        line.count_busy(began.elapsed()); // Who sees it counted sees it back.
        if !in_time {
            return Ok(goes_on);
        }
        let extras = MessageHeader { tag: Mark::Item.label(number).word(), metadata: &self.metadata };
        let published = match made.map(|()| room.publish(&extras)) {
            // There was room for this one, but a dead producer's last result is there twice.
            Ok(Err(TryWriteError::Full)) => Ok(self.results.publish_again(arrays.bytes(), &extras)?),
            Ok(published) => published.map(drop).map_err(|error| error.to_string()),
            Err(message) => Err(message),
        };
        match published {
            Ok(()) => line.count_made(),
            Err(message) => self.fail(label, command, &message)?,
        }
        Ok(true)
    }

    fn fail(&mut self, label: Label, command: &[u8], message: &str) -> Result<(), WriteError> {
        self.board.line(self.index).count_failed();
        if let Some(label) = self.plan.on_failure.again(label) {
            return try_again(&mut self.again, label, self.index, command).map(drop);
        }
        let text = told(self.index, label, message);
        self.results.put(Mark::Failed.label(label.number), label.number, &text).map(drop)
    }

    /// Publishes that this producer was not built, as the first result that nobody published yet: no command is needed for it,
    /// and the consumer waits for no other before.
    fn tell_unbuilt(&mut self, message: &str) -> Result<(), WriteError> {
        // All below the counter are published; those from there on are tried one by one.
        for number in self.results.writer.next_sequence()..Label::NUMBERS {
            let text = told(self.index, Label { mark: 0, number }, message);
            if self.results.put(Mark::Unbuilt.label(number), number, &text)? == PublishOutcome::Published {
                break;
            }
        }
        Ok(())
    }

    fn leave(&self) {
        self.board.line(self.index).set(At::Left);
    }

    /// Whether this producer was the last to fail at that command, and there are others at work.
    fn is_for_another(&self, command: &Taken<'_>) -> bool {
        let works = |worker| matches!(self.board.line(worker).at(), At::Idle | At::Work(_));
        command.metadata() == tried_by(self.index)
            && (0..self.plan.producers).any(|other| other != self.index && works(other))
    }

    /// Back to the end of the queue. If there is nothing else in it, this producer then leaves it alone until somebody takes
    /// that command; or for a moment, because another producer may be waiting likewise.
    fn pass_on(&mut self, label: Label, command: Taken<'_>) -> Result<(), WriteError> {
        let sequence = try_again(&mut self.again, label, self.index, &command)?;
        drop(command);
        if !std::mem::replace(&mut self.passed_on, true) {
            return Ok(());
        }
        self.wait_until_taken(sequence)
    }

    /// Waits for a moment until somebody takes the command at that place.
    fn wait_until_taken(&mut self, sequence: u64) -> Result<(), WriteError> {
        // It is taken when there is room for the one that comes into its slot; there is none such behind the last place of
        // all, to which a peer may have set the counter.
        let next = sequence.saturating_add(self.slots);
        if next >= SEQUENCE_LIMIT {
            return Ok(());
        }
        let assigned = self.again.assigned().expect("commands are a queue");
        match assigned.claim_timeout(next, 0, PASS_ON_EVERY) {
            Ok(_) | Err(WriteError::TimedOut { .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }

    fn turn(&self, from: At, to: At) -> bool {
        self.board.line(self.index).turn(from, to)
    }
}

/// Bytes of [`tried_by`].
pub(crate) const TRIED_BY_BYTES: usize = 4;

/// What a command carries that is tried again: who tried it last.
pub(crate) fn tried_by(index: usize) -> [u8; TRIED_BY_BYTES] {
    (index as u32).to_le_bytes()
}

/// Puts a command at the end of the queue once more. Returns its place there.
fn try_again(again: &mut Writer, label: Label, tried: usize, command: &[u8]) -> Result<u64, WriteError> {
    again.write_with(command, &MessageHeader { tag: label.word(), metadata: &tried_by(tried) })
}

/// What a mark says: who, at which try, what.
pub(crate) fn told(index: usize, label: Label, message: &str) -> Vec<u8> {
    let mut text = (index as u32).to_le_bytes().to_vec();
    text.push(label.mark);
    text.extend_from_slice(message.as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use super::super::channels::tests::on_heap;
    use super::super::error::WorkerError;
    use super::super::failure::OnFailure;
    use super::super::results::Order;
    use super::super::worker::Filling;
    use super::{Label, Mark, Producing, SEQUENCE_LIMIT};

    /// Fails if a good item is a failed one because its room went to another, or is not published as it was filled.
    #[test]
    fn an_item_whose_room_went_to_another_waits_for_the_next() {
        let workshop = on_heap(Order::Unordered, OnFailure::Skip, 1);
        let mut other = workshop.host_results().unwrap();
        let make = move |_: &[u8], item: &mut Filling<'_>| -> Result<(), WorkerError> {
            item.array(0).fill(7);
            Ok(other.put(Mark::Item.label(9), 9, &[]).map(drop)?)
        };
        let Producing { mut producer, mut hand, .. } = workshop.producing(0, make, None).unwrap();
        let mut taker = workshop.taker().unwrap();
        let consumer = std::thread::spawn(move || {
            assert_eq!(taker.take().unwrap().received().tag, Mark::Item.label(9).word());
            let taken = taker.take().unwrap();
            assert_eq!((taken.received().tag, &taken[..8]), (Mark::Item.label(0).word(), &[7; 8][..]));
        });
        assert!(hand.make(&mut producer, Label { mark: 0, number: 0 }, &[]).unwrap());
        consumer.join().unwrap();
        assert_eq!(workshop.board.line(0).stats().made, 1);
    }

    /// Fails, by a panic, if a peer can have a producer wait for a place that no ring has.
    #[test]
    fn a_command_at_the_last_place_of_all_is_waited_for_by_nobody() {
        let workshop = on_heap(Order::Ordered, OnFailure::Retry(1), 1);
        let make = |_: &[u8], _: &mut Filling<'_>| -> Result<(), WorkerError> { Ok(()) };
        let mut hand = workshop.producing(0, make, None).unwrap().hand;
        hand.wait_until_taken(SEQUENCE_LIMIT - 1).unwrap();
        hand.wait_until_taken(0).unwrap();
    }
}
