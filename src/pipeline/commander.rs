//! The commander's work, in a thread or a process: a command goes out when there is room for its result.
//!
//! So there are never more commands on their way than results have slots, the queue of commands, which has as many,
//! is never full for a producer that hands one back, and the commander sleeps where a writer sleeps.

use super::error::said;
use super::results::Results;
use super::status::{At, Board};
use super::tag::{Label, Mark};
use super::worker::Commander;
use crate::api::writer::Writer;
use crate::types::error::WriteError;
use crate::types::message::MessageHeader;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) struct Commanding<C> {
    pub(crate) commander: C,
    pub(crate) commands: Writer,
    pub(crate) results: Results,
    pub(crate) board: Board,
    /// Its line of the board.
    pub(crate) index: usize,
}

impl<C: Commander> Commanding<C> {
    pub(crate) fn run(mut self) {
        // Closed: the consumer has stopped, and nobody is left to tell.
        let _ = self.command_all();
        self.board.line(self.index).set(At::Left);
    }

    fn command_all(&mut self) -> Result<(), WriteError> {
        self.board.line(self.index).turn(At::Absent, At::Building);
        let commander = &mut self.commander;
        let mut outcome = said(catch_unwind(AssertUnwindSafe(|| commander.build())));
        self.board.line(self.index).turn(At::Building, At::Idle);
        let mut command = Vec::new();
        for number in 0.. {
            self.results.wait_for_room(number + self.board.repeated())?;
            command.clear();
            let mut more = false;
            let commander = &mut self.commander;
            outcome = outcome.and_then(|()| {
                let next = || commander.next(&mut command).map(|is_one| more = is_one);
                said(catch_unwind(AssertUnwindSafe(next)))
            });
            if let Err(message) = outcome {
                return self.tell(Mark::Commander, number, message.as_bytes());
            }
            if !more {
                return self.tell(Mark::End, number, &[]);
            }
            let tag = Label { mark: 0, number }.word();
            match self.commands.write_with(&command, &MessageHeader { tag, metadata: &[] }) {
                Err(WriteError::TooLarge { len, max }) => {
                    let message = format!("a command of {len} bytes, and {max} fit: see `command_bytes`");
                    return self.tell(Mark::Commander, number, message.as_bytes());
                }
                other => drop(other?),
            }
            self.board.set_issued(number + 1);
        }
        Ok(())
    }

    /// Publishes what ends the commands, in the place of the next item.
    fn tell(&mut self, mark: Mark, number: u64, text: &[u8]) -> Result<(), WriteError> {
        self.results.put(mark.label(number), number, text).map(drop)
    }
}
