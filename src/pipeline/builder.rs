//! What a pipeline is made to be.

use super::arrays::Arrays;
use super::commanding::Commanding;
use super::error::PipelineError;
use super::items::Items;
use super::label::Label;
use super::overdue::Overdue;
use super::producing::{Hand, Producing};
use super::results::{Order, Results};
use super::threads::Threads;
use super::watch::Watch;
use super::worker::{Commander, Producer};
use crate::config::{Config, Delivery};
use crate::frame::Frame;
use crate::ring::Ring;
use crate::sync::AtomicU64;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// What happens when a producer fails, panics or takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The consumer gets the error, and the pipeline ends.
    #[default]
    Fail,
    /// The consumer gets the error in place of the item, and goes on.
    Skip,
    /// The command goes to the end of the queue so many times, for whichever producer is free then; after that as `Fail`.
    Retry(u8),
}

impl OnFailure {
    /// The label with which a command is tried once more, if it is.
    pub(crate) fn again(self, label: Label) -> Option<Label> {
        match self {
            OnFailure::Retry(times) if label.mark < times => Some(Label { mark: label.mark + 1, ..label }),
            _ => None,
        }
    }
}

/// A pipeline to be started: see the [module](super).
#[derive(Clone, Debug)]
pub struct Pipeline {
    arrays: Result<Arrays, String>,
    producers: usize,
    in_flight: Option<usize>,
    held_items: usize,
    order: Order,
    on_failure: OnFailure,
    produce_timeout: Option<Duration>,
    metadata_bytes: usize,
    command_bytes: usize,
}

/// Room for the message of a failure in the place of a small item.
const TEXT_BYTES: usize = 512;
/// The longest command, unless said otherwise.
const COMMAND_BYTES: usize = 4096;

impl Default for Pipeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Pipeline {
    /// One producer, in order, of items without arrays; two buffers in flight a producer; four items held at a time.
    pub fn new() -> Self {
        Pipeline {
            arrays: Ok(Arrays::default()),
            producers: 1,
            in_flight: None,
            held_items: 4,
            order: Order::Ordered,
            on_failure: OnFailure::Fail,
            produce_timeout: None,
            metadata_bytes: 0,
            command_bytes: COMMAND_BYTES,
        }
    }

    /// Each item has this array, behind those given before.
    #[must_use]
    pub fn array(self, frame: Frame) -> Self {
        let bytes = frame.bytes().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
        self.add(Some(frame), bytes)
    }

    /// Each item has an array of so many bytes, behind those given before.
    #[must_use]
    pub fn bytes(self, bytes: usize) -> Self {
        self.add(None, bytes)
    }

    fn add(mut self, frame: Option<Frame>, bytes: usize) -> Self {
        if let Ok(arrays) = &mut self.arrays
            && arrays.add(frame, bytes).is_none()
        {
            self.arrays = Err("an item has more bytes than there are addresses".into());
        }
        self
    }

    /// How many producers work at the same time.
    #[must_use]
    pub fn producers(mut self, producers: usize) -> Self {
        self.producers = producers;
        self
    }

    /// How many commands may be issued whose items were not taken yet.
    #[must_use]
    pub fn in_flight(mut self, commands: usize) -> Self {
        self.in_flight = Some(commands);
        self
    }

    /// How many items the consumer may hold at a time. A buffer each, once it is needed.
    #[must_use]
    pub fn held_items(mut self, items: usize) -> Self {
        self.held_items = items;
        self
    }

    /// In which order items come.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// What happens when a producer fails.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// How long a producer may be at an item, or at its `build`, before it is given up. The consumer looks while it waits
    /// for an item. A thread cannot be ended: it goes on when it comes back, and what it made is dropped.
    ///
    /// # Cost
    /// An allocation and a copy of the command an item.
    #[must_use]
    pub fn produce_timeout(mut self, timeout: Duration) -> Self {
        self.produce_timeout = Some(timeout);
        self
    }

