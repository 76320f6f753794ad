//! Reads, in all forms.

use crate::driver::{Driver, pick};
use crate::model::Message;
use crate::operations::{Call, Op, ReadForm};
use seqring::{Delivery, ReadError, Reader, Received, SlotClass, TryReadError};
use std::time::Duration;

/// The result of a read. The iterator yields bytes only.
pub(crate) type ReadResult = Result<(Option<Received>, Vec<u8>), TryReadError>;

impl Driver {
    pub(crate) fn read(&mut self, draw: usize, call: Call, form: &ReadForm) {
        let Some(id) = pick(&self.readers, draw) else { return };
        let mut reader = self.readers[id].take().expect("picked from those present");
        match form {
            ReadForm::View(meanwhile)
                if self.shape.delivery == Delivery::Gated && self.shape.class == SlotClass::Arena =>
            {
                self.view_in_place(id, &mut reader, meanwhile);
            }
            _ => self.read_copy(id, &mut reader, call, form),
        }
        self.readers[id] = Some(reader);
    }

    fn read_copy(&mut self, id: usize, reader: &mut Reader, call: Call, form: &ReadForm) {
        let room =
            if let ReadForm::Copy(room) = form { room.bytes(self.shape.slot_bytes) } else { usize::MAX };
        let expected = self.model.read(id, room);
        let waits = matches!((form, call), (ReadForm::Iterate, _) | (_, Call::Wait));
        if waits && expected == Err(TryReadError::Empty) {
            let waited = reader.read_timeout(&mut [0; 2000], Duration::ZERO);
            assert!(matches!(waited, Err(ReadError::TimedOut { .. })), "{waited:?}");
            return;
        }
        let result = match (form, call) {
            (ReadForm::Copy(_), Call::Try) => copy(room, |out| reader.try_read(out)),
            (ReadForm::Copy(_), Call::Wait) => copy(room, |out| reader.read(out).map_err(without_waiting)),
            (ReadForm::Closure, _) => copy_in_closure(reader),
            (ReadForm::Iterate, _) => match reader.messages().next() {
                Some(item) => item.map(|bytes| (None, bytes)).map_err(without_waiting),
                None => Err(TryReadError::Closed),
            },
            (ReadForm::View(meanwhile), _) => self.view_copy(reader, call, meanwhile),
        };
        self.agree(result, &expected);
    }

    /// A view of a ring whose writers do not wait for it is a copy.
    fn view_copy(&mut self, reader: &mut Reader, call: Call, meanwhile: &[Op]) -> ReadResult {
        let view = match call {
            Call::Try => reader.try_view()?,
            Call::Wait => reader.view().map_err(without_waiting)?,
        };
        assert!(!view.is_in_place());
        self.run(meanwhile);
        Ok((Some(view.received()), view.to_vec()))
    }

    fn view_in_place(&mut self, id: usize, reader: &mut Reader, meanwhile: &[Op]) {
        let expected = self.model.pin(id);
        match reader.try_view() {
            Ok(view) => {
                assert!(view.is_in_place());
                self.agree(Ok((Some(view.received()), view.to_vec())), &expected);
                self.run(meanwhile);
                let message = expected.expect("agreed above");
                assert!(*view == message.payload, "the bytes of a view changed");
                assert_eq!(view.metadata(), message.metadata);
                self.model.unpin(id);
            }
            Err(error) => assert_eq!(Err(error), expected),
        }
    }

    pub(crate) fn agree(&mut self, result: ReadResult, expected: &Result<Message, TryReadError>) {
        match (result, expected) {
            (Ok((received, payload)), Ok(message)) => {
                assert!(payload == message.payload, "message {} has other bytes", message.sequence);
                if let Some(received) = received {
                    let Received { sequence, len, tag, timestamp_ns } = received;
                    assert_eq!((sequence, len, tag), (message.sequence, payload.len(), message.tag));
                    self.agree_on_time(sequence, timestamp_ns);
                }
            }
            (result, expected) => assert_eq!(result.err(), expected.as_ref().err().copied()),
        }
    }

    /// All readers get the same time stamp of a message, and no later message has an earlier one.
    fn agree_on_time(&mut self, sequence: u64, timestamp_ns: u64) {
        assert_eq!(timestamp_ns != 0, self.shape.options.timestamp);
        assert_eq!(*self.times.entry(sequence).or_insert(timestamp_ns), timestamp_ns);
        assert!(self.times.range(..sequence).next_back().is_none_or(|(_, earlier)| *earlier <= timestamp_ns));
    }
}

fn copy(room: usize, read: impl FnOnce(&mut [u8]) -> Result<Received, TryReadError>) -> ReadResult {
    let mut out = vec![0; room];
    let received = read(&mut out)?;
    Ok((Some(received), out[..received.len].to_vec()))
}

fn copy_in_closure(reader: &mut Reader) -> ReadResult {
    let (received, bytes) = reader.try_read_in_place(|racy| {
        let mut bytes = vec![0; racy.len()];
        racy.copy_to_slice(&mut bytes);
        let words = (0..racy.len() / 8).flat_map(|index| racy.word(index));
        assert!(words.eq(bytes[..racy.len() / 8 * 8].iter().copied()));
        bytes
    })?;
    Ok((Some(received), bytes))
}

pub(crate) fn without_waiting(error: ReadError) -> TryReadError {
    match error {
        ReadError::Lagged(lagged) => TryReadError::Lagged(lagged),
        ReadError::Closed => TryReadError::Closed,
        ReadError::WriterDied { .. } | ReadError::Forked => panic!("no process dies or forks here: {error}"),
        ReadError::TooSmall { needed } => TryReadError::TooSmall { needed },
        ReadError::OtherLength { len, expected } => TryReadError::OtherLength { len, expected },
        ReadError::TimedOut { .. } => panic!("a call without a timeout timed out"),
        ReadError::Corrupt(corrupt) => TryReadError::Corrupt(corrupt),
    }
}
