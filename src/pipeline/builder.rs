//! What a pipeline is made to be.

use super::arrays::Arrays;
use super::channels::{Sizes, Workshop};
use super::delivered::Seen;
use super::error::PipelineError;
use super::failure::OnFailure;
use super::items::Items;
use super::plan::Plan;
use super::producer::Kept;
#[cfg(target_os = "linux")]
use super::program::refuse_lost_worker;
use super::results::Order;
#[cfg(target_os = "linux")]
use super::spawner::Launch;
use super::supervisor::{Keeper, Limits};
use super::threads::Threads;
use super::worker::{Commander, Producer};
#[cfg(target_os = "linux")]
use super::worker_processes::Crew;
use super::workers::Workers;
use crate::api::ring::Ring;
use crate::types::config::Config;
use crate::types::error::RingError;
use crate::types::frame::Frame;
#[cfg(target_os = "linux")]
use crate::types::open_options::OpenOptions;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

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
    build_timeout: Option<Duration>,
    start_timeout: Duration,
    text_bytes: usize,
    metadata_bytes: usize,
    command_bytes: usize,
}

/// Room for the message of a failure in the place of a small item, unless said otherwise.
const TEXT_BYTES: usize = 512;
/// Who failed at which try always finds room.
const MIN_TEXT_BYTES: usize = 64;
/// The longest command, unless said otherwise.
const COMMAND_BYTES: usize = 4096;
/// So much is in flight, unless said otherwise or two a producer are more,
const IN_FLIGHT_BYTES: usize = 1 << 20;
/// and no more than so many.
const MOST_IN_FLIGHT: usize = 64;
/// How long a process may take to join, unless said otherwise: some load large libraries first.
const START_TIMEOUT: Duration = Duration::from_mins(1);

