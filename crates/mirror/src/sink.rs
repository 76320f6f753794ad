//! The mirror's ring, written from frames.

use crate::error::Error;
use crate::origin::Origin;
use crate::wire::{
    Ack, Clock, Description, FRAME_BYTES, Format, FrameHead, Malformed, StreamState, Welcome, Work,
};
use seqring::inspect::Stream;
use seqring::{Delivery, MessageHeader, Ring, TryWriteError, WriteError, Writer};
use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;
use zenoh::bytes::ZBytes;

const OTHER_WRITER: &str = "another program publishes in the mirror's queue";

/// Where the frames of one link go.
pub(crate) struct Sink {
    ring: Ring,
    origin: Origin,
    /// Registered while the source has a writer.
    writer: Option<Writer>,
    format: Format,
    /// The number of the next frame.
    next_frame: u64,
    /// The frame that is being published.
    current: Option<Current>,
    here: Clock,
    there: Clock,
    used: u64,
    metadata: Vec<u8>,
    /// Whether messages of one length, end to end, may be published together.
    plain: bool,
    queue: bool,
}

struct Current {
    bytes: ZBytes,
    stream: StreamState,
    messages: Vec<Description>,
    /// The number of the first message.
    first: u64,
    done: usize,
    /// Where the bytes of message `done` begin.
    offset: usize,
}

/// How far [`Sink::publish`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All frames are published.
    Done,
    /// A reader of the mirror's ring has to advance first.
    Full,
    /// The source is closed for good, and so is the mirror's ring.
    Closed,
}

impl Sink {
    pub(crate) fn new(ring: Ring, origin: Origin, welcome: &Welcome, here: Clock) -> Result<Self, Error> {
        let config = ring.config();
        let queue = config.delivery == Delivery::Queue;
        let plain = !queue && !config.tag && !config.timestamp && config.meta_bytes == 0;
        let mut sink = Sink {
            format: Format::of(config),
            plain,
            queue,
            ring,
            origin,
            writer: None,
            next_frame: 0,
            current: None,
            here,
            there: welcome.clock,
            used: 0,
            metadata: Vec::new(),
        };
        sink.origin.linked = true;
        // An end comes by a frame, behind the messages that precede it.
        if let StreamState::Live { .. } = welcome.stream {
            sink.follow(welcome.stream)?;
        }
        sink.skip_to(welcome.first)?;
        Ok(sink)
    }

    /// What the server may know, beside the work of a queue's takers.
    pub(crate) fn ack(&self) -> Ack {
        Ack { next: self.next(), bytes: self.used, work: Work::default() }
    }

    pub(crate) fn is_queue(&self) -> bool {
        self.queue
    }

    fn next(&self) -> u64 {
        match &self.writer {
            Some(writer) if !self.queue => writer.next_sequence(),
            _ => self.ring.next_sequence(),
        }
    }

    /// Publishes the messages of `frames`, as far as there is room, without waiting.
    pub(crate) fn publish(&mut self, frames: &mut VecDeque<ZBytes>) -> Result<Progress, Error> {
        loop {
            if self.current.is_none() {
                let Some(bytes) = frames.pop_front() else { return Ok(Progress::Done) };
                self.begin(bytes)?;
            }
            if !self.publish_current()? {
                return Ok(Progress::Full);
            }
            if let Some(Current { bytes, stream, .. }) = self.current.take() {
                self.used += bytes.len() as u64;
                self.follow(stream)?;
                if stream == StreamState::Closed {
                    return Ok(Progress::Closed);
                }
            }
        }
    }

    /// Waits for at most `longest` until there is room for a message.
    pub(crate) fn wait_for_room(&mut self, longest: Duration) {
        if let Some(writer) = &mut self.writer {
            writer.ready_within(longest);
        }
    }

