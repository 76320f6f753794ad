//! The source ring, read into frames.

use crate::error::Error;
use crate::wire::{Description, FRAME_BYTES, Format, FrameHead, StreamState};
use seqring::inspect::Stream;
use seqring::{
    Config, Delivery, Location, Observer, RacyBytes, ReadError, Reader, Received, Ring, Role, SlotClass,
    Start, TryReadError, WaitStrategy,
};
use std::time::Duration;
use zenoh::bytes::ZBytes;

/// A reader of the source. Only a reader of a gated ring can hold its writers up.
pub(crate) struct Source {
    reader: AnyReader,
    /// Messages are bytes in the ring while they are copied: no room has to be zeroed for them.
    in_place: bool,
    /// What a read returned after the last message of a frame.
    pending: Option<Next>,
}

enum AnyReader {
    Observer(Box<Observer>),
    Reader(Box<Reader>),
}

/// What comes next in the stream.
#[derive(Debug)]
pub(crate) enum Next {
    Message(Received),
    Nothing,
    /// Messages were lost: the number of the next message shows it.
    Gap,
    End(StreamState),
    Failed(String),
}

impl From<TryReadError> for Next {
    fn from(error: TryReadError) -> Self {
        match error {
            TryReadError::Empty => Next::Nothing,
            TryReadError::Lagged(_) => Next::Gap,
            TryReadError::Closed => Next::End(StreamState::Ended),
            TryReadError::WriterDied { pid } => Next::End(StreamState::Died { pid }),
            other => Next::Failed(other.to_string()),
        }
    }
}

impl From<ReadError> for Next {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TimedOut { .. } => Next::Nothing,
            ReadError::Lagged(_) => Next::Gap,
            ReadError::Closed => Next::End(StreamState::Ended),
            ReadError::WriterDied { pid } => Next::End(StreamState::Died { pid }),
            other => Next::Failed(other.to_string()),
        }
    }
}

/// What [`Source::fill`] found.
#[derive(Debug)]
pub(crate) enum Filled {
    Messages,
    Nothing,
    End(StreamState),
    Failed(String),
}

impl Source {
    /// Reads `ring`, which is at `location`, without holding up its writers, or, if `lossless`, as
    /// its registered reader.
    pub(crate) fn open(
        ring: &Ring,
        location: &Location,
        start: Start,
        lossless: bool,
        waiting: WaitStrategy,
    ) -> Result<Self, Error> {
        // A reader is woken for a message; an observer polls.
        let reader = if lossless || ring.config().delivery == Delivery::Lossy {
            let mut reader = ring.reader(start)?;
            reader.set_wait_strategy(waiting);
            AnyReader::Reader(Box::new(reader))
        } else if ring.config().observers {
            let mut observer = Observer::open(location.clone(), start)?;
            observer.set_wait_strategy(waiting);
            AnyReader::Observer(Box::new(observer))
        } else {
            return Err(Error::HoldsUp);
        };
        let Config { delivery, slot_class, .. } = *ring.config();
        let in_place = delivery == Delivery::Gated && slot_class == SlotClass::Arena;
        Ok(Source { reader, in_place, pending: None })
    }

    /// The number of the next message.
    pub(crate) fn position(&self) -> u64 {
        match &self.reader {
            AnyReader::Observer(observer) => observer.position(),
            AnyReader::Reader(reader) => reader.position(),
        }
    }

    /// Copies the next messages to `frame`: all that are there, as far as it has room. Waits for at
    /// most `wait`, and only if none is there: a lone message is not delayed.
    pub(crate) fn fill(&mut self, frame: &mut Frame, wait: Duration) -> Filled {
        frame.clear();
        let mut next = self.pending.take();
        loop {
            let first = frame.count == 0;
            match next.take().unwrap_or_else(|| self.next(frame, first.then_some(wait))) {
                Next::Message(received) => {
                    frame.add(received);
                    if frame.is_full() {
                        return Filled::Messages;
                    }
                }
                other if !first => {
                    self.pending = (!matches!(other, Next::Nothing | Next::Gap)).then_some(other);
                    return Filled::Messages;
                }
                Next::Gap => {}
                Next::Nothing => return Filled::Nothing,
                Next::End(end) => return Filled::End(end),
                Next::Failed(why) => return Filled::Failed(why),
            }
        }
    }

