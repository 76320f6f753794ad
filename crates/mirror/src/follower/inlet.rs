//! Where the frames of a link come in, and its acknowledgements begin.

use super::{End, Stop};
use crate::error::Error;
use crate::server::lock;
use crate::sink::{Progress, Sink};
use crate::wire::{Ack, MESSAGE_BYTES, Welcome, Work, longest_frame};
use seqring::inspect::Participant;
use seqring::{Delivery, Ring, Role};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zenoh::Wait;
use zenoh::bytes::ZBytes;
use zenoh::pubsub::Publisher;

/// Where the frames of a link come in.
pub(super) struct Inlet {
    state: Mutex<State>,
    changed: Condvar,
    /// Bytes that may come ahead of the acknowledgements, and after which one is due.
    window: u64,
}

#[derive(Default)]
struct State {
    frames: VecDeque<ZBytes>,
    /// `None` before the link is open, and while the mirror's thread waits for room.
    sink: Option<Sink>,
    /// A frame waits for room.
    is_full: bool,
    heard: Option<Instant>,
    end: Option<Result<End, Error>>,
    acked: Ack,
    received: u64,
    lossless: bool,
    /// The longest frame.
    longest: u64,
}

impl Inlet {
    pub(super) fn new(window: u32) -> Self {
        let state = State { longest: MESSAGE_BYTES as u64, ..State::default() };
        Inlet { state: Mutex::new(state), changed: Condvar::new(), window: window.into() }
    }

    pub(super) fn receive(&self, frame: ZBytes, acks: &Publisher<'_>) {
        let mut state = lock(&self.state);
        state.heard = Some(Instant::now());
        state.received += frame.len() as u64;
        // A server sends one frame more at most.
        if state.received - state.acked.bytes > self.window + state.longest {
            let why = "more bytes came than were allowed";
            state.end.get_or_insert(Ok(End::Lost(why.into())));
        }
        if state.end.is_none() {
            state.frames.push_back(frame);
            self.publish(state, acks);
        }
    }

    pub(super) fn open(&self, sink: Sink, welcome: &Welcome, acks: &Publisher<'_>) {
        let mut state = lock(&self.state);
        state.heard = Some(Instant::now());
        state.lossless = welcome.lossless;
        state.longest = longest_frame(&welcome.config);
        state.acked = sink.ack();
        state.sink = Some(sink);
        self.publish(state, acks);
    }

    /// Publishes what has come in, as far as there is room, and acknowledges it if that is due.
    fn publish(&self, mut state: MutexGuard<'_, State>, acks: &Publisher<'_>) {
        let State { frames, sink: Some(sink), .. } = &mut *state else { return };
        let progress = sink.publish(frames);
        let (ack, queue) = (sink.ack(), sink.is_queue());
        // The writers of a lossless source may be waiting for it. The mirror's thread acknowledges
        // what a queue's takers have finished.
        let is_due = !queue
            && (ack.bytes - state.acked.bytes >= self.window / 4
                || state.lossless && ack.next > state.acked.next);
        state.is_full = matches!(progress, Ok(Progress::Full));
        match progress {
            Ok(Progress::Done) => {}
            Ok(Progress::Full) => self.changed.notify_one(),
            Ok(Progress::Closed) => state.end = Some(Ok(End::Closed)),
            Err(Error::Malformed(what)) => state.end = Some(Ok(End::Lost(what.to_string()))),
            Err(error) => state.end = Some(Err(error)),
        }
        if state.end.is_some() || queue {
            self.changed.notify_one();
        }
        if is_due {
            state.acked = ack.clone();
            drop(state);
            send(acks, &ack);
        }
    }

    pub(super) fn end(&self, end: End) {
        lock(&self.state).end.get_or_insert(Ok(end));
        self.changed.notify_one();
    }

