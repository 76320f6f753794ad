//! Queues: `Ok`, `Full` and `Empty` of all threads fit into one order.

use super::history::{Actor, Clock, Event, Sequential};
use super::message::{Message, write};
use seqring::{Config, Delivery, Ring, Taker, TryReadError, Writer};
use std::collections::VecDeque;

/// A call and its result.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Wrote { message: Message, sequence: u64 },
    Full,
    Took { message: Message, sequence: u64 },
    Empty,
}

/// The sequential specification.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    slots: usize,
    next: u64,
    messages: VecDeque<Message>,
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

fn take(mut taker: Taker, calls: usize, clock: &Clock) -> Vec<Event<Call>> {
    let mut one = || match taker.try_take() {
        Ok(taken) => Call::Took { message: Message::from_bytes(&taken), sequence: taken.received().sequence },
        Err(TryReadError::Empty) => Call::Empty,
        Err(error) => panic!("{error}"),
    };
    (0..calls).map(|_| clock.time(&mut one)).collect()
}

/// Writers and takers that make so many calls each, and the initial state. The returned writer
/// keeps the stream open: no taker gets an end.
pub(crate) fn cast(slots: usize, writers: &[usize], takers: &[usize]) -> (Writer, Queue, Vec<Actor<Call>>) {
    let ring =
        Ring::heap(&Config::slots(slots).of_bytes(16).delivery(Delivery::Queue).participants(8)).unwrap();
    let mut actors: Vec<Actor<Call>> = Vec::new();
    for (id, calls) in writers.iter().copied().enumerate() {
        let writer = ring.writer().unwrap();
        let wrote = |message, sequence| Call::Wrote { message, sequence };
        actors.push(Box::new(move |clock| write(writer, id, calls, clock, wrote, &Call::Full)));
    }
    for calls in takers.iter().copied() {
        let taker = ring.taker().unwrap();
        actors.push(Box::new(move |clock| take(taker, calls, clock)));
    }
    (ring.writer().unwrap(), Queue { slots, next: 0, messages: VecDeque::new() }, actors)
}
