//! Batches of messages.

use crate::common::bytes_of;
use crate::driver::{Driver, pick, tried};
use crate::model::Message;
use crate::operations::{Batch, Call};
use crate::reading::without_waiting;
use seqring::{Delivery, ReadError, TryReadError, TryWriteError};
use std::time::Duration;

impl Driver {
    pub(crate) fn write_batch(&mut self, draw: usize, batch: &Batch, call: Call) {
        let messages = self.messages(batch);
        let Some(id) = pick(&self.writers, draw) else { return };
        let writer = self.writers[id].as_mut().expect("picked from those present");
        let full = self.model.admits(0, 0) == Err(TryWriteError::Full);
        let each = messages.first().map_or(1, Vec::len);
        let written = match (batch, call) {
            (Batch::EndToEnd { .. }, Call::Try) => writer.try_write_batch(each, &messages.concat()),
            // With a timeout of zero the blocking call writes the same messages as the other.
            (Batch::EndToEnd { .. }, Call::Wait) if !full => {
                tried(writer.write_batch_timeout(each, &messages.concat(), Duration::ZERO))
            }
            (Batch::Each { .. }, Call::Wait) if self.model.delivery == Delivery::Lossy => {
                tried(writer.write_each(&messages))
            }
            _ => writer.try_write_each(&messages),
        };
        let mut expected = Ok(0);
        for (message, done) in messages.iter().zip(1..) {
            match self.model.write(message, 0, &[]) {
                Ok(_) => expected = Ok(done),
                Err(error) => {
                    expected = if done == 1 { Err(error) } else { expected };
                    break;
                }
            }
        }
        assert_eq!(written, expected);
    }

    /// The messages to be written, with the next numbers.
    fn messages(&self, batch: &Batch) -> Vec<Vec<u8>> {
        let (slot_bytes, next) = (self.shape.slot_bytes, self.model.next);
        match batch {
            Batch::EndToEnd { count, len } => {
                let len = len.bytes(slot_bytes).max(1);
                (0..*count as u64).map(|n| bytes_of(next + n, len)).collect()
            }
            Batch::Each { count, bytes } => {
                let most = bytes.bytes(slot_bytes);
                (0..*count).map(|n| bytes_of(next + n as u64, most.saturating_sub(n * 7 % 24))).collect()
            }
        }
    }

    pub(crate) fn read_batch(&mut self, draw: usize, batch: &Batch, call: Call) {
        let Some(id) = pick(&self.readers, draw) else { return };
        match batch {
            Batch::EndToEnd { count, len } => {
                self.read_end_to_end(id, *count, len.bytes(self.shape.slot_bytes).max(1), call);
            }
            Batch::Each { count, bytes } => {
                // Room for several messages of this share of a slot.
                self.read_each(id, *count + 1, bytes.bytes(self.shape.slot_bytes) * 4, call);
            }
        }
    }

    fn read_end_to_end(&mut self, id: usize, count: usize, each: usize, call: Call) {
        let expected = self.model.read_batch(id, count, |message| match message.payload.len() {
            len if len == each => Ok(()),
            len => Err(TryReadError::OtherLength { len, expected: each }),
        });
        let reader = self.readers[id].as_mut().expect("picked from those present");
        let mut out = vec![0; each * count];
        let read = match call {
            Call::Wait if expected != Err(TryReadError::Empty) => {
                reader.read_batch(each, &mut out).map_err(without_waiting)
            }
            _ => reader.try_read_batch(each, &mut out),
        };
        let read = read.map(|read| out[..read * each].to_vec());
        assert_eq!(read, expected.map(payloads));
    }

    fn read_each(&mut self, id: usize, most: usize, bytes: usize, call: Call) {
        let mut room = bytes;
        let expected = self.model.read_batch(id, most, |message| {
            let needed = message.payload.len();
            room = room.checked_sub(needed).ok_or(TryReadError::TooSmall { needed })?;
            Ok(())
        });
        let reader = self.readers[id].as_mut().expect("picked from those present");
        let mut batch = seqring::Batch::new(most, bytes);
        let read = match call {
            Call::Wait if expected != Err(TryReadError::Empty) => {
                reader.read_each(&mut batch).map_err(without_waiting)
            }
            Call::Wait => {
                let waited = reader.read_each_timeout(&mut batch, Duration::ZERO);
                assert!(matches!(waited, Err(ReadError::TimedOut { .. })), "{waited:?}");
                return;
            }
            Call::Try => reader.try_read_each(&mut batch),
        };
        match expected {
            Ok(messages) => {
                assert_eq!(read, Ok(()));
                assert_eq!(batch.len(), messages.len());
                for ((received, bytes), message) in batch.iter().zip(&messages) {
                    self.agree(Ok((Some(received), bytes.to_vec())), &Ok(message.clone()));
                }
            }
            Err(error) => assert_eq!((read, batch.len()), (Err(error), 0)),
        }
    }
}

fn payloads(messages: Vec<Message>) -> Vec<u8> {
    messages.into_iter().flat_map(|message| message.payload).collect()
}
