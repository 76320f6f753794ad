//! Broadcast with many writers, gated and lossy: writes, reads, refusals and losses fit into one
//! order.

use super::history::{Actor, Clock, Event, Sequential};
use super::message::{Message, write};
use seqring::{Config, Delivery, Lagged, Reader, Ring, Start, TryReadError, Writer, Writers};

/// A call and its result.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Wrote { message: Message, sequence: u64 },
    Full,
    Read { reader: usize, message: Message, sequence: u64 },
    Empty { reader: usize },
    Lagged { reader: usize, lost: u64 },
    Left { reader: usize },
}

/// The sequential specification: the list of all messages, and the position of each reader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Broadcast {
    slots: usize,
    gated: bool,
    messages: Vec<Message>,
    /// `None` for a reader that left.
    positions: Vec<Option<usize>>,
}

impl Broadcast {
    fn is_full(&self) -> bool {
        let slowest = self.positions.iter().flatten().min().copied().unwrap_or(self.messages.len());
        self.gated && self.messages.len() - slowest == self.slots
    }
}

impl Sequential for Broadcast {
    type Call = Call;

    fn after(&self, call: &Call) -> Option<Self> {
        let mut after = self.clone();
        let next = self.messages.len();
        let fits = match call {
            Call::Full => self.is_full(),
            Call::Wrote { message, sequence } => {
                after.messages.push(*message);
                !self.is_full() && next as u64 == *sequence
            }
            Call::Read { reader, message, sequence } => {
                let position = self.positions[*reader]?;
                after.positions[*reader] = Some(position + 1);
                position as u64 == *sequence
                    && self.messages.get(position) == Some(message)
                    && next - position <= self.slots
            }
            Call::Empty { reader } => self.positions[*reader] == Some(next),
            // A reader lags when its message is overwritten. The ring chooses where the reader
            // continues.
            Call::Lagged { reader, lost } => {
                let position = self.positions[*reader]?;
                let resumed = position + *lost as usize;
                after.positions[*reader] = Some(resumed);
                !self.gated && next - position > self.slots && (position + 1..=next).contains(&resumed)
            }
            Call::Left { reader } => after.positions[*reader].take().is_some(),
        };
        fits.then_some(after)
    }
}

fn read(mut reader: Reader, id: usize, calls: usize, clock: &Clock) -> Vec<Event<Call>> {
    let mut out = [0; 16];
    let mut one = || match reader.try_read(&mut out) {
        Ok(received) => {
            Call::Read { reader: id, message: Message::from_bytes(&out), sequence: received.sequence }
        }
        Err(TryReadError::Empty) => Call::Empty { reader: id },
        Err(TryReadError::Lagged(Lagged { lost })) => Call::Lagged { reader: id, lost },
        Err(error) => panic!("{error}"),
    };
    let mut history: Vec<_> = (0..calls).map(|_| clock.time(&mut one)).collect();
    history.push(clock.time(|| {
        drop(reader);
        Call::Left { reader: id }
    }));
    history
}

/// Writers and readers that make so many calls each, and the initial state. The returned writer
/// keeps the stream open: no reader gets an end.
pub(crate) fn cast(
    slots: usize,
    gated: bool,
    writers: &[usize],
    readers: &[usize],
) -> (Writer, Broadcast, Vec<Actor<Call>>) {
    let delivery = if gated { Delivery::Gated } else { Delivery::Lossy };
    let config = Config::slots(slots).of_bytes(16).delivery(delivery).writers(Writers::Many).participants(8);
    let ring = Ring::heap(&config).unwrap();
    let mut actors: Vec<Actor<Call>> = Vec::new();
    for (id, calls) in readers.iter().copied().enumerate() {
        let reader = ring.reader(Start::Next).unwrap();
        actors.push(Box::new(move |clock| read(reader, id, calls, clock)));
    }
    for (id, calls) in writers.iter().copied().enumerate() {
        let writer = ring.writer().unwrap();
        let wrote = |message, sequence| Call::Wrote { message, sequence };
        actors.push(Box::new(move |clock| write(writer, id, calls, clock, wrote, &Call::Full)));
    }
    let first = Broadcast { slots, gated, messages: Vec::new(), positions: vec![Some(0); readers.len()] };
    (ring.writer().unwrap(), first, actors)
}
