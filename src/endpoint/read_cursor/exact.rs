//! Reads of messages whose length the caller knows.

use super::{ReadCursor, TooSmall};
use crate::memory::RacyBytes;
use crate::types::error::TryReadError;
use crate::types::message::Received;

impl ReadCursor {
    /// Copies the next message to `out`, if it has that length. If not, it stays the next one.
    pub(crate) fn read_exact(&mut self, out: &mut [u8]) -> Result<Received, TryReadError> {
        let expected = out.len();
        self.read_if(|message| {
            let same = message.len() == expected;
            same.then(|| message.copy_to_slice(out)).ok_or(expected)
        })
    }

    /// Copies the next message to the front of `out`, if its length is a multiple of `each`. If
    /// not, it stays the next one.
    pub(crate) fn read_whole_number(
        &mut self,
        each: usize,
        out: &mut [u8],
    ) -> Result<Received, TryReadError> {
        let room = out.len();
        let read = self.read_if(|message| {
            let len = message.len();
            let expected = len - len.checked_rem(each).unwrap_or(len);
            match out.get_mut(..len) {
                Some(out) if expected == len => {
                    message.copy_to_slice(out);
                    Ok(())
                }
                _ => Err(expected),
            }
        });
        match read {
            Err(TryReadError::OtherLength { len, expected }) if len == expected && len > room => {
                Err(TryReadError::TooSmall { needed: len })
            }
            read => read,
        }
    }

    /// Reads the next message with `copy`, which may refuse its length: then it returns the
    /// expected one.
    fn read_if(
        &mut self,
        mut copy: impl FnMut(RacyBytes<'_>) -> Result<(), usize>,
    ) -> Result<Received, TryReadError> {
        let mut expected = 0;
        let read = self.read_slow(|message| {
            copy(message).map_err(|other| {
                expected = other;
                TooSmall { needed: message.len() }
            })
        });
        match read {
            Ok((received, ())) => Ok(received),
            Err(TryReadError::TooSmall { needed }) => {
                Err(TryReadError::OtherLength { len: needed, expected })
            }
            Err(error) => Err(error),
        }
    }
}
