//! Streams that have their numbers, times and ends from elsewhere: from another host, or a file.

use crate::api::writer::Writer;
use crate::types::config::Writers;
use crate::types::error::{RegisterError, WriteError};

impl Writer {
    /// Continues with number `sequence`: no message gets a number below it any more. Returns how
    /// many numbers are skipped. For a stream that has its numbers from elsewhere, where messages
    /// were lost.
    ///
    /// Each reader first gets the messages before the gap, and then
    /// [`Lagged`](crate::Lagged) with the length of the gap, also if no message follows.
    ///
    /// ```
    /// use seqring::{Config, Delivery, Lagged, Ring, Start, TryReadError};
    /// let ring = Ring::heap(&Config::slots(8).of_bytes(8).delivery(Delivery::Lossy))?;
    /// let (mut reader, mut writer) = (ring.reader(Start::Next)?, ring.writer()?);
    /// writer.write(b"zero")?;
    /// assert_eq!(writer.skip_to(10)?, 9);
    /// assert_eq!(writer.write(b"ten")?, 10);
    /// let mut buffer = [0; 8];
    /// assert_eq!(reader.read(&mut buffer)?.sequence, 0);
    /// assert_eq!(reader.try_read(&mut buffer), Err(TryReadError::Lagged(Lagged { lost: 9 })));
    /// assert_eq!(reader.read(&mut buffer)?.sequence, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WriteError::Closed`]; [`WriteError::Forked`].
    ///
    /// # Panics
    /// If the ring has many writers, or `sequence` is below the next one, or 2⁶¹ or more.
    ///
    /// # Cost
    /// A few stores and one exchange; for a reader a line for each number that was skipped, at
    /// most one for each slot. It does not wait; in a gated ring the next write waits until
    /// readers have come as far as for any other message of its number.
    pub fn skip_to(&mut self, sequence: u64) -> Result<u64, WriteError> {
        assert!(self.config().writers == Writers::One, "one of many writers does not choose its numbers");
        let next = self.next_sequence();
        assert!((next..1 << 61).contains(&sequence), "a writer at {next} cannot skip to {sequence}");
        self.publisher.skip_to(sequence).map_err(WriteError::from_try)
    }

    /// Sets the time stamp, in ns, of the messages that this writer publishes from now on, in a
    /// ring with [`Config::timestamp`](crate::Config::timestamp). `None`, as at first: the time of
    /// each publication. For messages that come from elsewhere with their times.
    pub fn set_timestamp(&mut self, ns: Option<u64>) {
        self.publisher.set_time(ns);
    }

    /// Sets whether the messages that this writer publishes from now on in a queue are
    /// [redelivered](crate::Taken::is_redelivered). For messages that a taker elsewhere took and
    /// did not finish.
    ///
    /// # Errors
    /// [`RegisterError::Delivery`] unless the ring is a queue.
    pub fn set_redelivered(&mut self, redelivered: bool) -> Result<(), RegisterError> {
        self.check_queue()?;
        self.publisher.set_redelivered(redelivered);
        Ok(())
    }

    /// Leaves the ring as if the writer had been in process `pid`, and had died. If it was the last
    /// writer, readers get [`ReadError::WriterDied`](crate::ReadError::WriterDied). For a program
    /// that publishes for a writer elsewhere, and lost it.
    pub fn die_as(self, pid: u32) {
        self.endpoint.registration.die_as(pid);
    }
}