impl Default for Pipeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Pipeline {
    /// One producer, in order, of items without arrays; four items held at a time.
    pub fn new() -> Self {
        Pipeline {
            arrays: Ok(Arrays::default()),
            producers: 1,
            in_flight: None,
            held_items: 4,
            order: Order::Ordered,
            on_failure: OnFailure::Fail,
            produce_timeout: None,
            build_timeout: None,
            start_timeout: START_TIMEOUT,
            text_bytes: TEXT_BYTES,
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

    /// How many commands may be issued whose items were not taken yet. Unless said otherwise, as many as make up a
    /// megabyte, but no more than 64, and at least two a producer: with small items it is more costly to wake
    /// somebody for each than to make it.
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

    /// How long a producer may be at an item before it is given up; and at its `build`, unless that has
    /// [its own](Self::build_timeout). Up to a quarter more: the consumer looks, while it waits for an item. A process is
    /// killed and replaced. A thread cannot be ended: it goes on when it comes back, and what it made is dropped.
    ///
    /// # Cost
    /// With threads, a copy of the command an item.
    #[must_use]
    pub fn produce_timeout(mut self, timeout: Duration) -> Self {
        self.produce_timeout = Some(timeout);
        self
    }

    /// How long `build` of a producer or of the commander may take. If it takes longer, the pipeline ends.
    #[must_use]
    pub fn build_timeout(mut self, timeout: Duration) -> Self {
        self.build_timeout = Some(timeout);
        self
    }

    /// How long a process may take from its start until it joins, before its `build`: a minute unless said otherwise.
    #[must_use]
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// The longest message of a failure; 512 bytes, or the size of an item if that is more, unless said otherwise. Longer
    /// ones are cut. Each buffer has room for it.
    #[must_use]
    pub fn message_bytes(mut self, bytes: usize) -> Self {
        self.text_bytes = bytes.max(MIN_TEXT_BYTES);
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
    /// [`PipelineError::Config`], [`PipelineError::Ring`], [`PipelineError::Join`], [`PipelineError::Spawn`].
    pub fn start<C, P>(
        &self,
        commander: C,
        mut producer: impl FnMut(usize) -> P,
    ) -> Result<Items, PipelineError>
    where
        C: Commander + Send + 'static,
        P: Producer + Send + 'static,
    {
        #[cfg(target_os = "linux")]
        refuse_lost_worker()?;
        let workshop =
            self.workshop(|[commands, results]| Ok([Ring::heap(commands)?, Ring::heap(results)?]))?;
        let kept: Vec<Kept> =
            self.produce_timeout.iter().flat_map(|_| (0..self.producers).map(|_| Kept::default())).collect();
        let mut items = self.items(workshop.clone(), Workers::Threads(Threads::new()), kept.clone())?;
        if let Workers::Threads(threads) = &mut items.workers {
            for index in 0..self.producers {
                let producing = workshop.producing(index, producer(index), kept.get(index).cloned())?;
                threads.spawn(format!("producer {index}"), move || producing.run())?;
            }
            let commanding = workshop.commanding(commander)?;
            threads.spawn("the commander".into(), move || commanding.run())?;
        }
        Ok(items)
    }

    /// Starts the pipeline, its workers being processes that `launch` starts: [`Programs`](super::Programs), or another way.
    ///
    /// # Errors
    /// [`PipelineError::Config`], [`PipelineError::Ring`], [`PipelineError::Join`], [`PipelineError::Spawn`]. What goes wrong in a process that was
    /// started, the items tell.
    #[cfg(target_os = "linux")]
    pub fn start_with(&self, launch: impl Launch + 'static) -> Result<Items, PipelineError> {
        refuse_lost_worker()?;
        let workshop = self.workshop(|configs| OpenOptions::new().anonymous_pair(configs))?;
        let crew = Crew::new(Box::new(launch), &workshop)?;
        let mut items = self.items(workshop, Workers::Processes(crew), Vec::new())?;
        if let Workers::Processes(crew) = &mut items.workers {
            crew.start()?; // If one cannot be started, the items are dropped, and the others end.
        }
        Ok(items)
    }

    fn workshop(
        &self,
        create: impl FnOnce([&Config; 2]) -> Result<[Ring; 2], RingError>,
    ) -> Result<Workshop, PipelineError> {
        let arrays = Arc::new(self.arrays.clone().map_err(PipelineError::Config)?);
        let in_flight = self.in_flight.unwrap_or_else(|| {
            (IN_FLIGHT_BYTES / arrays.bytes().max(1)).min(MOST_IN_FLIGHT).max(2 * self.producers)
        });
        if self.producers == 0 || in_flight == 0 || self.held_items == 0 {
            let what = "it needs a producer, a command in flight and an item to be held";
            return Err(PipelineError::Config(what.into()));
        }
        let (producers, order, on_failure) = (self.producers, self.order, self.on_failure);
        let sizes = Sizes {
            in_flight,
            held_items: self.held_items,
            command_bytes: self.command_bytes,
            metadata_bytes: self.metadata_bytes,
            text_bytes: self.text_bytes,
        };
        Ok(Workshop::create(Plan { arrays, producers, order, on_failure }, sizes, create)?)
    }

    /// The consumer's end.
    fn items(&self, workshop: Workshop, workers: Workers, kept: Vec<Kept>) -> Result<Items, PipelineError> {
        let limits = Limits {
            start: self.start_timeout,
            build: self.build_timeout.or(self.produce_timeout),
            produce: self.produce_timeout,
        };
        let processes = matches!(workers, Workers::Processes(_));
        // On their way, with those in hand.
        let commands = workshop.commands.config().slots() + self.producers;
        Ok(Items {
            keeper: Keeper::new(&workshop, limits, kept, processes)?,
            workshop,
            most_held: self.held_items,
            taker: None,
            takers: 0,
            home: channel(),
            workers,
            ahead: None,
            seen: (self.order == Order::Unordered).then(|| Seen::new(commands)),
            done: 0,
            total: None,
            ended: false,
            said_all_held: false,
        })
    }
}
