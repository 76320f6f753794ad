//! The configuration of a pipeline, and its start.

use super::channels::{Channels, Sizes};
use super::commander::Commander;
use super::error::PipelineError;
use super::item::Arrays;
use super::items::Items;
use super::plan::{ItemOrder, OnFailure, Plan};
use super::producer::{CommandCopy, Producer};
#[cfg(target_os = "linux")]
use super::programs::refuse_lost_worker;
use super::supervisor::{Supervisor, TimeLimits};
#[cfg(target_os = "linux")]
use super::worker_processes::{Spawner, WorkerProcesses};
use super::workers::{Threads, Workers};
use crate::api::ring::Ring;
use crate::types::config::Config;
use crate::types::error::RingError;
use crate::types::frame::Frame;
#[cfg(target_os = "linux")]
use crate::types::open_options::OpenOptions;
use std::sync::Arc;
use std::time::Duration;

/// The configuration of a pipeline: see the [module](super).
#[must_use]
#[derive(Clone, Debug)]
pub struct Pipeline {
    arrays: Result<Arrays, String>,
    producers: usize,
    in_flight: Option<usize>,
    order: ItemOrder,
    on_failure: OnFailure,
    sizes: Sizes,
    limits: TimeLimits,
}

/// Default space for the message of a failure, which lies in the place of an item.
const TEXT_BYTES: usize = 512;
/// The smallest such space: it always holds the producer and the try.
const MIN_TEXT_BYTES: usize = 64;
/// Default length of the longest command.
const COMMAND_BYTES: usize = 4096;
/// By default, this many bytes of items are in flight, but at least two items a producer,
const IN_FLIGHT_BYTES: usize = 1 << 20;
/// and, where two a producer are not more, at most this many items.
const MAX_DEFAULT_IN_FLIGHT: usize = 64;
/// Default time for a process to join: some processes load large libraries first.
const START_TIMEOUT: Duration = Duration::from_secs(60);

impl Default for Pipeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Pipeline {
    /// One producer, items in order and without arrays, four items held at a time.
    pub fn new() -> Self {
        Pipeline {
            arrays: Ok(Arrays::default()),
            producers: 1,
            in_flight: None,
            order: ItemOrder::Ordered,
            on_failure: OnFailure::Fail,
            sizes: Sizes {
                held_items: 4,
                command_bytes: COMMAND_BYTES,
                metadata_bytes: 0,
                text_bytes: TEXT_BYTES,
            },
            limits: TimeLimits { start: START_TIMEOUT, build: None, produce: None },
        }
    }

    /// Appends an array to each item.
    pub fn array(self, frame: Frame) -> Self {
        let bytes = frame.bytes().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
        self.add(Some(frame), bytes)
    }

    /// Appends an array of `bytes` bytes to each item.
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

    /// The number of producers.
    pub fn producers(mut self, producers: usize) -> Self {
        self.producers = producers;
        self
    }

    /// The maximum number of commands issued whose items were not yet taken. The default is as many
    /// as make up a megabyte of items, at most 64, and at least two a producer: for small items, a
    /// wake-up for each item would cost more than making it.
    pub fn in_flight(mut self, commands: usize) -> Self {
        self.in_flight = Some(commands);
        self
    }

    /// The maximum number of items that the consumer holds at a time. Each needs a buffer, which is
    /// allocated on first use.
    pub fn held_items(mut self, items: usize) -> Self {
        self.sizes.held_items = items;
        self
    }

    /// The order of the items.
    pub fn order(mut self, order: ItemOrder) -> Self {
        self.order = order;
        self
    }

    /// What happens when a producer fails.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// The time limit of a producer for an item, and for its `build` unless
    /// [`build_timeout`](Self::build_timeout) is set. It is found exceeded up to a quarter late,
    /// and only while the consumer waits for an item. A process is killed and replaced. A thread
    /// cannot be ended: it continues when it returns from the user's code, and its late item is
    /// dropped.
    ///
    /// # Cost
    /// With threads, a copy of the command for each item.
    pub fn produce_timeout(mut self, timeout: Duration) -> Self {
        self.limits.produce = Some(timeout);
        self
    }

    /// The time limit for `build` of a producer or of the commander. If it is exceeded, the
    /// pipeline ends.
    pub fn build_timeout(mut self, timeout: Duration) -> Self {
        self.limits.build = Some(timeout);
        self
    }