    /// Ends the stream. If the link is `lost`, readers get `WriterDied`.
    pub(crate) fn end(mut self, lost: bool) {
        // First: a reader that gets `WriterDied` finds the link down.
        self.origin.linked = false;
        self.origin.store(&self.ring);
        if let Some(writer) = self.writer.take().filter(|_| lost) {
            writer.die_as(self.origin.pid);
        }
    }

    /// Checks the head of a frame, and what it says of its messages.
    fn begin(&mut self, bytes: ZBytes) -> Result<(), Error> {
        let mut reader = bytes.reader();
        let mut head = [0; FrameHead::BYTES];
        reader.read_exact(&mut head).map_err(|_| Malformed("a frame shorter than its head".into()))?;
        let head = FrameHead::decode(&head)?;
        if head.number != self.next_frame {
            return Err(
                Malformed(format!("frame {} came where {} belongs", head.number, self.next_frame)).into()
            );
        }
        self.next_frame += 1;
        let rest = bytes.len() - FrameHead::BYTES;
        let messages = self.format.descriptions(&mut reader, head.count, rest)?;
        if !messages.is_empty() && self.writer.is_none() {
            self.follow(head.stream)?;
        }
        self.skip_to(head.first)?;
        let offset =
            bytes.len() - messages.iter().map(|message| message.len + message.meta_len).sum::<usize>();
        self.current =
            Some(Current { bytes, stream: head.stream, messages, first: head.first, done: 0, offset });
        Ok(())
    }

    /// Skips the numbers below `first`, which were lost.
    fn skip_to(&mut self, first: u64) -> Result<(), Error> {
        let next = self.next();
        if self.queue && first < next {
            return Err(Error::Unservable(OTHER_WRITER));
        }
        if first < next {
            return Err(Malformed(format!("message {first} came again, before {next}")).into());
        }
        if self.queue && first > next {
            return Err(Malformed(format!("message {first} of a queue came before {next}")).into());
        }
        if first > next {
            tracing::info!(lost = first - next, first, "messages were lost at the source");
            let mut writer = self.writer.take();
            let skipped = match &mut writer {
                Some(writer) => writer.skip_to(first),
                None => self.ring.writer()?.skip_to(first),
            };
            self.writer = writer;
            skipped?;
        }
        Ok(())
    }

    /// Follows the state of the source's stream.
    fn follow(&mut self, stream: StreamState) -> Result<(), Error> {
        match stream {
            StreamState::Fresh => {}
            StreamState::Live { pid } => {
                if self.writer.is_none() {
                    self.writer = Some(self.ring.writer()?);
                }
                self.origin.pid = if pid == 0 { self.origin.pid } else { pid };
            }
            StreamState::Ended => drop(self.last_writer()?),
            StreamState::Died { pid } => {
                self.origin.pid = pid;
                if let Some(writer) = self.last_writer()? {
                    writer.die_as(pid);
                }
            }
            StreamState::Closed => {
                self.writer = None;
                self.ring.close();
            }
        }
        self.origin.store(&self.ring);
        Ok(())
    }

    /// The writer whose end ends the stream, if that is open. A stream that no reader here has seen
    /// begin ends, too.
    fn last_writer(&mut self) -> Result<Option<Writer>, Error> {
        if self.writer.is_none() && self.ring.stats().stream == Stream::Fresh {
            return Ok(Some(self.ring.writer()?));
        }
        Ok(self.writer.take())
    }

    /// Publishes the rest of the current frame. Returns whether there was room for all of it.
    fn publish_current(&mut self) -> Result<bool, Error> {
        let Some(current) = self.current.as_mut().filter(|current| current.done < current.messages.len())
        else {
            return Ok(true);
        };
        let Some(writer) = self.writer.as_mut() else {
            return Err(Malformed("messages of a stream without a writer".into()).into());
        };
        let times = Times { here: self.here, there: self.there };
        if self.queue {
            return current.publish_tasks(writer, times, &mut self.metadata);
        }
        // A large message is copied from zenoh's buffers into the ring; small ones lie in one
        // buffer, and those of one length are copied together.
        let published = if current.bytes.len() > 2 * FRAME_BYTES {
            current.publish_large(writer, times, &mut self.metadata)
        } else {
            current.publish_small(writer, times, self.plain)
        };
        settle(published)
    }
}

