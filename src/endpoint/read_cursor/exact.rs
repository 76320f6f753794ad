//! Reading messages of which the length is known.

use super::{ReadCursor, TooSmall};
use crate::memory::RacyBytes;
use crate::types::error::TryReadError;
use crate::types::message::Received;

impl ReadCursor {
    /// Copies the next message to `out`, if it has that length and its slot is all that is to be looked at. What is not
    /// read this way, [`Self::read_exact`] reads.
    #[inline(always)]
    pub(crate) fn read_exact_now(&mut self, out: &mut [u8]) -> Option<Received> {
        let (here, glance) = self.glance()?;
        let read = glance.message_of(out.len())?;
        read.message.copy_to_slice(out);
        read.validate().then_some(())?;
        Some(self.glanced(here, out.len()))
    }

    /// Copies the next message to `out`, if it has that length; else it stays.
    pub(crate) fn read_exact(&mut self, out: &mut [u8]) -> Result<Received, TryReadError> {
        let expected = out.len();
        self.read_if(|message| {
            let same = message.len() == expected;
            same.then(|| message.copy_to_slice(out)).ok_or(expected)
        })
    }

    /// Copies the next message to the front of `out`, if it is a whole number of elements of `each` bytes; else it stays.
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

    /// Reads the next message by `copy`, which may refuse it for a length that it says.
    fn read_if(
        &mut self,
        mut copy: impl FnMut(RacyBytes<'_>) -> Result<(), usize>,
    ) -> Result<Received, TryReadError> {
        let mut expected = 0;
        let read = self.read_thoroughly(|message| {
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