    /// Follows the link until it is down.
    pub(super) fn run(
        &self,
        ring: &Ring,
        stop: &Stop,
        dead_after: Duration,
        acks: &Publisher<'_>,
        is_connected: impl Fn() -> bool,
    ) -> Result<End, Error> {
        let tick = dead_after / 8;
        let mut spoke = Instant::now();
        let mut watch = Watch::new(ring);
        let end = loop {
            let mut state = lock(&self.state);
            if let Some(end) = state.end.take() {
                break end;
            }
            if stop.is_set() {
                break Ok(End::Stopped);
            }
            if !is_connected() {
                break Ok(End::Lost("the connection is down".into()));
            }
            if state.heard.is_some_and(|heard| heard.elapsed() > dead_after) {
                break Ok(End::Lost(format!("no sign of life for {dead_after:?}")));
            }
            let full_sink = if state.is_full { state.sink.take() } else { None };
            if let Some(mut sink) = full_sink {
                drop(state); // Frames come in meanwhile.
                sink.wait_for_room(watch.pause(tick));
                state = lock(&self.state);
                state.sink = Some(sink);
                self.publish(state, acks);
            } else {
                let waited = self.changed.wait_timeout(state, watch.pause(tick));
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            }
            let is_due = spoke.elapsed() >= 2 * tick;
            if is_due || watch.queue {
                let mut state = lock(&self.state);
                let mut ack = state.sink.as_ref().map_or_else(|| state.acked.clone(), Sink::ack);
                ack.work = watch.work(ring);
                let is_news = std::mem::replace(&mut state.acked, ack.clone()) != ack;
                drop(state);
                watch.note(is_news);
                if is_due || is_news {
                    spoke = Instant::now();
                    send(acks, &ack);
                }
            }
        };
        let mut state = lock(&self.state);
        state.end = Some(Ok(End::Stopped)); // Later frames are dropped.
        if let Some(sink) = state.sink.take() {
            sink.end(matches!(end, Ok(End::Lost(_))));
        }
        end
    }
}

fn send(acks: &Publisher<'_>, ack: &Ack) {
    if let Err(error) = acks.put(ack.encode()).wait() {
        tracing::debug!(%error, "an acknowledgement was not sent");
    }
}

/// How often a queue's takers are asked for what they have finished: at first, and at last while
/// they work, and while they have nothing to do.
const PAUSES: [Duration; 3] =
    [Duration::from_micros(100), Duration::from_millis(5), Duration::from_millis(50)];

/// When to look at the takers of the mirror's ring, if that is a queue.
struct Watch {
    queue: bool,
    pause: Duration,
    takers: u32,
    counted: Instant,
    works: bool,
}

impl Watch {
    fn new(ring: &Ring) -> Self {
        let queue = ring.config().delivery == Delivery::Queue;
        let takers = if queue { takers(ring) } else { 0 };
        Watch { queue, pause: PAUSES[0], takers, counted: Instant::now(), works: false }
    }

    fn pause(&self, tick: Duration) -> Duration {
        if self.queue { self.pause.min(tick) } else { tick }
    }

    /// What the takers have to do. They are counted now and then: that takes system calls.
    fn work(&mut self, ring: &Ring) -> Work {
        if !self.queue {
            return Work::default();
        }
        if self.counted.elapsed() >= PAUSES[2] {
            (self.takers, self.counted) = (takers(ring), Instant::now());
        }
        let unfinished = ring.unfinished();
        self.works = !unfinished.is_empty();
        Work { takers: self.takers, unfinished }
    }

    /// Notes whether there was news.
    fn note(&mut self, is_news: bool) {
        let longest = if self.works { PAUSES[1] } else { PAUSES[2] };
        self.pause = if is_news { PAUSES[0] } else { (2 * self.pause).min(longest) };
    }
}

/// What the takers of `ring` have to do; nothing if it is no queue.
pub(super) fn work(ring: &Ring) -> Work {
    match ring.config().delivery {
        Delivery::Queue => Work { takers: takers(ring), unfinished: ring.unfinished() },
        _ => Work::default(),
    }
}

fn takers(ring: &Ring) -> u32 {
    let alive = |one: &&Participant| one.role == Role::Taker && one.alive;
    ring.participants().iter().filter(alive).count() as u32
}