/// Whether all was published.
fn settle(published: Result<(), TryWriteError>) -> Result<bool, Error> {
    match published {
        Ok(()) => Ok(true),
        Err(TryWriteError::Full) => Ok(false),
        Err(TryWriteError::Closed) => Err(Error::Write(WriteError::Closed)),
        Err(TryWriteError::TooLarge { len, max }) => Err(Error::Write(WriteError::TooLarge { len, max })),
        Err(error) => Err(Malformed(error.to_string()).into()),
    }
}

#[derive(Clone, Copy)]
struct Times {
    here: Clock,
    there: Clock,
}

impl Times {
    fn set(self, writer: &mut Writer, message: &Description) {
        writer.set_timestamp(message.timestamp_ns.map(|ns| self.here.translate(ns, self.there)));
    }
}

impl Current {
    fn publish_small(&mut self, writer: &mut Writer, times: Times, plain: bool) -> Result<(), TryWriteError> {
        let bytes = self.bytes.to_bytes();
        while let Some(message) = self.messages.get(self.done) {
            let Description { len, meta_len, tag, .. } = *message;
            let alike = |other: &&Description| other.len == len;
            let run = self.messages[self.done..].iter().take_while(alike).count();
            if plain && len > 0 && run > 1 {
                let published = writer.try_write_batch(len, &bytes[self.offset..][..run * len])?;
                self.done += published;
                self.offset += published * len;
                continue;
            }
            let (payload, metadata) = bytes[self.offset..][..len + meta_len].split_at(len);
            if plain {
                writer.try_write(payload)?;
            } else {
                times.set(writer, message);
                writer.try_write_with(payload, &MessageHeader { tag, metadata })?;
            }
            self.done += 1;
            self.offset += len + meta_len;
        }
        Ok(())
    }

    /// Publishes messages of a queue, each under the number by which it was handed out.
    fn publish_tasks(
        &mut self,
        writer: &mut Writer,
        times: Times,
        metadata: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        while let Some(message) = self.messages.get(self.done) {
            writer.set_redelivered(message.redelivered)?;
            let number = match self.publish_next(writer, times, metadata) {
                Err(error) => return settle(Err(error)),
                Ok(number) => number,
            };
            let due = self.first + self.done as u64 - 1;
            if number != due {
                return Err(Error::Unservable(OTHER_WRITER));
            }
        }
        Ok(true)
    }

    fn publish_large(
        &mut self,
        writer: &mut Writer,
        times: Times,
        metadata: &mut Vec<u8>,
    ) -> Result<(), TryWriteError> {
        while self.done < self.messages.len() {
            self.publish_next(writer, times, metadata)?;
        }
        Ok(())
    }

    /// Publishes one message, which is copied from zenoh's buffers into the ring.
    fn publish_next(
        &mut self,
        writer: &mut Writer,
        times: Times,
        metadata: &mut Vec<u8>,
    ) -> Result<u64, TryWriteError> {
        let message = &self.messages[self.done];
        times.set(writer, message);
        let mut claim = writer.try_claim(message.len)?;
        let mut reader = self.bytes.reader();
        metadata.resize(message.meta_len, 0);
        let read = reader
            .seek(SeekFrom::Start(self.offset as u64))
            .and_then(|_| reader.read_exact(&mut claim))
            .and_then(|()| reader.read_exact(metadata));
        read.expect("`begin` compared the lengths with the bytes");
        let header = MessageHeader { tag: message.tag, metadata };
        let number = claim.try_publish_with(&header).map_err(|unpublished| unpublished.error)?;
        self.done += 1;
        self.offset += message.len + message.meta_len;
        Ok(number)
    }
}
