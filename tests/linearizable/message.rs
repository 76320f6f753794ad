//! Messages that say who wrote them, and writers that note down what became of each.

use super::history::{Clock, Event};
use seqring::{TryWriteError, Writer};

/// The number of its writer, and its own.
pub(crate) type Message = (usize, usize);

pub(crate) fn message_in(bytes: &[u8]) -> Message {
    let number = |at: usize| usize::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    (number(0), number(8))
}

/// So many calls. Each becomes what `wrote` makes of a message and its sequence, or `full`.
pub(crate) fn write<C: Clone>(
    mut writer: Writer,
    id: usize,
    calls: usize,
    clock: &Clock,
    wrote: impl Fn(Message, u64) -> C,
    full: &C,
) -> Vec<Event<C>> {
    let mut n = 0_usize;
    let mut one = || match writer.try_write(&[id.to_le_bytes(), n.to_le_bytes()].concat()) {
        Ok(sequence) => {
            n += 1;
            wrote((id, n - 1), sequence)
        }
        Err(TryWriteError::Full) => full.clone(),
        Err(error) => panic!("{error}"),
    };
    (0..calls).map(|_| clock.time(&mut one)).collect()
}
