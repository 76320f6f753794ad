//! Calls: callers ask, the server answers ([`crate::protocol::call`]).

mod server;
pub(crate) mod typed;

pub use server::{Question, Server};

use crate::api::form::{Form, Until, forms};
use crate::api::ring::Ring;
use crate::endpoint::wait::Endpoint;
use crate::memory::format::WRITER_ENTRY;
use crate::memory::{Memory, RacyBytes};
use crate::protocol::attachment::WaitFor;
use crate::protocol::call::{CallCells, Cell, FIRST_CALLER, Reply, Sequence};
use crate::protocol::stream_state::{self, Phase};
use crate::protocol::{diagnostics, events};
use crate::sync::Relaxed;
use crate::types::config::Delivery;
use crate::types::error::{CallError, RegisterError};
use crate::types::participant::Role;
use crate::types::waiting::WaitStrategy;
use std::fmt;
use std::time::Duration;

impl Ring {
    /// Registers the server of a [ring for calls](crate::Config::calls): the one that answers. It
    /// gets the questions that its predecessor did not take.
    ///
    /// # Errors
    /// [`RegisterError::Delivery`] unless the ring is for calls; else as [`Self::writer`].
    pub fn server(&self) -> Result<Server, RegisterError> {
        self.check_calls()?;
        let registration = self.only_writer(Role::Server)?;
        let cells = CallCells::new(registration.attachment().memory.clone());
        if !stream_state::open(&cells.memory) {
            return Err(RegisterError::Closed);
        }
        registration.entry().joined.store(cells.asked(), Relaxed); // Relaxed: for statistics.
        let (next, question) = (cells.first, vec![0; self.config().slot_bytes].into());
        Ok(Server { endpoint: Endpoint::new(registration), cells, next, question, taken: None })
    }

    /// Registers a caller in a [ring for calls](crate::Config::calls).
    ///
    /// # Errors
    /// [`RegisterError::Delivery`] unless the ring is for calls; [`RegisterError::TableFull`];
    /// [`RegisterError::Forked`]; [`RegisterError::Obstructed`].
    pub fn caller(&self) -> Result<Caller, RegisterError> {
        self.check_calls()?;
        let registration = self.registration(Role::Caller, FIRST_CALLER..self.config().participants)?;
        let cells = CallCells::new(registration.attachment().memory.clone());
        registration.entry().joined.store(cells.asked(), Relaxed); // Relaxed: for statistics.
        let cell = Cell::of_entry(&cells.memory, registration.index());
        let sequence = cells.last(&cell);
        Ok(Caller { endpoint: Endpoint::new(registration), cells, cell, sequence, mark: true, asked: false })
    }

    fn check_calls(&self) -> Result<(), RegisterError> {
        match self.config().delivery {
            Delivery::Call => Ok(()),
            delivery => Err(RegisterError::Delivery { delivery }),
        }
    }
}

/// A registered caller. Dropping it leaves the ring; a question that it has asked stays asked.
///
/// ```
/// use seqring::{CallError, Config, Ring};
/// let ring = Ring::heap(&Config::calls(8).of_bytes(16))?; // Between processes: Ring::create.
/// let (mut server, mut caller) = (ring.server()?, ring.caller()?);
/// let serving = std::thread::spawn(move || {
///     loop {
///         match server.take() {
///             Ok(question) => {
///                 let reply = question.to_ascii_uppercase();
///                 question.answer(&reply)?;
///             }
///             Err(CallError::Closed) => return Ok(()),
///             Err(error) => return Err(error),
///         }
///     }
/// });
/// let mut answer = [0; 16];
/// let len = caller.call(b"question", &mut answer)?;
/// assert_eq!(&answer[..len], b"QUESTION");
/// ring.close();
/// serving.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # At most once
/// Each question is taken by one server at most, and has one answer at most. If that server dies
/// with the question, the caller gets [`CallError::ServerDied`]; the server may have acted on it.
/// If the caller then asks again, the same work may be done twice.
pub struct Caller {
    endpoint: Endpoint,
    cells: CallCells,
    cell: Cell,
    /// The last question.
    sequence: Sequence,
    /// The server may still be copying the last question.
    mark: bool,
    /// The answer to the last question was not returned yet.
    asked: bool,
}

impl Caller {
    /// Asks `question`, and waits for the answer, which it copies to the front of `answer`. Returns
    /// its length. Without waiting: [`Self::ask`], then [`Self::try_answer`].
    ///
    /// # Errors
    /// As [`Self::ask`] and [`Self::answer`].
    ///
    /// # Cost
    /// With payloads of up to 24 bytes one cache line goes to the server and back. No
    /// read-modify-write. System calls only if the server sleeps, or this caller.
    #[inline]
    pub fn call(&mut self, question: &[u8], answer: &mut [u8]) -> Result<usize, CallError> {
        self.ask(question)?;
        self.answer(answer)
    }