    /// Copies the next message to the end of the frame's bytes: payload, then metadata.
    fn next(&mut self, frame: &mut Frame, wait: Option<Duration>) -> Next {
        if let (AnyReader::Reader(reader), true) = (&mut self.reader, self.in_place) {
            let view = match wait {
                None => reader.try_view().map_err(Next::from),
                Some(wait) => reader.view_timeout(wait).map_err(Next::from),
            };
            return view.map_or_else(
                |next| next,
                |view| {
                    frame.bytes.extend_from_slice(&view);
                    frame.bytes.extend_from_slice(view.metadata());
                    frame.meta_len = view.metadata().len();
                    Next::Message(view.received())
                },
            );
        }
        let bytes = &mut frame.bytes;
        let start = bytes.len();
        let copy = |message: RacyBytes<'_>| {
            bytes.resize(start + message.len(), 0);
            message.copy_to_slice(&mut bytes[start..]);
        };
        let read = match (&mut self.reader, wait) {
            (AnyReader::Observer(observer), None) => observer.try_read_in_place(copy).map_err(Next::from),
            (AnyReader::Observer(observer), Some(wait)) => {
                observer.read_in_place_timeout(copy, wait).map_err(Next::from)
            }
            (AnyReader::Reader(reader), None) => reader.try_read_in_place(copy).map_err(Next::from),
            (AnyReader::Reader(reader), Some(wait)) => {
                reader.read_in_place_timeout(copy, wait).map_err(Next::from)
            }
        };
        match read {
            Ok((received, ())) => {
                let metadata = match &self.reader {
                    AnyReader::Observer(observer) => observer.metadata(),
                    AnyReader::Reader(reader) => reader.metadata(),
                };
                frame.meta_len = metadata.len();
                frame.bytes.extend_from_slice(metadata);
                Next::Message(received)
            }
            Err(next) => {
                frame.bytes.truncate(start);
                next
            }
        }
    }
}

/// The messages of one frame.
pub(crate) struct Frame {
    format: Format,
    descriptions: Vec<u8>,
    bytes: Vec<u8>,
    /// Messages of a queue, which are kept until they are finished; `bytes` is empty then.
    parts: Vec<ZBytes>,
    count: u32,
    first: u64,
    /// Of the message that was read last.
    meta_len: usize,
}

impl Frame {
    pub(crate) fn new(format: Format) -> Self {
        Frame {
            format,
            descriptions: Vec::new(),
            bytes: Vec::new(),
            parts: Vec::new(),
            count: 0,
            first: 0,
            meta_len: 0,
        }
    }

    fn clear(&mut self) {
        self.descriptions.clear();
        self.bytes.clear();
        self.parts.clear();
        self.count = 0;
    }

    /// Makes this a frame without messages: `next` is the number of the next one.
    pub(crate) fn set_empty(&mut self, next: u64) {
        self.clear();
        self.first = next;
    }

    fn add(&mut self, received: Received) {
        let Received { sequence, len, tag, timestamp_ns, .. } = received;
        if self.count == 0 {
            self.first = sequence;
        }
        let (meta_len, tag) = (self.meta_len, tag.unwrap_or_default());
        self.describe(Description { len, meta_len, tag, timestamp_ns, redelivered: false });
    }

    fn describe(&mut self, message: Description) {
        self.format.put(&mut self.descriptions, message);
        self.count += 1;
    }

    /// Adds the next message of a queue: payload, then metadata.
    pub(crate) fn append(&mut self, message: Description, bytes: ZBytes) {
        self.describe(message);
        self.parts.push(bytes);
    }

    pub(crate) fn is_full(&self) -> bool {
        let parts: usize = self.parts.iter().map(ZBytes::len).sum();
        self.descriptions.len() + self.bytes.len() + parts >= FRAME_BYTES
    }

    /// The number after that of the last message.
    pub(crate) fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// The bytes to be sent, as frame `number` of its link. The messages are not copied.
    pub(crate) fn take(&mut self, number: u64, stream: StreamState) -> ZBytes {
        let head = FrameHead { number, first: self.first, count: self.count, stream };
        let mut front = Vec::with_capacity(FrameHead::BYTES + self.descriptions.len());
        front.extend_from_slice(&head.encode());
        front.extend_from_slice(&self.descriptions);
        let room = self.bytes.len();
        let bytes = std::mem::replace(&mut self.bytes, Vec::with_capacity(room));
        let mut whole = ZBytes::writer();
        whole.append(front.into());
        whole.append(bytes.into());
        self.parts.drain(..).for_each(|part| whole.append(part));
        whole.finish()
    }
}

/// The state of the ring's stream.
pub(crate) fn stream_of(ring: &Ring) -> StreamState {
    let stats = ring.stats();
    let writer = stats.participants.iter().find(|participant| participant.role == Role::Writer);
    match (stats.stream, writer) {
        (Stream::Fresh, _) => StreamState::Fresh,
        (Stream::Closed, _) => StreamState::Closed,
        (Stream::Open, writer) => StreamState::Live { pid: writer.map_or(0, |writer| writer.pid) },
        _ => StreamState::Ended,
    }
}