    /// The time limit of a process from its start until it joins, before its `build`. The default
    /// is a minute.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.limits.start = timeout;
        self
    }

    /// The length of the longest message of a failure. Longer ones are cut. The default is the
    /// larger of 512 bytes and an item's size. Each buffer has room for it.
    pub fn message_bytes(mut self, bytes: usize) -> Self {
        self.sizes.text_bytes = bytes.max(MIN_TEXT_BYTES);
        self
    }

    /// The length of an item's longest metadata. The default is 0.
    pub fn metadata_bytes(mut self, bytes: usize) -> Self {
        self.sizes.metadata_bytes = bytes;
        self
    }

    /// The length of the longest command. The default is 4096 bytes.
    pub fn command_bytes(mut self, bytes: usize) -> Self {
        self.sizes.command_bytes = bytes;
        self
    }

    /// Starts the pipeline with threads as workers. `producer` makes the producer of an index,
    /// counted from 0.
    ///
    /// # Errors
    /// [`PipelineError::Config`], [`PipelineError::Ring`], [`PipelineError::Register`],
    /// [`PipelineError::Spawn`].
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
        let channels =
            self.channels(|[commands, results]| Ok([Ring::heap(commands)?, Ring::heap(results)?]))?;
        let copies = self.limits.produce.map_or(0, |_| self.producers);
        let copies: Vec<CommandCopy> = (0..copies).map(|_| CommandCopy::default()).collect();
        let mut items = self.items(channels.clone(), Workers::Threads(Threads::new()), copies.clone())?;
        if let Workers::Threads(threads) = &mut items.workers {
            for index in 0..self.producers {
                let worker = channels.producer_loop(index, producer(index), copies.get(index).cloned())?;
                threads.spawn(format!("producer {index}"), move || worker.run())?;
            }
            let worker = channels.commander_loop(commander)?;
            threads.spawn("the commander".into(), move || worker.run())?;
        }
        Ok(items)
    }

    /// Starts the pipeline with processes as workers, which `spawner` starts:
    /// [`Programs`](super::Programs), or another one.
    ///
    /// # Errors
    /// [`PipelineError::Config`], [`PipelineError::Ring`], [`PipelineError::Register`],
    /// [`PipelineError::Spawn`]. Errors of a process that was started come from the items.
    #[cfg(target_os = "linux")]
    pub fn start_with(&self, spawner: impl Spawner + 'static) -> Result<Items, PipelineError> {
        refuse_lost_worker()?;
        let channels = self.channels(|configs| OpenOptions::new().anonymous_pair(configs))?;
        let processes = WorkerProcesses::new(Box::new(spawner), &channels)?;
        let mut items = self.items(channels, Workers::Processes(processes), Vec::new())?;
        if let Workers::Processes(processes) = &mut items.workers {
            processes.start_all()?; // After an error the items are dropped, which ends the others.
        }
        Ok(items)
    }

    fn channels(
        &self,
        create: impl FnOnce([&Config; 2]) -> Result<[Ring; 2], RingError>,
    ) -> Result<Channels, PipelineError> {
        let arrays = Arc::new(self.arrays.clone().map_err(PipelineError::Config)?);
        let in_flight = self.in_flight.unwrap_or_else(|| {
            (IN_FLIGHT_BYTES / arrays.bytes().max(1)).min(MAX_DEFAULT_IN_FLIGHT).max(2 * self.producers)
        });
        if self.producers == 0 || in_flight == 0 || self.sizes.held_items == 0 {
            let what = "it needs a producer, a command in flight and an item to be held";
            return Err(PipelineError::Config(what.into()));
        }
        let (producers, order, on_failure) = (self.producers, self.order, self.on_failure);
        let plan = Plan { arrays, producers, order, on_failure };
        Ok(Channels::create(plan, in_flight, self.sizes, create)?)
    }

    fn items(
        &self,
        channels: Channels,
        workers: Workers,
        copies: Vec<CommandCopy>,
    ) -> Result<Items, PipelineError> {
        let build = self.limits.build.or(self.limits.produce);
        let limits = TimeLimits { build, ..self.limits };
        let processes = matches!(workers, Workers::Processes(_));
        let supervisor = Supervisor::new(&channels, limits, copies, processes)?;
        Ok(Items::new(channels, supervisor, workers, self.sizes.held_items))
    }
}
