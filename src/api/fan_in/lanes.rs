//! The rings of a set as one stream: what readers and takers have in common.
//!
//! # The end of the whole
//! The whole has ended if at one instant each ring had ended or was never joined, and at least one
//! had ended.
//!
//! | step | a reader that finds nothing                                                       |
//! |------|-----------------------------------------------------------------------------------|
//! | a    | of each ring that has ended and is read to its end: keep the word of its state     |
//! | b    | once more in each ring: the word is that of a, or no writer has ever joined        |
//!
//! A state word counts its changes. So a ring whose word in b is that of a was ended from a to b,
//! and a ring that is fresh in b was fresh before. Between a and b no ring had a writer. If a
//! writer joins one ring before another writer leaves another ring, b sees the first ring open: the
//! acquire load in a, which saw the end, came after the join.

use crate::api::form::Form;
use crate::api::reader::Reader;
use crate::api::taker::Taker;
use crate::api::wait_set::{Place, Source, WaitSet, Waits};
use crate::memory::Memory;
use crate::protocol::diagnostics;
use crate::protocol::stream_state::{self, StateWord};
use crate::types::error::{ReadError, TryReadError};
use crate::types::participant::{Peer, Role};
use crate::types::waiting::WaitStrategy;

/// One endpoint for each ring.
pub(super) struct Lanes<E> {
    set: WaitSet<Lane<E>>,
    /// The ring of the last message or error, which is looked at first.
    at: usize,
    /// How many messages it may still return in a row.
    turn: usize,
}

/// An endpoint in one ring.
struct Lane<E> {
    endpoint: E,
    /// The state in which everything was read and the stream had ended.
    ended: Option<StateWord>,
    /// Searches that left it out.
    skipped: u32,
}

/// Messages of one ring in a row, while others may have some, too.
const TURN: usize = 64;
/// An ended ring is looked at once in so many searches: a dead taker may have left a message.
const SKIPS: u32 = 1024;

/// What may be one in each ring.
pub(super) trait LaneEnd: Waits {
    /// Whether it is known that a dead taker left a message.
    fn is_heir(&self) -> bool;
}

impl LaneEnd for Reader {
    fn is_heir(&self) -> bool {
        false
    }
}

impl LaneEnd for Taker {
    fn is_heir(&self) -> bool {
        self.is_heir()
    }
}

impl<E: LaneEnd> Lanes<E> {
    pub(super) fn of(endpoints: Vec<E>) -> Self {
        let mut set = WaitSet::new();
        for endpoint in endpoints {
            set.add(Lane { endpoint, ended: None, skipped: 0 });
        }
        Lanes { set, at: 0, turn: TURN }
    }

