//! A link: its thread, and what it shares with the acknowledgements.

use super::hand_out::HandOut;
use super::{Kept, Shared, lock};
use crate::error::Error;
use crate::source::{Filled, Frame, Source, stream_of};
use crate::wire::{Ack, Format, Hello, StreamState};
use seqring::{Reader, TryReadError};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zenoh::Wait;
use zenoh::pubsub::Publisher;

/// How often a stream that has ended is checked for its next writer.
const ENDED_POLL: Duration = Duration::from_millis(10);

/// What the thread of a link and the acknowledgements share.
pub(super) struct Link {
    pub(super) mirror: String,
    window: u64,
    progress: Mutex<Progress>,
    changed: Condvar,
    place: Option<Kept>,
}

struct Progress {
    /// Bytes that are acknowledged.
    acked: u64,
    /// The number after that of the last message sent.
    sent: u64,
    sent_bytes: u64,
    /// The last sign of life.
    heard: Instant,
    ended: bool,
}

impl Link {
    /// A link whose first message is `first`.
    pub(super) fn new(hello: &Hello, first: u64, place: Option<Kept>) -> Self {
        Link {
            mirror: hello.mirror.clone(),
            window: u64::from(hello.window),
            progress: Mutex::new(Progress {
                acked: 0,
                sent: first,
                sent_bytes: 0,
                heard: Instant::now(),
                ended: false,
            }),
            changed: Condvar::new(),
            place,
        }
    }

    pub(super) fn end(&self) {
        lock(&self.progress).ended = true;
        self.changed.notify_one();
    }

    pub(super) fn acknowledge(&self, ack: &Ack) -> Result<(), Error> {
        {
            let mut progress = lock(&self.progress);
            if ack.next > progress.sent || ack.bytes > progress.sent_bytes {
                return Err(Error::Unservable("an acknowledgement of what was not sent"));
            }
            progress.heard = Instant::now();
            if progress.ended {
                return Ok(()); // The place may belong to the mirror's next link.
            }
            if ack.bytes > progress.acked {
                progress.acked = ack.bytes;
                self.changed.notify_one();
            }
        }
        match &self.place {
            None => {}
            Some(Kept::HandOut(place)) => place.acknowledge(ack),
            Some(Kept::Reader(reader)) => advance(&mut lock(reader), ack.next),
        }
        Ok(())
    }
}

/// Advances the reader of a place: messages below `next` are no longer kept.
fn advance(reader: &mut Reader, next: u64) {
    // The messages are there: the ring kept them for this reader. A gap is one call.
    while reader.position() < next {
        match reader.try_read_in_place(|_| ()) {
            Ok(_) | Err(TryReadError::Lagged(_) | TryReadError::WriterDied { .. }) => {}
            Err(error) => {
                tracing::debug!(%error, "a place stays where it is");
                break;
            }
        }
    }
}

/// What a link sends.
pub(super) enum Feed {
    Ring(Source),
    /// The messages of a queue's mirror, from number `next` on.
    HandOut {
        place: Arc<HandOut>,
        next: u64,
    },
}

impl Feed {
    /// The number of the next message.
    pub(super) fn position(&self) -> u64 {
        match self {
            Feed::Ring(source) => source.position(),
            Feed::HandOut { next, .. } => *next,
        }
    }

    /// See [`Source::fill`].
    fn fill(&mut self, frame: &mut Frame, wait: Duration) -> Filled {
        match self {
            Feed::Ring(source) => source.fill(frame, wait),
            Feed::HandOut { place, next } => {
                let filled = place.fill(*next, frame, wait);
                *next = frame.next();
                filled
            }
        }
    }
}

/// The thread of a link.
pub(super) struct Sending {
    shared: Arc<Shared>,
    link: Arc<Link>,
    number: u64,
    feed: Feed,
    publisher: Publisher<'static>,
    stream: StreamState,
    /// Frames sent.
    frames: u64,
    /// When the last one was sent.
    spoke: Instant,
}

