//! A producer: the user's trait, and the loop that takes commands and publishes results.
//!
//! | step | the loop                                                                          |
//! |------|-----------------------------------------------------------------------------------|
//! | 1    | takes a command; if this producer was the last to try it, returns it to the queue |
//! | 2    | claims the buffer of its result                                                   |
//! | 3    | sets its state to `Working`, and calls `produce`, which fills the buffer          |
//! | 4    | exchanges `Working` for `Idle`; if it was given up, that fails: drops the item    |
//! | 5    | publishes the item; or, if `produce` failed, requeues or reports  |

use super::error::{WorkerError, call_user};
use super::item::Filling;
use super::plan::Plan;
use super::results::ResultWriter;
use super::status::{Counter, Status, WorkerState};
use super::tag::{ResultKind, Tag};
use crate::api::ring::Ring;
use crate::api::taker::{Taken, Taker};
use crate::api::writer::Writer;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::sync::{Mutex, MutexGuard};
use crate::types::error::WriteError;
use crate::types::message::{MessageHeader, PublishOutcome};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Makes items from commands.
pub trait Producer {
    /// Called once, in the producer's own thread, before anything else.
    ///
    /// # Errors
    /// Any error ends the pipeline, whether or not there is a command; in order, it takes the place
    /// of the first result that is missing.
    fn build(&mut self) -> Result<(), WorkerError> {
        Ok(())
    }

    /// Fills the arrays of `item` from `command`, in the buffer that the consumer will read.
    ///
    /// # Errors
    /// Any error is handled as [`OnFailure`](super::OnFailure) says.
    fn produce(&mut self, command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError>;
}

impl<F: FnMut(&[u8], &mut Filling<'_>) -> Result<(), WorkerError>> Producer for F {
    fn produce(&mut self, command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
        self(command, item)
    }
}

/// A producer at work, in a thread or a process.
pub(crate) struct ProducerLoop<P> {
    pub(crate) producer: P,
    pub(crate) commands: Taker,
    pub(crate) context: ProducerContext,
}

/// A producer's state and endpoints, without the user's code and without the taker of commands, so
/// that a command can be borrowed meanwhile.
pub(crate) struct ProducerContext {
    pub(crate) index: usize,
    pub(crate) results: ResultWriter,
    pub(crate) results_ring: Ring,
    /// Returns commands to the queue, for another producer.
    pub(crate) retry_writer: Writer,
    pub(crate) plan: Plan,
    pub(crate) status: Status,
    /// `Some` for a thread that can be given up.
    pub(crate) command_copy: Option<CommandCopy>,
    pub(crate) metadata: Vec<u8>,
    /// Slots of the commands ring.
    pub(crate) command_slots: u64,
    /// The command taken last was returned to the queue.
    pub(crate) returned_last: bool,
}

/// A copy of the command that a thread works on. If the thread hangs, it holds the command itself
/// for ever, and the host retries the copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandCopy(Arc<Mutex<(u64, Vec<u8>)>>);

impl CommandCopy {
    fn set(&self, tag: Tag, command: &[u8]) {
        let mut copy = self.lock();
        copy.0 = tag.word();
        copy.1.clear();
        copy.1.extend_from_slice(command);
    }

