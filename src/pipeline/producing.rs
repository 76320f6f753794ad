//! A producer's thread: takes a command, fills the arrays of its result in place, publishes it.

use super::OnFailure;
use super::arrays::Arrays;
use super::error::said;
use super::label::{Label, Mark};
use super::results::Results;
use super::watch::{Begun, Watch};
use super::worker::{Filling, Producer};
use crate::error::WriteError;
use crate::extras::Extras;
use crate::sync::Relaxed;
use crate::taker::Taker;
use crate::writer::Writer;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

pub(crate) struct Producing<P> {
    pub(crate) index: usize,
    pub(crate) producer: P,
    pub(crate) commands: Taker,
    pub(crate) hand: Hand,
}

/// A producer without its producer and its commands.
pub(crate) struct Hand {
    pub(crate) results: Results,
    /// For commands that another is to try.
    pub(crate) again: Writer,
    pub(crate) arrays: Arc<Arrays>,
    pub(crate) on_failure: OnFailure,
    pub(crate) watch: Arc<Watch>,
    /// There if there is a time-out.
    pub(crate) begun: Option<Sender<Begun>>,
    pub(crate) metadata: Vec<u8>,
}

impl<P: Producer> Producing<P> {
    pub(crate) fn run(mut self) {
        let producer = &mut self.producer;
        self.hand.say_begun(self.index, None, &[]);
        let built = said(catch_unwind(AssertUnwindSafe(|| producer.build())));
        self.hand.watch.end(None);
        while let Ok(command) = self.commands.take() {
            let label = Label::from_word(command.received().tag);
            let (index, producer) = (self.index, &mut self.producer);
            // Closed: the consumer has stopped, and nobody is left to tell.
            let told = match &built {
                Ok(()) => self.hand.make(index, producer, label, &command),
                Err(message) => self.hand.tell(index, Mark::Unbuilt, label, message),
            };
            if told.is_err() {
                return;
            }
        }
    }
}

impl Hand {
    fn make(
        &mut self,
        index: usize,
        producer: &mut impl Producer,
        label: Label,
        command: &[u8],
    ) -> Result<(), WriteError> {
        let began = Instant::now();
        self.watch.begin(label); // First: the consumer forgets what is said of a label that the word does not show.
        self.say_begun(index, Some(label), command);
        let Hand { results, arrays, metadata, watch, .. } = self;
        let Some(mut room) = results.claim(label.number, arrays.bytes())? else {
            return Ok(());
        };
        metadata.clear();
        let (number, tries) = (label.number, u32::from(label.mark) + 1);
        let mut filling = Filling { number, tries, arrays, bytes: room.bytes(), metadata };
        let made = said(catch_unwind(AssertUnwindSafe(|| producer.produce(command, &mut filling))));
        // Relaxed, here and below: counts, which order nothing.
        watch.busy_ns.fetch_add(began.elapsed().as_nanos() as u64, Relaxed);
        if !watch.end(Some(label)) {
            return Ok(()); // Given up: what is to become of the command was decided.
        }
        let extras = Extras { tag: Mark::Item.label(number).word(), metadata };
        let published = made.and_then(|()| room.publish(&extras).map_err(|error| error.to_string()));
        match published {
            Ok(_) => {
                watch.made.fetch_add(1, Relaxed);
                Ok(())
            }
            Err(message) => self.fail(index, label, command, &message),
        }
    }

    fn fail(&mut self, index: usize, label: Label, command: &[u8], message: &str) -> Result<(), WriteError> {
        self.watch.failed.fetch_add(1, Relaxed);
        match self.on_failure.again(label) {
            Some(label) => {
                let extras = Extras { tag: label.word(), metadata: &[] };
                self.again.write_with(command, &extras).map(drop)
            }
            None => self.tell(index, Mark::Failed, label, message),
        }
    }

    /// Publishes that the item of a command will not come.
    fn tell(&mut self, index: usize, mark: Mark, label: Label, message: &str) -> Result<(), WriteError> {
        let text = told(index, label, message);
        self.results.put(mark.label(label.number), label.number, &text)
    }

    fn say_begun(&mut self, producer: usize, label: Option<Label>, command: &[u8]) {
        if let Some(begun) = &self.begun {
            // Nobody listens: the pipeline has stopped.
            let _ = begun.send(Begun { producer, label, command: command.to_vec(), at: Instant::now() });
        }
    }
}

/// What a mark says: who, at which try, what.
pub(crate) fn told(index: usize, label: Label, message: &str) -> Vec<u8> {
    let mut text = (index as u32).to_le_bytes().to_vec();
    text.push(label.mark);
    text.extend_from_slice(message.as_bytes());
    text
}
