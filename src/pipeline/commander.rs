//! The commander: the user's trait, and the loop that issues its commands.
//!
//! A command is issued only when its result has room. So the number of commands in flight is at
//! most the number of result slots; the commands ring, which has more slots, always has room for a
//! producer that returns a command; and the commander sleeps in one place.

use super::error::{WorkerError, call_user};
use super::results::ResultWriter;
use super::status::{Status, WorkerState};
use super::tag::{ResultKind, Tag};
use crate::api::writer::Writer;
use crate::types::error::WriteError;
use crate::types::message::MessageHeader;

/// Decides what is to be made: issues commands.
pub trait Commander {
    /// Called once, in the commander's own thread, before anything else.
    ///
    /// # Errors
    /// Any error ends the pipeline.
    fn build(&mut self) -> Result<(), WorkerError> {
        Ok(())
    }

    /// Writes the next command to `command`, which is empty on entry. False: there are no more.
    ///
    /// # Errors
    /// Any error ends the pipeline; in order, after the items of all commands before.
    fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, WorkerError>;
}

/// A commander that issues the elements of an iterator.
#[derive(Clone, Debug)]
pub struct Commands<I>(pub I);

impl<I: Iterator<Item: AsRef<[u8]>>> Commander for Commands<I> {
    fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, WorkerError> {
        let next = self.0.next();
        if let Some(next) = &next {
            command.extend_from_slice(next.as_ref());
        }
        Ok(next.is_some())
    }
}

/// The commander at work, in a thread or a process.
pub(crate) struct CommanderLoop<C> {
    pub(crate) commander: C,
    pub(crate) commands: Writer,
    pub(crate) results: ResultWriter,
    pub(crate) status: Status,
    /// Its status line.
    pub(crate) index: usize,
}

impl<C: Commander> CommanderLoop<C> {
    pub(crate) fn run(mut self) {
        let _ = self.issue_all(); // An error means that the consumer closed the rings.
        self.status.line(self.index).set_state(WorkerState::Left);
    }

    fn issue_all(&mut self) -> Result<(), WriteError> {
        let line = self.status.line(self.index);
        line.transition(WorkerState::Absent, WorkerState::Building);
        let mut outcome = call_user(|| self.commander.build());
        line.transition(WorkerState::Building, WorkerState::Idle);
        let mut command = Vec::new();
        for number in 0.. {
            self.results.wait_for_room(number + self.status.repeated())?;
            command.clear();
            let mut more = false;
            let commander = &mut self.commander;
            outcome = outcome.and_then(|()| {
                call_user(|| commander.next(&mut command).map(|is_command| more = is_command))
            });
            if let Err(message) = outcome {
                return self.finish(ResultKind::CommanderFailed, number, &message);
            }
            if !more {
                return self.finish(ResultKind::End, number, "");
            }
            let tag = Tag::first_try(number).word();
            match self.commands.write_with(&command, &MessageHeader { tag, metadata: &[] }) {
                Err(WriteError::TooLarge { len, max }) => {
                    let message = format!("a command of {len} bytes, and {max} fit: see `command_bytes`");
                    return self.finish(ResultKind::CommanderFailed, number, &message);
                }
                other => drop(other?),
            }
            self.status.set_issued(number + 1);
        }
        Ok(())
    }

    /// Publishes the last result, in place of item `number`.
    fn finish(&mut self, kind: ResultKind, number: u64, text: &str) -> Result<(), WriteError> {
        self.results.put(kind.tag(number), text.as_bytes()).map(drop)
    }
}