    /// The command of that tag, if it was the last.
    pub(crate) fn get(&self, tag: Tag) -> Option<Vec<u8>> {
        let copy = self.lock();
        (copy.0 == tag.word()).then(|| copy.1.clone())
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Vec<u8>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // It is consistent at any time.
    }
}

/// How long a producer waits for another one to take a command that it returned.
const RETURN_WAIT: Duration = Duration::from_millis(20);

impl<P: Producer> ProducerLoop<P> {
    pub(crate) fn run(mut self) {
        let context = &mut self.context;
        context.transition(WorkerState::Absent, WorkerState::Building);
        let built = call_user(|| self.producer.build());
        if let Err(message) = &built
            && context.report_build_failure(message).is_err()
        {
            return context.leave();
        }
        // Only now: until the failure is published, no other producer may return a command to this
        // one.
        context.transition(WorkerState::Building, WorkerState::Idle);
        while let Ok(command) = self.commands.take() {
            let tag = Tag::from_word(command.received().tag.unwrap_or_default());
            let outcome = match &built {
                Ok(()) if context.is_for_another(&command) => context.return_command(tag, command),
                Ok(()) => match context.produce(&mut self.producer, tag, &command) {
                    Ok(false) => {
                        std::mem::forget(command); // A drop would mark it as done.
                        break;
                    }
                    produced => produced.map(drop),
                },
                // The consumer gets the failed build before it could get this command's result.
                Err(_) => Ok(()),
            };
            if outcome.is_err() {
                break; // The consumer closed the rings.
            }
        }
        context.leave();
    }
}

impl ProducerContext {
    /// Makes and publishes the result of a command. False if the consumer gave this process up
    /// before: then the process is about to be killed, and the host decides about the command,
    /// which it finds still taken by this process.
    fn produce(
        &mut self,
        producer: &mut impl Producer,
        tag: Tag,
        command: &[u8],
    ) -> Result<bool, WriteError> {
        self.returned_last = false;
        if let Some(copy) = &self.command_copy {
            copy.set(tag, command);
        }
        let arrays = &*self.plan.arrays;
        let Some(mut claim) = self.results.claim(tag.number, arrays.bytes())? else { return Ok(true) };
        // The time limit begins here: waiting for room does not count.
        let (working, began) = (WorkerState::Working(tag), Instant::now());
        let line = self.status.line(self.index);
        line.set_state(working);
        self.metadata.clear();
        let mut filling = Filling {
            number: tag.number,
            tries: tag.tries(),
            arrays,
            bytes: claim.bytes(),
            metadata: &mut self.metadata,
            ring: &self.results_ring,
        };
        let filled = call_user(|| producer.produce(command, &mut filling));
        let in_time = line.transition(working, WorkerState::Idle);
        // A thread that was given up continues: the host has the copy of its command, and decides.
        let continues = in_time
            || (self.command_copy.is_some() && line.transition(WorkerState::GivenUp, WorkerState::Idle));
        line.add(Counter::BusyNanos, began.elapsed().as_nanos() as u64); // After the transition: a changed count shows that it returned.
        if !in_time {
            return Ok(continues);
        }
        let header = MessageHeader { tag: ResultKind::Item.tag(tag.number).word(), metadata: &self.metadata };
        match filled.and_then(|()| claim.publish(&header).map_err(|error| error.to_string())) {
            Ok(()) => line.add(Counter::Made, 1),
            Err(message) => self.fail(tag, command, &message)?,
        }
        Ok(true)
    }

    fn fail(&mut self, tag: Tag, command: &[u8], message: &str) -> Result<(), WriteError> {
        self.status.line(self.index).add(Counter::Failed, 1);
        if let Some(next_try) = self.plan.on_failure.retry(tag) {
            return self.requeue(next_try, command).map(drop);
        }
        let record = failure_record(self.index, tag, message);
        self.results.put(ResultKind::Failed.tag(tag.number), &record).map(drop)
    }

    /// Publishes that `build` failed, as the first result that is not yet published: no command is
    /// needed for it, and the consumer waits for no earlier result.
    fn report_build_failure(&mut self, message: &str) -> Result<(), WriteError> {
        // Results below the writer's counter are published; those from there on are tried in turn.
        for number in self.results.writer.next_sequence()..Tag::NUMBERS {
            let record = failure_record(self.index, Tag::first_try(number), message);
            let outcome = self.results.put(ResultKind::BuildFailed.tag(number), &record)?;
            if outcome == PublishOutcome::Published {
                break;
            }
        }
        Ok(())
    }

    fn leave(&self) {
        self.status.line(self.index).set_state(WorkerState::Left);
    }

    /// Whether this producer was the last to try that command, and another one is at work.
    fn is_for_another(&self, command: &Taken<'_>) -> bool {
        let works =
            |worker| matches!(self.status.line(worker).state(), WorkerState::Idle | WorkerState::Working(_));
        command.metadata() == last_tried_by(self.index)
            && (0..self.plan.producers).any(|other| other != self.index && works(other))
    }

    /// Returns a command to the end of the queue. If it is the second one in a row, the queue may
    /// hold nothing else; then this producer waits until another one takes it, but only for a
    /// moment, because the other producers may be waiting likewise.
    fn return_command(&mut self, tag: Tag, command: Taken<'_>) -> Result<(), WriteError> {
        let sequence = self.requeue(tag, &command)?;
        drop(command);
        if !std::mem::replace(&mut self.returned_last, true) {
            return Ok(());
        }
        self.wait_until_taken(sequence)
    }