impl Sending {
    pub(super) fn new(
        shared: Arc<Shared>,
        link: Arc<Link>,
        number: u64,
        feed: Feed,
        publisher: Publisher<'static>,
        stream: StreamState,
    ) -> Self {
        Sending { shared, link, number, feed, publisher, stream, frames: 0, spoke: Instant::now() }
    }

    pub(super) fn run(mut self) {
        let why = self.send_all();
        tracing::info!(ring = self.shared.key, mirror = self.link.mirror, why, "a link is down");
        self.link.end();
        lock(&self.shared.links).remove(&self.number);
    }

    /// Sends frames until the link ends. Returns why it does.
    fn send_all(&mut self) -> &'static str {
        let tick = self.shared.tick();
        let mut frame = Frame::new(Format::of(self.shared.ring.config()));
        loop {
            match self.wait_for_credit(tick) {
                Credit::Ended(why) => return why,
                Credit::None => {}
                Credit::Some => match self.feed.fill(&mut frame, tick) {
                    Filled::Messages => {
                        if !matches!(self.stream, StreamState::Live { .. }) {
                            self.stream = match stream_of(&self.shared.ring) {
                                live @ StreamState::Live { .. } => live,
                                _ => StreamState::Live { pid: 0 },
                            };
                        }
                        if let Err(why) = self.send(&mut frame) {
                            return why;
                        }
                        continue;
                    }
                    Filled::Nothing => {}
                    Filled::End(end) => {
                        let end = match (end, stream_of(&self.shared.ring)) {
                            (_, StreamState::Closed) => StreamState::Closed,
                            (end, _) => end,
                        };
                        // A death is followed by an end until the next writer comes.
                        let known =
                            matches!(self.stream, StreamState::Died { .. }) && end == StreamState::Ended;
                        if end != self.stream && !known {
                            self.stream = end;
                            self.spoke = Instant::now().checked_sub(tick).unwrap_or(self.spoke);
                        } else {
                            std::thread::sleep(ENDED_POLL.min(tick));
                        }
                    }
                    Filled::Failed(why) => {
                        tracing::error!(ring = self.shared.key, why, "the source fails");
                        return "the source fails";
                    }
                },
            }
            if self.spoke.elapsed() >= tick
                && let Err(why) = self.send_sign(&mut frame)
            {
                return why;
            }
        }
    }

    /// Waits for at most `tick` until the mirror has room for a frame.
    fn wait_for_credit(&self, tick: Duration) -> Credit {
        let Link { progress, changed, window, .. } = &*self.link;
        let is_full =
            |progress: &mut Progress| !progress.ended && progress.sent_bytes - progress.acked >= *window;
        let waited = changed.wait_timeout_while(lock(progress), tick, is_full);
        let (mut progress, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if progress.ended || self.shared.ended.load(Relaxed) {
            return Credit::Ended("it was ended");
        }
        if progress.heard.elapsed() > self.shared.options.dead_after {
            return Credit::Ended("the mirror gave no sign of life");
        }
        if is_full(&mut progress) { Credit::None } else { Credit::Some }
    }

    fn send(&mut self, frame: &mut Frame) -> Result<(), &'static str> {
        let next = frame.next();
        let bytes = frame.take(self.frames, self.stream);
        {
            // Before the mirror can acknowledge it.
            let mut progress = lock(&self.link.progress);
            progress.sent = next;
            progress.sent_bytes += bytes.len() as u64;
        }
        self.frames += 1;
        self.spoke = Instant::now();
        self.publisher.put(bytes).wait().map_err(|_| "zenoh sends nothing any more")
    }

    /// Sends a frame without messages: a sign of life, the state, and the next number.
    fn send_sign(&mut self, frame: &mut Frame) -> Result<(), &'static str> {
        frame.set_empty(self.feed.position());
        self.send(frame)
    }
}

enum Credit {
    Some,
    None,
    Ended(&'static str),
}
