//! A queue's messages that a mirror has: taken from the queue for it, and not finished there.
//!
//! A taker holds one message, so there is a taker for each message that is out. It *puts off* its
//! message until the mirror reports it finished. If this process dies, or gives the mirror up, its
//! takers are gone, and their messages go to other takers of the queue, marked as redelivered.
//!
//! # Numbers
//! The messages of a mirror are numbered by their hand-out. The mirror's own queue has the same
//! numbers, so it reports what it has by numbers of that queue: a message below its next number is
//! there, and is finished unless it is among the unfinished ones. A report is true for ever, so a
//! report that is lost or late does no harm.

use crate::server::lock;
use crate::source::{Filled, Frame, Next};
use crate::wire::{Ack, Description, StreamState};
use seqring::inspect::Stream;
use seqring::{Received, Ring, Taker, WaitStrategy};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use zenoh::bytes::ZBytes;

/// What a mirror has of a queue.
pub(super) struct HandOut {
    ring: Ring,
    waiting: WaitStrategy,
    /// Messages that a mirror has for each of its takers.
    each: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Takers without a message.
    idle: Vec<Taker>,
    /// In the order of their numbers.
    out: VecDeque<HandedOut>,
    /// The number of the next message.
    next: u64,
    /// How many messages may be out.
    most: usize,
    /// The end of the stream, behind the messages of the last frame.
    end: Option<StreamState>,
}

struct HandedOut {
    number: u64,
    taker: Taker,
    description: Description,
    bytes: ZBytes,
}

impl HandOut {
    /// For a mirror whose next message is `next`, and which has `each` messages for each taker.
    pub(super) fn new(ring: &Ring, next: u64, waiting: WaitStrategy, each: usize) -> Self {
        let state = State { idle: Vec::new(), out: VecDeque::new(), next, most: 0, end: None };
        HandOut { ring: ring.clone(), waiting, each, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The number of the next message that is handed out.
    pub(super) fn next(&self) -> u64 {
        lock(&self.state).next
    }

    /// Finishes the messages that the mirror reports finished.
    pub(super) fn acknowledge(&self, ack: &Ack) {
        let mut state = lock(&self.state);
        let State { idle, out, most, .. } = &mut *state;
        for one in std::mem::take(out) {
            if one.number < ack.next && !ack.work.unfinished.contains(&one.number) {
                let mut taker = one.taker;
                taker.finish();
                idle.push(taker);
            } else {
                out.push_back(one);
            }
        }
        // The other half of the ring's participants is for others.
        *most = (ack.work.takers as usize).saturating_mul(self.each).min(self.ring.config().participants / 2);
        idle.truncate(*most); // The other takers leave.
        drop(state);
        self.changed.notify_one();
    }

    /// Puts the messages from number `from` on into `frame`: those that are out, and then new ones.
    /// Waits for at most `wait`, and only if there is none.
    pub(super) fn fill(&self, from: u64, frame: &mut Frame, wait: Duration) -> Filled {
        frame.set_empty(from);
        loop {
            let mut state = lock(&self.state);
            let begin = state.out.partition_point(|one| one.number < frame.next());
            for one in state.out.range(begin..) {
                frame.append(one.description, one.bytes.clone());
                if frame.is_full() {
                    return Filled::Messages;
                }
            }
            let any = frame.next() > from;
            if let Some(end) = state.end.take_if(|_| !any) {
                return Filled::End(end);
            }
            drop(state);
            match self.hand_out((!any).then_some(wait)) {
                Ok(()) => {}
                Err(Filled::End(end)) if any => {
                    lock(&self.state).end = Some(end);
                    return Filled::Messages;
                }
                Err(_) if any => return Filled::Messages,
                Err(why) => return why,
            }
        }
    }

    /// Takes a message for the mirror.
    fn hand_out(&self, wait: Option<Duration>) -> Result<(), Filled> {
        let mut taker = self.taker(wait)?;
        let taken = match wait {
            None => taker.try_take().map_err(Next::from),
            Some(wait) => taker.take_timeout(wait).map_err(Next::from),
        };
        let taken = taken.map(|message| {
            let Received { len, tag, timestamp_ns, .. } = message.received();
            let (metadata, redelivered) = (message.metadata(), message.is_redelivered());
            let (meta_len, tag) = (metadata.len(), tag.unwrap_or_default());
            let bytes = ZBytes::from([&*message, metadata].concat());
            message.put_off();
            (Description { len, meta_len, tag, timestamp_ns, redelivered }, bytes)
        });
        let mut state = lock(&self.state);
        match taken {
            Ok((description, bytes)) => {
                let number = state.next;
                state.next += 1;
                state.out.push_back(HandedOut { number, taker, description, bytes });
                Ok(())
            }
            Err(why) => {
                state.idle.push(taker);
                drop(state);
                Err(self.end(why))
            }
        }
    }

    /// A taker without a message, if another message may be out.
    fn taker(&self, wait: Option<Duration>) -> Result<Taker, Filled> {
        let is_full = |state: &mut State| state.out.len() >= state.most;
        let state = lock(&self.state);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, wait.unwrap_or_default(), is_full)
            .unwrap_or_else(PoisonError::into_inner);
        if is_full(&mut state) {
            return Err(Filled::Nothing);
        }
        if let Some(taker) = state.idle.pop() {
            return Ok(taker);
        }
        match self.ring.taker() {
            Ok(mut taker) => {
                taker.set_wait_strategy(self.waiting);
                Ok(taker)
            }
            // It has as many as the ring has room for.
            Err(error) if !state.out.is_empty() => {
                tracing::debug!(%error, "no further taker");
                state.most = state.out.len();
                Err(Filled::Nothing)
            }
            Err(error) => Err(Filled::Failed(error.to_string())),
        }
    }

    /// Why there is no message. Each taker reports a death once: an earlier one is no news.
    fn end(&self, why: Next) -> Filled {
        match (why, self.ring.stats().stream) {
            (Next::Failed(why), _) => Filled::Failed(why),
            (Next::End(end @ StreamState::Died { .. }), Stream::Died) => Filled::End(end),
            (Next::End(_), Stream::Ended | Stream::Died | Stream::Closed) => Filled::End(StreamState::Ended),
            _ => Filled::Nothing,
        }
    }
}