    /// As [`Self::call`], waiting for at most `timeout`. The question then stays asked: see
    /// [`CallError::TimedOut`].
    ///
    /// # Errors
    /// As there, and [`CallError::TimedOut`].
    pub fn call_timeout(
        &mut self,
        question: &[u8],
        answer: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, CallError> {
        self.ask(question)?;
        self.answer_timeout(answer, timeout)
    }

    /// Asks `question`. Does not wait. A question that has no answer yet is given up: its answer is
    /// dropped, and it is taken or not.
    ///
    /// # Errors
    /// [`CallError::TooLarge`]; [`CallError::Closed`]; [`CallError::Forked`]. The last question
    /// then stays asked.
    #[inline]
    pub fn ask(&mut self, question: &[u8]) -> Result<(), CallError> {
        let attachment = self.endpoint.registration.attachment();
        let memory = &attachment.memory;
        check_length(memory, question)?;
        if stream_state::is_closed(memory.control()) {
            return Err(end(memory).unwrap_or(CallError::Closed));
        }
        self.sequence = self.sequence.wrapping_add(2);
        self.cells.ask(&self.cell, self.sequence, question, self.mark);
        (self.mark, self.asked) = (true, true);
        attachment.notify(WaitFor::Room);
        Ok(())
    }

    forms! {
        /// Waits for the answer to the last question, and copies it to the front of `answer`.
        /// Returns its length.
        ///
        /// # Errors
        /// - [`CallError::ServerDied`], [`CallError::Refused`]: there will be none.
        /// - [`CallError::NoServer`]: the question was not taken, and waits for the next server.
        /// - [`CallError::NotAsked`]; [`CallError::TooSmall`]; [`CallError::Closed`];
        ///   [`CallError::Forked`]; [`CallError::Corrupt`].
        #[inline]
        pub fn answer, try_answer, answer_timeout(&mut self)(answer: &mut [u8])
            -> Result<usize, CallError, CallError::Pending>
            = |form| self.receive(form, |found| match answer.get_mut(..found.len()) {
                Some(front) => {
                    found.copy_to_slice(front);
                    Ok(front.len())
                }
                None => Err(CallError::TooSmall { needed: found.len() }),
            })
    }

    /// Waits for at most `timeout`. Returns true if [`Self::try_answer`] would not return
    /// [`CallError::Pending`].
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let Caller { endpoint, cells, cell, sequence, asked, .. } = self;
        !*asked || ready_within(endpoint, WaitFor::Message, timeout, || is_ready(cells, cell, *sequence))
    }

    /// Sets how this caller waits.
    pub fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.endpoint.waiting = strategy;
    }

    #[cfg(seqring_model)]
    pub(crate) fn entry(&self) -> usize {
        self.endpoint.registration.index()
    }

    fn receive<T>(
        &mut self,
        mut form: impl Form,
        mut copy: impl FnMut(RacyBytes<'_>) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        loop {
            match self.attempt(&mut copy) {
                Err(CallError::Pending) => {}
                other => return other,
            }
            let ready = || is_ready(&self.cells, &self.cell, self.sequence);
            wait(&mut self.endpoint, &mut form, WaitFor::Message, ready)?;
        }
    }

    fn attempt<T>(
        &mut self,
        copy: &mut impl FnMut(RacyBytes<'_>) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        if !self.asked {
            return Err(CallError::NotAsked);
        }
        let mut reply = self.cells.reply(&self.cell, self.sequence)?;
        let mut end = None;
        if let Reply::Awaited = reply {
            // The end first: an answer that is not there then will not come from that server.
            end = self::end(&self.cells.memory);
            reply = self.cells.reply(&self.cell, self.sequence)?;
        }
        let result = match reply {
            Reply::Awaited => return Err(end.unwrap_or(CallError::Pending)),
            Reply::Answer(answer) => Ok(copy(answer)?),
            Reply::Unanswered { pid: 0 } => Err(CallError::Refused),
            Reply::Unanswered { pid } => Err(CallError::ServerDied { pid }),
        };
        (self.mark, self.asked) = (false, false);
        result
    }
}

/// Whether there is an answer, or will be none from the present server.
fn is_ready(cells: &CallCells, cell: &Cell, sequence: Sequence) -> bool {
    cells.is_settled(cell, sequence) || !stream_state::phase(&cells.memory).is_live()
}

fn check_length(memory: &Memory, payload: &[u8]) -> Result<(), CallError> {
    let (len, max) = (payload.len(), memory.layout().config.slot_bytes);
    if len > max { Err(CallError::TooLarge { len, max }) } else { Ok(()) }
}

/// Why no answer comes that is not there now.
fn end(memory: &Memory) -> Option<CallError> {
    match stream_state::phase(memory) {
        Phase::Fresh | Phase::Open => None,
        Phase::Ended => Some(CallError::NoServer { died: None }),
        Phase::Died => Some(CallError::NoServer { died: stream_state::dead_writer(memory) }),
        Phase::Closed => Some(CallError::Closed),
        Phase::Forked => Some(CallError::Forked),
    }
}

/// Waits for `event` until `ready`. The error says that the caller does not wait, or that the
/// timeout passed.
fn wait<F: Form>(
    endpoint: &mut Endpoint,
    form: &mut F,
    event: WaitFor,
    ready: impl FnMut() -> bool,
) -> Result<(), CallError> {
    if !F::WAITS {
        endpoint.recover_dead(event);
        return Err(CallError::Pending);
    }
    if endpoint.wait(event, form.deadline(), ready, |_| ()) {
        return Ok(());
    }
    let attachment = endpoint.registration.attachment();
    let calls = event == WaitFor::Message;
    let server = if calls { diagnostics::peer(&attachment.memory, WRITER_ENTRY, 0) } else { None };
    let awaits_first = calls && stream_state::phase(&attachment.memory) == Phase::Fresh;
    events::call_timed_out(attachment, server);
    Err(CallError::TimedOut { server, awaits_first })
}

/// Waits for at most `timeout` until `ready`.
fn ready_within(
    endpoint: &mut Endpoint,
    event: WaitFor,
    timeout: Duration,
    ready: impl Fn() -> bool,
) -> bool {
    ready() || endpoint.wait(event, Until::within(timeout).deadline(), ready, |_| ())
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({:?})", self.endpoint.registration.attachment())
    }
}
