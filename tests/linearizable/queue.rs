//! Queues: `Ok`, `Full` and `Empty` of all threads fit into one order.

use super::history::{Actor, Clock, Event, Sequential};
use seqring::{Config, Delivery, Ring, Taker, TryReadError, TryWriteError, Writer};
use std::collections::VecDeque;

/// What was called and returned. A message is the number of its writer, and its own.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Wrote { message: (usize, usize), sequence: u64 },
    Full,
    Took { message: (usize, usize), sequence: u64 },
    Empty,
}

/// The plain queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    slots: usize,
    next: u64,
    messages: VecDeque<(usize, usize)>,
}

impl Sequential for Queue {
    type Call = Call;

    fn after(&self, call: &Call) -> Option<Self> {
        let mut after = self.clone();
        let fits = match call {
            Call::Full => self.messages.len() == self.slots,
            Call::Empty => self.messages.is_empty(),
            Call::Wrote { message, sequence } => {
                after.next += 1;
                after.messages.push_back(*message);
                self.messages.len() < self.slots && self.next == *sequence
            }
            Call::Took { message, sequence } => {
                let first = self.next - self.messages.len() as u64;
                after.messages.pop_front() == Some(*message) && first == *sequence
            }
        };
        fits.then_some(after)
    }
}

fn write(mut writer: Writer, id: usize, calls: usize, clock: &Clock) -> Vec<Event<Call>> {
    let mut n = 0_usize;
    let mut one = || {
        let message = [id.to_le_bytes(), n.to_le_bytes()].concat();
        match writer.try_write(&message) {
            Ok(sequence) => {
                n += 1;
                Call::Wrote { message: (id, n - 1), sequence }
            }
            Err(TryWriteError::Full) => Call::Full,
            Err(error) => panic!("{error}"),
        }
    };
    (0..calls).map(|_| clock.time(&mut one)).collect()
}

fn take(mut taker: Taker, calls: usize, clock: &Clock) -> Vec<Event<Call>> {
    let mut one = || match taker.try_take() {
        Ok(taken) => {
            let number = |at: usize| usize::from_le_bytes(taken[at..at + 8].try_into().unwrap());
            Call::Took { message: (number(0), number(8)), sequence: taken.received().sequence }
        }
        Err(TryReadError::Empty) => Call::Empty,
        Err(error) => panic!("{error}"),
    };
    (0..calls).map(|_| clock.time(&mut one)).collect()
}

/// Writers and takers that make so many calls each, and the plain queue that they start from. The stream goes on as long
/// as the ring's first writer, who is given back: nobody is told of an end.
pub(crate) fn cast(slots: usize, writers: &[usize], takers: &[usize]) -> (Writer, Queue, Vec<Actor<Call>>) {
    let ring = Ring::heap(&Config::new(slots, 16).delivery(Delivery::Queue).participants(8)).unwrap();
    let mut actors: Vec<Actor<Call>> = Vec::new();
    for (id, calls) in writers.iter().copied().enumerate() {
        let writer = ring.writer().unwrap();
        actors.push(Box::new(move |clock| write(writer, id, calls, clock)));
    }
    for calls in takers.iter().copied() {
        let taker = ring.taker().unwrap();
        actors.push(Box::new(move |clock| take(taker, calls, clock)));
    }
    (ring.writer().unwrap(), Queue { slots, next: 0, messages: VecDeque::new() }, actors)
}
