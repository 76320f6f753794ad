//! Views: a message is shown in the ring's memory where the protocol can pin it, else copied.

use super::{MAX_TRIES, ReadCursor, UNSTABLE};
use crate::types::error::TryReadError;
use crate::types::message::Received;

/// The message of a view.
#[derive(Debug)]
pub(crate) enum Shown {
    /// Pinned bytes in the ring.
    InPlace(Received, *const u8),
    /// A copy. The reader has advanced.
    Copied(Received, Vec<u8>),
}

impl ReadCursor {
    /// Ends a view: releases the pinned message, or keeps the buffer of the copy.
    pub(crate) fn unshow(&mut self, shown: &mut Shown) {
        match shown {
            Shown::InPlace(..) => self.pass(),
            Shown::Copied(_, bytes) => self.scratch = std::mem::take(bytes),
        }
    }

    /// The next message for a view: pinned in a gated arena ring, else copied.
    pub(crate) fn show(&mut self) -> Result<Shown, TryReadError> {
        if !self.pins() {
            let mut bytes = std::mem::take(&mut self.scratch);
            let read = self.read_with(|message| {
                bytes.resize(message.len(), 0);
                message.copy_to_slice(&mut bytes);
            });
            return match read {
                Ok((received, ())) => Ok(Shown::Copied(received, bytes)),
                Err(error) => {
                    self.scratch = bytes;
                    Err(error)
                }
            };
        }
        for _ in 0..MAX_TRIES {
            match self.attempt(&mut |message| Ok(message.as_ptr())) {
                Ok((received, bytes)) => return Ok(Shown::InPlace(received, bytes)),
                Err(refusal) => self.refused(refusal)?,
            }
        }
        Err(UNSTABLE.into())
    }
}
