//! Messages as an iterator.

use super::Reader;
use crate::types::error::ReadError;

/// An iterator over messages: see [`Reader::messages`].
#[derive(Debug)]
pub struct Messages<'r> {
    reader: &'r mut Reader,
    /// The last item was an error that every later read would return.
    done: bool,
}

impl<'r> Messages<'r> {
    pub(super) fn new(reader: &'r mut Reader) -> Self {
        Messages { reader, done: false }
    }
}

impl Iterator for Messages<'_> {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match self.reader.view() {
            Ok(view) => Some(Ok(view.to_vec())),
            Err(ReadError::Closed) => None,
            Err(error) => {
                self.done = matches!(error, ReadError::Forked | ReadError::Corrupt(_));
                Some(Err(error))
            }
        }
    }
}

#[cfg(all(test, not(seqring_model)))]
mod tests {
    use crate::sync::Relaxed;
    use crate::{Config, ReadError, Ring, Start};

    /// Fails if a loop over messages that only notes errors runs for ever in a damaged ring.
    #[test]
    fn messages_end_with_what_every_read_would_say_again() {
        let ring = Ring::heap(&Config::slots(4).of_bytes(8)).unwrap();
        let mut writer = ring.writer().unwrap();
        let mut reader = ring.reader(Start::Next).unwrap();
        writer.write(b"one").unwrap();
        assert_eq!(reader.messages().next(), Some(Ok(b"one".to_vec())));
        // No correct process moves a reader there.
        ring.attachment.memory.entry(reader.registration().index()).floor.store(1000, Relaxed);
        let items: Vec<_> = reader.messages().take(3).collect();
        assert!(matches!(items[..], [Err(ReadError::Corrupt(_))]), "{items:?}");
    }
}
