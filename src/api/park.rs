//! Handing a reader over: it leaves its entry in the ring, and another process or thread resumes it
//! there.
//!
//! A parked reader reads nothing. In a gated ring writers still wait at its position, so that no
//! message is lost between the two owners. Two kernel locks of the entry show its state:
//!
//! | state  | lock of the entry | lock of its parking         | cleared as dead when     |
//! |--------|-------------------|-----------------------------|--------------------------|
//! | reader | the reader        | the parking process or none | the reader dies          |
//! | parked | none              | the parking process         | the parking process dies |
//!
//! 1. Park: take the parking lock, mark the entry parked, release the entry.
//! 2. Resume: take the entry; if it is still parked, with the generation of the ticket, mark it a
//!    reader's.
//!
//! Every change of the state happens under the entry's lock, so of two processes that resume one
//! ticket one succeeds.

use crate::api::reader::Reader;
use crate::api::ring::Ring;
use crate::endpoint::read_cursor::ReadCursor;
use crate::protocol::attachment::Attachment;
use crate::protocol::reader_entry::Cursor;
use crate::protocol::registry::{self, REGISTER_TRIES, Registration};
use crate::sync::{Relaxed, yield_now};
use crate::types::error::RegisterError;
use crate::types::participant::ParkTicket;
use std::sync::Arc;

/// A parked reader. Dropping it ends the reader, unless it was resumed.
#[derive(Debug)]
pub struct Parked {
    attachment: Arc<Attachment>,
    ticket: ParkTicket,
}

impl Parked {
    /// The ticket by which [`Ring::resume`] takes the reader up, in this process or another.
    pub fn ticket(&self) -> ParkTicket {
        self.ticket
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        registry::unpark(&self.attachment, self.ticket);
    }
}

impl Reader {
    /// Parks this reader: it can be resumed by its ticket as long as the result lives.
    ///
    /// ```
    /// use seqring::{Config, Ring, Start};
    /// let ring = Ring::heap(&Config::slots(8).of_bytes(64))?;
    /// let parked = ring.reader(Start::Next)?.park().map_err(|_| "parked before")?;
    /// ring.writer()?.write(b"hello")?;
    /// // RunPosition, or in another process that has the ticket:
    /// let mut reader = ring.resume(parked.ticket())?;
    /// assert_eq!(&*reader.view()?, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The reader, while an earlier [`Parked`] of the same entry lives, in this process or another:
    /// the two would not differ. Register a new reader instead. The reader also while a process
    /// that is no participant refuses locks ([`RegisterError::Obstructed`]).
    #[expect(clippy::result_large_err, reason = "the caller gets the reader back")]
    pub fn park(self) -> Result<Parked, Reader> {
        let attachment = Arc::clone(self.registration().attachment());
        match self.try_into_parked() {
            Ok(ticket) => Ok(Parked { attachment, ticket }),
            Err(reader) => Err(reader),
        }
    }
}

impl Ring {
    /// Resumes a parked reader at its position.
    ///
    /// # Errors
    /// [`RegisterError::NotParked`] if it was resumed already, or ended with its process; or while
    /// a process is suspended that was checking whether the parking process lives.
    /// [`RegisterError::Forked`].
    pub fn resume(&self, ticket: ParkTicket) -> Result<Reader, RegisterError> {
        if self.is_inherited() {
            return Err(RegisterError::Forked);
        }
        for _ in 0..REGISTER_TRIES {
            if let Some(registration) = Registration::resume(&self.attachment, ticket) {
                let cursor = ReadCursor::resume(&registration);
                return Ok(Reader::from_parts(registration, cursor));
            }
            if !self.has_entry(ticket) || !registry::is_parked(&self.attachment, ticket) {
                break;
            }
            // Another process may hold the entry for a moment, to check whether the parking process
            // lives.
            yield_now();
        }
        let is_parked = self.has_entry(ticket) && registry::is_parked(&self.attachment, ticket);
        if is_parked && self.attachment.liveness.backing.is_obstructed(ticket.entry) {
            return Err(RegisterError::Obstructed);
        }
        Err(RegisterError::NotParked { entry: ticket.entry })
    }