    /// Waits at most [`RETURN_WAIT`] until the command of that sequence is taken.
    fn wait_until_taken(&mut self, sequence: u64) -> Result<(), WriteError> {
        // It is taken when the next message of its slot has room. There is no next message at the
        // end of the sequence space, to which a faulty peer may have set the counter.
        let next = sequence.saturating_add(self.command_slots);
        if next >= SEQUENCE_LIMIT {
            return Ok(());
        }
        let assigned = self.retry_writer.assigned().expect("the commands ring is a queue");
        match assigned.claim_timeout(next, 0, RETURN_WAIT) {
            Ok(_) | Err(WriteError::TimedOut { .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Puts a command at the end of the queue. Returns its sequence there.
    fn requeue(&mut self, tag: Tag, command: &[u8]) -> Result<u64, WriteError> {
        let header = MessageHeader { tag: tag.word(), metadata: &last_tried_by(self.index) };
        self.retry_writer.write_with(command, &header)
    }

    fn transition(&self, from: WorkerState, to: WorkerState) -> bool {
        self.status.line(self.index).transition(from, to)
    }
}

/// Bytes of [`last_tried_by`].
pub(crate) const TRIED_BY_BYTES: usize = 4;

/// The metadata of a command that is tried again: the producer that tried it last.
pub(crate) fn last_tried_by(producer: usize) -> [u8; TRIED_BY_BYTES] {
    (producer as u32).to_le_bytes()
}

/// The payload of a failure result: the producer, the earlier tries, the message.
pub(crate) fn failure_record(producer: usize, tag: Tag, message: &str) -> Vec<u8> {
    let mut record = (producer as u32).to_le_bytes().to_vec();
    record.push(tag.detail);
    record.extend_from_slice(message.as_bytes());
    record
}

#[cfg(test)]
mod tests {
    use super::super::channels::tests::on_heap;
    use super::super::error::WorkerError;
    use super::super::plan::{ItemOrder, OnFailure};
    use super::{Filling, ProducerLoop, ResultKind, SEQUENCE_LIMIT, Tag};

    /// Fails if an item whose room another result took is reported as failed, or published with
    /// other bytes.
    #[test]
    fn an_item_whose_room_another_result_took_waits_for_the_next() {
        let channels = on_heap(ItemOrder::Unordered, OnFailure::Skip, 1);
        let mut other = channels.host_results().unwrap();
        let produce = move |_: &[u8], item: &mut Filling<'_>| -> Result<(), WorkerError> {
            item.array(0).fill(7);
            Ok(other.put(ResultKind::Item.tag(9), &[]).map(drop)?)
        };
        let ProducerLoop { mut producer, mut context, .. } =
            channels.producer_loop(0, produce, None).unwrap();
        let mut taker = channels.result_taker().unwrap();
        let consumer = std::thread::spawn(move || {
            assert_eq!(taker.take().unwrap().received().tag, Some(ResultKind::Item.tag(9).word()));
            let taken = taker.take().unwrap();
            assert_eq!(
                (taken.received().tag, &taken[..8]),
                (Some(ResultKind::Item.tag(0).word()), &[7; 8][..])
            );
        });
        assert!(context.produce(&mut producer, Tag::first_try(0), &[]).unwrap());
        consumer.join().unwrap();
        assert_eq!(channels.status.line(0).stats().made, 1);
    }

    /// Fails, by a panic, if a faulty peer can make a producer wait for a sequence beyond the
    /// limit.
    #[test]
    fn a_producer_does_not_wait_for_a_command_at_the_end_of_the_sequence_space() {
        let channels = on_heap(ItemOrder::Ordered, OnFailure::Retry(1), 1);
        let produce = |_: &[u8], _: &mut Filling<'_>| -> Result<(), WorkerError> { Ok(()) };
        let mut context = channels.producer_loop(0, produce, None).unwrap().context;
        context.wait_until_taken(SEQUENCE_LIMIT - 1).unwrap();
        context.wait_until_taken(0).unwrap();
    }
}
