//! The reference model: the behaviour of a ring as simple sequential code, without atomics, slots
//! or shared bytes.

use seqring::{Delivery, Lagged, Start, TryReadError, TryWriteError, WriteError};
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// A published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) sequence: u64,
    pub(crate) payload: Vec<u8>,
    pub(crate) tag: u64,
    pub(crate) metadata: Vec<u8>,
}

/// The state of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Fresh,
    Open,
    Ended,
    Closed,
}

/// A registered reader.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) position: u64,
    pub(crate) lost: u64,
    /// The metadata of the message read last; none after a read that failed.
    pub(crate) metadata: Vec<u8>,
    /// The minimum position, set by `skip_readers_to_newest`.
    floor: u64,
    /// A view in place holds the message at `position`.
    pinned: bool,
    /// It has got the final `Closed`.
    finished: bool,
}

impl Reader {
    /// The message of a view whose reader was skipped beyond it.
    fn viewed_behind(&self) -> Option<u64> {
        (self.pinned && self.floor > self.position).then_some(self.position)
    }
}

/// A ring.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) slots: u64,
    pub(crate) slot_bytes: usize,
    pub(crate) meta_bytes: usize,
    pub(crate) delivery: Delivery,
    pub(crate) first: u64,
    /// Gated: the readers that have not joined yet. Until then nothing is overwritten.
    awaited: u32,
    pub(crate) next: u64,
    /// Queue: the message to be taken next.
    taken: u64,
    pub(crate) phase: Phase,
    pub(crate) readers: Vec<Option<Reader>>,
    /// The last `slots` messages.
    messages: VecDeque<Message>,
    /// There is one writer, with a standby buffer: it continues over one view of a skipped reader.
    pub(crate) has_standby: bool,
    /// The last message that it kept that way.
    kept: Option<u64>,
}

impl Model {
    pub(crate) fn new(
        slots: u64,
        slot_bytes: usize,
        meta_bytes: usize,
        delivery: Delivery,
        first: u64,
        awaited: u32,
    ) -> Self {
        let (messages, readers) = (VecDeque::new(), Vec::new());
        let (next, taken, phase, has_standby, kept) = (first, first, Phase::Fresh, false, None);
        Model {
            slots,
            slot_bytes,
            meta_bytes,
            delivery,
            first,
            awaited,
            next,
            taken,
            phase,
            readers,
            messages,
            has_standby,
            kept,
        }
    }

    fn oldest_kept(&self) -> u64 {
        self.next - self.messages.len() as u64
    }

    /// Whether a message of these lengths is accepted now.
    pub(crate) fn admits(&self, len: usize, meta_len: usize) -> Result<(), TryWriteError> {
        if len > self.slot_bytes {
            return Err(TryWriteError::TooLarge { len, max: self.slot_bytes });
        }
        if meta_len > self.meta_bytes {
            return Err(TryWriteError::TooLarge { len: meta_len, max: self.meta_bytes });
        }
        if self.phase == Phase::Closed {
            return Err(TryWriteError::Closed);
        }
        let oldest_kept = match self.delivery {
            Delivery::Gated if self.awaited > 0 => Some(self.first),
            Delivery::Gated => self.slowest(),
            Delivery::Lossy => None,
            Delivery::Queue => Some(self.taken),
            _ => unreachable!("it has no messages"),
        };
        let is_full = oldest_kept.is_some_and(|oldest| self.next - oldest == self.slots);
        if is_full { Err(TryWriteError::Full) } else { Ok(()) }
    }

    /// The oldest message that must not be overwritten, and for which there is no standby buffer.
    fn slowest(&self) -> Option<u64> {
        let readers = || self.readers.iter().flatten();
        let mut viewed: Vec<u64> = readers().filter_map(Reader::viewed_behind).collect();
        viewed.sort_unstable();
        viewed.dedup();
        let standby_is_free = self.has_standby && self.kept.is_none_or(|kept| !viewed.contains(&kept));
        // The writer has already published over older ones: their buffers are out of the ring.
        viewed.retain(|viewed| viewed + self.slots >= self.next);
        let blocking = viewed.into_iter().skip(usize::from(standby_is_free));
        readers().map(|reader| reader.position.max(reader.floor)).chain(blocking).min()
    }

    /// Checks the error of a write with a timeout of zero: outside queues it names the reader that
    /// blocks it, or counts the readers that are awaited.
    pub(crate) fn assert_timed_out(&self, error: WriteError) {
        let WriteError::TimedOut { slowest, awaited_readers, .. } = error else { panic!("{error}") };
        assert_eq!(awaited_readers, self.awaited);
        match self.delivery {
            Delivery::Queue => {}
            Delivery::Gated if self.awaited > 0 => {}
            _ => assert_eq!(slowest.expect("a reader").lag, self.slots),
        }
    }