    /// Whether the ring has the entry of the ticket.
    fn has_entry(&self, ticket: ParkTicket) -> bool {
        ticket.entry < self.attachment.memory.layout().config.participants
    }

    /// The sequence that the reader of that ticket reads next, whether it is parked or resumed;
    /// `None` once it left.
    pub fn position_of(&self, ticket: ParkTicket) -> Option<u64> {
        if !self.has_entry(ticket) {
            return None;
        }
        let entry = self.attachment.memory.entry(ticket.entry);
        // Relaxed, all of them: a figure, orders nothing.
        let cursor = Cursor::from_word(entry.cursor.load(Relaxed)).position()?;
        let position = cursor.max(entry.floor.load(Relaxed)).min(self.next_sequence());
        registry::belongs_to(ticket, entry.state.load(Relaxed)).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use crate::process::ParkTicket;
    use crate::{Config, ReadError, RegisterError, Ring, Start, TryReadError, TryWriteError};

    fn ring() -> Ring {
        Ring::heap(&Config::slots(2).of_bytes(8)).unwrap()
    }

    /// Fails if parking vacates the cursor, or if resuming joins anew.
    #[test]
    fn nothing_is_lost_between_park_and_resume() {
        let ring = ring();
        let mut writer = ring.writer().unwrap();
        let parked = ring.reader(Start::Next).unwrap().park().unwrap();
        writer.write(b"one").unwrap();
        writer.write(b"two").unwrap();
        assert_eq!(
            writer.try_write(b"three"),
            Err(TryWriteError::Full),
            "the parked reader holds its position"
        );
        assert_eq!(ring.position_of(parked.ticket()), Some(0));
        let mut reader = ring.resume(parked.ticket()).unwrap();
        assert_eq!(ring.resume(parked.ticket()).unwrap_err(), RegisterError::NotParked { entry: 1 });
        let mut out = [0; 8];
        assert_eq!((reader.read(&mut out).unwrap().sequence, &out[..3]), (0, &b"one"[..]));
        assert_eq!(ring.position_of(parked.ticket()), Some(1));
        drop(parked);
        assert_eq!((reader.read(&mut out).unwrap().sequence, &out[..3]), (1, &b"two"[..]));
        drop(writer);
        assert_eq!(reader.read(&mut out), Err(ReadError::Closed));
    }

    /// Fails if a dropped `Parked` leaves its entry: the writer would wait for ever.
    #[test]
    fn a_parked_reader_that_is_not_resumed_ends_with_its_ticket() {
        let ring = ring();
        let mut writer = ring.writer().unwrap();
        let parked = ring.reader(Start::Next).unwrap().park().unwrap();
        let ticket = parked.ticket();
        drop(parked);
        for _ in 0..5 {
            writer.try_write(b"on").unwrap();
        }
        assert!(ring.resume(ticket).is_err());
        assert_eq!(ring.position_of(ticket), None);
        assert!(ring.participants().len() == 1, "the writer alone");
    }

    /// Fails if a ticket resumes the parked reader that has its entry now, or names any entry.
    #[test]
    fn a_ticket_resumes_its_own_reader_only() {
        let ring = ring();
        let parked = ring.reader(Start::Next).unwrap().park().unwrap();
        let before = parked.ticket();
        drop(parked);
        let parked = ring.reader(Start::Next).unwrap().park().unwrap();
        let beyond = ParkTicket { entry: ring.config().participants, ..parked.ticket() };
        for ticket in [before, beyond] {
            assert_eq!(ring.resume(ticket).err(), Some(RegisterError::NotParked { entry: ticket.entry }));
        }
        assert!(ring.resume(parked.ticket()).is_ok());
    }

    /// Fails if a joiner takes an entry that is parked.
    #[test]
    fn a_joiner_leaves_parked_entries_alone() {
        let ring = ring();
        let parked = ring.reader(Start::Next).unwrap().park().unwrap();
        let mut other = ring.reader(Start::Next).unwrap();
        assert_eq!(ring.participants().len(), 2);
        assert_eq!(other.try_read(&mut []), Err(TryReadError::Empty));
        ring.resume(parked.ticket()).unwrap();
    }
}
