//! A reading end that checks what it gets: number, length and content of each message.

use crate::content::Content;
use crate::patience::Stop;

/// The number and length of a message, as the ring reports them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number; the expected one where a ring does not number its messages.
    pub sequence: u64,
    /// Its length.
    pub bytes: usize,
}

/// What a read returned that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// A message.
    Message(Arrival),
    /// So many messages were lost.
    Missed(u64),
}

/// How a stream is read: a type for each manner, so that each has a loop of its own.
pub trait Next {
    /// The next message into `out`, waiting for it; `expected` is its number if nothing is lost.
    ///
    /// # Errors
    /// Why there is none.
    fn next(&mut self, expected: u64, out: &mut [u8]) -> Result<Got, Stop>;
}

/// A reading end that checks what it gets.
#[derive(Debug)]
pub struct Receiver<C, N> {
    content: C,
    next: N,
    expected: u64,
    tally: Tally,
}

/// What a receiver has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that came.
    pub received: u64,
    /// How often some were lost.
    pub lags: u64,
    /// How many were lost.
    pub missed: u64,
}

impl<C: Content, N: Next> Receiver<C, N> {
    /// A receiver of message 0 and all behind it.
    pub fn new(content: C, next: N) -> Self {
        Self { content, next, expected: 0, tally: Tally::default() }
    }

    /// Reads so many times; each returns a message or the number of missed ones.
    ///
    /// # Errors
    /// Why a read gave neither; [`Stop::Failed`] for a message that is torn, or not the one that is
    /// due.
    #[inline(always)]
    pub fn receive(&mut self, reads: u64) -> Result<(), Stop> {
        for _ in 0..reads {
            match self.next.next(self.expected, self.content.out())? {
                Got::Message(Arrival { sequence, bytes })
                    if sequence == self.expected && self.content.is_whole(sequence, bytes) =>
                {
                    self.expected += 1;
                    self.tally.received += 1;
                }
                Got::Message(arrival) => {
                    let expected = self.expected;
                    let what = format!("message {expected} is missing or torn; there came {arrival:?}");
                    return Err(Stop::Failed(what));
                }
                Got::Missed(missed) => {
                    self.expected += missed;
                    self.tally.missed += missed;
                    self.tally.lags += 1;
                }
            }
        }
        Ok(())
    }

    /// What was counted up to now.
    pub fn tally(&self) -> Tally {
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Small;
    use zerocopy::IntoBytes;

    /// Returns a scripted result: the word in the message, or a loss.
    struct Script(std::vec::IntoIter<Result<u64, u64>>);

    impl Next for Script {
        fn next(&mut self, expected: u64, out: &mut [u8]) -> Result<Got, Stop> {
            match self.0.next().ok_or(Stop::Closed)? {
                Ok(word) => {
                    out.copy_from_slice([word; 8].as_bytes());
                    Ok(Got::Message(Arrival { sequence: expected, bytes: 64 }))
                }
                Err(missed) => Ok(Got::Missed(missed)),
            }
        }
    }

    fn receiver(script: Vec<Result<u64, u64>>) -> Receiver<Small<8>, Script> {
        Receiver::new(Small::new(), Script(script.into_iter()))
    }

    #[test]
    fn messages_and_losses_are_counted() {
        let mut receiver = receiver(vec![Ok(0), Ok(1), Err(3), Ok(5)]);
        receiver.receive(4).unwrap();
        assert_eq!(receiver.tally(), Tally { received: 3, lags: 1, missed: 3 });
    }

    #[test]
    fn a_message_that_is_not_due_is_a_failure() {
        for script in [vec![Ok(1)], vec![Ok(0), Ok(0)], vec![Err(2), Ok(1)]] {
            let reads = script.len() as u64;
            assert!(matches!(receiver(script).receive(reads), Err(Stop::Failed(_))));
        }
    }
}