    /// Publishes a message.
    pub(crate) fn write(&mut self, payload: &[u8], tag: u64, metadata: &[u8]) -> Result<u64, TryWriteError> {
        self.admits(payload.len(), metadata.len())?;
        let (payload, metadata) = (payload.to_vec(), metadata.to_vec());
        self.messages.push_back(Message { sequence: self.next, payload, tag, metadata });
        if self.messages.len() as u64 > self.slots {
            let gone = self.messages.pop_front().expect("there are more than none").sequence;
            if self.readers.iter().flatten().any(|reader| reader.viewed_behind() == Some(gone)) {
                self.kept = Some(gone);
            }
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    /// The positions that a new reader may get: one, except near the oldest message of a gated
    /// ring, where the ring promises only that the message still exists.
    pub(crate) fn may_join_at(&self, start: Start) -> RangeInclusive<u64> {
        let oldest = self.next.saturating_sub(self.slots).max(self.first);
        let next = self.next;
        let latest = |exact: u64| if self.delivery == Delivery::Gated { next } else { exact };
        match start {
            Start::Next if self.awaited > 0 => self.first..=self.first,
            Start::Next => next..=next,
            Start::Oldest => oldest..=latest(oldest),
            Start::Newest => {
                let newest = next.saturating_sub(1).max(oldest);
                newest..=latest(newest)
            }
            Start::Sequence(sequence) => {
                let nearest = sequence.clamp(oldest, next);
                nearest..=latest(nearest)
            }
            other => unreachable!("{other:?}"),
        }
    }

    /// Registers a reader.
    pub(crate) fn join(&mut self, position: u64) {
        self.awaited = self.awaited.saturating_sub(1);
        let (floor, pinned, finished) = (0, false, false);
        self.readers.push(Some(Reader { position, lost: 0, metadata: Vec::new(), floor, pinned, finished }));
    }

    pub(crate) fn reader(&mut self, id: usize) -> &mut Reader {
        self.readers[id].as_mut().expect("the driver uses registered readers")
    }

    /// A read with room for `room` bytes.
    pub(crate) fn read(&mut self, id: usize, room: usize) -> Result<Message, TryReadError> {
        let message = self.next_message(id)?;
        let needed = message.payload.len();
        if needed > room {
            return Err(TryReadError::TooSmall { needed });
        }
        let reader = self.reader(id);
        reader.position += 1;
        reader.metadata.clone_from(&message.metadata);
        Ok(message)
    }

    /// A batch of at most `most` messages, each of which `fits` may refuse: the messages that are
    /// available. Only the first message can cause an error.
    pub(crate) fn read_batch(
        &mut self,
        id: usize,
        most: usize,
        mut fits: impl FnMut(&Message) -> Result<(), TryReadError>,
    ) -> Result<Vec<Message>, TryReadError> {
        let mut messages = Vec::new();
        while messages.len() < most && (messages.is_empty() || self.is_available(id)) {
            let message = self.next_message(id)?;
            match fits(&message) {
                Ok(()) => {}
                Err(error) if messages.is_empty() => return Err(error),
                Err(_) => break,
            }
            self.reader(id).position += 1;
            messages.push(message);
        }
        self.reader(id).metadata.clear();
        Ok(messages)
    }

    /// Whether the next message can be read.
    fn is_available(&mut self, id: usize) -> bool {
        let (next, oldest) = (self.next, self.oldest_kept());
        let reader = self.reader(id);
        !reader.finished && (oldest.max(reader.floor)..next).contains(&reader.position)
    }

    /// A view in place. Writers do not overwrite its message until [`Self::unpin`].
    pub(crate) fn pin(&mut self, id: usize) -> Result<Message, TryReadError> {
        let message = self.next_message(id)?;
        let reader = self.reader(id);
        reader.pinned = true;
        reader.metadata.clone_from(&message.metadata);
        Ok(message)
    }

    pub(crate) fn unpin(&mut self, id: usize) {
        let reader = self.reader(id);
        reader.pinned = false;
        reader.position += 1;
    }

    fn next_message(&mut self, id: usize) -> Result<Message, TryReadError> {
        let (next, slots, phase, oldest) = (self.next, self.slots, self.phase, self.oldest_kept());
        let nothing = self.nothing();
        let reader = self.reader(id);
        reader.metadata.clear();
        if reader.finished {
            return Err(TryReadError::Closed);
        }
        if reader.floor > reader.position {
            return Err(Self::skip(reader, reader.floor));
        }
        if reader.position < oldest {
            // A quarter of the ring above the oldest message, so that the writer does not overtake
            // it again at once.
            let resume = (next + slots / 4 - slots).max(reader.position + 1);
            return Err(Self::skip(reader, resume));
        }
        if reader.position == next {
            reader.finished = phase == Phase::Closed;
            return Err(nothing);
        }
        let index = (reader.position - oldest) as usize;
        Ok(self.messages[index].clone())
    }

    /// A take.
    pub(crate) fn take(&mut self) -> Result<Message, TryReadError> {
        if self.taken == self.next {
            return Err(self.nothing());
        }
        let index = (self.taken - self.oldest_kept()) as usize;
        self.taken += 1;
        Ok(self.messages[index].clone())
    }

    /// The result of a read or take behind the last message.
    fn nothing(&self) -> TryReadError {
        match self.phase {
            Phase::Fresh | Phase::Open => TryReadError::Empty,
            Phase::Ended | Phase::Closed => TryReadError::Closed,
        }
    }

    fn skip(reader: &mut Reader, to: u64) -> TryReadError {
        let lost = to - reader.position;
        reader.position = to;
        reader.lost += lost;
        Lagged { lost }.into()
    }

    /// Moves the reader forward to the newest message. Returns how many it skips.
    pub(crate) fn skip_to_newest(&mut self, reader: usize) -> u64 {
        let next = self.next;
        let reader = self.readers[reader].as_mut().expect("it is there");
        let unread = next - reader.position;
        let passed = unread.saturating_sub(1);
        reader.position += passed;
        passed
    }

    pub(crate) fn skip_readers_to_newest(&mut self) {
        for reader in self.readers.iter_mut().flatten() {
            reader.floor = self.next;
        }
    }
}