    /// The ring of the last message or error.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn endpoint(&self, ring: usize) -> &E {
        &self.set.source(ring).endpoint
    }

    pub(super) fn endpoint_mut(&mut self, ring: usize) -> &mut E {
        &mut self.set.source_mut(ring).endpoint
    }

    pub(super) fn endpoints(&self) -> impl Iterator<Item = &E> {
        (0..self.set.len()).map(|ring| self.endpoint(ring))
    }

    pub(super) fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.set.set_wait_strategy(strategy);
    }

    /// Calls `attempt`, which does not wait, for one ring after the other, in the given form, until
    /// it returns a message or an error. Of what it read, `turns` is how much of the ring's turn is
    /// used up.
    #[inline(always)]
    pub(super) fn call<F: Form, T>(
        &mut self,
        mut form: F,
        turns: impl Fn(&T) -> usize,
        mut attempt: impl FnMut(&mut E) -> Result<T, TryReadError>,
    ) -> Result<T, F::ReadError> {
        loop {
            match self.attempt(&turns, &mut attempt) {
                Ok(read) => return Ok(read),
                Err(TryReadError::Empty) if F::WAITS && self.wait(&mut form) => {}
                Err(error) => return Err(F::read_error(error, || self.timed_out())),
            }
        }
    }

    #[inline(always)]
    fn attempt<T>(
        &mut self,
        turns: &impl Fn(&T) -> usize,
        attempt: &mut impl FnMut(&mut E) -> Result<T, TryReadError>,
    ) -> Result<T, TryReadError> {
        if self.turn > 0 {
            match attempt(self.endpoint_mut(self.at)) {
                Ok(read) => {
                    self.turn = self.turn.saturating_sub(turns(&read));
                    return Ok(read);
                }
                Err(TryReadError::Empty | TryReadError::Closed) => {}
                Err(error) => {
                    self.turn -= 1;
                    return Err(error);
                }
            }
        }
        let read = self.search(attempt)?;
        self.turn = TURN.saturating_sub(turns(&read));
        Ok(read)
    }

    /// Looks at all rings from the next one on.
    #[inline(never)]
    fn search<T>(
        &mut self,
        attempt: &mut impl FnMut(&mut E) -> Result<T, TryReadError>,
    ) -> Result<T, TryReadError> {
        for skips in [SKIPS, 0] {
            for _ in 0..self.set.len() {
                self.at = if self.at + 1 < self.set.len() { self.at + 1 } else { 0 };
                let lane = self.set.source_mut(self.at);
                if lane.is_skipped(skips) {
                    continue;
                }
                match lane.look(attempt) {
                    Err(TryReadError::Empty | TryReadError::Closed) => {}
                    other => {
                        self.turn = TURN - 1;
                        return other;
                    }
                }
            }
            // Before the end is reported, each ring is looked at once more.
            if !self.has_ended() {
                return Err(TryReadError::Empty);
            }
        }
        Err(TryReadError::Closed)
    }

    /// Step b. The rings that have ended were looked at before.
    fn has_ended(&self) -> bool {
        let lanes = || (0..self.set.len()).map(|ring| self.set.source(ring));
        lanes().any(Lane::has_ended)
            && lanes().all(|lane| lane.has_ended() || stream_state::word(lane.memory()).is_fresh())
    }

    /// Waits until an attempt may find something. Returns false if the deadline passed.
    #[inline(never)]
    fn wait<F: Form>(&mut self, form: &mut F) -> bool {
        // A set of so few rings, without descriptors, needs nothing that the system may refuse.
        self.set.sleep(form.deadline()).unwrap_or(true)
    }

    #[cold]
    fn timed_out(&self) -> ReadError {
        let peers = self.endpoints().flat_map(|end| diagnostics::participants(memory(end)));
        let writers = peers.filter(|peer| peer.role == Role::Writer).map(|peer| peer.pid).collect();
        ReadError::TimedOut { writers }
    }
}

impl<E: LaneEnd> Lane<E> {
    fn memory(&self) -> &Memory {
        memory(&self.endpoint)
    }

    /// Whether everything was read, the stream had ended, and its state has not changed since.
    fn has_ended(&self) -> bool {
        self.ended.is_some_and(|ended| ended == stream_state::word(self.memory()))
    }

    /// Whether a search leaves it out, of which each ended ring is left out so often in a row.
    fn is_skipped(&mut self, skips: u32) -> bool {
        let skipped = self.skipped < skips && self.has_ended() && !self.endpoint.is_heir();
        self.skipped = if skipped { self.skipped + 1 } else { 0 };
        skipped
    }

    fn look<T>(
        &mut self,
        attempt: &mut impl FnMut(&mut E) -> Result<T, TryReadError>,
    ) -> Result<T, TryReadError> {
        self.ended = None;
        match attempt(&mut self.endpoint) {
            // Step a. If the state changes between the two attempts, the word that is kept differs
            // from the present one, so this ring is looked at again.
            Err(TryReadError::Closed) => {
                let word = stream_state::word(self.memory());
                let again = attempt(&mut self.endpoint);
                self.ended = matches!(again, Err(TryReadError::Closed)).then_some(word);
                again
            }
            other => other,
        }
    }
}

fn memory<E: Waits>(endpoint: &E) -> &Memory {
    match endpoint.place() {
        Place::Ring(endpoint, _) => &endpoint.registration.attachment().memory,
        _ => unreachable!("readers and takers are in a ring"),
    }
}

impl<E: LaneEnd> Source for Lane<E> {}

impl<E: LaneEnd> Waits for Lane<E> {
    fn is_ready(&mut self) -> bool {
        self.endpoint.is_heir() || (!self.has_ended() && self.endpoint.is_ready())
    }

    fn check_peers(&mut self) {
        self.endpoint.check_peers();
    }

    fn place(&self) -> Place<'_> {
        self.endpoint.place()
    }

    fn awaited(&self, peers: &mut Vec<Peer>) {
        self.endpoint.awaited(peers);
    }
}