    /// The longest metadata of an item.
    #[must_use]
    pub fn metadata_bytes(mut self, bytes: usize) -> Self {
        self.metadata_bytes = bytes;
        self
    }

    /// The longest command; 4096 bytes unless said otherwise.
    #[must_use]
    pub fn command_bytes(mut self, bytes: usize) -> Self {
        self.command_bytes = bytes;
        self
    }

    /// Starts the pipeline, its workers being threads. `producer` makes the producer of that number, counted from 0.
    ///
    /// # Errors
    /// [`PipelineError::Config`], [`PipelineError::Ring`], [`PipelineError::Spawn`].
    pub fn start<C, P>(
        &self,
        commander: C,
        mut producer: impl FnMut(usize) -> P,
    ) -> Result<Items, PipelineError>
    where
        C: Commander + Send + 'static,
        P: Producer + Send + 'static,
    {
        let (mut items, arrays) = self.items()?;
        let (say, begun) = channel();
        for index in 0..self.producers {
            let watch = items.watches[index].clone();
            let hand = Hand {
                results: self.results(&items.results)?,
                again: items.commands.writer()?,
                arrays: arrays.clone(),
                on_failure: self.on_failure,
                watch,
                begun: self.produce_timeout.map(|_| say.clone()),
                metadata: Vec::new(),
            };
            let commands = items.commands.taker()?;
            let producing = Producing { index, producer: producer(index), commands, hand };
            items.threads.spawn(format!("producer {index}"), move || producing.run())?;
        }
        if let Some(timeout) = self.produce_timeout {
            items.overdue = Some(Overdue {
                timeout,
                begun,
                at_work: Vec::new(),
                watches: items.watches.clone(),
                on_failure: self.on_failure,
                again: items.commands.writer()?,
                results: self.results(&items.results)?,
                deserted: None,
            });
        }
        let (commands, results) = (items.commands.writer()?, self.results(&items.results)?);
        let commanding = Commanding { commander, commands, results, issued: items.issued.clone() };
        items.threads.spawn("the commander".into(), move || commanding.run())?;
        Ok(items)
    }

    fn results(&self, ring: &Ring) -> Result<Results, PipelineError> {
        Ok(Results { writer: ring.writer()?, order: self.order, slot_bytes: ring.config().slot_bytes() })
    }

    /// The consumer's end, with rings and without workers.
    fn items(&self) -> Result<(Items, Arc<Arrays>), PipelineError> {
        let refuse = |what: &str| Err(PipelineError::Config(what.into()));
        let arrays = Arc::new(self.arrays.clone().map_err(PipelineError::Config)?);
        let in_flight = self.in_flight.unwrap_or(2 * self.producers);
        if self.producers == 0 || in_flight == 0 || self.held_items == 0 {
            return refuse("it needs a producer, a command in flight and an item to be held");
        }
        // A writer and a taker a producer, the commander, and whoever gives up a producer.
        let config = |slots, bytes: usize, takers: usize| {
            Config::new(slots, bytes)
                .delivery(Delivery::Queue)
                .participants(self.producers + takers + 2)
                .tag(true)
        };
        let commands = Ring::heap(&config(in_flight, self.command_bytes, self.producers))?;
        let bytes = arrays.bytes().max(TEXT_BYTES);
        let results = config(in_flight, bytes, self.held_items).meta_bytes(self.metadata_bytes);
        let items = Items {
            commands,
            results: Ring::heap(&results)?,
            arrays: arrays.clone(),
            on_failure: self.on_failure,
            most_held: self.held_items,
            taker: None,
            takers: 0,
            home: channel(),
            issued: Arc::new(AtomicU64::new(0)),
            watches: (0..self.producers).map(|_| Watch::new()).collect(),
            overdue: None,
            threads: Threads::new(),
            done: 0,
            total: None,
            ended: false,
            said_all_held: false,
        };
        Ok((items, arrays))
    }
}
